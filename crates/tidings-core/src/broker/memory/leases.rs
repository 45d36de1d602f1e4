//! When to look after members that no stream holds: every one of them has one entry here, in the order
//! of time, so that finding those whose time is over costs nothing for all the others.

use std::collections::BTreeMap;

use tidings_log::Millis;

use crate::channel::ChannelName;
use crate::message::ClientId;

/// An entry: the time, and a number that tells it from others of that time.
pub(super) type Alarm = (Millis, u64);

/// A member whose time may be over.
pub(super) struct Due {
    pub alarm: Alarm,
    pub channel: ChannelName,
    pub client: ClientId,
}

#[derive(Default)]
pub(super) struct Leases {
    alarms: BTreeMap<Alarm, (ChannelName, ClientId)>,
    /// Entries so far.
    made: u64,
}

impl Leases {
    pub fn set(&mut self, at: Millis, channel: ChannelName, client: ClientId) -> Alarm {
        self.made += 1;
        let alarm = (at, self.made);
        self.alarms.insert(alarm, (channel, client));
        alarm
    }

    pub fn cancel(&mut self, alarm: Alarm) {
        self.alarms.remove(&alarm);
    }

    /// Takes those of `now` and before.
    pub fn due(&mut self, now: Millis) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(first) = self.alarms.first_entry()
            && first.key().0 <= now
        {
            let (alarm, (channel, client)) = first.remove_entry();
            due.push(Due {
                alarm,
                channel,
                client,
            });
        }
        due
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.alarms.len()
    }
}

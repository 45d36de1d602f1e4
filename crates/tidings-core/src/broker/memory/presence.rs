//! Presence in this process: the members of a channel stand beside the log on which they are told.
//!
//! Lock order: room, then log or leases. Nobody who has one of these asks for a shard.

use std::collections::btree_map::Entry;
use std::sync::{Arc, MutexGuard};

use tidings_log::{Millis, Position};

use super::leases::Due;
use super::room::{Held, Room};
use super::{Channel, MemoryBroker, Slot, lock};
use crate::Now;
use crate::broker::{Arrival, BrokerError, Joined, Member, Presence, Release};
use crate::channel::ChannelName;
use crate::message::{ClientId, Draft, EventName, Message, Payload, PayloadKind};

/// Leaves that are told in one step: more would let a log grow far over its bounds in between.
const STEP: usize = 256;

impl MemoryBroker {
    pub(super) fn join_now(&self, arrival: Arrival<'_>, now: Now) -> Result<Joined, BrokerError> {
        let Arrival {
            channel: name,
            rules,
            member,
            hold,
        } = arrival;
        let channel = self.channel(name, rules, now)?;
        let mut room = channel.enter();
        let members = room.len();
        let (held, new, told) = match room.entry(member.client) {
            Entry::Vacant(place) => {
                self.admit(members)?;
                self.attendance.came(&member);
                (place.insert(Held::new(member)), true, true)
            }
            Entry::Occupied(place) => {
                let held = place.into_mut();
                let told = *held.member != member;
                if told {
                    self.attendance.changed(&held.member, &member);
                    held.member = Arc::new(member);
                }
                (held, false, told)
            }
        };
        held.hold(hold);
        self.attendance.watch(name, held);
        let member = &held.member;
        let tell = || channel.tell(name, "join", std::slice::from_ref(member), now);
        let position = told.then(tell).flatten();
        Ok(Joined { new, position })
    }

    /// Whether there is room for one more. Its members are few beside what logs hold, but come
    /// without having published, so both count together.
    fn admit(&self, members: usize) -> Result<(), BrokerError> {
        if members >= self.attendance.members_max {
            return Err(BrokerError::TooManyMembers);
        }
        let held = self.attendance.bytes() + self.meter.bytes();
        match held >= self.history_max {
            true => Err(BrokerError::TooMuchHistory),
            false => Ok(()),
        }
    }

    pub(super) fn release_now(
        &self,
        name: &ChannelName,
        client: ClientId,
        release: Release,
        now: Now,
    ) -> bool {
        let Some(channel) = self.live(name) else {
            return false;
        };
        let Some(mut room) = channel.visit() else {
            return false;
        };
        let Entry::Occupied(mut place) = room.entry(client) else {
            return false;
        };
        let held = place.get_mut();
        held.release(release, now.monotonic);
        if !held.is_over(now.monotonic) {
            self.attendance.watch(name, held);
            return false;
        }
        let held = place.remove();
        self.attendance.went(&held);
        channel.tell(name, "leave", &[held.member], now);
        true
    }

    pub(super) fn expire_now(&self, now: Now) -> usize {
        let mut due = self.attendance.due(now.monotonic);
        // Those of one channel in one step: its readers wake up once for many.
        due.sort_by(|a, b| a.channel.cmp(&b.channel));
        due.chunk_by(|a, b| a.channel == b.channel)
            .flat_map(|of_one| of_one.chunks(STEP))
            .map(|due| self.expire_in(due, now))
            .sum()
    }

    fn expire_in(&self, due: &[Due], now: Now) -> usize {
        let name = &due[0].channel;
        let Some(channel) = self.live(name) else {
            return 0;
        };
        let Some(mut room) = channel.visit() else {
            return 0;
        };
        let gone: Vec<_> = due
            .iter()
            .filter_map(|due| self.expire_one(&mut room, due, now.monotonic))
            .collect();
        channel.tell(name, "leave", &gone, now);
        gone.len()
    }

    fn expire_one(&self, room: &mut Room, due: &Due, now: Millis) -> Option<Arc<Member>> {
        let Entry::Occupied(mut place) = room.entry(due.client) else {
            return None;
        };
        let held = place.get_mut();
        if held.alarm != Some(due.alarm) {
            // It left meanwhile and came back.
            return None;
        }
        held.alarm = None;
        if !held.is_over(now) {
            self.attendance.watch(&due.channel, held);
            return None;
        }
        let held = place.remove();
        self.attendance.went(&held);
        Some(held.member)
    }

    pub(super) fn presence_now(&self, name: &ChannelName, limit: usize) -> Presence {
        let shard = self.shard(name);
        let position = match shard.get(name) {
            Some(Slot::Live(channel)) => {
                let channel = channel.clone();
                drop(shard);
                return channel.presence(limit.min(self.attendance.snapshot_max));
            }
            Some(Slot::Remembered { head, .. }) => *head,
            None => Position {
                epoch: self.names.unwritten(name),
                offset: 0,
            },
        };
        Presence {
            members: Vec::new(),
            count: 0,
            position,
        }
    }

    pub(super) fn live(&self, name: &ChannelName) -> Option<Arc<Channel>> {
        match self.shard(name).get(name)? {
            Slot::Live(channel) => Some(channel.clone()),
            Slot::Remembered { .. } => None,
        }
    }
}

impl Channel {
    /// How many are there.
    pub(super) fn members(&self) -> usize {
        self.visit().map_or(0, |room| room.len())
    }

    /// Its members, if there ever were any.
    fn visit(&self) -> Option<MutexGuard<'_, Room>> {
        self.room.get().map(|room| lock(room))
    }

    fn enter(&self) -> MutexGuard<'_, Room> {
        lock(self.room.get_or_init(Box::default))
    }

    fn presence(&self, limit: usize) -> Presence {
        let room = self.visit();
        // With the room locked nobody is told to come or go. Emptying the log changes no member, so
        // whatever epoch is seen, the members are those of its head.
        let position = self.log.snapshot().head;
        let Some(room) = room else {
            return Presence {
                members: Vec::new(),
                count: 0,
                position,
            };
        };
        Presence {
            members: room
                .values()
                .take(limit)
                .map(|held| held.member.clone())
                .collect(),
            count: room.len(),
            position,
        }
    }

    /// Tells that these came or went. Whoever calls has the room locked, so that members and log
    /// change in one step.
    fn tell(
        &self,
        name: &ChannelName,
        event: &str,
        members: &[Arc<Member>],
        now: Now,
    ) -> Option<Position> {
        if members.is_empty() {
            return None;
        }
        self.traffic.count(members.len() as u64, now.monotonic);
        self.log.write(now.monotonic, |log| {
            // Nobody but the server could end it, and then nobody reads it.
            if log.ended() {
                return None;
            }
            let mut last = None;
            for member in members {
                let draft = draft(name, event, member);
                let size = draft.size();
                last = Some(log.append(size, None, |at| Message::new(draft, Some(at), now.unix)));
            }
            last
        })
    }
}

fn draft(channel: &ChannelName, event: &str, member: &Member) -> Draft {
    let payload = Payload {
        kind: PayloadKind::Json,
        bytes: member.shown.clone(),
        written: member.shown.len(),
    };
    let event = EventName::parse(event, event.len()).expect("`join` and `leave` are valid names");
    Draft {
        event: Some(event),
        ..Draft::new(channel.clone(), payload)
    }
}

#[cfg(test)]
mod tests;

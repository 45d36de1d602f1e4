//! What only a log holds that spares its readers: which entry is the newest about what, and when
//! readers were last woken. Absent in a log that does neither.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};

use crate::Millis;
use crate::terms::{Behind, LagRule};

#[derive(Default)]
pub(crate) struct Easing {
    pub topics: Topics,
    pub ticks: Ticks,
}

impl Easing {
    pub fn is_wanted(lag: LagRule) -> bool {
        lag.behind == Behind::Conflate || lag.every > 0
    }
}

/// What the retained entries of a log are about; no more topics than entries.
#[derive(Default)]
pub(crate) struct Topics {
    /// By topic, the offset of the newest entry. A topic is a keyed hash: nobody outside can choose
    /// where it falls.
    newest: HashMap<u64, u64, BuildHasherDefault<DefaultHasher>>,
    /// Offset and topic of the entries that have one, in order.
    known: VecDeque<(u64, u64)>,
}

impl Topics {
    /// Notes that the entry `offset` is about `topic`; gives the offset of the one before it.
    pub fn note(&mut self, topic: u64, offset: u64) -> Option<u64> {
        if self.known.back().is_some_and(|newest| newest.1 == topic) {
            // A log with one topic keeps one note.
            self.known.pop_back();
        }
        self.known.push_back((offset, topic));
        self.newest.insert(topic, offset)
    }

    /// Forgets the entries before `oldest`.
    pub fn trim(&mut self, oldest: u64) {
        while let Some(&(offset, topic)) = self.known.front() {
            if offset >= oldest {
                return;
            }
            self.known.pop_front();
            if self.newest.get(&topic) == Some(&offset) {
                self.newest.remove(&topic);
            }
        }
        if self.known.capacity() > 0 {
            *self = Self::default();
        }
    }
}

/// When readers are woken, where that is not at every write.
#[derive(Default)]
pub(crate) struct Ticks {
    /// When they last were.
    rung: Option<Millis>,
    /// Something was written since.
    due: bool,
    /// Somebody was asked for a tick.
    asked: bool,
}

impl Ticks {
    fn is_time(&self, now: Millis, every: Millis) -> bool {
        self.rung
            .is_none_or(|rung| now >= rung.saturating_add(every))
    }

    /// Whether a write at `now` waits for a tick that nobody is asked for yet. From here on somebody is.
    pub fn ask(&mut self, now: Millis, every: Millis) -> bool {
        let asks = !self.asked && !self.is_time(now, every);
        self.asked |= asks;
        asks
    }

    /// Something was written: true if readers are woken at once, else they are at the next tick.
    pub fn write(&mut self, now: Millis, every: Millis, urgent: bool) -> bool {
        self.due = !urgent && !self.is_time(now, every);
        if !self.due {
            self.rung = Some(now);
        }
        !self.due
    }

    /// What a tick does.
    pub fn tick(&mut self, now: Millis, every: Millis) -> Tick {
        if self.due && !self.is_time(now, every) {
            return Tick::TooSoon;
        }
        self.asked = false;
        match std::mem::take(&mut self.due) {
            false => Tick::Nothing,
            true => {
                self.rung = Some(now);
                Tick::Ring
            }
        }
    }

    /// Readers are woken so often from now on.
    pub fn agree(&mut self, every: Millis) {
        if every == 0 {
            *self = Self::default();
        }
    }

    /// Whether readers wait for a tick.
    pub fn is_due(&self) -> bool {
        self.due
    }
}

pub(crate) enum Tick {
    /// Readers are woken.
    Ring,
    /// They are later.
    TooSoon,
    /// Nothing was written since they last were.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_no_more_than_entries() {
        let mut topics = Topics::default();
        for offset in 1..=1_000 {
            assert_eq!(
                topics.note(7, offset),
                offset.checked_sub(1).filter(|&o| o > 0)
            );
        }
        assert_eq!(topics.known.len(), 1, "one topic is one note");
        // Each of 600 topics comes again when its entry is gone, but for the one from before.
        for offset in 1_001..=2_000 {
            let older = (offset == 1_207).then_some(1_000);
            assert_eq!(topics.note(offset % 600, offset), older);
            topics.trim(offset - 499);
            assert!(topics.newest.len() <= 500 && topics.known.len() <= 500);
        }
        topics.trim(2_001);
        assert_eq!((topics.newest.capacity(), topics.known.capacity()), (0, 0));
    }
}

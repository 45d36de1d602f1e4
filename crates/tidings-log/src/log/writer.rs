//! What can be done to a log in one step.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Entry, State};
use crate::Millis;
use crate::position::{Epoch, Position};
use crate::ring::Ephemeral;
use crate::terms::{Behind, Terms};

/// The one who changes a log, under its lock.
pub struct Writer<'a, T> {
    pub(super) state: &'a mut State<T>,
    pub(super) now: Millis,
    pub(super) readers: usize,
    pub(super) changed: bool,
    /// Whoever waits is woken now, tick or not.
    pub(super) urgent: bool,
}

impl<T> Writer<'_, T> {
    /// The position of the newest entry.
    pub fn head(&self) -> Position {
        Position {
            epoch: self.state.epoch,
            offset: self.state.head,
        }
    }

    /// Whether the log has ended: nothing may be appended.
    pub fn ended(&self) -> bool {
        self.state.ended
    }

    /// Appends the entry that `make` builds for its position; `size` is what it counts in bytes. In a
    /// log that conflates it supersedes the entry before it that has the same `topic`.
    ///
    /// # Panics
    /// After [`end`](Self::end).
    pub fn append(
        &mut self,
        size: usize,
        topic: Option<u64>,
        make: impl FnOnce(Position) -> T,
    ) -> Position {
        assert!(!self.state.ended, "an ended log takes no entry");
        let position = Position {
            epoch: self.state.epoch,
            offset: self.state.head + 1,
        };
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let reach = self.state.entries.back().map_or(0, |last| last.reach) + u64::from(size);
        self.state.entries.push_back(Entry {
            value: Arc::new(make(position)),
            time: self.now,
            size,
            superseded: false,
            reach,
        });
        self.state.head = position.offset;
        self.state.bytes += size as usize;
        self.state.meter.add(size as usize);
        self.changed = true;
        if let Some(topic) = topic
            && self.state.terms.lag.behind == Behind::Conflate
        {
            self.state.supersede(topic, position.offset);
        }
        position
    }

    /// Shows `value` to the readers of this moment. Without readers nothing is kept.
    pub fn whisper(&mut self, size: usize, value: T) {
        if self.readers == 0 {
            return;
        }
        self.state.whispered += 1;
        let entry = Ephemeral {
            number: self.state.whispered,
            after: self.state.head,
            time: self.now,
            size,
            value: Arc::new(value),
        };
        let retention = self.state.terms.retention;
        self.state
            .ring
            .get_or_insert_default()
            .push(entry, &retention);
        self.changed = true;
    }

    /// Makes the newest entry the last. Who waits is told at once.
    pub fn end(&mut self) {
        self.state.ended = true;
        self.changed = true;
        self.urgent = true;
    }

    /// Empties the log: it goes on as `epoch` with offset 1, open. Who waits is told at once.
    pub fn restart(&mut self, epoch: Epoch) {
        self.state.epoch = epoch;
        self.state.head = 0;
        self.state.entries = VecDeque::new();
        self.state.meter.subtract(self.state.bytes);
        self.state.bytes = 0;
        self.state.ended = false;
        self.state.ring = None;
        self.state.forget_topics();
        self.changed = true;
        self.urgent = true;
    }

    /// The terms that hold.
    pub fn terms(&self) -> &Arc<Terms> {
        &self.state.terms
    }

    /// These terms hold from now on.
    pub fn agree(&mut self, terms: Arc<Terms>) {
        if self.state.agree(terms) {
            self.changed = true;
            self.urgent = true;
        }
    }

    /// Whether readers hear of the change by a tick that nobody was asked for yet: then the caller
    /// sees to it that [`Log::tick`] is called. Asked when the change is made.
    pub fn wants_tick(&mut self) -> bool {
        let every = self.state.terms.lag.every;
        match &mut self.state.easing {
            Some(easing) if self.changed && !self.urgent && every > 0 => {
                easing.ticks.ask(self.now, every)
            }
            _ => false,
        }
    }
}

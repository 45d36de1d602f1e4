//! Ephemeral entries: seen by the readers of the moment, without an offset, never replayed.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::Millis;
use crate::terms::Retention;

/// The ephemeral entries that some reader may not have read yet.
pub(crate) struct Ring<T> {
    entries: VecDeque<Ephemeral<T>>,
    bytes: usize,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
        }
    }
}

pub(crate) struct Ephemeral<T> {
    /// Counts 1, 2, 3 … over the life of the log.
    pub number: u64,
    /// The offset of the last entry before it: its place in the order.
    pub after: u64,
    pub time: Millis,
    pub size: usize,
    pub value: Arc<T>,
}

impl<T> Ring<T> {
    pub fn push(&mut self, entry: Ephemeral<T>, keep: &Retention) {
        self.bytes += entry.size;
        let now = entry.time;
        self.entries.push_back(entry);
        while self.entries.len() > keep.ephemeral_count as usize || self.bytes > keep.bytes {
            self.pop();
        }
        self.sweep(now, keep.ephemeral_age);
    }

    /// Drops what is older than `age`; true when nothing is left.
    pub fn sweep(&mut self, now: Millis, age: u32) -> bool {
        while self
            .entries
            .front()
            .is_some_and(|e| e.time.saturating_add(age.into()) < now)
        {
            self.pop();
        }
        self.entries.is_empty()
    }

    /// The first entry after `heard`.
    pub fn after(&self, heard: u64) -> Option<&Ephemeral<T>> {
        let first = self.entries.front()?.number;
        let index = (heard + 1).saturating_sub(first);
        self.entries.get(usize::try_from(index).ok()?)
    }

    fn pop(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry.size;
        }
    }
}

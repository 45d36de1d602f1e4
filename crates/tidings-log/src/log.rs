//! The log: append, trim, and what a cursor needs to read it.

mod writer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Millis;
use crate::easing::{Easing, Tick};
use crate::meter::Meter;
use crate::position::{Epoch, Position};
use crate::ring::Ring;
use crate::sync::{Mutex, lock};
use crate::terms::{Behind, Terms};
use crate::tower::ring_all;
use crate::waiters::{Waiter, Waiters};

pub use writer::Writer;

/// One channel's entries. Offsets are contiguous within an epoch.
///
/// Writers and readers take one short lock each; a reader that is slow to *send* what it read holds
/// nothing here.
pub struct Log<T> {
    pub(crate) state: Mutex<State<T>>,
    readers: AtomicUsize,
}

pub(crate) struct State<T> {
    pub epoch: Epoch,
    /// The offset of the newest entry ever appended in this epoch; 0 when there was none.
    pub head: u64,
    /// The retained entries: the last one has the offset `head`.
    pub entries: VecDeque<Entry<T>>,
    /// The size of all retained entries.
    bytes: usize,
    /// Knows of them, too.
    meter: Arc<Meter>,
    pub terms: Arc<Terms>,
    /// No entry follows: `head` is the end.
    pub ended: bool,
    /// How many ephemeral entries there ever were.
    pub whispered: u64,
    /// Absent until the first ephemeral entry: most logs never have one.
    pub ring: Option<Box<Ring<T>>>,
    /// Absent where the terms do not ask for it, as in most logs.
    easing: Option<Box<Easing>>,
    pub waiters: Waiters,
}

pub(crate) struct Entry<T> {
    pub value: Arc<T>,
    pub time: Millis,
    pub size: u32,
    /// There is a newer one about the same.
    pub superseded: bool,
    /// The bytes appended in this epoch up to and with this entry: the lag in bytes between two
    /// places is the difference.
    pub reach: u64,
}

/// What a log holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The position of the newest entry.
    pub head: Position,
    /// The oldest retained offset; `head.offset + 1` when nothing is retained.
    pub oldest: u64,
    /// Size of the retained entries in bytes.
    pub bytes: usize,
    /// Whether the log has ended.
    pub ended: bool,
}

impl<T> Log<T> {
    /// A log that goes on after `head`: a new one when its offset is 0. What it holds counts in `meter`.
    pub fn new(head: Position, ended: bool, terms: Arc<Terms>, meter: Arc<Meter>) -> Arc<Self> {
        let easing = Easing::is_wanted(terms.lag).then(Box::default);
        Arc::new(Self {
            state: Mutex::new(State {
                epoch: head.epoch,
                head: head.offset,
                entries: VecDeque::new(),
                bytes: 0,
                meter,
                terms,
                ended,
                whispered: 0,
                ring: None,
                easing,
                waiters: Waiters::default(),
            }),
            readers: AtomicUsize::new(0),
        })
    }

    /// Changes the log in one step: readers see all of it or nothing. Then trims, and wakes who
    /// waits, unless the terms have them wait for a tick.
    pub fn write<R>(&self, now: Millis, change: impl FnOnce(&mut Writer<'_, T>) -> R) -> R {
        let mut state = lock(&self.state);
        let mut writer = Writer {
            state: &mut state,
            now,
            readers: self.readers(),
            changed: false,
            urgent: false,
        };
        let result = change(&mut writer);
        let (changed, urgent) = (writer.changed, writer.urgent);
        state.trim(now);
        let woken = if changed {
            state.wake(now, urgent)
        } else {
            Vec::new()
        };
        drop(state);
        ring_all(woken);
        result
    }

    /// Wakes who waits for a tick, if it is time. True: it is too soon, call again. Where a write
    /// [asks for it](Writer::wants_tick), this is called until it is false.
    pub fn tick(&self, now: Millis) -> bool {
        let mut state = lock(&self.state);
        let every = state.terms.lag.every;
        let Some(easing) = &mut state.easing else {
            return false;
        };
        match easing.ticks.tick(now, every) {
            Tick::TooSoon => return true,
            Tick::Nothing => return false,
            Tick::Ring => {}
        }
        let woken = state.waiters.take();
        drop(state);
        ring_all(woken);
        false
    }

    /// Drops what retention no longer keeps. Nobody is woken: who reads next is told of the gap.
    pub fn sweep(&self, now: Millis) -> Snapshot {
        let mut state = lock(&self.state);
        state.trim(now);
        let age = state.terms.retention.ephemeral_age;
        if state.ring.as_mut().is_some_and(|ring| ring.sweep(now, age)) {
            state.ring = None;
        }
        state.snapshot()
    }

    /// These terms hold from now on.
    pub fn agree(&self, terms: Arc<Terms>, now: Millis) {
        self.write(now, |writer| writer.agree(terms));
    }

    /// What the log holds.
    pub fn snapshot(&self) -> Snapshot {
        lock(&self.state).snapshot()
    }

    /// How many cursors are open on it.
    pub fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    pub(crate) fn add_reader(&self) {
        self.readers.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn remove_reader(&self) {
        self.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> State<T> {
    pub fn oldest(&self) -> u64 {
        self.head - self.entries.len() as u64 + 1
    }

    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            head: Position {
                epoch: self.epoch,
                offset: self.head,
            },
            oldest: self.oldest(),
            bytes: self.bytes,
            ended: self.ended,
        }
    }

    pub fn trim(&mut self, now: Millis) {
        self.trim_entries(now);
        if let Some(easing) = &mut self.easing {
            let oldest = self.head - self.entries.len() as u64 + 1;
            easing.topics.trim(oldest);
        }
    }

    fn trim_entries(&mut self, now: Millis) {
        let retention = &self.terms.retention;
        while let Some(first) = self.entries.front() {
            let old = first.time.saturating_add(retention.age) < now;
            let over = self.entries.len() > retention.count.max(1)
                || (self.bytes > retention.bytes && self.entries.len() > 1);
            if !old && !over {
                return;
            }
            self.meter.subtract(first.size as usize);
            self.bytes -= first.size as usize;
            self.entries.pop_front();
        }
        // Emptied by age: a quiet channel gives its memory back.
        self.entries = VecDeque::new();
    }

    /// Takes those who are woken by a write; none where they wait for a tick.
    fn wake(&mut self, now: Millis, urgent: bool) -> Vec<Option<Waiter>> {
        let every = self.terms.lag.every;
        if let Some(easing) = &mut self.easing
            && every > 0
            && !easing.ticks.write(now, every, urgent)
        {
            return Vec::new();
        }
        self.waiters.take()
    }

    /// Marks the entry before `offset` about the same.
    fn supersede(&mut self, topic: u64, offset: u64) {
        let Some(easing) = &mut self.easing else {
            return;
        };
        let older = easing.topics.note(topic, offset);
        if let Some(index) = older.and_then(|older| self.index_of(older)) {
            self.entries[index].superseded = true;
        }
    }

    /// Holds these terms. True: readers wait for a tick that does not come any more.
    fn agree(&mut self, terms: Arc<Terms>) -> bool {
        let (old, new) = (self.terms.lag, terms.lag);
        self.terms = terms;
        let conflated = old.behind == Behind::Conflate && new.behind != Behind::Conflate;
        let ticks = self.easing.as_ref().map(|easing| &easing.ticks);
        let owed = new.every == 0 && ticks.is_some_and(|ticks| ticks.is_due());
        if conflated {
            // From now on a reader gets all that there is.
            self.entries.iter_mut().for_each(|e| e.superseded = false);
            self.forget_topics();
        }
        match Easing::is_wanted(new) {
            true => self.easing.get_or_insert_default().ticks.agree(new.every),
            false => self.easing = None,
        }
        owed
    }

    fn forget_topics(&mut self) {
        if let Some(easing) = &mut self.easing {
            easing.topics = Default::default();
        }
    }

    /// Bytes appended after `offset`.
    pub fn bytes_after(&self, offset: u64) -> u64 {
        let Some(last) = self.entries.back() else {
            return 0;
        };
        match self.index_of(offset + 1) {
            Some(next) => {
                let next = &self.entries[next];
                last.reach - (next.reach - u64::from(next.size))
            }
            None => 0,
        }
    }

    pub fn index_of(&self, offset: u64) -> Option<usize> {
        let index = usize::try_from(offset.checked_sub(self.oldest())?).ok()?;
        (index < self.entries.len()).then_some(index)
    }
}

impl<T> Drop for State<T> {
    fn drop(&mut self) {
        self.meter.subtract(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_32_bytes() {
        assert_eq!(size_of::<Entry<u64>>(), 32);
    }
}

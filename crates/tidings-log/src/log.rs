//! The log: append, trim, and what a cursor needs to read it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Millis;
use crate::meter::Meter;
use crate::position::{Epoch, Position};
use crate::ring::{Ephemeral, Ring};
use crate::sync::{Mutex, lock};
use crate::tower::ring_all;
use crate::waiters::Waiters;

/// How much of a channel's past a log keeps. All three bounds hold at once; the newest entry always
/// stays until its age ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Entries, at least 1.
    pub count: usize,
    /// Bytes, as the sizes given at append sum up.
    pub bytes: usize,
    /// Age of an entry in milliseconds.
    pub age: Millis,
    /// Ephemeral entries that may wait for readers.
    pub ephemeral_count: u32,
    /// How long one waits, in milliseconds.
    pub ephemeral_age: u32,
}

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
    pub retention: Retention,
    /// No entry follows: `head` is the end.
    pub ended: bool,
    /// How many ephemeral entries there ever were.
    pub whispered: u64,
    /// Absent until the first ephemeral entry: most logs never have one.
    pub ring: Option<Box<Ring<T>>>,
    pub waiters: Waiters,
}

pub(crate) struct Entry<T> {
    pub value: Arc<T>,
    pub time: Millis,
    pub size: u32,
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
    pub fn new(head: Position, ended: bool, retention: Retention, meter: Arc<Meter>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                epoch: head.epoch,
                head: head.offset,
                entries: VecDeque::new(),
                bytes: 0,
                meter,
                retention,
                ended,
                whispered: 0,
                ring: None,
                waiters: Waiters::default(),
            }),
            readers: AtomicUsize::new(0),
        })
    }

    /// Changes the log in one step: readers see all of it or nothing. Then trims, and wakes who
    /// waits.
    pub fn write<R>(&self, now: Millis, change: impl FnOnce(&mut Writer<'_, T>) -> R) -> R {
        let mut state = lock(&self.state);
        let mut writer = Writer {
            state: &mut state,
            now,
            readers: self.readers(),
            changed: false,
        };
        let result = change(&mut writer);
        let changed = writer.changed;
        state.trim(now);
        let woken = if changed {
            state.waiters.take()
        } else {
            Vec::new()
        };
        drop(state);
        ring_all(woken);
        result
    }

    /// Drops what retention no longer keeps. Nobody is woken: who reads next is told of the gap.
    pub fn sweep(&self, now: Millis) -> Snapshot {
        let mut state = lock(&self.state);
        state.trim(now);
        let age = state.retention.ephemeral_age;
        if state.ring.as_mut().is_some_and(|ring| ring.sweep(now, age)) {
            state.ring = None;
        }
        state.snapshot()
    }

    /// Keeps as much as this from now on.
    pub fn retain(&self, retention: Retention, now: Millis) {
        let mut state = lock(&self.state);
        state.retention = retention;
        state.trim(now);
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
        while let Some(first) = self.entries.front() {
            let old = first.time.saturating_add(self.retention.age) < now;
            let over = self.entries.len() > self.retention.count.max(1)
                || (self.bytes > self.retention.bytes && self.entries.len() > 1);
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

/// The one who changes a log, under its lock.
pub struct Writer<'a, T> {
    state: &'a mut State<T>,
    now: Millis,
    readers: usize,
    changed: bool,
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

    /// Appends the entry that `make` builds for its position; `size` is what it counts in bytes.
    ///
    /// # Panics
    /// After [`end`](Self::end).
    pub fn append(&mut self, size: usize, make: impl FnOnce(Position) -> T) -> Position {
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
            reach,
        });
        self.state.head = position.offset;
        self.state.bytes += size as usize;
        self.state.meter.add(size as usize);
        self.changed = true;
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
        let retention = self.state.retention;
        self.state
            .ring
            .get_or_insert_default()
            .push(entry, &retention);
        self.changed = true;
    }

    /// Makes the newest entry the last.
    pub fn end(&mut self) {
        self.state.ended = true;
        self.changed = true;
    }

    /// Empties the log: it goes on as `epoch` with offset 1, open.
    pub fn restart(&mut self, epoch: Epoch) {
        self.state.epoch = epoch;
        self.state.head = 0;
        self.state.entries = VecDeque::new();
        self.state.meter.subtract(self.state.bytes);
        self.state.bytes = 0;
        self.state.ended = false;
        self.state.ring = None;
        self.changed = true;
    }

    /// Changes what is kept; the next trim follows it.
    pub fn set_retention(&mut self, retention: Retention) {
        self.state.retention = retention;
    }
}

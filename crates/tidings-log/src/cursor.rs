//! A reader's place in a log. Every delivery of Tidings, on every transport, is [`Cursor::read`].

use std::sync::Arc;

use crate::Millis;
use crate::log::{Log, State};
use crate::position::{Epoch, Gap, GapReason, Position};
use crate::ring::Ephemeral;
use crate::signal::Signal;
use crate::sync::lock;
use crate::waiters::{Ticket, Waiter};

/// Where a reading starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// After the newest entry.
    Now,
    /// With the oldest retained entry.
    Earliest,
    /// With the newest `n` retained entries; the one that ends the log counts for none of them.
    Last(usize),
    /// After this position.
    At(Position),
    /// A cursor was given that nobody could have had: told, then the oldest retained.
    Unknown,
}

/// A place in one log. It holds no entry: what retention drops meanwhile is told as a [`Gap`].
pub struct Cursor<T> {
    log: Arc<Log<T>>,
    /// Epoch and offset of the last entry read or told as lost.
    epoch: Epoch,
    offset: u64,
    /// The number of the last ephemeral entry heard.
    heard: u64,
    /// A loss known when the cursor was opened, told by the first read.
    lost: Option<GapReason>,
    /// Has reached the tail once: from then on the lag limit holds.
    live: bool,
    /// The end was read.
    past_end: bool,
    ticket: Option<Ticket>,
}

/// How a cursor came to stand where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The position asked for, as it was asked for; [`Position::UNKNOWN`] where it was none.
    pub asked: Position,
    /// The place after which the reading goes on.
    pub at: Position,
    /// False: the first read tells a gap.
    pub recovered: bool,
    /// The log had ended at or before the position: nothing will ever come.
    pub past_end: bool,
}

/// What a read gives, in order.
#[derive(Debug)]
pub enum Item<T> {
    /// An entry and its offset.
    Entry(u64, Arc<T>),
    /// An ephemeral entry.
    Ephemeral(Arc<T>),
    /// Entries that are lost to this reader.
    Gap(Gap),
}

/// Where a read left the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The budget ended before the log.
    More,
    /// At the tail; if a signal was given, it rings at the next write.
    Tail,
    /// The log has ended and all of it was read.
    End,
}

/// How much one read may take.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Entries left.
    pub count: usize,
    /// Bytes left.
    pub bytes: usize,
    /// Something was taken. Until then an entry is taken even if it is larger than `bytes`: a
    /// reading must go on, whatever its budget.
    pub taken: bool,
}

impl Budget {
    /// Up to `count` entries and `bytes` bytes.
    pub fn new(count: usize, bytes: usize) -> Self {
        Self {
            count,
            bytes,
            taken: false,
        }
    }
}

/// How far a reader that once was at the tail may fall behind.
#[derive(Clone, Copy, Debug)]
pub struct LagLimit {
    /// Bytes between the cursor and the newest entry.
    pub bytes: u64,
    /// Age of the oldest unread entry, in milliseconds.
    pub age: Millis,
}

impl<T> Cursor<T> {
    /// Opens a cursor on `log`. A position of another epoch is told as a gap, of
    /// the reason that `why` knows.
    pub fn open(
        log: &Arc<Log<T>>,
        start: Start,
        why: impl FnOnce(Epoch) -> GapReason,
        now: Millis,
    ) -> (Self, Opened) {
        log.add_reader();
        let mut state = lock(&log.state);
        state.trim(now);
        let before_oldest = state.oldest() - 1;
        let here = |offset| Position {
            epoch: state.epoch,
            offset,
        };
        let (asked, lost) = match start {
            Start::Now => (here(state.head), None),
            Start::Earliest => (here(before_oldest), None),
            Start::Last(n) => {
                let newest = n as u64 + u64::from(state.ended);
                (
                    here(before_oldest.max(state.head.saturating_sub(newest))),
                    None,
                )
            }
            Start::Unknown | Start::At(Position::UNKNOWN) => {
                (Position::UNKNOWN, Some(GapReason::UnknownCursor))
            }
            Start::At(at) if at.epoch != state.epoch => (at, Some(why(at.epoch))),
            Start::At(at) if at.offset > state.head => (at, Some(GapReason::UnknownCursor)),
            Start::At(at) => (at, None),
        };
        let cursor = Self {
            log: log.clone(),
            epoch: asked.epoch,
            offset: asked.offset,
            heard: state.whispered,
            lost,
            live: false,
            past_end: state.ended && lost.is_none() && asked.offset == state.head,
            ticket: None,
        };
        let recovered = lost.is_none() && asked.offset >= before_oldest;
        let opened = Opened {
            asked,
            at: if recovered {
                asked
            } else {
                here(before_oldest)
            },
            recovered,
            past_end: cursor.past_end,
        };
        drop(state);
        (cursor, opened)
    }

    /// The place after what was read or told as lost: while a loss is not told, the place that was
    /// asked for, so that a reader which comes back with it is told then.
    pub fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            offset: self.offset,
        }
    }

    /// The log that it reads.
    pub fn log(&self) -> &Arc<Log<T>> {
        &self.log
    }

    /// Gives what follows to `take`, up to `budget`, and moves on past it.
    ///
    /// At the tail the cursor arms `bell`, under the lock that also guards the writes: a write is
    /// either seen by this read or rings.
    pub fn read(
        &mut self,
        now: Millis,
        budget: &mut Budget,
        lag: LagLimit,
        bell: Option<(&Arc<Signal>, u32)>,
        mut take: impl FnMut(Item<T>),
    ) -> Status {
        let log = self.log.clone();
        let mut state = lock(&log.state);
        state.trim(now);
        if let Some(gap) = self.take_loss(&state, now, lag) {
            take(Item::Gap(gap));
        }
        loop {
            if let Some(entry) = self.next_ephemeral(&state) {
                if entry.size > budget.bytes && budget.taken {
                    return Status::More;
                }
                budget.taken = true;
                budget.bytes = budget.bytes.saturating_sub(entry.size);
                self.heard = entry.number;
                take(Item::Ephemeral(entry.value.clone()));
                continue;
            }
            let Some(index) = state.index_of(self.offset + 1) else {
                break;
            };
            let entry = &state.entries[index];
            let size = entry.size as usize;
            if budget.count == 0 || (size > budget.bytes && budget.taken) {
                return Status::More;
            }
            budget.taken = true;
            budget.count -= 1;
            budget.bytes = budget.bytes.saturating_sub(size);
            self.offset += 1;
            take(Item::Entry(self.offset, entry.value.clone()));
        }
        self.live = true;
        if state.ended {
            self.past_end = true;
            return Status::End;
        }
        self.arm(&mut state, bell);
        Status::Tail
    }

    /// Whether the end of the log was reached.
    pub fn past_end(&self) -> bool {
        self.past_end
    }

    fn next_ephemeral<'a>(&self, state: &'a State<T>) -> Option<&'a Ephemeral<T>> {
        if self.heard == state.whispered {
            return None;
        }
        let entry = state.ring.as_ref()?.after(self.heard)?;
        (entry.after <= self.offset).then_some(entry)
    }

    fn take_loss(&mut self, state: &State<T>, now: Millis, lag: LagLimit) -> Option<Gap> {
        let before_oldest = state.oldest() - 1;
        if let Some(reason) = self.lost.take() {
            return Some(self.jump(state, None, before_oldest, reason));
        }
        if self.epoch != state.epoch {
            return Some(self.jump(state, None, before_oldest, GapReason::EpochChanged));
        }
        if self.offset < before_oldest {
            let from = Some(self.offset + 1);
            return Some(self.jump(state, from, before_oldest, GapReason::Expired));
        }
        if self.live && self.lags(state, now, lag) {
            // The end of a log is no news that can be skipped.
            let to = if state.ended {
                state.head - 1
            } else {
                state.head
            };
            if to > self.offset {
                let from = Some(self.offset + 1);
                return Some(self.jump(state, from, to, GapReason::TooSlow));
            }
        }
        None
    }

    fn lags(&self, state: &State<T>, now: Millis, lag: LagLimit) -> bool {
        let Some(next) = state.index_of(self.offset + 1) else {
            return false;
        };
        state.bytes_after(self.offset) > lag.bytes
            || state.entries[next].time.saturating_add(lag.age) < now
    }

    fn jump(&mut self, state: &State<T>, from: Option<u64>, to: u64, reason: GapReason) -> Gap {
        self.epoch = state.epoch;
        self.offset = to;
        Gap {
            epoch: state.epoch,
            from,
            to,
            reason,
        }
    }

    fn arm(&mut self, state: &mut State<T>, bell: Option<(&Arc<Signal>, u32)>) {
        let Some((signal, key)) = bell else { return };
        if self
            .ticket
            .is_some_and(|ticket| state.waiters.holds(ticket))
        {
            return;
        }
        self.ticket = Some(state.waiters.add(Waiter {
            signal: signal.clone(),
            key,
        }));
    }
}

impl<T> Drop for Cursor<T> {
    fn drop(&mut self) {
        self.log.remove_reader();
        if let Some(ticket) = self.ticket {
            lock(&self.log.state).waiters.remove(ticket);
        }
    }
}

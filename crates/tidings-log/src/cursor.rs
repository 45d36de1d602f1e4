//! A reader's place in a log. Every delivery of Tidings, on every transport, is [`Cursor::read`].

use std::sync::Arc;

use crate::Millis;
use crate::log::{Log, State};
use crate::position::{Epoch, Gap, GapReason, Position};
use crate::reading::{Budget, Item, Opened, Start, Status};
use crate::ring::Ephemeral;
use crate::signal::Signal;
use crate::sync::lock;
use crate::terms::Behind;
use crate::waiters::{Ticket, Waiter};

/// Superseded entries that one read passes by under the log's lock.
const PASSED_MAX: u64 = 4_096;

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
    /// Nothing is retained for this reader: that loss reaches to the newest entry.
    blind: bool,
    /// Has reached the tail once: from then on the lag limit holds.
    live: bool,
    /// The end was read.
    past_end: bool,
    ticket: Option<Ticket>,
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
        let blind = matches!(start, Start::Blind(_));
        let before_oldest = if blind {
            state.head
        } else {
            state.oldest() - 1
        };
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
            Start::Unknown | Start::At(Position::UNKNOWN) | Start::Blind(Position::UNKNOWN) => {
                (Position::UNKNOWN, Some(GapReason::UnknownCursor))
            }
            Start::At(at) | Start::Blind(at) if at.epoch != state.epoch => {
                (at, Some(why(at.epoch)))
            }
            Start::At(at) | Start::Blind(at) if at.offset > state.head => {
                (at, Some(GapReason::UnknownCursor))
            }
            Start::Blind(at) if at.offset < state.head => (at, Some(GapReason::Expired)),
            Start::At(at) | Start::Blind(at) => (at, None),
        };
        let cursor = Self {
            log: log.clone(),
            epoch: asked.epoch,
            offset: asked.offset,
            heard: state.whispered,
            lost,
            blind,
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
    /// either seen by this read or rings, now or at the log's next tick.
    pub fn read(
        &mut self,
        now: Millis,
        budget: &mut Budget,
        bell: Option<(&Arc<Signal>, u32)>,
        mut take: impl FnMut(Item<T>),
    ) -> Status {
        let log = self.log.clone();
        let mut state = lock(&log.state);
        state.trim(now);
        if let Some(gap) = self.take_loss(&state) {
            take(Item::Gap(gap));
        } else if self.live && self.lags(&state, now) {
            match state.terms.lag.behind {
                Behind::End => return Status::TooSlow,
                _ => take(Item::Gap(self.fall_behind(&state))),
            }
        }
        let mut passed = 0;
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
            if entry.superseded {
                if passed == PASSED_MAX {
                    return Status::More;
                }
                let from = self.offset + 1;
                passed += self.pass(&state, index, PASSED_MAX - passed);
                take(Item::Superseded {
                    epoch: self.epoch,
                    from,
                    to: self.offset,
                });
                continue;
            }
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

    fn take_loss(&mut self, state: &State<T>) -> Option<Gap> {
        let before_oldest = state.oldest() - 1;
        if let Some(reason) = self.lost.take() {
            let to = if self.blind {
                state.head
            } else {
                before_oldest
            };
            let from = (reason == GapReason::Expired).then_some(self.offset + 1);
            return Some(self.jump(state, from, to, reason));
        }
        if self.epoch != state.epoch {
            return Some(self.jump(state, None, before_oldest, GapReason::EpochChanged));
        }
        if self.offset < before_oldest {
            let from = Some(self.offset + 1);
            return Some(self.jump(state, from, before_oldest, GapReason::Expired));
        }
        None
    }

    /// Whether it is too slow for this log.
    fn lags(&self, state: &State<T>, now: Millis) -> bool {
        let Some(next) = state.index_of(self.offset + 1) else {
            return false;
        };
        let lag = &state.terms.lag;
        // The end of a log is no news that can be lost.
        let only_end = state.ended && self.offset + 1 == state.head;
        !only_end
            && lag.behind != Behind::Conflate
            && (state.bytes_after(self.offset) > lag.bytes
                || state.entries[next].time.saturating_add(lag.age) < now)
    }

    /// Gives up what a live reader has not read, but for the end.
    fn fall_behind(&mut self, state: &State<T>) -> Gap {
        let to = state.head - u64::from(state.ended);
        self.jump(state, Some(self.offset + 1), to, GapReason::TooSlow)
    }

    /// Moves on past the superseded entries from `index`, `max` of them at most; gives how many.
    fn pass(&mut self, state: &State<T>, index: usize, max: u64) -> u64 {
        let rest = state.entries.range(index..);
        let passed = rest.take(max as usize).take_while(|e| e.superseded).count() as u64;
        self.offset += passed;
        passed
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

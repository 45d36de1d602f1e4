//! The readers that have reached the tail of a log and wait for the next write.
//!
//! A reader stands here only while it waits: the next write takes the whole list at once, so a busy
//! reader costs a writer nothing. A reader that goes away takes its own note out in constant time.

use std::sync::Arc;

use crate::signal::Signal;

/// A place in the list, valid until the list is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    round: u64,
    slot: u32,
}

pub(crate) struct Waiter {
    pub signal: Arc<Signal>,
    pub key: u32,
}

impl Waiter {
    pub fn ring(self) {
        self.signal.ring(self.key);
    }
}

#[derive(Default)]
pub(crate) struct Waiters {
    slots: Vec<Option<Waiter>>,
    free: Vec<u32>,
    /// How often the list was taken; older tickets mean nothing.
    round: u64,
}

impl Waiters {
    pub fn add(&mut self, waiter: Waiter) -> Ticket {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(waiter);
                slot
            }
            None => {
                self.slots.push(Some(waiter));
                (self.slots.len() - 1) as u32
            }
        };
        Ticket {
            round: self.round,
            slot,
        }
    }

    pub fn holds(&self, ticket: Ticket) -> bool {
        ticket.round == self.round
    }

    pub fn remove(&mut self, ticket: Ticket) {
        if !self.holds(ticket) {
            return;
        }
        self.slots[ticket.slot as usize] = None;
        self.free.push(ticket.slot);
        if self.free.len() == self.slots.len() {
            // Nobody waits: an idle log keeps no memory for those who did.
            *self = Self {
                round: self.round + 1,
                ..Self::default()
            };
        }
    }

    /// Takes all who wait. The memory goes with them: most logs are quiet most of the time.
    pub fn take(&mut self) -> Vec<Option<Waiter>> {
        self.round += 1;
        self.free = Vec::new();
        std::mem::take(&mut self.slots)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(key: u32) -> Waiter {
        Waiter {
            signal: Signal::new(),
            key,
        }
    }

    #[test]
    fn a_stale_ticket_removes_nobody() {
        let mut waiters = Waiters::default();
        let old = waiters.add(waiter(1));
        assert_eq!(waiters.take().len(), 1);
        waiters.add(waiter(2));
        waiters.remove(old);
        assert_eq!(waiters.len(), 1);
    }

    #[test]
    fn places_are_used_again() {
        let mut waiters = Waiters::default();
        let kept = waiters.add(waiter(0));
        for key in 0..1_000 {
            let ticket = waiters.add(waiter(key));
            waiters.remove(ticket);
        }
        assert_eq!(waiters.slots.len(), 2);
        waiters.remove(kept);
        assert_eq!(waiters.slots.capacity(), 0);
    }
}

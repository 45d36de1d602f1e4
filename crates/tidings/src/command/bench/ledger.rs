//! What was published to one channel, and whether each of its readers got all of it, once and in
//! one order.
//!
//! Which order that is the first reader says who sees a message: all others must see the same, and
//! a message that was answered before another was sent must stand before it.

/// Has no place yet.
const NONE: u32 = u32::MAX;

/// One channel's messages. They are numbered by publishing; their places are numbered by reading.
#[derive(Default)]
pub struct Ledger {
    /// By message: its place, and how many had been answered when it was sent.
    messages: Vec<(u32, u32)>,
    placed: u32,
    answered: u32,
}

/// What went wrong; all must be 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Messages that a reader did not get where they stand.
    pub lost: u64,
    /// Messages that a reader got although it was past them.
    pub repeated: u64,
    /// Messages that stand before one which was answered before they were sent.
    pub reordered: u64,
}

impl Faults {
    /// Whether nothing went wrong.
    pub fn none(&self) -> bool {
        *self == Self::default()
    }

    /// Adds those of another.
    pub fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.reordered += other.reordered;
    }
}

impl Ledger {
    /// A message is about to be sent: its number.
    pub fn publish(&mut self) -> u32 {
        self.messages.push((NONE, self.answered));
        self.messages.len() as u32 - 1
    }

    /// The answer to a publish has come.
    pub fn answer(&mut self) {
        self.answered += 1;
    }

    /// Messages up to now: the place from which a new reader reads, if none is under way.
    pub fn published(&self) -> u32 {
        self.messages.len() as u32
    }

    /// A reader that expects place `next` got this message.
    pub fn take(&mut self, next: &mut u32, number: u32, faults: &mut Faults) {
        let Some((place, answered)) = self.messages.get_mut(number as usize) else {
            faults.repeated += 1;
            return;
        };
        if *place == NONE {
            *place = self.placed;
            self.placed += 1;
            faults.reordered += u64::from(*place < *answered);
        }
        if *place < *next {
            faults.repeated += 1;
        } else {
            faults.lost += u64::from(*place - *next);
            *next = *place + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ledger: &mut Ledger, next: &mut u32, numbers: &[u32]) -> Faults {
        let mut faults = Faults::default();
        for number in numbers {
            ledger.take(next, *number, &mut faults);
        }
        faults
    }

    #[test]
    fn publishes_in_flight_may_change_places_but_for_all_readers_alike() {
        let mut ledger = Ledger::default();
        (0..3).for_each(|_| _ = ledger.publish());
        assert!(read(&mut ledger, &mut 0, &[1, 0, 2]).none());
        assert!(read(&mut ledger, &mut 0, &[1, 0, 2]).none());
        assert!(!read(&mut ledger, &mut 0, &[0, 1, 2]).none());
    }

    #[test]
    fn a_hole_is_a_loss_and_twice_is_a_repeat() {
        let mut ledger = Ledger::default();
        (0..4).for_each(|_| _ = ledger.publish());
        assert!(read(&mut ledger, &mut 0, &[0, 1, 2, 3]).none());
        assert_eq!(read(&mut ledger, &mut 0, &[0, 3]).lost, 2);
        assert_eq!(read(&mut ledger, &mut 0, &[0, 1, 1, 2]).repeated, 1);
        assert_eq!(read(&mut ledger, &mut 4, &[9]).repeated, 1);
    }

    #[test]
    fn what_was_answered_stands_before_what_was_sent_later() {
        let mut ledger = Ledger::default();
        ledger.publish();
        ledger.answer();
        ledger.publish();
        assert_eq!(read(&mut ledger, &mut 0, &[1, 0]).reordered, 1);
    }
}

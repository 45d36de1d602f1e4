//! What goes into a reading and what comes out of it.

use std::sync::Arc;

use crate::position::{Epoch, Gap, Position};

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
    /// After this position, by a reader for whom nothing is retained: what it has not seen yet is
    /// told as a gap up to the newest entry.
    Blind(Position),
    /// A cursor was given that nobody could have had: told, then the oldest retained.
    Unknown,
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
    /// Entries `from..=to` are left out, since there are newer ones about the same.
    Superseded {
        /// The epoch of both offsets.
        epoch: Epoch,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
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
    /// The reader fell further behind than the log lets it, which ends such readings. The cursor stays
    /// where it stood.
    TooSlow,
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

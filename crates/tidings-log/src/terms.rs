//! What a log keeps, and what it does about readers that fall behind. Changeable while it runs; logs of
//! the same terms share one copy.

use crate::Millis;

/// What holds for a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How much of the past it keeps.
    pub retention: Retention,
    /// What it does about readers that fall behind.
    pub lag: LagRule,
}

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

/// How a log treats readers that fall behind, and how often it wakes any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LagRule {
    /// What becomes of them.
    pub behind: Behind,
    /// Bytes between a reader that once was at the tail and the newest entry. More is too slow.
    pub bytes: u64,
    /// Age of its oldest unread entry, in milliseconds. More is too slow.
    pub age: Millis,
    /// Readers are woken at most once in so many milliseconds; 0: at every write.
    pub every: Millis,
}

impl LagRule {
    /// No reader is ever too slow, and each write wakes.
    pub const NONE: Self = Self {
        behind: Behind::Gap,
        bytes: u64::MAX,
        age: Millis::MAX,
        every: 0,
    };
}

/// What becomes of a reader that falls behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// One that is too slow gets a gap.
    Gap,
    /// It gets no entry about which there is a newer one, and is never too slow: a gap would take
    /// the newest from it.
    Conflate,
    /// The reading of one that is too slow ends.
    End,
}

//! Plain counters. How they are shown is another crate's matter.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tidings_log::GapReason;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that rises and falls.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `n`, which may be negative.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the hub counts.
#[derive(Debug, Default)]
pub struct HubStats {
    /// Messages taken into a log.
    pub published: Counter,
    /// Payload bytes of them.
    pub published_bytes: Counter,
    /// Ephemeral messages.
    pub ephemeral: Counter,
    /// Publishes answered from an idempotency key.
    pub duplicates: Counter,
    /// Readings opened at a position.
    pub resumed: Counter,
    /// Gaps told, by reason in the order of [`GapReason::ALL`].
    pub gaps: [Counter; GapReason::ALL.len()],
    /// Messages told as skipped.
    pub skipped: Counter,
    /// Channels ended.
    pub closed: Counter,
    /// Channels emptied.
    pub cleared: Counter,
    /// Members that came.
    pub presence_joins: Counter,
    /// Members that left.
    pub presence_leaves: Counter,
    /// Of these, those that were not heard of for the time of their lease.
    pub presence_expired: Counter,
    /// Tickets issued.
    pub tickets_issued: Counter,
    /// Uses of tickets, later ones too.
    pub tickets_redeemed: Counter,
    /// Uses that were refused.
    pub tickets_refused: Counter,
    /// Revocations taken.
    pub revocations: Counter,
}

impl HubStats {
    /// Counts a gap.
    pub fn gap(&self, reason: GapReason) {
        self.gaps[reason as usize].add(1);
    }
}

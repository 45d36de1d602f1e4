//! How much many logs hold together.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Sums up the bytes that the logs which share it retain. Ephemeral entries, which are few and short-lived, do
/// not count.
#[derive(Debug, Default)]
pub struct Meter(AtomicUsize);

impl Meter {
    /// The bytes retained now.
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

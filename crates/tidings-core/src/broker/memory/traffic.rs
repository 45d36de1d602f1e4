//! How much goes through a channel: 16 bytes that are written with each of its messages.

use std::sync::atomic::{AtomicU64, Ordering};

use tidings_log::Millis;

/// The unit of time here: within one, counting is only an addition.
const UNIT: Millis = 100;
/// What a message counts has fallen to 1/e after so many units: ten seconds.
const FADE: f32 = 100.0;

/// Messages in all, and a sum of them in which each counts the less the older it is. That sum over the
/// time of fading is the rate.
#[derive(Default)]
pub(super) struct Traffic {
    total: AtomicU64,
    /// Units of time above, the sum as of then (`f32`) below.
    faded: AtomicU64,
}

impl Traffic {
    pub fn count(&self, messages: u64, now: Millis) {
        self.total.fetch_add(messages, Ordering::Relaxed);
        let add = |faded| Some(pack(now, sum(faded, now) + messages as f32));
        // It always has a value to store, so it cannot fail.
        let _ = self
            .faded
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Messages in a second.
    pub fn rate(&self, now: Millis) -> f32 {
        sum(self.faded.load(Ordering::Relaxed), now) / (FADE * UNIT as f32 / 1_000.0)
    }
}

fn pack(now: Millis, sum: f32) -> u64 {
    ((now / UNIT) << 32) | u64::from(sum.to_bits())
}

fn sum(faded: u64, now: Millis) -> f32 {
    let sum = f32::from_bits(faded as u32);
    // Two threads may disagree by a moment on what the time is.
    match ((now / UNIT) as u32).saturating_sub((faded >> 32) as u32) {
        0 => sum,
        units => sum * (-(units as f32) / FADE).exp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_what_comes() {
        let traffic = Traffic::default();
        assert_eq!(traffic.rate(0), 0.0);
        for ms in 0..60_000 {
            if ms % 20 == 0 {
                traffic.count(1, ms);
            }
        }
        let rate = traffic.rate(60_000);
        assert!((rate - 50.0).abs() < 1.0, "{rate}");
        assert_eq!(traffic.total(), 3_000);
        let later = traffic.rate(70_000);
        assert!((rate / later - 1f32.exp()).abs() < 0.1, "{later}");
        assert!(traffic.rate(600_000) < 0.001);
        assert_eq!(size_of::<Traffic>(), 16);
    }
}

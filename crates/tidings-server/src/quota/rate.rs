//! A token bucket in eight bytes: all there is to know of one is when it will be full.

use std::time::Duration;

use tidings_core::Millis;

const SECOND: u128 = 1_000_000_000;

/// So many tokens in some time, and so many at once as come in another.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    tokens: u64,
    /// Nanoseconds in which they come.
    time: u64,
    /// Nanoseconds from empty to full.
    fill: u64,
}

/// When it will be full, in nanoseconds of the clock that `now` is of. By default it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(u64);

impl Rate {
    /// `tokens` in each `time`, and as many at once as come in `burst`, but at least one; none if no
    /// tokens come, which means no bound.
    pub fn new(tokens: usize, time: Duration, burst: Duration) -> Option<Self> {
        let rate = Self {
            tokens: u64::try_from(tokens).unwrap_or(u64::MAX),
            time: nanoseconds(time),
            fill: 0,
        };
        (tokens > 0).then(|| Self {
            fill: nanoseconds(burst).max(rate.worth(1)),
            ..rate
        })
    }

    /// The bucket after this many tokens were taken.
    ///
    /// # Errors
    ///
    /// There are fewer; so much later there are as many, or the bucket is full if it is smaller.
    pub fn take(self, bucket: Bucket, cost: u32, now: Millis) -> Result<Bucket, Duration> {
        let now = now.saturating_mul(1_000_000);
        let full = bucket.0.max(now);
        let worth = self.worth(cost);
        let spent = full - now;
        let room = self.fill - worth.min(self.fill);
        match spent.checked_sub(room) {
            Some(wait @ 1..) => Err(Duration::from_nanos(wait)),
            _ => Ok(Bucket(full.saturating_add(worth))),
        }
    }

    /// The bucket after this many tokens were taken, whether there were as many or not.
    pub fn spend(self, bucket: Bucket, cost: u32, now: Millis) -> Bucket {
        let now = now.saturating_mul(1_000_000);
        Bucket(bucket.0.max(now).saturating_add(self.worth(cost)))
    }

    /// The time in which so many tokens come, rounded up.
    fn worth(self, tokens: u32) -> u64 {
        let nanoseconds = u128::from(tokens) * u128::from(self.time);
        u64::try_from(nanoseconds.div_ceil(u128::from(self.tokens))).unwrap_or(u64::MAX)
    }
}

impl Bucket {
    /// Whether nothing is taken from it.
    pub fn is_full(self, now: Millis) -> bool {
        self.0 <= now.saturating_mul(1_000_000)
    }
}

/// A hundred years and more are as good as for ever.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().min(100 * 365 * 86_400 * SECOND)).unwrap_or(u64::MAX)
}

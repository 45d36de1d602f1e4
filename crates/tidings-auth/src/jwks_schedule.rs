//! When the keys of a remote issuer are fetched. Pure: times are handed in, as durations since any
//! moment. It fetches nothing.

use std::time::Duration;

/// The schedule of one issuer: at the start, when the answer's `max-age` is over, when a token names
/// a key that is not known, and after a failure again and again, ever more seldom.
///
/// Tokens that name unknown keys can be made by anybody, so they cause one fetch in
/// [`Self::COOL_DOWN`] at most, and none while fetches fail.
#[derive(Clone, Debug)]
pub struct JwksSchedule {
    due: Duration,
    last: Option<Duration>,
    failures: u32,
}

impl JwksSchedule {
    /// Between two fetches because of unknown keys at least.
    pub const COOL_DOWN: Duration = Duration::from_secs(30);
    /// What an answer may say of its age …
    pub const AGE: std::ops::RangeInclusive<Duration> =
        Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
    /// … and what holds if it says nothing.
    pub const AGE_DEFAULT: Duration = Duration::from_secs(3600);
    /// After a failure, doubled with each …
    const RETRY: Duration = Duration::from_secs(2);
    /// … up to this.
    const RETRY_MAX: Duration = Duration::from_secs(300);

    /// The first fetch is due at once.
    pub fn new(now: Duration) -> Self {
        Self {
            due: now,
            last: None,
            failures: 0,
        }
    }

    /// When the next fetch is due.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// A token named a key that is not known. `now` is when.
    pub fn unknown_key(&mut self, now: Duration) {
        if let (Some(last), 0) = (self.last, self.failures) {
            self.due = self.due.min(now.max(last + Self::COOL_DOWN));
        }
    }

    /// The keys were fetched, and may be kept for `max_age`.
    pub fn fetched(&mut self, now: Duration, max_age: Option<Duration>) {
        let age = max_age.unwrap_or(Self::AGE_DEFAULT);
        self.last = Some(now);
        self.failures = 0;
        self.due = now + age.clamp(*Self::AGE.start(), *Self::AGE.end());
    }

    /// They could not be fetched, or were no keys. `random` in 0..1 spreads the next try over the
    /// second half of the delay.
    pub fn failed(&mut self, now: Duration, random: f64) {
        let doubled = Self::RETRY.saturating_mul(1 << self.failures.min(16));
        let delay = doubled.min(Self::RETRY_MAX);
        self.last = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.due = now + delay.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn age_is_what_the_answer_says_within_bounds() {
        let mut schedule = JwksSchedule::new(s(7));
        assert_eq!(schedule.due(), s(7));
        for (max_age, expected) in [
            (None, 3600),
            (Some(s(600)), 600),
            (Some(s(0)), 60),
            (Some(s(59)), 60),
            (Some(Duration::MAX), 86_400),
        ] {
            schedule.fetched(s(1_000), max_age);
            assert_eq!(schedule.due(), s(1_000 + expected), "{max_age:?}");
        }
    }

    #[test]
    fn unknown_keys_cause_a_fetch_in_thirty_seconds_at_most() {
        let mut schedule = JwksSchedule::new(s(0));
        schedule.unknown_key(s(0));
        assert_eq!(schedule.due(), s(0), "the first is due anyway");
        schedule.fetched(s(0), None);
        schedule.unknown_key(s(1));
        assert_eq!(schedule.due(), s(30));
        schedule.unknown_key(s(20));
        assert_eq!(schedule.due(), s(30), "asking again changes nothing");
        schedule.fetched(s(30), None);
        schedule.unknown_key(s(100));
        assert_eq!(schedule.due(), s(100), "long after the last: at once");

        // A flood over an hour.
        let mut schedule = JwksSchedule::new(s(0));
        let mut fetches = 0;
        for now in (0..3600).map(s) {
            schedule.unknown_key(now);
            if schedule.due() <= now {
                fetches += 1;
                schedule.fetched(now, None);
            }
        }
        assert_eq!(fetches, 120);
    }

    #[test]
    fn failures_are_tried_again_ever_more_seldom() {
        let mut schedule = JwksSchedule::new(s(0));
        let mut now = s(0);
        let mut delays = Vec::new();
        for _ in 0..10 {
            schedule.failed(now, 1.0);
            let due = schedule.due();
            schedule.unknown_key(now);
            assert_eq!(schedule.due(), due, "strangers do not hasten it");
            delays.push((due - now).as_secs());
            now = due;
        }
        assert_eq!(delays, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        schedule.failed(now, 0.0);
        assert_eq!(schedule.due() - now, s(150));
        schedule.fetched(now, None);
        schedule.failed(now, 1.0);
        assert_eq!(schedule.due() - now, s(2), "a success forgets failures");
    }
}

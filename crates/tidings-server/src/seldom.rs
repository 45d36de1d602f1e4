//! Keeps what anybody can cause as often as they like from filling the log.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const PAUSE: Duration = Duration::from_secs(60);

/// Something that is told once a minute at most.
pub struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether it is to be told now; then it is not for a minute.
    pub fn is_due(&self, now: Instant) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|told| now.saturating_duration_since(told) >= PAUSE);
        if due {
            *told = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        let told =
            [0, 1, 59, 60, 61, 119, 120].map(|s| seldom.is_due(start + Duration::from_secs(s)));
        assert_eq!(told, [true, false, false, true, false, false, true]);
    }
}

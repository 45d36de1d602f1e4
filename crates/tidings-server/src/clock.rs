//! The clock of the server: the only place that asks the system for the time of the rules.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidings_core::{Millis, Now};
use tokio::time::Instant;

/// Monotonic time since the server's start, and the time of the wall.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub fn now(&self) -> Now {
        Now {
            monotonic: self.monotonic(),
            unix: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or(Duration::ZERO)
                .as_millis() as u64,
        }
    }

    pub fn monotonic(&self) -> Millis {
        self.start.elapsed().as_millis() as Millis
    }

    pub fn uptime(&self) -> Duration {
        self.start.elapsed()
    }
}

/// `mean`, spread by half of it either way, so that many clients do not come back at once.
pub fn spread(mean: Duration) -> Duration {
    mean.mul_f64(0.5 + fastrand::f64())
}

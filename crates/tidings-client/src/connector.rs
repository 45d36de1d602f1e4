//! What to do after a connection ended: which transport next, and after which delay. Pure: the time and the
//! random number are handed in, so that every rule is tested without a clock. It opens nothing itself.
//!
//! A ladder of transports is gone down when a rung does not work *here* (no first frame in time, an answer that
//! is not the server's own), never because the server cannot be reached. It is tried from the top again at a
//! reconnect after [`Timings::climb`], so a healthy connection is never cut for it.

use std::time::{Duration, Instant};

use crate::{Error, Timings, event::Transport};

const LADDER: [Transport; 4] = [
    Transport::WebSocket,
    Transport::Sse,
    Transport::LongPoll,
    Transport::Poll,
];

/// So many connections in a row that were accepted and then broke before they proved themselves speak against a
/// rung: one may be a server that is just stopping.
const BROKEN_LIMIT: u32 = 2;

/// Why a connection ended.
#[derive(Debug)]
pub(crate) enum Cause {
    /// Every channel has ended.
    AllClosed,
    /// The server refused for good, or what it sent cannot be taken.
    Final(Error),
    /// Nothing accepted the connection.
    Unreachable(Error),
    /// The connection was accepted and broke before it proved itself.
    Broken(Error),
    /// The transport does not work here.
    Unfit(Error),
    /// The connection broke after it had proved itself.
    Lost(Error),
    /// The server refused for now.
    Passing(Error),
    /// The server asked to come back after this time, which it dealt out itself.
    Asked(Duration),
    /// The server asked to come back at once.
    AtOnce(Error),
}

impl Cause {
    /// The error behind it, where there is one.
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Self::AllClosed | Self::Asked(_) => None,
            Self::Final(error)
            | Self::Unreachable(error)
            | Self::Broken(error)
            | Self::Unfit(error)
            | Self::Lost(error)
            | Self::Passing(error)
            | Self::AtOnce(error) => Some(error),
        }
    }
}

/// The end of a connection.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) cause: Cause,
    /// How long the connection lived after the first frame.
    pub(crate) lived: Duration,
    /// The transport proved itself on this connection.
    pub(crate) proved: bool,
    /// The server's wish for the delay (`retry:`, Retry-After, `retry_ms`): it waits no shorter.
    pub(crate) floor: Option<Duration>,
}

/// What to do next.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// End well.
    Done,
    /// End with this error.
    Fail(Error),
    /// Try again, with [`Connector::transport`].
    Retry { reason: String, delay: Duration },
}

/// The rules of one subscription.
#[derive(Debug)]
pub(crate) struct Connector {
    rungs: &'static [Transport],
    at: usize,
    /// When the ladder was last gone down.
    down_since: Option<Instant>,
    broken: u32,
    ever_open: bool,
    backoff: Backoff,
    timings: Timings,
}

impl Connector {
    pub(crate) fn new(transport: Transport, timings: Timings) -> Self {
        let fixed = LADDER.iter().position(|rung| *rung == transport);
        let rungs = fixed.map_or(&LADDER[..], |at| &LADDER[at..=at]);
        let backoff = Backoff::new(timings.backoff_first, timings.backoff_max);
        Self {
            rungs,
            at: 0,
            down_since: None,
            broken: 0,
            ever_open: false,
            backoff,
            timings,
        }
    }

    /// The transport to try; never [`Transport::Auto`].
    pub(crate) fn transport(&self) -> Transport {
        self.rungs[self.at]
    }

    /// Decides what follows on a connection's end. `random` is in 0..1.
    pub(crate) fn ended(&mut self, ended: Ended, now: Instant, random: f64) -> Verdict {
        self.learn(&ended);
        let floor = ended.floor.map(|floor| floor.min(self.timings.hint_max));
        let (reason, delay) = match ended.cause {
            Cause::AllClosed => return Verdict::Done,
            Cause::Final(error) => return Verdict::Fail(error),
            Cause::Asked(after) => (
                "the server asked to reconnect".to_owned(),
                after.min(self.timings.hint_max),
            ),
            Cause::AtOnce(error) => {
                let delay = self.backoff.next(random, floor);
                // At once, but not in a loop.
                (
                    error.to_string(),
                    if self.backoff.count == 1 {
                        Duration::ZERO
                    } else {
                        delay
                    },
                )
            }
            Cause::Unreachable(error) | Cause::Lost(error) | Cause::Passing(error) => {
                (error.to_string(), self.backoff.next(random, floor))
            }
            Cause::Broken(error) => {
                self.broken += 1;
                let down = self.broken >= BROKEN_LIMIT && self.step_down(now);
                (
                    error.to_string(),
                    if down {
                        Duration::ZERO
                    } else {
                        self.backoff.next(random, floor)
                    },
                )
            }
            Cause::Unfit(error) if self.step_down(now) => (error.to_string(), Duration::ZERO),
            Cause::Unfit(error) if !self.ever_open && !error.is_temporary() => {
                return Verdict::Fail(error);
            }
            Cause::Unfit(error) => (error.to_string(), self.start_over(random, floor)),
        };
        self.climb(now);
        Verdict::Retry { reason, delay }
    }

    fn learn(&mut self, ended: &Ended) {
        if ended.proved {
            self.broken = 0;
            self.ever_open = true;
        }
        if ended.proved && ended.lived >= self.timings.stable {
            self.backoff.reset();
        }
    }

    /// Goes one rung down, if there is one.
    fn step_down(&mut self, now: Instant) -> bool {
        if self.at + 1 == self.rungs.len() {
            return false;
        }
        self.at += 1;
        self.broken = 0;
        self.down_since = Some(now);
        true
    }

    /// No rung works: back to the top, after a delay.
    fn start_over(&mut self, random: f64, floor: Option<Duration>) -> Duration {
        self.at = 0;
        self.down_since = None;
        self.backoff.next(random, floor)
    }

    fn climb(&mut self, now: Instant) {
        if self
            .down_since
            .is_some_and(|since| now.duration_since(since) >= self.timings.climb)
        {
            self.at = 0;
            self.down_since = None;
        }
    }
}

/// Exponential delays with full jitter: the n-th is a random part of `first` · 2ⁿ, at most `max`.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    count: u32,
}

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            count: 0,
        }
    }

    /// The next delay; `random` is in 0..1, `floor` is what the server asked for.
    pub(crate) fn next(&mut self, random: f64, floor: Option<Duration>) -> Duration {
        let ceiling = self
            .first
            .saturating_mul(1 << self.count.min(20))
            .min(self.max);
        self.count = self.count.saturating_add(1);
        ceiling
            .mul_f64(random.clamp(0.0, 1.0))
            .max(floor.unwrap_or_default())
    }

    pub(crate) fn reset(&mut self) {
        self.count = 0;
    }
}

#[cfg(test)]
mod tests;

//! What to do after a connection ended: which transport next, and after which delay; and when the better ones are
//! tried again. Pure: the time and the random number are handed in. It opens nothing itself. Its rules stand in
//! `docs/clients.md`, and as data in `conformance/connector`, which is also how they are tested.

use std::time::{Duration, Instant};

use crate::{
    Timings,
    end::{End, MoveReason},
    event::Transport,
};

/// The rungs, best first.
const LADDER: [Transport; 5] = [
    Transport::WebSocket,
    Transport::Sse,
    Transport::SsePost,
    Transport::LongPoll,
    Transport::Poll,
];

/// The end of a connection.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) end: End,
    /// From the first frame to the last byte; none if no first frame came.
    pub(crate) lived: Option<Duration>,
    pub(crate) heartbeat: Duration,
    /// The server's wish for the delay (`after_ms`, `retry:`, Retry-After, `retry_ms`).
    pub(crate) floor: Option<Duration>,
    /// The server was seen well meanwhile. It matters for ends that speak against a rung.
    pub(crate) probe: bool,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// End well.
    Done,
    /// End: the server refused for good.
    Final,
    /// End: too many attempts in a row did not work.
    Failed,
    /// Try [`Connector::rung`] after the delay; `moved` if it is another rung.
    Retry {
        delay: Duration,
        moved: Option<MoveReason>,
    },
}

/// What speaks against the present rung.
#[derive(Debug, Default)]
struct Strikes {
    blocked: u32,
    cut: u32,
    silent: u32,
}

/// The rules of one subscription.
#[derive(Debug)]
pub(crate) struct Connector {
    rungs: &'static [Transport],
    at: usize,
    /// The rungs over which a first frame ever came.
    worked: [bool; LADDER.len()],
    strikes: Strikes,
    /// Connections in a row over which no first frame came.
    failures: u32,
    /// The last end was one at once.
    at_once: bool,
    backoff: Backoff,
    climb: Climb,
    timings: Timings,
}

impl Connector {
    pub(crate) fn new(transport: Transport, timings: Timings) -> Self {
        let fixed = LADDER.iter().position(|rung| *rung == transport);
        let rungs = fixed.map_or(&LADDER[..], |at| &LADDER[at..=at]);
        Self {
            rungs,
            at: 0,
            worked: [false; LADDER.len()],
            strikes: Strikes::default(),
            failures: 0,
            at_once: false,
            backoff: Backoff::new(timings.backoff_first, timings.backoff_max),
            climb: Climb::default(),
            timings,
        }
    }

    /// The rung to be on; never [`Transport::Auto`].
    pub(crate) fn rung(&self) -> Transport {
        self.rungs[self.at]
    }

    /// The better rungs, best first.
    pub(crate) fn above(&self) -> &'static [Transport] {
        &self.rungs[..self.at]
    }

    /// When the rungs above are to be tried.
    pub(crate) fn climb_at(&self) -> Option<Instant> {
        self.climb.at
    }

    /// Decides what follows on a connection's end. `random` is in 0..1.
    pub(crate) fn ended(&mut self, ended: &Ended, now: Instant, random: f64) -> Next {
        match ended.end {
            End::Closed => return Next::Done,
            End::Final => return Next::Final,
            _ => self.learn(ended),
        }
        if self
            .timings
            .max_attempts
            .is_some_and(|max| self.failures >= max.max(1))
        {
            return Next::Failed;
        }
        let floor = ended.floor.map(|floor| floor.min(self.timings.hint_max));
        let again_at_once = std::mem::replace(&mut self.at_once, ended.end == End::AtOnce);
        let delay = match ended.end.blames().filter(|_| ended.probe) {
            Some(reason) if self.is_left_for(ended.end) => {
                return self.leave(reason, floor, now, random);
            }
            Some(_) if !self.worked[self.at] => Duration::ZERO,
            None if ended.end == End::Asked => floor.unwrap_or_default(),
            None if ended.end == End::AtOnce && !again_at_once => Duration::ZERO,
            _ => self.backoff.next(random, floor),
        };
        Next::Retry { delay, moved: None }
    }

    /// The rungs above were tried: the one that worked is where it stands now.
    pub(crate) fn climbed(&mut self, worked: Option<Transport>, now: Instant, random: f64) {
        self.climb.count = self.climb.count.saturating_add(1);
        let at = self.rungs.iter().position(|rung| Some(*rung) == worked);
        if let Some(at) = at.filter(|at| *at != self.at) {
            self.stand_at(at);
        }
        self.schedule(now, random);
    }

    /// What did not work over the network of before may work over this one: the rungs above are to be tried at once.
    pub(crate) fn network_changed(&mut self, now: Instant) {
        self.climb.count = 0;
        self.climb.at = (self.at > 0).then_some(now);
    }

    fn learn(&mut self, ended: &Ended) {
        let Some(lived) = ended.lived else {
            self.failures = self.failures.saturating_add(1);
            return;
        };
        self.worked[self.at] = true;
        self.failures = 0;
        if lived >= self.timings.stable {
            self.backoff.reset();
            self.strikes.blocked = 0;
            self.strikes.cut = 0;
            self.at_once = false;
        }
        if lived >= ended.heartbeat * 2 {
            self.strikes.silent = 0;
            self.climb.settled = true;
        }
    }

    /// Counts a strike, and says whether it is one too many.
    fn is_left_for(&mut self, end: End) -> bool {
        let (strikes, limit) = match end {
            End::Blocked | End::Broken => (&mut self.strikes.blocked, 2),
            End::Cut => (&mut self.strikes.cut, 3),
            End::Silent => (&mut self.strikes.silent, 2),
            _ => return true,
        };
        *strikes += 1;
        *strikes >= limit
    }

    /// Goes one rung down at once; below the last one to the top, after a delay.
    fn leave(
        &mut self,
        reason: MoveReason,
        floor: Option<Duration>,
        now: Instant,
        random: f64,
    ) -> Next {
        let from = self.at;
        let settled = self.climb.settled;
        let is_last = from + 1 == self.rungs.len();
        self.stand_at(if is_last { 0 } else { from + 1 });
        if settled || is_last {
            self.climb.count = 0;
        }
        self.schedule(now, random);
        let delay = match is_last {
            true => self.backoff.next(random, floor),
            false => Duration::ZERO,
        };
        let moved = (self.at != from).then_some(reason);
        Next::Retry { delay, moved }
    }

    fn stand_at(&mut self, at: usize) {
        self.at = at;
        self.strikes = Strikes::default();
        self.climb.settled = false;
    }

    fn schedule(&mut self, now: Instant, random: f64) {
        let (first, max) = (self.timings.climb_first, self.timings.climb_max);
        let interval = doubled(first, self.climb.count, max);
        let spread = interval.mul_f64(0.5 + random.clamp(0.0, 1.0));
        self.climb.at = (self.at > 0).then(|| now + spread);
    }
}

/// The way up again.
#[derive(Debug, Default)]
struct Climb {
    /// When the rungs above are tried next.
    at: Option<Instant>,
    /// How often they were, since the doubling began.
    count: u32,
    /// A connection lived for two heartbeats on the present rung.
    settled: bool,
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
        let ceiling = doubled(self.first, self.count, self.max);
        self.count = self.count.saturating_add(1);
        ceiling
            .mul_f64(random.clamp(0.0, 1.0))
            .max(floor.unwrap_or_default())
    }

    pub(crate) fn reset(&mut self) {
        self.count = 0;
    }
}

fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    first.saturating_mul(1 << times.min(20)).min(max)
}

#[cfg(test)]
mod tests;

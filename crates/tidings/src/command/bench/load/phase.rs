//! One stretch of publishing at one pace, and what it cost.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Load, Tally};
use crate::command::bench::process::{Cpu, Process};

/// What has not come this long after anything came is lost.
const SILENCE: Duration = Duration::from_secs(5);

/// The longest wait for a socket where none is due.
const PAUSE: Duration = Duration::from_millis(100);

/// How publishes follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many messages a second.
    Rate(f64),
    /// As fast as they are answered: so many in flight, and held back while more than `undelivered`
    /// messages, on average over the readers, have not been read. Throughput is then what arrives,
    /// not what queues.
    Flight {
        /// Publishes that are not answered, at most.
        publishes: usize,
        /// Messages on their way to each reader, on average.
        undelivered: u64,
    },
}

/// Reads what server and load have used.
#[derive(Clone, Copy)]
pub struct Meter {
    /// The server with all of its processes.
    pub server: Process,
}

impl Meter {
    fn read(&self) -> Result<[Cpu; 3]> {
        Ok([self.server.cpu()?, Process::own().cpu()?, Cpu::machine()?])
    }
}

/// What a phase gave.
#[derive(Clone, Debug)]
pub struct Sample {
    /// From the first publish until the last delivery.
    pub seconds: f64,
    /// Messages published.
    pub published: u64,
    /// What the readers got.
    pub tally: Tally,
    /// What the server used.
    pub server: Cpu,
    /// What the load used.
    pub load: Cpu,
    /// What the whole machine used, in nanoseconds, sampled by the kernel.
    pub busy_ns: u64,
}

impl Load {
    /// Publishes for `length`, waits for all deliveries, and says what it cost.
    ///
    /// # Errors
    ///
    /// A connection broke, a publish was refused, the server is gone.
    pub fn phase(
        &mut self,
        meter: &Meter,
        pace: Pace,
        length: Duration,
        bytes: usize,
    ) -> Result<Sample> {
        self.tally = Tally::default();
        self.expected = 0;
        let before = meter.read()?;
        let began = Instant::now();
        let mut published = 0;
        while began.elapsed() < length {
            while self.may_publish(pace, began, published) && self.publish(bytes)? {
                published += 1;
            }
            let rest = length.saturating_sub(began.elapsed());
            self.turn(self.until_next(pace, began, published).min(rest))?;
        }
        let ended = self.drain()?;
        let [server, load, machine] = meter.read()?;
        let mut tally = std::mem::take(&mut self.tally);
        // A loss that a reader has seen as a hole is missing among the deliveries, too.
        let missing = self.expected.saturating_sub(tally.deliveries);
        tally.faults.lost = tally.faults.lost.max(missing);
        Ok(Sample {
            seconds: (ended - began).as_secs_f64(),
            published,
            tally,
            server: server - before[0],
            load: load - before[1],
            busy_ns: (machine - before[2]).ns,
        })
    }

    /// Publishes so many messages, one after the other, and waits for their deliveries. Nothing is
    /// measured.
    ///
    /// # Errors
    ///
    /// As [`phase`](Self::phase).
    pub fn warm(&mut self, count: u64, bytes: usize) -> Result<()> {
        self.tally = Tally::default();
        self.expected = 0;
        let pace = Pace::Flight {
            publishes: 1,
            undelivered: 1,
        };
        let began = Instant::now();
        let mut published = 0;
        while published < count {
            if self.may_publish(pace, began, published) && self.publish(bytes)? {
                published += 1;
            }
            self.turn(if published < count {
                PAUSE
            } else {
                Duration::ZERO
            })?;
        }
        self.drain()?;
        Ok(())
    }

    fn may_publish(&self, pace: Pace, began: Instant, published: u64) -> bool {
        match pace {
            Pace::Rate(rate) => began.elapsed() >= due(rate, published),
            Pace::Flight {
                publishes,
                undelivered,
            } => {
                let under_way = self.publishers.len() - self.free.len();
                let readers = self.following.iter().sum::<u64>();
                let missing = self.expected.saturating_sub(self.tally.deliveries);
                under_way < publishes && missing <= undelivered * readers
            }
        }
    }

    /// How long nothing needs to be published.
    fn until_next(&self, pace: Pace, began: Instant, published: u64) -> Duration {
        match pace {
            Pace::Rate(rate) if !self.free.is_empty() => {
                due(rate, published).saturating_sub(began.elapsed())
            }
            _ => PAUSE,
        }
    }

    /// Waits for all that is published to be answered and delivered; when the last came.
    fn drain(&mut self) -> Result<Instant> {
        let mut last = (self.tally.deliveries, Instant::now());
        while self.tally.deliveries < self.expected || self.free.len() < self.publishers.len() {
            self.turn(PAUSE)?;
            if last.0 != self.tally.deliveries {
                last = (self.tally.deliveries, Instant::now());
            } else if last.1.elapsed() > SILENCE {
                break;
            }
        }
        Ok(last.1)
    }
}

/// When a message is due, counted from the first.
fn due(rate: f64, published: u64) -> Duration {
    Duration::from_secs_f64(published as f64 / rate)
}

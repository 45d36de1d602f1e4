//! The scenarios: who reads what, at which pace, and which figures come of it.

mod idle;
mod isolation;
mod stream;

use std::time::Duration;

use anyhow::Result;

use super::load::Load;
use super::options::{Options, Scenario, Transport};
use super::report::{Run, Subject};
use super::target::Target;

/// Messages before anything is measured.
const WARM: u64 = 5;

/// One scenario with all of its numbers.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which one.
    pub scenario: Scenario,
    /// How many readers.
    pub readers: usize,
    /// On how many channels.
    pub channels: usize,
    /// Messages a second.
    pub rate: f64,
    /// Publishes in flight where saturated.
    pub in_flight: usize,
    /// Messages on their way to each reader where saturated, on average.
    pub undelivered: u64,
    /// The length of a phase.
    pub length: Duration,
    /// Bytes of a payload.
    pub payload: usize,
}

/// What a scenario gave: by phase.
pub type Results = Vec<(Subject, Run)>;

impl Plan {
    /// All that is to be measured, with at most so many readers.
    pub fn all(options: &Options, possible: usize) -> Vec<Self> {
        let mut plans: Vec<Self> = Vec::new();
        for scenario in options.scenarios() {
            for readers in readers_of(scenario, options) {
                plans.push(Self::new(scenario, readers.min(possible), options));
            }
        }
        plans.dedup_by_key(|plan| (plan.scenario, plan.readers));
        plans
    }

    fn new(scenario: Scenario, readers: usize, options: &Options) -> Self {
        let crowd = readers > 5_000;
        let (rate, in_flight, undelivered) = match scenario {
            Scenario::Channels => (1_000.0, 16, 32),
            Scenario::Echo => (100.0, 1, 1),
            _ if crowd => (3.0, 4, 8),
            _ => (20.0, 8, 32),
        };
        Self {
            scenario,
            readers,
            channels: match scenario {
                Scenario::Channels => readers.div_ceil(5),
                _ => 1,
            },
            rate: options.rate.unwrap_or(rate),
            in_flight: options.in_flight.map_or(in_flight, |most| most as usize),
            undelivered,
            length: Duration::from_secs_f64(options.seconds),
            payload: options.payload,
        }
    }

    /// Whether the floor can do this, too: it has streams to write to, and that is all.
    pub fn has_floor(&self) -> bool {
        !matches!(self.scenario, Scenario::Idle | Scenario::Isolation)
    }

    /// Measures once.
    ///
    /// # Errors
    ///
    /// The server refuses, breaks a connection, or ends.
    pub fn run(&self, target: &Target, transport: Transport) -> Result<Results> {
        match self.scenario {
            Scenario::Idle => idle::run(self, target, transport),
            Scenario::Isolation => isolation::run(self, target, transport),
            _ => stream::run(self, target, transport),
        }
    }

    /// A load without readers, on channels that nobody else uses.
    fn load(&self, target: &Target) -> Result<Load> {
        let mut unique = [0; 8];
        getrandom::fill(&mut unique)
            .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
        let unique = u64::from_ne_bytes(unique);
        let names = (0..self.channels).map(|index| format!("bench-{unique:016x}-{index}"));
        // A pace, too, may need a second connection while an answer is late.
        Load::new(target.door.clone(), names.collect(), self.in_flight.max(4))
    }

    fn subject(&self, phase: &'static str, pace: String) -> Subject {
        Subject {
            scenario: self.scenario.name(),
            phase,
            readers: self.readers,
            channels: self.channels,
            pace,
        }
    }
}

fn readers_of(scenario: Scenario, options: &Options) -> Vec<usize> {
    if scenario == Scenario::Echo {
        return vec![1];
    }
    if !options.readers.is_empty() {
        return options.readers.iter().map(|n| *n as usize).collect();
    }
    match scenario {
        Scenario::Fanout => vec![1_000, 10_000],
        Scenario::Channels => vec![5_000],
        Scenario::Idle => vec![10_000],
        Scenario::Echo => vec![1],
        Scenario::Isolation => vec![1_000],
    }
}

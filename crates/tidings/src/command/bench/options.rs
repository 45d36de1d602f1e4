//! What `tidings bench` is told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::payload;

/// `tidings bench`.
#[derive(Args, Debug)]
#[command(
    after_help = "Without flags it starts a server of its own with one worker on the first core, loads it from the
others, and runs a short version of all scenarios, in about three minutes. Linux only: what the
server uses is read from /proc.

Scenarios:
  fanout      one channel; 1,000 readers: 20 messages/s, then saturated with 8 publishes in
              flight and at most 32 messages undelivered; 10,000 readers: 3/s, then 4 and 8
  channels    1,000 channels of 5 readers: 1,000 messages/s; saturated with 16 in flight
  idle        10,000 connections that get nothing: resident bytes for each
  echo        one reader, 100 messages/s: the round trip
  isolation   1,000 readers at 20/s: alone, beside 10 % that never read, beside 1 % that are
              hostile

A figure is the median over the repetitions with (least–most). --floor adds a program that only
writes one ready frame to each socket; it takes turns with the server, and every figure is then
also a ratio to it. All readers check that they get every message, once and in order.

Examples:
  tidings bench
  tidings bench --scenario fanout --transport ws --readers 1000 --seconds 3 --repetitions 5
  cargo build --release -p floor && tidings bench --floor target/release/floor --json > figures.json
  tidings bench --url http://127.0.0.1:8000 --pid $(pidof tidings) --scenario echo

Exit codes: 0 done, 1 messages were lost or something failed, 2 wrong usage."
)]
pub struct Options {
    /// What is measured: fanout, channels, idle, echo, isolation [default: all]
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "NAME,…",
        hide_possible_values = true
    )]
    pub scenario: Vec<Scenario>,
    /// How it is read: ws, sse, longpoll [default: all]
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "NAME,…",
        hide_possible_values = true
    )]
    pub transport: Vec<Transport>,
    /// Readers, instead of the scenario's own
    #[arg(long, value_delimiter = ',', value_name = "N,…", value_parser = clap::value_parser!(u32).range(1..))]
    pub readers: Vec<u32>,
    /// Messages per second where the pace is fixed, instead of the scenario's own
    #[arg(long, value_name = "N", value_parser = positive)]
    pub rate: Option<f64>,
    /// Publishes in flight where it is saturated, instead of the scenario's own
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub in_flight: Option<u32>,
    /// Length of a phase
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = positive)]
    pub seconds: f64,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub repetitions: u32,
    /// Bytes of a message's payload
    #[arg(long, value_name = "BYTES", default_value = "128", value_parser = payload_bytes)]
    pub payload: usize,
    /// The floor program, as cargo builds it from bench/floor
    #[arg(long, value_name = "PATH")]
    pub floor: Option<PathBuf>,
    /// A server that runs already, on this machine
    #[arg(long, value_name = "URL", requires = "pid")]
    pub url: Option<String>,
    /// Its process
    #[arg(long, value_name = "PID", requires = "url")]
    pub pid: Option<u32>,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub json: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// One channel, many readers.
    Fanout,
    /// Many channels, few readers each.
    Channels,
    /// Connections without messages.
    Idle,
    /// One reader's round trip.
    Echo,
    /// Readers beside bad ones.
    Isolation,
}

impl Scenario {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
            Self::Channels => "channels",
            Self::Idle => "idle",
            Self::Echo => "echo",
            Self::Isolation => "isolation",
        }
    }
}

/// How a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// WebSocket.
    Ws,
    /// Server-Sent Events.
    Sse,
    /// Long polling.
    Longpoll,
}

impl Transport {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Sse => "sse",
            Self::Longpoll => "longpoll",
        }
    }
}

impl Options {
    /// The scenarios, in their order and each once.
    pub fn scenarios(&self) -> Vec<Scenario> {
        chosen(&self.scenario)
    }

    /// The transports, likewise.
    pub fn transports(&self) -> Vec<Transport> {
        chosen(&self.transport)
    }
}

/// All values that were typed, or all there are.
fn chosen<T: ValueEnum + Copy + PartialEq>(typed: &[T]) -> Vec<T> {
    let all = T::value_variants().iter().copied();
    all.filter(|value| typed.is_empty() || typed.contains(value))
        .collect()
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && (0.001..=1e6).contains(&number) => Ok(number),
        _ => Err("write a number from 0.001 to 1000000".into()),
    }
}

fn payload_bytes(text: &str) -> Result<usize, String> {
    let most = 1 << 20;
    match text.parse::<usize>() {
        Ok(bytes) if (payload::LEAST..=most).contains(&bytes) => Ok(bytes),
        _ => Err(format!(
            "write a number from {}, which its number and time take, to {most}",
            payload::LEAST
        )),
    }
}

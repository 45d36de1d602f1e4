//! Plays a transcript against a server.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tidings_core::History;
use tidings_core::broker::memory::MemoryBroker;

use super::bless::record;
use super::carried::Deflated;
use super::holes::Holes;
use super::wire::{PATIENCE, Wire};
use super::{Step, step};
use crate::carrier::{Carrier, Endpoint};
use crate::http::get;
use crate::server::{Options, TestServer};

/// Lengths of epochs are part of what is compared, so they must not differ from run to run.
const INCARNATION: [u64; 2] = [7, 11];

/// How a transcript is played.
#[derive(Clone)]
pub enum How {
    /// What the server sends is recorded.
    Bless,
    /// What the server sends is compared. With a counter WebSockets offer compression, and what comes
    /// deflated is counted.
    Compare(Carrier, Option<Deflated>),
}

struct Play {
    server: TestServer,
    to: Endpoint,
    wires: HashMap<String, Wire>,
    on: String,
    holes: Holes,
    /// What stands in lines that follow each other is sent at once.
    unsent: Vec<u8>,
    bless: bool,
    deflated: Option<Deflated>,
    /// The lines as they are to stand from now on.
    lines: Vec<String>,
    /// The lines before were recorded in one go: those that stood there are left out.
    recorded: bool,
}

/// Plays `script`. Gives it as it is to stand.
///
/// # Errors
/// The line that does not hold, and what came instead.
pub async fn replay(script: &str, how: How) -> Result<String, String> {
    let steps: Result<Vec<_>, _> = script
        .lines()
        .enumerate()
        .map(|(index, line)| {
            step(line)
                .map(|step| (line, step))
                .map_err(|fault| format!("line {}: {fault}", index + 1))
        })
        .collect();
    let steps = steps?;
    let history = steps.iter().find_map(|(_, step)| match step {
        Step::Server(count) => Some(*count),
        _ => None,
    });
    let server = server(history).await;
    let (carrier, deflated) = match &how {
        How::Bless => (Carrier::Http1, None),
        How::Compare(carrier, deflated) => (*carrier, deflated.clone()),
    };
    let mut play = Play {
        to: server.endpoint(carrier).await,
        server,
        wires: HashMap::new(),
        on: String::new(),
        holes: Holes::default(),
        unsent: Vec::new(),
        bless: matches!(how, How::Bless),
        deflated,
        lines: Vec::new(),
        recorded: false,
    };
    for (index, (line, step)) in steps.iter().enumerate() {
        let done = play.step(line, step).await;
        done.map_err(|fault| format!("line {}: {line}\n  {fault}", index + 1))?;
    }
    play.end().await
}

async fn server(history: Option<usize>) -> TestServer {
    let mut options = Options::default();
    options.history = History {
        count: history.unwrap_or(options.history.count),
        ..options.history
    };
    let broker = MemoryBroker::new(INCARNATION, &options.limits);
    TestServer::over(broker, options).await
}

impl Play {
    async fn step(&mut self, line: &str, step: &Step) -> Result<(), String> {
        if !matches!(step, Step::Send(_)) && !self.unsent.is_empty() {
            let bytes = std::mem::take(&mut self.unsent);
            self.wire()?.ask(&bytes).await?;
        }
        if let Step::Expect(expected) = step {
            if self.bless {
                return self.record().await;
            }
            let expected = expected
                .as_ref()
                .ok_or("nothing was recorded here: run with BLESS=1")?;
            self.lines.push(line.to_owned());
            let wire = self.wires.get_mut(&self.on).ok_or("on which connection?")?;
            return wire.expect(expected, &mut self.holes).await;
        }
        self.recorded = false;
        self.lines.push(line.to_owned());
        match step {
            Step::On(name) => self.open(name).await,
            Step::Close(name) => {
                let wire = self.wires.remove(name).ok_or("it is not open")?;
                self.nothing_left(name, wire).await
            }
            Step::Wait(transport, count) => self.wait(transport, *count).await,
            Step::Send(tokens) => {
                let bytes = self.holes.fill(tokens)?;
                self.unsent.extend_from_slice(&bytes);
                Ok(())
            }
            Step::SendFrame(opcode, tokens) => {
                let bytes = self.holes.fill(tokens)?;
                self.wire()?.send_frame(*opcode, &bytes).await
            }
            Step::Remark | Step::Server(_) | Step::Expect(_) => Ok(()),
        }
    }

    async fn record(&mut self) -> Result<(), String> {
        if self.recorded {
            return Ok(());
        }
        self.recorded = true;
        let wire = self.wires.get_mut(&self.on).ok_or("on which connection?")?;
        let lines = record(wire, &mut self.holes).await;
        match lines.is_empty() {
            true => Err("nothing came".into()),
            false => {
                self.lines.extend(lines);
                Ok(())
            }
        }
    }

    async fn open(&mut self, name: &str) -> Result<(), String> {
        self.on = name.to_owned();
        if !self.wires.contains_key(name) {
            let wire = Wire::connect(&self.to, self.deflated.clone()).await?;
            self.wires.insert(name.to_owned(), wire);
        }
        Ok(())
    }

    fn wire(&mut self) -> Result<&mut Wire, String> {
        self.wires
            .get_mut(&self.on)
            .ok_or_else(|| "on which connection?".into())
    }

    /// Waits until the server counts what it has to: a client cannot see when its request has begun
    /// to wait, or when the server has seen that it is gone.
    async fn wait(&self, transport: &str, count: u64) -> Result<(), String> {
        let line = format!("{{transport=\"{transport}\"}} {count}");
        let began = Instant::now();
        loop {
            let metrics = get(self.server.addr, "/metrics").await;
            let mut open = metrics
                .text()
                .lines()
                .filter(|known| known.starts_with("tidings_readers"));
            if open.any(|known| known.ends_with(&line)) {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!(
                    "the server does not come to {count} of {transport}:\n{}",
                    metrics.text()
                ));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn nothing_left(&self, name: &str, mut wire: Wire) -> Result<(), String> {
        match wire.left_over().await {
            None => Ok(()),
            Some(bytes) => Err(format!("on {name} nobody expected {bytes}")),
        }
    }

    async fn end(mut self) -> Result<String, String> {
        for (name, wire) in std::mem::take(&mut self.wires) {
            self.nothing_left(&name, wire).await?;
        }
        self.server.stop().await;
        Ok(self.lines.join("\n") + "\n")
    }
}

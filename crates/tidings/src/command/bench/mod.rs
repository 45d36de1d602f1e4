//! `tidings bench`: what a message costs this server on this machine. It starts a server, loads it
//! from another core, and prints figures with the machine they belong to.
//!
//! It measures from outside, over sockets and `/proc`, as it would any other server; nothing of the
//! server's insides is asked. It decides nothing about what is good: that is for who reads it.

mod cores;
mod latency;
mod ledger;
mod load;
mod machine;
mod options;
mod payload;
mod process;
mod report;
mod scenario;
mod target;
mod wire;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub use options::Options;

use crate::command::{complain, refused};
use cores::Cores;
use machine::Machine;
use options::Transport;
use report::{FLOOR, Report};
use scenario::Plan;
use target::Source;

/// The commit that this program was built from, as the build saw it.
const COMMIT: &str = env!("TIDINGS_COMMIT");

/// Measures what the options say. Lost messages are exit code 1.
///
/// # Errors
///
/// A server that does not start, refuses or breaks; a machine on which nothing can be measured.
pub fn run(options: &Options) -> Result<ExitCode> {
    let cores = Cores::allowed()?;
    let machine = Machine::here(&cores);
    cores.take_load()?;
    let plans = Plan::all(options, possible_readers(options));
    let mut bench = Bench {
        server: match (&options.url, options.pid) {
            (Some(url), Some(id)) => Source::running(url, id)?,
            _ => Source::Own,
        },
        floor: options.floor.clone().map(Source::Floor),
        transports: options.transports(),
        cores,
        report: Report::default(),
        began: Instant::now(),
    };
    for repetition in 1..=options.repetitions {
        for plan in &plans {
            complain(format!(
                "[{:3} s] repetition {repetition}/{}: {}, {} readers",
                bench.began.elapsed().as_secs(),
                options.repetitions,
                plan.scenario.name(),
                plan.readers
            ));
            bench.measure(plan)?;
        }
    }
    let text = if options.json {
        format!("{:#}\n", bench.json(options, &machine))
    } else {
        bench.text(options, &machine)
    };
    // Whoever closed the output has read enough.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    if bench.report.flawless() {
        return Ok(ExitCode::SUCCESS);
    }
    complain("error: messages were lost, repeated or out of order");
    Ok(refused())
}

struct Bench {
    server: Source,
    floor: Option<Source>,
    transports: Vec<Transport>,
    cores: Cores,
    report: Report,
    began: Instant,
}

impl Bench {
    /// One repetition of a plan: the floor and then each transport, each on a server of its own.
    fn measure(&mut self, plan: &Plan) -> Result<()> {
        if let Some(floor) = self.floor.clone().filter(|_| plan.has_floor()) {
            self.measure_one(plan, &floor, Transport::Ws, FLOOR)?;
        }
        for transport in self.transports.clone() {
            let server = self.server.clone();
            self.measure_one(plan, &server, transport, transport.name())?;
        }
        Ok(())
    }

    fn measure_one(
        &mut self,
        plan: &Plan,
        source: &Source,
        transport: Transport,
        label: &'static str,
    ) -> Result<()> {
        let target = source.open(&self.cores)?;
        let results = plan.run(&target, transport).with_context(|| {
            format!(
                "{}, {} readers, {label}",
                plan.scenario.name(),
                plan.readers
            )
        })?;
        for (subject, run) in results {
            self.report.add(subject, label, run);
        }
        Ok(())
    }

    fn text(&self, options: &Options, machine: &Machine) -> String {
        format!(
            "tidings {} ({COMMIT})\n{}\n{}; load on core {}\n{}\n\n\
             {} of {} s, {} bytes of payload; median (least–most){}\n\n{}",
            env!("CARGO_PKG_VERSION"),
            machine.text(),
            self.server_text(),
            self.cores.load_text(),
            command(),
            match options.repetitions {
                1 => "1 repetition".into(),
                count => format!("{count} repetitions"),
            },
            options.seconds,
            options.payload,
            match self.floor {
                Some(_) => "; x: in units of the floor",
                None => "",
            },
            report::print(&self.report)
        )
    }

    /// Which server this is about, and where it runs.
    fn server_text(&self) -> String {
        match (&self.server, self.cores.server()) {
            (Source::Running { door, id }, _) => {
                let program = std::fs::read_link(format!("/proc/{id}/exe"));
                let program = program.map_or("unknown".into(), |path| path.display().to_string());
                format!(
                    "server http://{}, process {id}, program {program}",
                    door.host
                )
            }
            (_, Some(core)) => format!("server of its own with one worker, on core {core}"),
            (_, None) => {
                "server of its own with one worker; it shares the only core with the load, so \
                latency and throughput mean little"
                    .into()
            }
        }
    }

    fn json(&self, options: &Options, machine: &Machine) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "commit": COMMIT,
            "time": humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
            "command": command(),
            "machine": machine.json(),
            "server": self.server_text(),
            "load_cores": self.cores.load(),
            "floor": options.floor,
            "repetitions": options.repetitions,
            "seconds": options.seconds,
            "payload_bytes": options.payload,
            "results": self.report.json(),
        })
    }
}

/// How it was called.
fn command() -> String {
    let words: Vec<String> = std::env::args().collect();
    words.join(" ")
}

/// How many readers there can be; says so if a scenario wants more.
fn possible_readers(options: &Options) -> usize {
    let possible = cores::possible_readers();
    let wanted = Plan::all(options, usize::MAX)
        .iter()
        .map(|plan| plan.readers)
        .max()
        .unwrap_or(0);
    if wanted > possible {
        complain(format!(
            "note: only {possible} readers are possible instead of {wanted}, because of the limit of open files; \
             `ulimit -Hn` shows it, root raises it"
        ));
    }
    possible
}

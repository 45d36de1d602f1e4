//! The master property, from outside: whatever a reader goes through, it is given each message once,
//! in order, or is told of a gap that is true.
//!
//! Publishers and wandering readers meet on a server that is known by its endpoints alone: one for each
//! carrier, all of them the same channels.

pub mod content;
pub mod envelope;
pub mod identities;
pub mod ledger;
mod poll;
mod publisher;
pub mod reader;
mod sse;
mod tally;
mod ws;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::interval_at;

use crate::carrier::Endpoint;
use crate::http::{get, percent};
use ledger::Ledger;
use publisher::{Publisher, ok};
use reader::Reader;

pub use tally::{Tally, Way};

/// How often a run says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What decides everything that is random.
    pub seed: u64,
    /// How many channels every reader reads.
    pub channels: usize,
    /// Messages on all of them.
    pub messages: u64,
    /// Messages a second; 0 for as many as the server takes.
    pub rate: u64,
    /// How many readers there are.
    pub readers: usize,
    /// Where losses are part of the run; `None`: nothing may be lost.
    pub losses: Option<Losses>,
}

/// What makes readers lose messages.
#[derive(Clone, Debug)]
pub struct Losses {
    /// The count of the server's history, which is its only bound that is reached.
    pub keep: u64,
    /// The longest pause of a reader between two connections.
    pub pause: Duration,
    /// Epochs of each channel: one more than there are `DELETE`s.
    pub epochs: usize,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Messages published.
    pub published: u64,
    /// The sum of what the readers have been through.
    pub tally: Tally,
    /// How long it took.
    pub took: Duration,
}

/// Does a run on the server at `endpoints`, whose history must hold it all, or be what `losses` says.
///
/// # Errors
/// The first thing that was not as it has to be, with the plan and the state of all.
pub async fn run(endpoints: &[Endpoint], plan: &Plan) -> Result<Report, String> {
    let began = Instant::now();
    let ledger = begin(&endpoints[0].apart(), plan)
        .await
        .map_err(|fault| format!("{plan:?}: {fault}"))?;
    let mut report = Report::default();
    let mut tasks = start(endpoints, plan, &ledger).await;
    let mut ticks = interval_at(tokio::time::Instant::now() + PROGRESS, PROGRESS);
    loop {
        let done = tokio::select! {
            done = tasks.join_next() => done,
            _ = ticks.tick() => {
                eprintln!("channels {}, seed {}: {} of {} published", plan.channels, plan.seed, ledger.published(), plan.messages);
                continue;
            }
        };
        let Some(done) = done else { break };
        // The others are dropped with their set: the first fault is the one that counts.
        let tally = match done {
            Ok(Ok(tally)) => tally,
            Ok(Err(fault)) => return Err(format!("{plan:?}: {fault}")),
            Err(panic) => return Err(format!("{plan:?}: {panic}\n{}", ledger.state())),
        };
        report.tally.add(&tally);
    }
    report.published = ledger.published();
    report.took = began.elapsed();
    complete(endpoints, plan, &report)?;
    Ok(report)
}

/// Names the channels, which nobody else has, and asks for their epochs.
async fn begin(to: &Endpoint, plan: &Plan) -> Result<Arc<Ledger>, String> {
    let run = fastrand::u64(..);
    let names: Vec<String> = (0..plan.channels)
        .map(|channel| format!("방:{run:x}-{channel}🎉"))
        .collect();
    let epochs = plan
        .losses
        .as_ref()
        .map_or(1, |losses| losses.epochs as u64);
    let share = |channel: u64| {
        let count = plan.messages / plan.channels as u64
            + u64::from(channel < plan.messages % plan.channels as u64);
        let mut plan = vec![count / epochs; epochs as usize];
        plan[0] += count % epochs;
        plan
    };
    let plans = (0..plan.channels as u64).map(share).collect();
    let keep = plan.losses.as_ref().map(|losses| losses.keep);
    let ledger = Ledger::new(names, plans, keep);
    for (channel, name) in ledger.channels.iter().enumerate() {
        let answer = ok(get(to, &format!("/channels/{}", percent(name))).await)?;
        let cursor = answer["cursor"]
            .as_str()
            .and_then(|cursor| cursor.strip_suffix("-0"));
        ledger.begin(
            channel,
            cursor.ok_or_else(|| format!("a new channel answers {answer}"))?,
        );
    }
    Ok(Arc::new(ledger))
}

/// Starts readers and publishers; a publisher's tally is empty.
async fn start(
    endpoints: &[Endpoint],
    plan: &Plan,
    ledger: &Arc<Ledger>,
) -> JoinSet<Result<Tally, String>> {
    let mut rng = Rng::with_seed(plan.seed);
    let mut tasks = JoinSet::new();
    let pause = plan.losses.as_ref().map(|losses| losses.pause);
    for _ in 0..plan.readers {
        tasks.spawn(Reader::new(endpoints, ledger.clone(), pause, rng.fork()).run());
    }
    let publishers = plan.channels.min(2);
    for first in 0..publishers {
        let channels: Vec<usize> = (first..plan.channels).step_by(publishers).collect();
        let rate = (plan.rate * channels.len() as u64).div_ceil(plan.channels as u64);
        let publisher =
            Publisher::connect(endpoints, ledger.clone(), channels, rate, rng.fork()).await;
        tasks.spawn(async move { publisher.run().await.map(|()| Tally::default()) });
    }
    tasks
}

/// Nothing missing at the end, and a run that tried nothing proves nothing.
fn complete(endpoints: &[Endpoint], plan: &Plan, report: &Report) -> Result<(), String> {
    let tally = &report.tally;
    let came = tally.sum().messages;
    let wanted = plan.messages * plan.readers as u64;
    let tried = tally.by_transport().into_iter().all(Way::is_tried)
        && endpoints
            .iter()
            .all(|endpoint| tally.by_carrier(endpoint.carrier).is_tried())
        && tally.deflated > 0;
    let whole = match plan.losses {
        None => came == wanted && tally.gaps == 0 && tried,
        // Readers that mostly pause connect too seldom to have tried every way.
        Some(_) => came > 0 && came + tally.lost <= wanted,
    };
    match whole && report.published == plan.messages {
        true => Ok(()),
        false => Err(format!("{plan:?}: {came} came of {wanted}: {report}")),
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = self.took.as_secs_f64();
        let rate = self.published as f64 / seconds;
        write!(
            f,
            "{} published in {seconds:.1} s ({rate:.0}/s), {}",
            self.published, self.tally
        )
    }
}

//! `isolation`: what honest readers notice of others. Nine tenths of the readers are honest in all
//! phases, and only they are measured: first alone, then beside a tenth that never reads again,
//! then beside a hundredth that is hostile.

use anyhow::Result;

use super::{Plan, Results, WARM};
use crate::command::bench::load::{Hostile, Load, Pace, Route, Sample};
use crate::command::bench::options::Transport;
use crate::command::bench::report::Run;
use crate::command::bench::target::Target;

/// What fills the socket of a stalled reader on both sides, so that the server has to hold back:
/// so many messages of so many bytes.
const FILL: (u64, usize) = (96, 16 << 10);

/// Measures once.
///
/// # Errors
///
/// The server refuses or cuts an honest reader, or ends.
pub fn run(plan: &Plan, target: &Target, transport: Transport) -> Result<Results> {
    let honest = plan.readers - (plan.readers / 10).max(1).min(plan.readers - 1);
    let mut load = plan.load(target)?;
    load.connect(transport, honest, Route::Loopback)?;
    load.warm(WARM, plan.payload)?;
    rested(target)?;
    let pace = Pace::Rate(plan.rate);
    let words = format!("{} messages/s", plan.rate);
    let phase = |load: &mut Load| load.phase(&target.meter, pace, plan.length, plan.payload);

    let alone = phase(&mut load)?;
    load.connect(transport, plan.readers.max(honest + 1), Route::Ethernet)?;
    load.stall(honest)?;
    load.warm(FILL.0, FILL.1)?;
    rested(target)?;
    let stalled = phase(&mut load)?;
    load.drop_stalled(honest);
    rested(target)?;
    load.set_hostile(Hostile::crowd((plan.readers / 100).max(4)));
    load.warm(WARM, plan.payload)?;
    let hostile = phase(&mut load)?;

    let results = [
        ("alone", &alone),
        ("stalled", &stalled),
        ("hostile", &hostile),
    ];
    let result = |(name, sample)| {
        let subject = plan.subject(name, words.clone());
        (subject, beside(sample, &alone))
    };
    Ok(results.map(result).into())
}

/// Waits until what came before a phase is done with, in the server and in the system, so that none
/// of it is measured.
fn rested(target: &Target) -> Result<()> {
    target.meter.server.resident_at_rest().map(drop)
}

/// The figures of a phase, with its latencies in units of those without the others.
fn beside(sample: &Sample, alone: &Sample) -> Run {
    let mut run = Run::of(sample);
    for (name, share) in [
        ("latency_p50_to_alone", 0.5),
        ("latency_p99_to_alone", 0.99),
    ] {
        let quantile = |sample: &Sample| sample.tally.latencies.quantile(share).max(1) as f64;
        run.figures.push((name, quantile(sample) / quantile(alone)));
    }
    run
}

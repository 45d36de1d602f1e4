//! `fanout`, `channels` and `echo`: readers that all get everything, at a fixed pace and then as
//! fast as it goes.

use anyhow::Result;

use super::{Plan, Results, WARM};
use crate::command::bench::load::{Pace, Route};
use crate::command::bench::options::{Scenario, Transport};
use crate::command::bench::report::Run;
use crate::command::bench::target::Target;

/// Measures once.
///
/// # Errors
///
/// The server refuses, breaks a connection, or ends.
pub fn run(plan: &Plan, target: &Target, transport: Transport) -> Result<Results> {
    let mut load = plan.load(target)?;
    load.connect(transport, plan.readers, Route::Loopback)?;
    load.warm(WARM.max(plan.channels as u64), plan.payload)?;
    let mut results = Vec::new();
    for (phase, pace, words) in phases(plan) {
        let sample = load.phase(&target.meter, pace, plan.length, plan.payload)?;
        results.push((plan.subject(phase, words), Run::of(&sample)));
    }
    Ok(results)
}

fn phases(plan: &Plan) -> Vec<(&'static str, Pace, String)> {
    let rate = format!("{} messages/s", plan.rate);
    let paced = ("paced", Pace::Rate(plan.rate), rate);
    if plan.scenario == Scenario::Echo {
        return vec![paced];
    }
    let flight = Pace::Flight {
        publishes: plan.in_flight,
        undelivered: plan.undelivered,
    };
    let words = format!(
        "{} publishes in flight, at most {} messages undelivered",
        plan.in_flight, plan.undelivered
    );
    vec![paced, ("saturated", flight, words)]
}

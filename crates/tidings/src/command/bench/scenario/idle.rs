//! `idle`: what a connection costs that gets nothing, in resident memory of the server.

use anyhow::Result;

use super::{Plan, Results};
use crate::command::bench::load::Route;
use crate::command::bench::options::Transport;
use crate::command::bench::report::Run;
use crate::command::bench::target::Target;

/// Connections before the first look, so that what a server makes once is not counted.
const FIRST: usize = 100;

/// Measures once.
///
/// # Errors
///
/// The server refuses readers, ends, or does not come to rest.
pub fn run(plan: &Plan, target: &Target, transport: Transport) -> Result<Results> {
    let mut load = plan.load(target)?;
    let server = &target.meter.server;
    let first = FIRST.min(plan.readers / 2);
    load.connect(transport, first, Route::Loopback)?;
    let before = server.resident_at_rest()?;
    load.connect(transport, plan.readers, Route::Loopback)?;
    let after = server.resident_at_rest()?;
    let each = (after as f64 - before as f64) / (plan.readers - first) as f64;
    let run = Run {
        figures: vec![
            ("resident_bytes_per_connection", each),
            ("resident_bytes", after as f64),
        ],
        ..Run::default()
    };
    Ok(vec![(plan.subject("connections", String::new()), run)])
}

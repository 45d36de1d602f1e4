//! The client against the real server, with the proxy between them that breaks things: which transports it goes
//! over, and that nothing is lost and nothing comes twice on the way.

mod chaos;
mod follower;
mod ladder;
mod matrix;
mod moves;
mod network;
mod publisher;
mod publishes;
mod restarts;
#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use conformance::server::{Options, TestServer};
use tidings_client::Timings;

/// Climbing within a test, and no second try at once.
fn quick() -> Timings {
    Timings {
        stable: Duration::from_millis(100),
        climb_first: Duration::from_millis(400),
        climb_max: Duration::from_secs(2),
        ..support::short()
    }
}

/// A server that speaks once in a while, and keeps so many messages.
async fn server(heartbeat: Duration, count: usize) -> TestServer {
    let mut options = Options::default();
    options.history.count = count;
    options.history.bytes = 1 << 30;
    options.history.age = Duration::from_secs(24 * 3_600);
    options.limits.heartbeat = heartbeat;
    TestServer::with(options).await
}

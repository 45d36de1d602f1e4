//! Random faults for as long as one likes: what is received is what was published, in order and once, and what is told
//! to be lost is lost.
//!
//! `MINUTES=20 SEED=7 cargo test --release -p tidings-client --test faults chaos -- --nocapture` goes on for longer.

mod ledger;
mod weather;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tidings_client::{Timings, Transport};
use tokio::time::sleep;

use crate::{follower::Follower, network::Network, publisher::Publisher, server, support::short};
use ledger::Ledgers;
use weather::Weather;

/// Messages that the server keeps: a few seconds of them, so that a long silence loses some.
const KEPT: usize = 1_000;

/// Of the messages to the server itself; a tenth as many come through the network.
const PERIOD: Duration = Duration::from_millis(5);

const SHORT: Duration = Duration::from_secs(20);

fn duration() -> Duration {
    let minutes = std::env::var("MINUTES").ok();
    let minutes = minutes.map(|text| text.parse::<f64>().expect("MINUTES is a number"));
    minutes.map_or(SHORT, |minutes| Duration::from_secs_f64(60.0 * minutes))
}

fn seed() -> u64 {
    match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("SEED is a number"),
        Err(_) => fastrand::u64(..1_000_000),
    }
}

fn timings() -> Timings {
    Timings {
        first_frame: Duration::from_secs(1),
        stable: Duration::from_secs(1),
        request: Duration::from_secs(1),
        backoff_max: Duration::from_millis(500),
        climb_first: Duration::from_secs(1),
        climb_max: Duration::from_secs(4),
        ..short()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chaos() {
    let (seed, duration) = (seed(), duration());
    println!("SEED={seed}, {} s", duration.as_secs());
    let server = Arc::new(server(Duration::from_millis(300), KEPT).await);
    let network = Network::before(server.addr).await;
    let channels = ["direct", "through"];
    let mut follower = Follower::of(&channels, &network.url(), Transport::Auto, timings());
    let direct = format!("http://{}", server.addr);
    let publishers = [
        Publisher::start(&direct, channels[0], PERIOD),
        Publisher::start(&network.url(), channels[1], PERIOD * 10),
    ];
    let mut ledgers = Ledgers::new(KEPT as u64);
    let mut weather = Weather::new(seed);
    let until = Instant::now() + duration;
    while Instant::now() < until {
        let pause = sleep(weather.change(&network).await);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                () = follower.step() => ledgers.take(&mut follower, |channel| published(&publishers, channel)),
            }
        }
    }
    network.up();
    network.clear();
    let mut ends = Vec::new();
    for publisher in publishers {
        ends.push(publisher.end().await);
    }
    while channels
        .iter()
        .zip(&ends)
        .any(|(channel, end)| ledgers.last(channel) < *end)
    {
        follower.step().await;
        let published = |channel: &str| ends[usize::from(channel == channels[1])];
        ledgers.take(&mut follower, published);
    }
    let (waits, moves) = (follower.waits, follower.moves().len());
    println!("{weather}, {waits} connections ended, {moves} moves, published {ends:?}: {ledgers}");
    assert!(
        ledgers.received() * 2 > ends.iter().sum(),
        "most are lost: {ledgers}"
    );
    assert!(waits > 3, "nothing happened: {weather}");
}

fn published(publishers: &[Publisher; 2], channel: &str) -> u64 {
    publishers[usize::from(channel == "through")].count()
}

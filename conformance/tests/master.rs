//! The master property on a server in this process, by all carriers at once: a few thousand messages per
//! seed, several seeds.
//!
//! `SEED=7` repeats one of them; the command `master` does more of the same.

use std::time::Duration;

use conformance::carrier::Carrier;
use conformance::master::{Losses, Plan, Report, identities, run};
use conformance::server::{Options, TestServer};
use tidings_core::History;

/// The longest that a run may take: a hang is a failure, too.
const TOO_LONG: Duration = Duration::from_secs(90);

fn history(count: usize) -> Options {
    Options {
        history: History {
            count,
            bytes: 1 << 30,
            age: Duration::from_secs(3600),
        },
        ..Options::default()
    }
}

async fn prove(count: usize, plan: Plan) -> Report {
    let server = TestServer::with(history(count)).await;
    let mut endpoints = Vec::new();
    for carrier in Carrier::ALL {
        endpoints.push(server.endpoint(carrier).await);
    }
    let ran = tokio::time::timeout(TOO_LONG, run(&endpoints, &plan)).await;
    let report = ran.unwrap_or_else(|_| panic!("SEED={}: {plan:?} did not end", plan.seed));
    let report = report.unwrap_or_else(|fault| panic!("SEED={}: {fault}", plan.seed));
    println!("{} channels, seed {}: {report}", plan.channels, plan.seed);
    server.stop().await;
    report
}

fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => (0..count).map(|_| fastrand::u64(..)).collect(),
    }
}

async fn nothing_is_lost(channels: usize, messages: u64, rate: u64) {
    for seed in seeds(3) {
        let plan = Plan {
            seed,
            channels,
            messages,
            rate,
            readers: 3,
            losses: None,
        };
        let report = prove(1_000_000, plan).await;
        if channels <= 16 {
            assert_eq!(
                report.tally.repeats, 0,
                "with exact cursors nothing comes twice"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_once_and_in_order_on_one_channel() {
    nothing_is_lost(1, 3_000, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_once_and_in_order_on_five_channels() {
    nothing_is_lost(5, 3_000, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_exact_cursor_only_what_followed_the_last_id_repeats() {
    nothing_is_lost(20, 3_000, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn as_fast_as_the_server_takes_them() {
    nothing_is_lost(5, 5_000, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_are_told_and_true() {
    for seed in seeds(3) {
        for channels in [1, 5] {
            let losses = Losses {
                keep: 50,
                pause: Duration::from_millis(200),
                epochs: 4,
            };
            let plan = Plan {
                seed,
                channels,
                messages: 4_000,
                rate: 2_000,
                readers: 3,
                losses: Some(losses),
            };
            let report = prove(50, plan).await;
            assert!(
                report.tally.gaps > 10 && report.tally.lost > 500,
                "too few losses prove nothing: {report}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_reads_all_and_nobody_else_anything() {
    let carriers = [Carrier::Http1, Carrier::Tls, Carrier::Http2];
    for seed in seeds(1) {
        let plan = Plan {
            seed,
            channels: 6,
            messages: 6_000,
            rate: 500,
            readers: 8,
            losses: None,
        };
        let ran = tokio::time::timeout(TOO_LONG, identities::run(&carriers, &plan)).await;
        let report = ran.unwrap_or_else(|_| panic!("SEED={seed}: {plan:?} did not end"));
        let report = report.unwrap_or_else(|fault| panic!("SEED={seed}: {fault}"));
        for event in ["messages", "gaps", "unsubscribed", "ended: token_expired"] {
            assert!(report.events.contains_key(event), "no {event}: {report}");
        }
        println!("seed {seed}: {report}");
    }
}

//! Each fault of `conformance/matrix.json` on each rung that it names: the rung is left once and for the reason that
//! stands there, or it stays, and nothing is lost.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use conformance::{
    fault::{Action, Fault, FaultProxy, Kind},
    server::TestServer,
};
use serde::Deserialize;
use tidings_client::{Client, Start, SubscribeOptions, Timings, Transport};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use crate::{follower::Follower, network, publisher::Publisher, server};

/// Of messages: what gathers 16 KiB of them is silent for longer than two heartbeats.
const PERIOD: Duration = Duration::from_millis(25);

/// A case takes a few seconds.
const TOO_LONG: Duration = Duration::from_secs(60);

/// Cases that run at the same time.
const AT_ONCE: usize = 8;

#[derive(Deserialize)]
struct Table {
    ladder: Vec<Kind>,
    heartbeat_ms: u64,
    timings_ms: Patience,
    faults: BTreeMap<String, Row>,
}

#[derive(Deserialize)]
struct Row {
    fault: Action,
    #[serde(default = "once")]
    times: usize,
    /// For what each rung is left; none: it stays.
    leaves: BTreeMap<Kind, Option<Vec<String>>>,
}

fn once() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patience {
    first_frame: u64,
    stable: u64,
    backoff_first: u64,
    backoff_max: u64,
    climb_first: u64,
    wait: u64,
    poll_pause: u64,
    request: u64,
}

impl Patience {
    fn timings(&self) -> Timings {
        let ms = Duration::from_millis;
        Timings {
            first_frame: ms(self.first_frame),
            stable: ms(self.stable),
            backoff_first: ms(self.backoff_first),
            backoff_max: ms(self.backoff_max),
            climb_first: ms(self.climb_first),
            request: ms(self.request),
            ..Timings::default()
        }
    }

    fn options(&self, transport: Transport) -> SubscribeOptions {
        SubscribeOptions {
            transport,
            after: Start::Earliest,
            wait: Duration::from_millis(self.wait),
            poll_interval: Duration::from_millis(self.poll_pause),
            ..SubscribeOptions::default()
        }
    }
}

/// One fault on one rung.
struct Case {
    name: String,
    rung: Kind,
    /// The rungs above it, which are blocked.
    above: Vec<Kind>,
    below: Option<Kind>,
    fault: Action,
    times: usize,
    leaves: Option<Vec<String>>,
}

impl Table {
    fn read() -> Self {
        let text = include_str!("../../../../conformance/matrix.json");
        serde_json::from_str(text).expect("a table")
    }

    fn cases(&self) -> Vec<Case> {
        let rows = self.faults.iter();
        let cases = rows.flat_map(|(name, row)| {
            row.leaves.iter().map(move |(rung, leaves)| {
                let at = self.ladder.iter().position(|one| one == rung);
                let at = at.expect("a rung of the ladder");
                Case {
                    name: format!("{name}, {}", rung.name()),
                    rung: *rung,
                    above: self.ladder[..at].to_vec(),
                    below: self.ladder.get(at + 1).copied(),
                    fault: row.fault.clone(),
                    times: row.times,
                    leaves: leaves.clone(),
                }
            })
        });
        cases.collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_on_every_rung() {
    let table = Arc::new(Table::read());
    let server = server(Duration::from_millis(table.heartbeat_ms), 100_000).await;
    let server = Arc::new(server);
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let only = std::env::var("ONLY").unwrap_or_default();
    for case in table.cases() {
        if !case.name.contains(&only) {
            continue;
        }
        let (table, server, seats) = (table.clone(), server.clone(), seats.clone());
        running.spawn(async move {
            let _seat = seats.acquire_owned().await.expect("open");
            let name = case.name.clone();
            let run = tokio::spawn(async move { case.run(&table, &server).await });
            run.await.err().map(|_| name)
        });
    }
    let failed: Vec<String> = running.join_all().await.into_iter().flatten().collect();
    assert!(failed.is_empty(), "ONLY='…' repeats one of {failed:#?}");
}

impl Case {
    async fn run(self, table: &Table, server: &TestServer) {
        let proxy = FaultProxy::start(server.addr, 1).await.expect("a port");
        proxy.set(self.faults());
        let channel = self.name.replace([' ', ','], "-");
        let direct = format!("http://{}", server.addr);
        let mut publisher = Publisher::start(&direct, &channel, PERIOD);
        let client = Client::builder(&format!("http://{}", proxy.addr));
        let client = client.timings(table.timings_ms.timings()).build();
        let options = table.timings_ms.options(self.transport());
        let mut follower = Follower::with(&client.expect("a client"), &[&channel], options);
        let run = async {
            self.goes(&proxy, &mut follower).await;
            publisher.more(10).await;
            follower.has_all(publisher.end().await).await;
        };
        if timeout(TOO_LONG, run).await.is_err() {
            let log = proxy.log();
            let last = &log[log.len().saturating_sub(5)..];
            panic!("{} does not end: {follower}, {last:#?}", self.name);
        }
        self.judge(&follower);
    }

    /// The last rung has nothing above it that could be blocked for it alone: what a long poll asks first is a poll.
    fn transport(&self) -> Transport {
        match self.below {
            Some(_) => Transport::Auto,
            None => Transport::Poll,
        }
    }

    fn faults(&self) -> Vec<Fault> {
        let blocked = Fault::new(network::refused()).on(&self.above);
        let fault = Fault::new(self.fault.clone()).on(&[self.rung]);
        match self.below.is_some() && !self.above.is_empty() {
            true => vec![blocked, fault],
            false => vec![fault],
        }
    }

    /// Until the fault has done what it does.
    async fn goes(&self, proxy: &FaultProxy, follower: &mut Follower) {
        match (&self.leaves, self.below) {
            (None, _) => {
                while self.happened(proxy) < self.times || follower.messages.len() <= 20 {
                    follower.step().await;
                }
            }
            (Some(_), Some(below)) => {
                follower.until(below.name()).await;
                while follower.messages.len() <= 5 {
                    follower.step().await;
                }
            }
            (Some(_), None) => {
                // There is nothing below: it waits until the network lets it through.
                while follower.waits < 2 {
                    follower.step().await;
                }
                assert_eq!(follower.messages, []);
                proxy.clear();
            }
        }
    }

    /// How often this rung has met its fault.
    fn happened(&self, proxy: &FaultProxy) -> usize {
        let log = proxy.log().into_iter();
        let met = log.filter(|entry| entry.fault.is_some() && entry.kind == Some(self.rung));
        met.count()
    }

    /// It moved as often as it should and where it should, for a reason that stands in the table.
    fn judge(&self, follower: &Follower) {
        let moves = follower.moves();
        let above = match self.below {
            Some(_) => self.above.len(),
            None => 0,
        };
        let (down, own) = moves.split_at_checked(above).expect("it came to the rung");
        assert!(
            down.iter().all(|told| told.contains(" blocked ")),
            "{moves:?}"
        );
        let (Some(reasons), Some(below)) = (&self.leaves, self.below) else {
            assert_eq!(own, [""; 0], "{}", self.name);
            return;
        };
        let (from, to) = (self.rung.name(), below.name());
        let told = |reason: &String| format!("{from} {reason} {to}");
        let expected: Vec<String> = reasons.iter().map(told).collect();
        assert!(
            matches!(own, [one] if expected.iter().any(|told| told == one)),
            "{}: {own:?} is not one of {expected:?}",
            self.name
        );
    }
}

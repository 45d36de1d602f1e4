//! Thousands join a channel and leave it, and a hundred look on: each is told all of it once and in order, or
//! what it was not told, and nothing is done more than once.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use conformance::checker::{Item, Place, follow};
use conformance::http::get;
use conformance::server::TestServer;
use conformance::ws::Ws;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::timeout;

const CLIENTS: usize = 2_000;
const READERS: usize = 100;

/// Clients that come or go at a time.
const AT_ONCE: usize = 250;

/// A hang is a failure, too.
const TOO_LONG: Duration = Duration::from_secs(120);

/// What one onlooker was told.
struct Told {
    present: HashSet<String>,
    messages: u64,
    bytes: u64,
    lost: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_storm_is_told_once_or_told_as_lost() {
    let server = TestServer::start().await;
    let (began, first) = (Instant::now(), snapshot(&server).await);
    let mut onlookers = JoinSet::new();
    for _ in 0..READERS {
        let mut ws = Ws::connect(server.addr, "/channels/%24presence%3Aroom")
            .await
            .unwrap();
        assert_eq!(ws.json().await.unwrap()["type"], "hello");
        onlookers.spawn(look_on(ws, first.1.clone(), 2 * CLIENTS as u64));
    }
    let members = join(&server).await;
    assert_eq!(snapshot(&server).await.0, CLIENTS as u64);
    let joined = began.elapsed();
    leave(members).await;
    let mut told = Vec::new();
    while let Some(one) = timeout(TOO_LONG, onlookers.join_next())
        .await
        .expect("they are told")
    {
        told.push(one.expect("an onlooker"));
    }
    let took = began.elapsed();
    let last = snapshot(&server).await;
    assert_eq!(
        (last.0, last.1.offset),
        (0, 2 * CLIENTS as u64),
        "one message each, and no more"
    );
    let sum = |of: fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
    let (messages, lost) = (sum(|told| told.messages), sum(|told| told.lost));
    assert_eq!(messages + lost, (READERS * CLIENTS * 2) as u64);
    for told in told.iter().filter(|told| told.lost == 0) {
        assert!(
            told.present.is_empty(),
            "whoever was told all knows that nobody is there"
        );
    }
    println!(
        "{CLIENTS} came in {joined:.1?} and were gone after {took:.1?}; {READERS} onlookers were told {messages} messages, {} bytes, and {lost} as lost",
        sum(|told| told.bytes)
    );
    server.stop().await;
}

/// How many are there, and the place after what has been told.
async fn snapshot(server: &TestServer) -> (u64, Place) {
    let answer = get(server.addr, "/channels/room/presence?limit=1")
        .await
        .json();
    let cursor = answer["cursor"].as_str().and_then(Place::parse);
    (answer["count"].as_u64().unwrap(), cursor.unwrap())
}

/// Everybody comes; gives their connections.
async fn join(server: &TestServer) -> Vec<Ws> {
    let mut all = Vec::with_capacity(CLIENTS);
    while all.len() < CLIENTS {
        let mut coming = JoinSet::new();
        for _ in 0..AT_ONCE.min(CLIENTS - all.len()) {
            let addr = server.addr;
            coming.spawn(async move {
                let mut ws = Ws::connect(addr, "/channels/room?join=true").await.unwrap();
                assert_eq!(ws.json().await.unwrap()["type"], "hello");
                ws
            });
        }
        all.append(&mut coming.join_all().await);
    }
    all
}

/// Everybody says goodbye, which nobody has to wait for.
async fn leave(mut members: Vec<Ws>) {
    while !members.is_empty() {
        let mut going = JoinSet::new();
        for mut ws in members.split_off(members.len().saturating_sub(AT_ONCE)) {
            going.spawn(async move {
                ws.send(8, &1000u16.to_be_bytes()).await;
                while ws.frame().await.is_some_and(|frame| frame.opcode != 8) {}
            });
        }
        going.join_all().await;
    }
}

/// Reads until the last change is told.
async fn look_on(mut ws: Ws, mut place: Place, last: u64) -> Told {
    let mut told = Told {
        present: HashSet::new(),
        messages: 0,
        bytes: 0,
        lost: 0,
    };
    while place.offset < last {
        let frame = ws.frame().await.expect("the stream goes on");
        if frame.opcode != 1 {
            continue;
        }
        told.bytes += frame.payload.len() as u64;
        let json = frame.json();
        let Some(item) = Item::of(&json) else {
            continue;
        };
        place = follow(&place, &item).unwrap();
        match item {
            Item::Gap(gap) => told.lost += gap.to + 1 - gap.from.expect("of this epoch"),
            _ => take(&mut told, &json),
        }
    }
    told
}

fn take(told: &mut Told, json: &Value) {
    told.messages += 1;
    let client = json["data"]["client"]
        .as_str()
        .expect("a member")
        .to_owned();
    let changed = match json["event"].as_str() {
        Some("join") => told.present.insert(client),
        Some("leave") => told.present.remove(&client) || told.lost > 0,
        _ => panic!("what is this? {json}"),
    };
    assert!(changed, "it was told before: {json}");
}

//! How long somebody is there: leases, ends and crowds.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use conformance::server::TestServer;
use conformance::ws::Ws;
use serde_json::{Value, json};

use crate::support::presence::{JOIN, count, event, hasty, snapshot, told, watcher};
use crate::support::{
    Kind, Reader, ask, bearer, command, get, limited, publish, session, token, token_of,
    with_session, ws,
};

#[tokio::test]
async fn who_comes_back_in_time_was_never_away() {
    let server = hasty().await;
    let alice = token_of("alice");
    let told_session = session(&server, &alice).await;
    let own = with_session(&alice, told_session["session"].as_str().unwrap());
    let member = json!({"client": told_session["client"], "user": "alice"});
    let mut watcher = watcher(&server, "").await;
    let mut reader = Reader::open(Kind::Sse, &server, JOIN, &own).await;
    assert_eq!(told(&mut watcher).await, event("join", member.clone()));
    for kind in [Kind::Sse, Kind::WebSocket, Kind::LongPoll, Kind::Sse] {
        // Cut without a word.
        drop(reader);
        reader = Reader::open(kind, &server, JOIN, &own).await;
        assert_eq!(count(&server).await, 1);
    }
    drop(reader);
    let lost = Instant::now();
    // The lease of the poll that waited holds the client for longer: another one shows how one is lost.
    let bob = Reader::open(Kind::Sse, &server, JOIN, &bearer(&token_of("bob"))).await;
    let of_bob = json!({"client": bob.hello["client"], "user": "bob"});
    assert_eq!(
        told(&mut watcher).await,
        event("join", of_bob.clone()),
        "nothing flickered"
    );
    drop(bob);
    assert_eq!(told(&mut watcher).await, event("leave", of_bob));
    assert!(lost.elapsed() >= Duration::from_secs(2));
    assert!(lost.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn who_says_goodbye_is_gone_at_once() {
    // Longer than the test takes.
    let server = limited(|limits| limits.presence_lease = Duration::from_secs(600)).await;
    let mut watcher = watcher(&server, "").await;
    let alice = bearer(&token_of("alice"));
    for ends in ["close", "unsubscribe"] {
        let (mut socket, hello) = ws(server.addr, "/channels", &alice).await;
        let subscribe = json!({"type": "subscribe", "channel": "room:1", "join": true});
        assert_eq!(command(&mut socket, subscribe).await["type"], "subscribed");
        let member = json!({"client": hello["client"], "user": "alice"});
        assert_eq!(told(&mut watcher).await, event("join", member.clone()));
        match ends {
            "close" => socket.send(8, &1000_u16.to_be_bytes()).await,
            _ => {
                let unsubscribe = json!({"type": "unsubscribe", "channel": "room:1"});
                assert_eq!(
                    command(&mut socket, unsubscribe).await["type"],
                    "unsubscribed"
                );
            }
        }
        assert_eq!(told(&mut watcher).await, event("leave", member), "{ends}");
    }
}

#[tokio::test]
async fn each_poll_renews_the_lease() {
    let server = hasty().await;
    let alice = token_of("alice");
    let told_session = session(&server, &alice).await;
    let own = with_session(&alice, told_session["session"].as_str().unwrap());
    let mut watcher = watcher(&server, "").await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        for target in [JOIN.to_owned(), format!("{JOIN}&wait=0.2")] {
            assert_eq!(get(server.addr, &target, &own).await.status, 200);
        }
        assert_eq!(count(&server).await, 1);
    }
    let last = Instant::now();
    let member = json!({"client": told_session["client"], "user": "alice"});
    assert_eq!(told(&mut watcher).await, event("join", member.clone()));
    assert_eq!(told(&mut watcher).await, event("leave", member));
    assert!(
        last.elapsed() > Duration::from_millis(1_500),
        "{:?}",
        last.elapsed()
    );
    let without = get(server.addr, JOIN, &bearer(&alice)).await;
    assert_eq!(without.status, 400, "{}", without.text());
}

/// Alice joins the room by a stream, and shows a token with other rights: she has left at once.
async fn is_gone_with(rights: Value, kind: Kind) -> (TestServer, Reader) {
    let server = limited(|limits| limits.presence_lease = Duration::from_secs(600)).await;
    let mut watcher = watcher(&server, "").await;
    let alice = token_of("alice");
    let told_session = session(&server, &alice).await;
    let text = told_session["session"].as_str().expect("a session");
    let reader = Reader::open(kind, &server, JOIN, &with_session(&alice, text)).await;
    let member = json!({"client": told_session["client"], "user": "alice"});
    assert_eq!(told(&mut watcher).await, event("join", member.clone()));
    let fewer = token(json!({"sub": "alice", "channels": rights}));
    session_with(&server, &fewer, text).await;
    assert_eq!(told(&mut watcher).await, event("leave", member), "{kind:?}");
    (server, reader)
}

#[tokio::test]
async fn who_loses_the_right_to_be_seen_is_gone_and_reads_on() {
    for kind in [Kind::WebSocket, Kind::Sse] {
        let (server, mut reader) = is_gone_with(json!({"subscribe": ["*"]}), kind).await;
        publish(&server, "room:1", json!("소식")).await;
        assert_eq!(reader.told().await["data"], "소식", "{kind:?}");
    }
}

#[tokio::test]
async fn who_loses_the_right_to_read_is_not_seen_either() {
    for kind in [Kind::WebSocket, Kind::Sse] {
        let (_server, mut reader) = is_gone_with(json!({"presence": ["*"]}), kind).await;
        assert_eq!(reader.told().await["type"], "unsubscribed", "{kind:?}");
    }
}

async fn session_with(server: &TestServer, token: &str, session: &str) {
    let headers = with_session(token, session);
    assert_eq!(ask(server.addr, "/session", &headers).await.status, 200);
}

#[tokio::test]
async fn two_thousand_clients_come_and_go() {
    const CLIENTS: usize = 2_000;
    const AT_ONCE: usize = 50;
    let server = limited(|limits| {
        limits.presence_lease = Duration::from_secs(1);
        limits.subscribes_per_address = 0;
        limits.streams_per_user = 10_000;
    })
    .await;
    let mut watcher = watcher(&server, "").await;
    let headers = bearer(&token_of("alice"));
    let began = Instant::now();
    let mut open: Vec<(Ws, Value)> = Vec::with_capacity(CLIENTS);
    let mut there = BTreeSet::new();
    while open.len() < CLIENTS {
        let some = (0..AT_ONCE).map(|_| {
            let (addr, headers) = (server.addr, headers.clone());
            tokio::spawn(async move { ws(addr, JOIN, &headers).await })
        });
        for one in some.collect::<Vec<_>>() {
            open.push(one.await.expect("no panic"));
            let (event, data) = told(&mut watcher).await;
            assert_eq!(event, "join");
            assert!(there.insert(data["client"].to_string()), "each comes once");
        }
        assert_eq!(count(&server).await, open.len());
    }
    let list = snapshot(&server, "").await;
    assert_eq!(list["count"], CLIENTS);
    assert_eq!(
        list["clients"].as_array().unwrap().len(),
        1_000,
        "what fits into an answer"
    );
    // Half say goodbye, half are lost.
    for (at, (socket, _)) in open.iter_mut().enumerate() {
        if at % 2 == 0 {
            socket.send(8, &1000_u16.to_be_bytes()).await;
        }
    }
    drop(open);
    for _ in 0..CLIENTS {
        let (event, data) = told(&mut watcher).await;
        assert_eq!(event, "leave");
        assert!(there.remove(&data["client"].to_string()), "each goes once");
    }
    assert_eq!(count(&server).await, 0);
    assert!(
        began.elapsed() < Duration::from_secs(120),
        "{:?}",
        began.elapsed()
    );
}

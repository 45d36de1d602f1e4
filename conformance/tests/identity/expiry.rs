//! Tokens that end while something is open.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conformance::server::TestServer;
use serde_json::{Value, json};

use crate::support::{
    Kind, Reader, bearer, get, next_second, now, patiently, publish, raw_ws, refused_ws, rest_of,
    start, token,
};

/// A token that is good for so many seconds.
fn short(seconds: u64) -> (String, u64) {
    let ends = now() + seconds;
    let channels = json!({"subscribe": ["room:*"]});
    (
        token(json!({"sub": "alice", "exp": ends, "channels": channels})),
        ends,
    )
}

/// Nobody comes back with a token that has ended, by whatever way.
async fn nobody_comes_back(server: &TestServer, token: &str) {
    let headers = bearer(token);
    for target in [
        "/channels/room:1",
        "/channels/room:1?transport=sse",
        "/channels/room:1?wait=9",
    ] {
        let answer = get(server.addr, target, &headers).await;
        assert_eq!(answer.status, 401, "{target}");
        assert_eq!(answer.json()["code"], "token_expired");
        assert!(answer.header("www-authenticate").is_some());
    }
    let refused = refused_ws(server.addr, "/channels/room:1", &headers).await;
    assert_eq!(refused, (json!("token_expired"), Some(4022)));
}

/// How far the clock is past a second of Unix time.
fn past(second: u64) -> Duration {
    let at = UNIX_EPOCH + Duration::from_secs(second);
    SystemTime::now()
        .duration_since(at)
        .expect("not before its end")
}

async fn ends(kind: Kind) {
    let server = start().await;
    next_second().await;
    let (token, end) = short(2);
    let mut reader = Reader::open(kind, &server, "/channels?name=room:1", &bearer(&token)).await;
    if kind != Kind::LongPoll {
        assert_eq!(reader.hello["expires"], end);
        let told = reader.told().await;
        assert_eq!(told["type"], "expiring");
        assert!(
            (1..=2_000).contains(&told["in_ms"].as_u64().expect("milliseconds")),
            "{told}"
        );
    }
    reader.ends_with("token_expired", 4022).await;
    assert!(past(end) < Duration::from_secs(2));
    nobody_comes_back(&server, &token).await;
}

#[tokio::test]
async fn a_websocket_ends_with_its_token() {
    ends(Kind::WebSocket).await;
}

#[tokio::test]
async fn a_stream_of_events_ends_with_its_token() {
    ends(Kind::Sse).await;
}

#[tokio::test]
async fn a_poll_that_waits_ends_with_its_token() {
    ends(Kind::LongPoll).await;
}

#[tokio::test]
async fn short_polls_end_with_their_token() {
    let server = start().await;
    next_second().await;
    let (token, end) = short(2);
    let headers = bearer(&token);
    loop {
        let answer = get(server.addr, "/channels/room:1", &headers).await;
        if answer.status != 200 {
            break;
        }
        assert!(now() <= end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(now() >= end);
    nobody_comes_back(&server, &token).await;
}

#[tokio::test]
async fn a_stream_is_told_once_that_its_token_ends() {
    let server = start().await;
    let (token, end) = short(3);
    let target = "/channels?name=room:1";
    let mut reader = Reader::open(Kind::WebSocket, &server, target, &bearer(&token)).await;
    let began = Instant::now();
    let mut told: Vec<Value> = Vec::new();
    while let Some(next) = reader.next().await {
        told.push(next["type"].clone());
    }
    assert_eq!(told, ["expiring", "error"]);
    assert!(began.elapsed() <= Duration::from_secs(4) && now() >= end);
}

#[tokio::test]
async fn a_raw_websocket_ends_by_its_close_code_alone() {
    let server = start().await;
    let (token, _) = short(2);
    let target = "/channels/room:1?format=raw";
    let mut socket = raw_ws(server.addr, target, &bearer(&token)).await;
    publish(&server, "room:1", json!("소식")).await;
    let frame = patiently(socket.frame()).await.expect("a message");
    assert_eq!(frame.payload, "\"소식\"".as_bytes());
    assert_eq!(rest_of(&mut socket).await, (Vec::new(), Some(4022)));
}

//! What a stream is told whose rights end, step by step; at random it is part of the master property.

#![allow(clippy::unwrap_used)]

use conformance::http::{Http, fetch};
use conformance::master::identities::realm::Realm;
use conformance::master::identities::truth::now;
use conformance::sse::Events;
use serde_json::{Value, json};
use tidings_core::Audience;

/// A token of alice for channels that was issued so many seconds ago.
fn token(realm: &Realm, channels: &[&str], ago: u64) -> String {
    let now_s = now() / 1000;
    realm.mint(json!({
        "sub": "alice", "iat": now_s - ago, "exp": now_s + 60, "channels": {"subscribe": channels},
    }))
}

async fn events(realm: &Realm, target: &str, token: &str, session: &str) -> Events {
    let mut http = Http::connect(realm.server.addr).await;
    let headers = format!(
        "Accept: text/event-stream\r\nAuthorization: Bearer {token}\r\nTidings-Session: {session}\r\n"
    );
    http.request("GET", target, &headers, b"").await;
    assert_eq!(http.head().await.status, 200);
    Events::begun(http, "")
}

async fn next(events: &mut Events) -> (String, Value) {
    let event = events.next().await.expect("the stream goes on");
    (event.name, serde_json::from_str(&event.data).unwrap())
}

#[tokio::test]
async fn all_channels_that_were_lost_at_once_are_told_before_the_end() {
    let realm = Realm::start(10).await;
    let token = token(&realm, &["past:*"], 0);
    let mut stream = events(&realm, "/channels?name=past:1&name=past:2", &token, "").await;
    assert_eq!(next(&mut stream).await.0, "$hello");
    realm.rule([Audience::Backend, Audience::Token]);
    for channel in ["past:1", "past:2"] {
        let (name, told) = next(&mut stream).await;
        assert_eq!(
            (name.as_str(), &told["channel"]),
            ("$unsubscribed", &json!(channel))
        );
    }
    let (name, told) = next(&mut stream).await;
    assert_eq!(
        (name.as_str(), &told["code"]),
        ("$error", &json!("forbidden"))
    );
    assert_eq!(stream.next().await, None, "it ends once");
}

#[tokio::test]
async fn an_older_token_gives_nothing_beside_a_newer_one() {
    let realm = Realm::start(10).await;
    let (older, newer) = (token(&realm, &["past:*"], 9), token(&realm, &["past:1"], 0));
    let headers = format!("Authorization: Bearer {newer}\r\n");
    let told = fetch(realm.server.addr, "POST", "/session", &headers, b"")
        .await
        .json();
    let session = told["session"].as_str().expect("a session");
    let mut first = events(&realm, "/channels/past:1", &newer, session).await;
    assert_eq!(next(&mut first).await.0, "$hello");
    let mut second = events(&realm, "/channels?name=past:1&name=past:2", &older, session).await;
    let hello = next(&mut second).await;
    assert_eq!(hello.1["client"], told["client"]);
    let (name, lost) = next(&mut second).await;
    assert_eq!(
        (name.as_str(), &lost["channel"]),
        ("$unsubscribed", &json!("past:2"))
    );
}

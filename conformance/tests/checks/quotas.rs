//! What somebody does in a second is bounded, and told.

use conformance::http::{Http, fetch};
use conformance::server::TestServer;
use conformance::ws::Ws;
use serde_json::{Value, json};

use crate::keyed::{bearer, credentials, keyed, keyed_by, token};
use crate::operations::{OPERATIONS, ask, command};
use crate::table::Table;

#[tokio::test]
async fn quotas() {
    let (table, who) = (Table::read(), credentials());
    let server = keyed(|limits| {
        limits.publishes_per_user = 1;
        limits.subscribes_per_address = 1;
    })
    .await;
    let alice = bearer(&who.alice);
    spend(&server, &alice).await;
    let mut held = 0;
    for operation in OPERATIONS {
        if table.answer(operation.name, "quota").is_some() {
            let got = ask(&server, operation, &alice).await;
            held += table.holds(operation.name, "quota", &got);
        }
    }
    for (name, of) in [
        (
            "`subscribe`",
            json!({"type":"subscribe","channel":"room:1"}),
        ),
        (
            "`publish`",
            json!({"type":"publish","channel":"room:1","data":1}),
        ),
    ] {
        held += table.holds(name, "quota", &command(&server, &who.alice, of).await);
    }
    assert_eq!(held, 8);
}

#[tokio::test]
async fn who_publishes_too_much_is_told_how_long_to_wait() {
    let server = keyed(|limits| limits.publishes_per_user = 1).await;
    let alice = token("alice");
    spend(&server, &bearer(&alice)).await;
    let http = Http::connect(server.addr).await;
    let mut ws = Ws::over(http, "/channels", &bearer(&alice)).await.unwrap();
    assert_eq!(ws.json().await.unwrap()["type"], "hello");
    ws.command(json!({"type":"publish","channel":"room:1","data":1}))
        .await;
    let wait = ws.json().await.unwrap()["retry_ms"].as_u64();
    assert!(wait.is_some_and(|wait| wait > 10_000), "{wait:?}");
}

#[tokio::test]
async fn what_one_channel_takes_is_bounded() {
    let server = keyed_by(|_| {}, |rules| rules.publish_rate = 1).await;
    let alice = bearer(&token("alice"));
    let messages = |channels: std::ops::Range<u32>| {
        let message = |n| json!({"channel": format!("room:{n}"), "data": 1});
        json!({"messages": channels.map(message).collect::<Vec<_>>()}).to_string()
    };
    let same = messages(1..2).replace(
        r#"{"channel":"room:1","data":1}"#,
        &[r#"{"channel":"room:1","data":1}"#; 30].join(","),
    );
    // More than there ever is at once needs all there is, and is paid for afterwards.
    for (body, status) in [(&messages(2..32), 200), (&same, 200), (&same, 429)] {
        let body = body.as_bytes();
        let answer = fetch(server.addr, "POST", "/publish", &alice, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

/// Spends what is there for a minute and more.
async fn spend(server: &TestServer, alice: &str) {
    let channels: Vec<Value> = (0..120)
        .map(|n| json!({"name": format!("room:{n}")}))
        .collect();
    let messages: Vec<Value> = (0..120)
        .map(|_| json!({"channel":"room:1","data":1}))
        .collect();
    for (target, body) in [
        ("/read", json!({ "channels": channels })),
        ("/publish", json!({ "messages": messages })),
    ] {
        let body = body.to_string();
        let answer = fetch(server.addr, "POST", target, alice, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

//! Newer tokens: they hold for all that is open, and change only what they say.

use std::time::{Duration, Instant};

use conformance::server::TestServer;
use serde_json::{Value, json};

use crate::support::{
    Kind, Reader, authenticate, bearer, command, get, next, next_second, now, post, publish,
    session, start, token, with_session, ws,
};

/// How soon a change is in force.
const SOON: Duration = Duration::from_secs(1);

const BOTH: &str = "/channels?name=room:a&name=room:b";

/// Alice's token for these channels, good for so many seconds, issued so many seconds ago.
fn alice(channels: &[&str], good_for: u64, ago: u64) -> String {
    token(json!({
        "sub": "alice",
        "iat": now() - ago,
        "exp": now() + good_for,
        "channels": {"subscribe": channels},
    }))
}

/// One reading of each kind by one client.
async fn readings(server: &TestServer, target: &str, headers: &str) -> Vec<Reader> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        all.push(Reader::open(kind, server, target, headers).await);
    }
    all
}

/// All are still open, and get what is published.
async fn go_on(server: &TestServer, readers: &mut [Reader]) {
    let receipt = publish(server, "room:b", json!("소식")).await;
    assert!(
        receipt["subscribers"].as_u64() >= Some(readers.len() as u64),
        "{receipt}"
    );
    for reader in readers {
        let told = reader.told_besides_expiry().await;
        assert_eq!(told["data"], "소식", "{:?}: {told}", reader.kind);
    }
}

/// Waits until a stranger's token that ends at the same time has ended.
async fn until_ended(server: &TestServer, end: u64) {
    let stranger = token(json!({"sub": "eve", "exp": end}));
    let target = "/channels?name=open:1";
    let mut reader = Reader::open(Kind::Sse, server, target, &bearer(&stranger)).await;
    reader.ends_with("token_expired", 4022).await;
}

#[tokio::test]
async fn a_newer_token_by_command_holds_for_all_streams_of_the_client() {
    let server = start().await;
    next_second().await;
    // The token ends then at the latest.
    let end = now() + 4;
    let first = alice(&["room:*"], 3, 0);
    let told = session(&server, &first).await;
    let own = with_session(&first, told["session"].as_str().unwrap());
    let mut readers = readings(&server, BOTH, &own).await;
    let answer = authenticate(readers[0].ws(), &alice(&["room:*"], 600, 0)).await;
    assert_eq!(answer["type"], "ack", "{answer}");
    assert_eq!(answer["client"], told["client"]);
    assert!(answer["expires"].as_u64() > Some(end));
    until_ended(&server, end).await;
    go_on(&server, &mut readers).await;
}

#[tokio::test]
async fn a_newer_token_shown_for_a_session_holds_for_all_streams_of_the_client() {
    let server = start().await;
    next_second().await;
    // The token ends then at the latest.
    let end = now() + 4;
    let first = alice(&["room:*"], 3, 0);
    let told = session(&server, &first).await;
    let text = told["session"].as_str().unwrap();
    let mut readers = readings(&server, BOTH, &with_session(&first, text)).await;
    let newer = bearer(&alice(&["room:*"], 600, 0));
    let answer = post(server.addr, "/session", &newer, &json!({"session": text})).await;
    assert_eq!(answer.json()["client"], told["client"]);
    until_ended(&server, end).await;
    go_on(&server, &mut readers).await;
}

#[tokio::test]
async fn an_older_token_does_not_undo_a_newer_one() {
    let server = start().await;
    next_second().await;
    let newer = alice(&["room:*"], 600, 0);
    let told = session(&server, &newer).await;
    let text = told["session"].as_str().unwrap();
    let mut readers = readings(&server, BOTH, &with_session(&newer, text)).await;
    // The token ends then at the latest.
    let end = now() + 4;
    let older = alice(&["room:a"], 3, 60);
    let answer = get_session(&server, &older, text).await;
    assert_eq!(answer["client"], told["client"]);
    let again = with_session(&older, text);
    let mut late = Reader::open(Kind::Sse, &server, "/channels?name=room:a", &again).await;
    assert_eq!(late.hello["client"], told["client"]);
    assert_eq!(authenticate(readers[0].ws(), &older).await["type"], "ack");
    until_ended(&server, end).await;
    go_on(&server, &mut readers).await;
    publish(&server, "room:a", json!(1)).await;
    assert_eq!(late.told_besides_expiry().await["data"], 1);
}

async fn get_session(server: &TestServer, token: &str, session: &str) -> Value {
    let answer = post(
        server.addr,
        "/session",
        &bearer(token),
        &json!({"session": session}),
    )
    .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_right_that_is_lost_ends_that_channel_alone() {
    let server = start().await;
    let first = alice(&["room:*"], 600, 0);
    let told = session(&server, &first).await;
    let text = told["session"].as_str().unwrap();
    let own = with_session(&first, text);
    let mut readers = readings(&server, BOTH, &own).await;
    let at = publish(&server, "room:b", json!("전에")).await;
    let [streams @ .., poll] = &mut readers[..] else {
        panic!("three readers");
    };
    assert_eq!(poll.told().await["data"], "전에");
    for stream in streams {
        assert_eq!(stream.told().await["data"], "전에");
    }
    // The poll was answered: another one waits.
    readers[2] = Reader::open(Kind::LongPoll, &server, BOTH, &own).await;
    let began = Instant::now();
    let fewer = alice(&["room:b"], 600, 0);
    get_session(&server, &fewer, text).await;
    for reader in &mut readers {
        let told = reader.told().await;
        let what = format!("{:?}: {told}", reader.kind);
        assert_eq!(told["type"], "unsubscribed", "{what}");
        assert_eq!(told["channel"], "room:a", "{what}");
        assert_eq!(told["reason"], "forbidden", "{what}");
        assert!(told["epoch"].is_string() && told["offset"] == 0, "{what}");
    }
    assert!(began.elapsed() < SOON);
    publish(&server, "room:a", json!("nicht mehr")).await;
    publish(&server, "room:b", json!("weiter")).await;
    for reader in &mut readers[..2] {
        assert_eq!(reader.told().await["data"], "weiter", "{:?}", reader.kind);
    }
    assert_eq!(readers[2].next().await, None, "the poll was answered");
    let cursor = &readers[2].cursor;
    let after = format!("/channels?name=room:b&after={cursor}");
    let answer = get(server.addr, &after, &bearer(&fewer)).await.json();
    let got: Vec<&Value> = answer["messages"].as_array().unwrap().iter().collect();
    assert_eq!(got.len(), 1, "after {at}: {answer}");
    assert_eq!(got[0]["data"], "weiter");
    assert_eq!(get(server.addr, BOTH, &bearer(&fewer)).await.status, 403);
}

#[tokio::test]
async fn a_stream_of_events_without_channels_ends() {
    let server = start().await;
    let first = alice(&["room:*"], 600, 0);
    let told = session(&server, &first).await;
    let text = told["session"].as_str().unwrap();
    let target = "/channels?name=room:a";
    let own = with_session(&first, text);
    let mut events = Reader::open(Kind::Sse, &server, target, &own).await;
    let mut socket = Reader::open(Kind::WebSocket, &server, target, &own).await;
    get_session(&server, &alice(&["room:b"], 600, 0), text).await;
    assert_eq!(events.told().await["type"], "unsubscribed");
    events.ends_with("forbidden", 4003).await;
    assert_eq!(socket.told().await["type"], "unsubscribed");
    let subscribe = json!({"type": "subscribe", "channel": "room:b"});
    let answer = command(socket.ws(), subscribe).await;
    assert_eq!(
        answer["type"], "subscribed",
        "a WebSocket without channels goes on"
    );
    let again = json!({"type": "subscribe", "channel": "room:a"});
    assert_eq!(command(socket.ws(), again).await["code"], "forbidden");
}

#[tokio::test]
async fn a_connection_does_not_become_another_user() {
    let server = start().await;
    let first = alice(&["room:*"], 600, 0);
    let (mut socket, hello) = ws(server.addr, "/channels/room:b", &bearer(&first)).await;
    let everything = json!({"subscribe": ["*"]});
    let bob = token(json!({"sub": "bob", "channels": everything}));
    for token in [&bob, &token(json!({"channels": everything}))] {
        let told = authenticate(&mut socket, token).await;
        assert_eq!(
            (&told["type"], &told["code"]),
            (&json!("error"), &json!("forbidden"))
        );
    }
    let told = get_session(&server, &bob, hello["session"].as_str().unwrap()).await;
    assert_ne!(told["client"], hello["client"]);
    let subscribe = json!({"type": "subscribe", "channel": "hall:1"});
    assert_eq!(command(&mut socket, subscribe).await["code"], "forbidden");
    let subscribe = json!({"type": "subscribe", "channel": "@alice"});
    assert_eq!(command(&mut socket, subscribe).await["type"], "subscribed");
}

#[tokio::test]
async fn who_had_a_stream_as_nobody_becomes_known_and_keeps_what_may_be_read() {
    let server = start().await;
    let (mut socket, hello) = ws(server.addr, "/channels/open:1", "").await;
    let subscribe = json!({"type": "subscribe", "channel": "room:a"});
    assert_eq!(
        command(&mut socket, subscribe.clone()).await["code"],
        "unauthorized"
    );
    let identified = authenticate(&mut socket, &alice(&["room:*"], 600, 0)).await;
    assert_ne!(
        identified["client"], hello["client"],
        "others may know nobody's session"
    );
    assert_eq!(command(&mut socket, subscribe).await["type"], "subscribed");
    publish(&server, "open:1", json!("모두에게")).await;
    assert_eq!(next(&mut socket).await["data"], "모두에게");
}

//! What a client, a user, an address and a channel may do in a second.

use std::time::{Duration, Instant};

use conformance::server::{Options, TestServer};
use serde_json::json;
use tidings_core::Rules;

use crate::support::{
    BACKEND, Kind, Reader, bearer, command, get, limited, options, post, publish, rules,
    sse_refusal, token, token_of, ws,
};

/// A server with a namespace of its own rules.
async fn ruled(change: impl FnOnce(&mut Rules)) -> TestServer {
    let mut book = rules();
    let mut own = Rules::clone(book.default());
    change(&mut own);
    book.set("n", own);
    TestServer::with(Options {
        rules: Some(book),
        ..options()
    })
    .await
}

/// A user may publish two messages in a second.
async fn two_for_a_user() -> TestServer {
    limited(|limits| {
        limits.publishes_per_user = 2;
        limits.burst = Duration::from_secs(1);
    })
    .await
}

#[tokio::test]
async fn who_publishes_too_often_is_told_when_to_go_on() {
    let server = two_for_a_user().await;
    let alice = bearer(&token_of("alice"));
    let began = Instant::now();
    let mut good = 0;
    let refused = loop {
        let answer = post(server.addr, "/channels/room:1", &alice, &json!(1)).await;
        if answer.status != 200 {
            break answer;
        }
        good += 1;
        assert!(good <= 2 + 2 * (began.elapsed().as_secs() + 1));
    };
    assert!(good >= 2);
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (429, &json!("too_many_requests"))
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    let bob = bearer(&token_of("bob"));
    assert_eq!(
        post(server.addr, "/channels/room:1", &bob, &json!(1))
            .await
            .status,
        200
    );
    for _ in 0..20 {
        publish(
            &server,
            "room:1",
            json!("a backend is the application itself"),
        )
        .await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        post(server.addr, "/channels/room:1", &alice, &json!(1))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_websocket_is_told_in_milliseconds() {
    let server = two_for_a_user().await;
    let alice = bearer(&token_of("alice"));
    let (mut socket, _) = ws(server.addr, "/channels", &alice).await;
    let publish = json!({"type": "publish", "channel": "room:1", "data": 1});
    let refused = loop {
        let told = command(&mut socket, publish.clone()).await;
        if told["type"] != "ack" {
            break told;
        }
    };
    assert_eq!(refused["code"], "too_many_requests", "{refused}");
    assert_eq!(refused["temporary"], true);
    let retry_ms = refused["retry_ms"].as_u64().expect("when to go on");
    assert!((1..=1_000).contains(&retry_ms), "{refused}");
    tokio::time::sleep(Duration::from_millis(retry_ms)).await;
    assert_eq!(
        command(&mut socket, publish).await["type"],
        "ack",
        "the connection lives on"
    );
}

#[tokio::test]
async fn a_batch_is_as_many_as_it_holds() {
    let server = limited(|limits| {
        limits.publishes_per_user = 1;
        limits.burst = Duration::from_secs(1);
    })
    .await;
    let alice = bearer(&token_of("alice"));
    let message = json!({"channel": "room:1", "data": 1});
    let batch = json!({"messages": vec![message; 5]});
    assert_eq!(
        post(server.addr, "/publish", &alice, &batch).await.status,
        200
    );
    assert_eq!(
        post(server.addr, "/publish", &alice, &batch).await.status,
        429
    );
    let read = get(server.addr, "/channels/room:1", &alice).await.json();
    assert_eq!(
        read["messages"].as_array().map(Vec::len),
        Some(5),
        "all or nothing"
    );
}

#[tokio::test]
async fn bytes_count_too() {
    let server = limited(|limits| {
        limits.publish_bytes_per_user = 100;
        limits.burst = Duration::from_secs(1);
    })
    .await;
    let alice = bearer(&token_of("alice"));
    let large = json!("x".repeat(900));
    assert_eq!(
        post(server.addr, "/channels/room:1", &alice, &large)
            .await
            .status,
        200
    );
    assert_eq!(
        post(server.addr, "/channels/room:1", &alice, &large)
            .await
            .status,
        429
    );
}

#[tokio::test]
async fn a_channel_takes_as_many_as_its_rules_say() {
    let server = ruled(|rules| rules.publish_rate = 1).await;
    let status = async |channel: &str, headers: &str| {
        let target = format!("/channels/{channel}");
        post(server.addr, &target, headers, &json!(1)).await.status
    };
    let (backend, alice) = (bearer(&BACKEND), bearer(&token_of("alice")));
    assert_eq!(status("n:1", &backend).await, 200);
    assert_eq!(status("n:1", &alice).await, 429, "whoever publishes");
    assert_eq!(status("n:2", &backend).await, 200, "each channel by itself");
    assert_eq!(status("room:1", &alice).await, 200);
}

#[tokio::test]
async fn who_begins_to_read_too_much_is_told_when_to_go_on() {
    let server = limited(|limits| {
        limits.subscribes_per_address = 2;
        limits.burst = Duration::from_secs(1);
    })
    .await;
    let alice = bearer(&token_of("alice"));
    let target = "/channels?name=room:1";
    let names = (2..22).map(|at| format!("&name=room:{at}"));
    let many: String = [target.to_owned()].into_iter().chain(names).collect();
    assert_eq!(get(server.addr, &many, &alice).await.status, 200);
    let refused = get(server.addr, target, &alice).await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    let error = sse_refusal(&server, target, &alice).await;
    assert_eq!(error["code"], "too_many_requests");
    let retry_ms = error["retry_ms"].as_u64().expect("when to go on");
    assert!((1..=11_000).contains(&retry_ms), "{error}");
    assert_eq!(
        get(server.addr, target, &bearer(&BACKEND)).await.status,
        200
    );
}

#[tokio::test]
async fn a_namespace_keeps_nothing_if_its_rules_say_so() {
    let server = ruled(|rules| rules.ephemeral = true).await;
    let alice = bearer(&token(
        json!({"sub": "alice", "channels": {"subscribe": ["n:*"]}}),
    ));
    let target = "/channels?name=n:1";
    let mut readers = Vec::new();
    for kind in Kind::ALL {
        readers.push(Reader::open(kind, &server, target, &alice).await);
    }
    let receipt = publish(&server, "n:1", json!("소식")).await;
    assert_eq!(
        (receipt.get("offset"), receipt.get("epoch")),
        (None, None),
        "{receipt}"
    );
    for reader in &mut readers {
        let told = reader.told().await;
        assert_eq!((&told["data"], told.get("offset")), (&json!("소식"), None));
    }
    let read = get(server.addr, &format!("{target}&after=earliest"), &alice).await;
    assert_eq!(read.json()["messages"], json!([]));
    let ends = "/channels/n:1?close=true";
    let with_message = post(server.addr, ends, &bearer(&BACKEND), &json!(1)).await;
    assert_eq!(with_message.status, 400, "{}", with_message.text());
}

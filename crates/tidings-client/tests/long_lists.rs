//! Lists of channels that no URL holds, against scripted servers.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use support::{Server, message_in, next_event, next_offset, options, to_the_end};
use tidings_client::{Error, Event, Start, SubscribeOptions, Transport};

/// Names that no URL of a reasonable length can hold.
fn many() -> Vec<String> {
    (0..100).map(|n| format!("아주-긴-이름의-방-{n}")).collect()
}

#[tokio::test]
async fn long_lists_are_posted_over_sse() {
    let server = Server::start().await;
    let names = many();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let options = SubscribeOptions {
        transport: Transport::Sse,
        after: Start::Last(2),
        ..options()
    };
    let mut subscription = server
        .client()
        .subscribe(&names, options)
        .expect("a subscription");
    let (mut peer, request) = server.request().await;
    assert_eq!(request.line, "POST /read HTTP/1.1");
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert!(
        request
            .body_text()
            .starts_with(r#"{"channels":[{"name":"아주-긴-이름의-방-0","last":2},"#)
    );
    peer.stream().await;
    peer.event(r#"{"type":"hello","heartbeat":25,"channels":{}}"#)
        .await;
    peer.event(&message_in(names[0], 5)).await;
    assert_eq!(next_offset(&mut subscription).await, 5);
    drop(peer);
    let (_peer, request) = server.request().await;
    let body = request.body_text();
    assert!(
        body.starts_with(r#"{"channels":[{"name":"아주-긴-이름의-방-0","after":"k3-5"},"#),
        "{body}"
    );
    assert!(
        body.contains(r#"{"name":"아주-긴-이름의-방-1","last":2}"#),
        "{body}"
    );
}

#[tokio::test]
async fn long_lists_are_subscribed_to_over_websocket() {
    let server = Server::start().await;
    let names = many();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let options = SubscribeOptions {
        transport: Transport::WebSocket,
        ..options()
    };
    let mut subscription = server
        .client()
        .subscribe(&names, options)
        .expect("a subscription");
    let (mut peer, request) = server.request().await;
    assert_eq!(request.line, "GET /channels HTTP/1.1");
    peer.upgrade(&request).await;
    peer.text(r#"{"type":"hello","heartbeat":25,"channels":{}}"#)
        .await;
    let server_side = async {
        for (id, name) in (1..).zip(&names) {
            let (opcode, command) = peer.client_frame().await;
            let expected =
                format!(r#"{{"type":"subscribe","id":{id},"channel":"{name}","after":"now"}}"#);
            assert_eq!(
                (opcode, String::from_utf8_lossy(&command).as_ref()),
                (1, expected.as_str())
            );
            let answer =
                format!(r#""channel":"{name}","epoch":"k3","offset":{id},"recovered":true"#);
            peer.text(&format!(r#"{{"type":"subscribed","id":{id},{answer}}}"#))
                .await;
        }
    };
    let mut added = Vec::new();
    let client_side = async {
        while added.len() < names.len() {
            if let Event::Subscribed(subscribed) = next_event(&mut subscription).await {
                added.push(subscribed.channel);
            }
        }
    };
    tokio::join!(server_side, client_side);
    assert_eq!(added, names);
    assert_eq!(
        subscription
            .cursors()
            .map(|cursors| cursors[9].clone())
            .as_deref(),
        Some("k3-10")
    );
    assert_eq!(subscription.positions().len(), names.len());
}

#[tokio::test]
async fn a_refused_command_ends_it() {
    let server = Server::start().await;
    let names = many();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let options = SubscribeOptions {
        transport: Transport::WebSocket,
        ..options()
    };
    let mut subscription = server
        .client()
        .subscribe(&names, options)
        .expect("a subscription");
    let (mut peer, request) = server.request().await;
    peer.upgrade(&request).await;
    peer.text(r#"{"type":"hello","heartbeat":25,"channels":{}}"#)
        .await;
    peer.client_frame().await;
    peer.text(
        r#"{"type":"error","id":1,"code":"forbidden","message":"안 돼요","temporary":false}"#,
    )
    .await;
    let (_, error) = to_the_end(&mut subscription).await;
    assert_eq!(
        error.as_ref().and_then(Error::code),
        Some("forbidden"),
        "{error:?}"
    );
}

//! Several messages in one request, against the real server.

use conformance::server::TestServer;
use tidings_client::{Client, Error, Event, Payload, Publish, Start, SubscribeOptions};

#[tokio::test]
async fn a_batch_keeps_order_kinds_and_keys() {
    let server = TestServer::start().await;
    let client = Client::new(&format!("http://{}", server.addr)).expect("a client");
    let batch = [
        Publish::text("하나 \"1\"").key("k-1").event("e"),
        Publish::json(&[1, 2]).expect("JSON").key("k-2"),
        Publish::bytes(vec![0, 255]).key("k-3"),
        Publish::text("끝").key("k-4"),
    ];
    let first = client.publish_batch("방", &batch).await.expect("results");
    let offsets = |results: Vec<Result<_, Error>>| -> Vec<(u64, bool)> {
        let offset = |result: Result<tidings_client::Receipt, Error>| {
            let receipt = result.expect("a receipt");
            (
                receipt.position.expect("a position").offset,
                receipt.duplicate,
            )
        };
        results.into_iter().map(offset).collect()
    };
    let expected: Vec<(u64, bool)> = (1..=4).map(|offset| (offset, false)).collect();
    assert_eq!(offsets(first), expected);
    // Alone it is the same message.
    for (offset, message) in (1..).zip(&batch) {
        let receipt = client
            .publish("방", message.clone())
            .await
            .expect("a receipt");
        assert!(receipt.duplicate, "{receipt:?}");
        assert_eq!(receipt.position.expect("a position").offset, offset);
    }
    let options = SubscribeOptions {
        after: Start::Earliest,
        ..SubscribeOptions::default()
    };
    let mut subscription = client.subscribe(&["방"], options).expect("a subscription");
    let mut payloads = Vec::new();
    while payloads.len() < 4 {
        let event = subscription
            .next()
            .await
            .expect("no end")
            .expect("no error");
        if let Event::Message(message) = event {
            payloads.push(message.data);
        }
    }
    assert_eq!(payloads[0], Payload::Text("하나 \"1\"".into()));
    assert_eq!(payloads[1].as_bytes(), b"[1,2]");
    assert_eq!(payloads[2], Payload::Bytes(vec![0, 255].into()));
}

#[tokio::test]
async fn what_cannot_be_published_is_told() {
    let server = TestServer::start().await;
    let client = Client::new(&format!("http://{}", server.addr)).expect("a client");
    for wrong in [Publish::guess("x"), Publish::text("x").close()] {
        let refused = client.publish_batch("방", &[wrong]).await;
        assert!(matches!(refused, Err(Error::Argument(_))));
    }
    let last = Publish::default().close();
    client.publish("방", last).await.expect("a receipt");
    let results = client.publish_batch("방", &[Publish::text("x")]).await;
    let results = results.expect("results");
    let error = results[0].as_ref().expect_err("the channel has ended");
    assert_eq!(
        (error.code(), error.is_temporary()),
        (Some("channel_closed"), false)
    );
    let refused = client
        .publish_batch("bad name", &[Publish::text("x")])
        .await;
    assert_eq!(refused.expect_err("no name").code(), Some("invalid_name"));
}

//! How connections end.

use std::time::Duration;

use conformance::http::post;
use conformance::server::TestServer;
use h2::Reason;
use http::Method;
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, json, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_tells_every_stream() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        readers.push(client.events("/channels/a").await);
    }
    let long_poll = client.request(Method::GET, "/channels/a?wait=50&after=now");
    let (waits, _) = client.open(long_poll, true).await;
    until(&server, "tidings_readers{transport=\"long-poll\"} 1").await;
    let stopping = tokio::spawn(server.stop());
    for events in &mut readers {
        let (name, data) = events.named().await;
        assert_eq!(
            (name.as_str(), &data["type"]),
            ("$reconnect", &"reconnect".into())
        );
        assert!(events.next().await.is_none(), "the end is an orderly one");
    }
    let answer = timeout(PATIENCE, waits).await.unwrap().unwrap();
    assert_eq!(json(answer).await["messages"], serde_json::json!([]));
    drop(readers);
    assert_eq!(client.goes_away().await, Reason::NO_ERROR);
    timeout(PATIENCE, stopping).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_asks_for_nothing_ends() {
    let time = Duration::from_millis(300);
    let server = TestServer::limited(|limits| limits.head_time = time).await;
    let never = Client::connect(server.addr).await;
    let once = Client::connect(server.addr).await;
    let reads = Client::connect(server.addr).await;
    assert_eq!(once.get("/channels/a").await.status(), 200);
    let mut events = reads.events("/channels/a").await;
    assert_eq!(never.goes_away().await, Reason::NO_ERROR);
    assert_eq!(once.goes_away().await, Reason::NO_ERROR);
    // Whoever reads is not idle, however long nothing is said.
    until(&server, "tidings_connections 1").await;
    post(server.addr, "/channels/a", "안녕").await;
    assert_eq!(events.offset().await, 1);
    drop(events);
    assert_eq!(reads.goes_away().await, Reason::NO_ERROR);
}

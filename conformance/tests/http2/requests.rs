//! Requests and their bodies.

use bytes::Bytes;
use conformance::server::TestServer;
use h2::Reason;
use http::Method;
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, body, json, until};

#[tokio::test]
async fn bodies_go_both_ways() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let text = "안녕 ".repeat(8_000);
    for frame in [1_000, 16_384, 65_536] {
        let receipt = client.post("/channels/a", text.as_bytes(), frame).await;
        assert_eq!(receipt.status(), 200);
        assert_eq!(receipt.headers()["content-length"], "61");
        assert_eq!(json(receipt).await["channel"], "a");
    }
    let list = json(client.get("/channels/a?last=1").await).await;
    assert_eq!(list["messages"][0]["data"], text);
    assert_eq!(list["messages"][0]["offset"], 3);
}

#[tokio::test]
async fn a_poll_waits_on_its_stream_alone() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let long_poll = client.request(Method::GET, "/channels/a?wait=50&after=now");
    let (waits, _) = client.open(long_poll, true).await;
    until(&server, "tidings_readers{transport=\"long-poll\"} 1").await;
    let receipt = json(client.post("/channels/a", "안녕".as_bytes(), 100).await).await;
    assert_eq!(receipt["subscribers"], 1);
    let answer = timeout(PATIENCE, waits).await.unwrap().unwrap();
    let list = json(answer).await;
    assert_eq!(list["messages"][0]["data"], "안녕");
    until(&server, "tidings_readers{transport=\"long-poll\"} 0").await;
}

#[tokio::test]
async fn a_head_has_no_body() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    body(client.post("/channels/a", b"hi", 10).await).await;
    let get = client.get("/channels/a").await;
    let length = get.headers()["content-length"].clone();
    assert_eq!(body(get).await.len().to_string(), length.to_str().unwrap());
    let head = client.request(Method::HEAD, "/channels/a");
    let head = client.ask(head).await.unwrap();
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (200, &length)
    );
    assert!(head.body().is_end_stream());
    let asked = client.request(Method::HEAD, "/channels/a?since=1");
    let refused = client.ask(asked).await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.body().is_end_stream());
}

#[tokio::test]
async fn too_large_is_said_before_the_body_came() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let announced = client
        .request(Method::POST, "/channels/a")
        .header("content-length", 1 << 20);
    let (response, _send) = client.open(announced, false).await;
    let refused = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(refused.status(), 413);
    assert_eq!(json(refused).await["code"], "message_too_large");

    // Not announced: as soon as it is too much.
    let (response, mut send) = client
        .open(client.request(Method::POST, "/channels/a"), false)
        .await;
    send.send_data(vec![b'x'; 80 << 10].into(), false).unwrap();
    let refused = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(refused.status(), 413);
    assert_eq!(json(refused).await["code"], "message_too_large");
    // It is told to stop, and that nothing is wrong (RFC 9113 section 8.1).
    let reset = std::future::poll_fn(|cx| send.poll_reset(cx));
    let reason = timeout(PATIENCE, reset).await.unwrap().unwrap();
    assert_eq!(reason, Reason::NO_ERROR);
}

/// What the server did not read of a body is given back to the window of the connection.
#[tokio::test]
async fn bodies_that_nobody_read_leave_room_for_others() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    for _ in 0..60 {
        let (response, mut send) = client
            .open(client.request(Method::POST, "/no/such/path"), false)
            .await;
        send.send_data(vec![b'x'; 60 << 10].into(), false).unwrap();
        let refused = timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(refused.status(), 405);
    }
    let text = vec![b'y'; 60 << 10];
    let receipt = client.post("/channels/a", &text, 16 << 10).await;
    assert_eq!(json(receipt).await["offset"], 1);
}

#[tokio::test]
async fn a_body_that_ends_too_soon_is_none() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let (_, mut send) = client
        .open(client.request(Method::POST, "/channels/a"), false)
        .await;
    send.send_data(Bytes::from_static(b"half of it"), false)
        .unwrap();
    send.send_reset(Reason::CANCEL);
    until(&server, "tidings_refusals_total{code=\"bad_request\"} 1").await;
    let list = json(client.get("/channels/a").await).await;
    assert_eq!(list["messages"], serde_json::json!([]));
}

#[tokio::test]
async fn an_answer_that_has_no_body_says_no_length() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let tag = client.get("/channels/a").await.headers()["etag"].clone();
    let again = client.request(Method::GET, "/channels/a");
    let same = client.ask(again.header("if-none-match", tag)).await;
    let preflight = client.ask(client.request(Method::OPTIONS, "/channels/a"));
    for (answer, status) in [(same.unwrap(), 304), (preflight.await.unwrap(), 204)] {
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key("content-length"), "{status}");
        assert!(answer.body().is_end_stream());
    }
}

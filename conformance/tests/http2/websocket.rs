//! WebSockets on streams (RFC 8441).

use bytes::Bytes;
use conformance::carrier::Carrier;
use conformance::http::{Http, post};
use conformance::server::TestServer;
use conformance::ws::Ws;
use h2::ext::Protocol;
use http::{Method, Request, request};
use serde_json::json;
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, json as json_of, until};

const READERS: &str = "tidings_readers{transport=\"websocket\"}";

async fn socket(server: &TestServer, target: &str, more: &str) -> Ws {
    let endpoint = server.endpoint(Carrier::Http2).await;
    let opened = Ws::over(Http::connect(endpoint).await, target, more).await;
    opened.expect("a WebSocket")
}

fn tunnel(client: &Client, protocol: &'static str, version: &str) -> request::Builder {
    client
        .request(Method::CONNECT, "/channels/a")
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", version)
}

#[tokio::test]
async fn a_socket_reads_publishes_and_closes() {
    let server = TestServer::start().await;
    let offer = "Sec-WebSocket-Protocol: other, tidings.v1\r\n";
    let mut ws = socket(&server, "/channels/a", offer).await;
    let chosen = ws.handshake.header("sec-websocket-protocol");
    assert_eq!(chosen, Some("tidings.v1"));
    assert_eq!(ws.handshake.header("sec-websocket-extensions"), None);
    assert_eq!(ws.json().await.unwrap()["transport"], "websocket");
    post(server.addr, "/channels/a", "안녕").await;
    assert_eq!(ws.json().await.unwrap()["data"], "안녕");
    ws.command(json!({"type": "publish", "id": 1, "channel": "a", "data": [1]}))
        .await;
    assert_eq!(ws.json().await.unwrap()["type"], "ack");
    assert_eq!(ws.json().await.unwrap()["offset"], 2);
    until(&server, &format!("{READERS} 1")).await;
    ws.send(8, &1000u16.to_be_bytes()).await;
    assert_eq!(ws.frame().await.unwrap().close_code(), Some(1000));
    assert_eq!(ws.frame().await, None, "the stream ends");
    until(&server, &format!("{READERS} 0")).await;
}

#[tokio::test]
async fn messages_are_deflated_for_who_offers_it() {
    let server = TestServer::start().await;
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";
    let mut ws = socket(&server, "/channels/a", offer).await;
    ws.json().await.unwrap();
    for (length, deflated) in [(1, false), (30, true), (100, false)] {
        let text = "안녕 🎉 ".repeat(length);
        post(server.addr, "/channels/a", &text).await;
        let frame = ws.frame().await.unwrap();
        assert_eq!(frame.json()["data"], text);
        // Longer than its window: this client could not look back so far.
        assert_eq!(frame.deflated, deflated, "{length}");
    }
}

#[tokio::test]
async fn the_answer_is_200_without_the_fields_of_an_upgrade() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let (response, mut send) = client.open(tunnel(&client, "websocket", "13"), false).await;
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    for field in [
        "upgrade",
        "connection",
        "sec-websocket-accept",
        "content-length",
    ] {
        assert!(!response.headers().contains_key(field), "{field}");
    }
    until(&server, &format!("{READERS} 1")).await;
    // The end of the client's side is the end of all.
    send.send_data(Bytes::new(), true).unwrap();
    until(&server, &format!("{READERS} 0")).await;

    let (response, send) = client.open(tunnel(&client, "websocket", "13"), false).await;
    let response = timeout(PATIENCE, response).await.unwrap().unwrap();
    until(&server, &format!("{READERS} 1")).await;
    drop((response, send));
    until(&server, &format!("{READERS} 0")).await;
}

#[tokio::test]
async fn another_version_is_refused_by_its_status() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let (response, _send) = client.open(tunnel(&client, "websocket", "8"), false).await;
    let refused = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert_eq!(refused.status(), 426);
    assert_eq!(refused.headers()["sec-websocket-version"], "13");
    for field in ["upgrade", "connection"] {
        assert!(!refused.headers().contains_key(field), "{field}");
    }
    assert_eq!(json_of(refused).await["code"], "upgrade_required");
    assert_eq!(client.get("/channels/a").await.status(), 200);
}

#[tokio::test]
async fn another_protocol_is_no_websocket() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    for protocol in ["connect-udp", "webtransport", "WebSocket2"] {
        let (response, _send) = client.open(tunnel(&client, protocol, "13"), false).await;
        let refused = timeout(PATIENCE, response).await.unwrap().unwrap();
        assert_eq!(refused.status(), 405, "{protocol}");
        assert_eq!(json_of(refused).await["code"], "method_not_allowed");
    }
    // A tunnel to somewhere: this is no proxy.
    let head = Request::connect(server.addr.to_string());
    let (response, _send) = client.open(head, false).await;
    let refused = timeout(PATIENCE, response).await.unwrap().unwrap();
    assert!(refused.status().is_client_error(), "{refused:?}");
    assert_eq!(client.get("/channels/a").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_so() {
    let server = TestServer::start().await;
    let mut ws = socket(&server, "/channels/a", "").await;
    ws.json().await.unwrap();
    let stopping = tokio::spawn(server.stop());
    assert_eq!(ws.json().await.unwrap()["type"], "reconnect");
    assert_eq!(ws.frame().await.unwrap().close_code(), Some(1001));
    ws.send(8, &1001u16.to_be_bytes()).await;
    assert_eq!(ws.frame().await, None);
    timeout(PATIENCE, stopping).await.unwrap().unwrap();
}

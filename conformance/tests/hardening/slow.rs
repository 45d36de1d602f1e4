//! Clients that take their time: on the way in, on the way out, and in saying anything at all.

use std::time::Duration;

use conformance::http::{Http, post};
use conformance::server::TestServer;
use conformance::ws::{HANDSHAKE, Ws};
use tidings_core::Limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Bystander, drip, metric, narrow, patiently, rest, stored, wait_for};

const PAUSE: Duration = Duration::from_millis(20);
const TIMED_OUT: &str = "tidings_refusals_total{code=\"request_timeout\"}";

fn hasty(limits: &mut Limits) {
    limits.head_time = Duration::from_millis(300);
    limits.body_time = Duration::from_millis(300);
    limits.write_time = Duration::from_millis(300);
}

/// Answered 408, told that it is the end, and ended.
fn assert_timed_out(answer: &[u8]) {
    let answer = String::from_utf8_lossy(answer).to_lowercase();
    assert!(answer.starts_with("http/1.1 408 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
    assert_eq!(answer.matches("http/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_head_by_the_byte_is_given_its_time_and_no_more() {
    let server = TestServer::limited(hasty).await;
    let mut bystander = Bystander::new(&server).await;
    let mut slow = TcpStream::connect(server.addr).await.unwrap();
    let head = format!(
        "GET /channels/x HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "a".repeat(1_000)
    );
    // Each byte is a sign of life, and none of them buys time.
    bystander
        .lives_while(drip(&mut slow, head.as_bytes(), PAUSE))
        .await;
    assert_timed_out(&rest(&mut slow).await);
    assert_eq!(metric(&server, TIMED_OUT).await, 1);
}

#[tokio::test]
async fn the_second_head_has_its_time_like_the_first() {
    let server = TestServer::limited(hasty).await;
    let mut http = Http::connect(server.addr).await;
    http.request("GET", "/healthz", "", b"").await;
    assert_eq!(http.answer().await.status, 200);
    http.send(b"GET /healthz HTTP/1.1\r\nHo").await;
    assert_timed_out(&patiently(http.rest()).await);
}

#[tokio::test]
async fn a_body_by_the_byte_is_given_its_time_and_no_more() {
    let server = TestServer::limited(hasty).await;
    let mut bystander = Bystander::new(&server).await;
    let body = "x".repeat(1_000);
    for (head, body) in [
        ("Content-Length: 1000", body.clone()),
        ("Transfer-Encoding: chunked", "1\r\nx\r\n".repeat(1_000)),
    ] {
        let mut slow = TcpStream::connect(server.addr).await.unwrap();
        let head = format!("POST /channels/x HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n");
        slow.write_all(head.as_bytes()).await.unwrap();
        bystander
            .lives_while(drip(&mut slow, body.as_bytes(), PAUSE))
            .await;
        assert_timed_out(&rest(&mut slow).await);
    }
    assert_eq!(metric(&server, TIMED_OUT).await, 2);
    assert_eq!(stored(&server, "x").await, 0);
}

#[tokio::test]
async fn a_connection_that_says_nothing_ends() {
    let server = TestServer::limited(hasty).await;
    let mut silent = TcpStream::connect(server.addr).await.unwrap();
    wait_for(&server, "tidings_connections", 2).await;
    // Nothing was asked, so nothing is answered (RFC 9112 section 9.5).
    assert!(rest(&mut silent).await.is_empty());
    wait_for(&server, "tidings_connections", 1).await;
}

#[tokio::test]
async fn who_does_not_read_a_large_answer_is_cut() {
    let server = TestServer::limited(hasty).await;
    let mut bystander = Bystander::new(&server).await;
    for _ in 0..16 {
        post(server.addr, "/channels/x", &"x".repeat(60_000)).await;
    }
    let mut stuck = narrow(server.addr).await;
    let requests = "GET /channels/x HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50);
    stuck.write_all(requests.as_bytes()).await.unwrap();
    bystander
        .lives_while(wait_for(&server, "tidings_write_timeouts_total", 1))
        .await;
    wait_for(&server, "tidings_connections", 2).await;
}

#[tokio::test]
async fn who_does_not_read_a_stream_is_cut() {
    let server = TestServer::limited(hasty).await;
    let mut bystander = Bystander::new(&server).await;
    let sse = "GET /channels/x HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    let websocket = format!("GET /channels/x HTTP/1.1\r\nHost: localhost\r\n{HANDSHAKE}\r\n");
    for (cut, request) in [(1, sse), (2, &websocket)] {
        let mut stuck = narrow(server.addr).await;
        stuck.write_all(request.as_bytes()).await.unwrap();
        let text = "가".repeat(20_000);
        patiently(async {
            while server.app.stats().write_timeouts.get() < cut {
                post(server.addr, "/channels/x", &text).await;
                bystander.lives().await;
            }
        })
        .await;
    }
    for transport in ["sse", "websocket"] {
        let readers = format!("tidings_readers{{transport=\"{transport}\"}}");
        wait_for(&server, &readers, u64::from(transport == "websocket")).await;
    }
}

#[tokio::test]
async fn a_websocket_that_says_nothing_after_its_handshake_ends() {
    let server = TestServer::limited(|limits| limits.heartbeat = Duration::from_millis(200)).await;
    // With channels and without; and one that is in the middle of a frame, which is no sign of life.
    let mut sockets = Vec::new();
    for target in ["/channels/x", "/channels", "/channels/x?format=raw"] {
        sockets.push(Ws::connect(server.addr, target).await.unwrap());
    }
    let mut halfway = Ws::connect(server.addr, "/channels/x").await.unwrap();
    halfway.send_bytes(&[0x81, 0xff, 0, 0]).await;
    sockets.push(halfway);
    for mut ws in sockets {
        let mut last = None;
        while let Some(frame) = patiently(ws.frame()).await {
            last = frame.close_code();
        }
        assert_eq!(last, Some(4201));
    }
    assert_eq!(metric(&server, "tidings_heartbeat_timeouts_total").await, 4);
}

#[tokio::test]
async fn a_message_that_is_begun_becomes_whole_in_time() {
    let server = TestServer::limited(|limits| {
        limits.body_time = Duration::from_millis(300);
    })
    .await;
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    // Signs of life do not prolong it.
    let begun = [0x81, 0xfe, 0x10, 0x00, 0, 0, 0, 0];
    ws.send_bytes(&begun).await;
    let ended = async {
        loop {
            ws.send_bytes(b" ").await;
            let Ok(frame) = tokio::time::timeout(PAUSE, ws.frame()).await else {
                continue;
            };
            return frame.unwrap();
        }
    };
    assert_eq!(ended.await.json()["code"], "request_timeout");
    assert_eq!(ws.frame().await.unwrap().close_code(), Some(4101));
}

#[tokio::test]
async fn a_command_before_it_buys_a_message_no_time() {
    let server = TestServer::limited(|limits| {
        limits.body_time = Duration::from_millis(300);
    })
    .await;
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    let command = br#"{"type":"publish","channel":"x","data":1}"#;
    let length = 0x80 | u8::try_from(command.len()).unwrap();
    let whole = [&[0x81, length, 0, 0, 0, 0], &command[..]].concat();
    let begun = [0x81, 0xfe, 0x10, 0x00, 0, 0, 0, 0, b'{'];
    ws.send_bytes(&[&whole[..], &begun].concat()).await;
    assert_eq!(ws.json().await.unwrap()["type"], "ack");
    assert_eq!(ws.json().await.unwrap()["code"], "request_timeout");
    assert_eq!(ws.frame().await.unwrap().close_code(), Some(4101));
}

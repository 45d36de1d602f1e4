//! Connections that end in the middle of something: half of them, while bytes are on their way, and
//! while a command is carried out.

use conformance::http::{fetch, post};
use conformance::server::TestServer;
use conformance::ws::{HANDSHAKE, Ws};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Bystander, frame, narrow, patiently, rest, stored, wait_for};

fn request(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

fn readers(transport: &str) -> String {
    format!("tidings_readers{{transport=\"{transport}\"}}")
}

#[tokio::test]
async fn who_ends_its_own_side_still_gets_the_answer_that_is_due() {
    let server = TestServer::start().await;
    post(server.addr, "/channels/x", "하나").await;
    for body in [
        request("/channels/x", ""),
        request("/channels/x?wait=30&after=earliest", ""),
    ] {
        let mut socket = TcpStream::connect(server.addr).await.unwrap();
        socket.write_all(body.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let answer = String::from_utf8(rest(&mut socket).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("하나"), "{answer}");
    }
    let mut socket = TcpStream::connect(server.addr).await.unwrap();
    let publish = "POST /channels/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n2";
    socket.write_all(publish.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let answer = String::from_utf8(rest(&mut socket).await).unwrap();
    assert!(answer.contains("\"offset\":2"), "{answer}");
}

#[tokio::test]
async fn who_ends_its_own_side_of_a_stream_has_left() {
    let server = TestServer::start().await;
    for (transport, request) in [
        ("long-poll", request("/channels/x?wait=30", "")),
        (
            "sse",
            request("/channels/x", "Accept: text/event-stream\r\n"),
        ),
        ("websocket", request("/channels/x", HANDSHAKE)),
    ] {
        let mut socket = TcpStream::connect(server.addr).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        wait_for(&server, &readers(transport), 1).await;
        socket.shutdown().await.unwrap();
        rest(&mut socket).await;
        wait_for(&server, &readers(transport), 0).await;
    }
    assert_eq!(server.app.stats().panics.get(), 0);
}

#[tokio::test]
async fn half_a_request_is_no_request() {
    let server = TestServer::start().await;
    for half in [
        "POST /channels/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf",
        "POST /channels/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "POST /channels/x HTTP/1.1\r\nHost: localhost\r\nContent-Le",
    ] {
        for orderly in [true, false] {
            let mut socket = TcpStream::connect(server.addr).await.unwrap();
            socket.write_all(half.as_bytes()).await.unwrap();
            if orderly {
                socket.shutdown().await.unwrap();
                assert!(!rest(&mut socket).await.starts_with(b"HTTP/1.1 200"));
            } else {
                socket.set_zero_linger().unwrap();
            }
        }
    }
    wait_for(&server, "tidings_connections", 1).await;
    assert_eq!(stored(&server, "x").await, 0);
}

#[tokio::test]
async fn a_close_behind_much_that_is_unread_is_still_answered() {
    let server = TestServer::start().await;
    let text = "x".repeat(60_000);
    for _ in 0..16 {
        post(server.addr, "/channels/x", &text).await;
    }
    let mut ws = Ws::connect(server.addr, "/channels/x?after=earliest")
        .await
        .unwrap();
    ws.send(8, &1000u16.to_be_bytes()).await;
    let (mut messages, mut close) = (0, None);
    while let Some(frame) = patiently(ws.frame()).await {
        assert_eq!(close, None, "nothing follows a close frame");
        close = frame.close_code();
        messages += u64::from(frame.opcode == 1);
    }
    assert_eq!(close, Some(1000));
    // The hello at least; what is on its way may come, but not all that there is.
    assert!((1..=17).contains(&messages), "{messages}");
    wait_for(&server, &readers("websocket"), 0).await;
}

#[tokio::test]
async fn a_reader_that_resets_in_the_middle_of_a_write_costs_nobody() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::new(&server).await;
    let text = "x".repeat(60_000);
    for (transport, headers) in [
        ("sse", "Accept: text/event-stream\r\n"),
        ("websocket", HANDSHAKE),
    ] {
        let before = u64::from(transport == "websocket");
        let mut stuck = Vec::new();
        for _ in 0..10 {
            let mut socket = narrow(server.addr).await;
            socket
                .write_all(request("/channels/x", headers).as_bytes())
                .await
                .unwrap();
            stuck.push(socket);
        }
        wait_for(&server, &readers(transport), before + 10).await;
        for _ in 0..50 {
            post(server.addr, "/channels/x", &text).await;
        }
        for socket in &stuck {
            socket.set_zero_linger().unwrap();
        }
        drop(stuck);
        bystander.lives().await;
        wait_for(&server, &readers(transport), before).await;
    }
    assert_eq!(server.app.stats().panics.get(), 0);
}

#[tokio::test]
async fn a_publish_before_the_close_is_published_and_acknowledged() {
    let server = TestServer::start().await;
    let publish = |n: u32| {
        frame(
            0x81,
            json!({"type": "publish", "id": n, "channel": "x", "data": n})
                .to_string()
                .as_bytes(),
        )
    };
    let close = frame(0x88, &1000u16.to_be_bytes());
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    let commands: Vec<u8> = (1..=200).flat_map(publish).collect();
    ws.send_bytes(&[&commands[..], &close].concat()).await;
    let mut acks = 0;
    while let Some(frame) = patiently(ws.frame()).await {
        if frame.opcode == 1 {
            acks += 1;
            assert_eq!(frame.json()["id"], acks);
        } else {
            assert_eq!(frame.close_code(), Some(1000));
        }
    }
    assert_eq!(acks, 200, "each answered, in order, before the close");
    assert_eq!(stored(&server, "x").await, 200);
}

#[tokio::test]
async fn a_connection_that_is_gone_during_a_publish_leaves_a_whole_message_or_none() {
    let server = TestServer::start().await;
    let publish = frame(0x81, br#"{"type":"publish","channel":"x","data":"whole"}"#);
    for cut in (1..publish.len()).step_by(7).chain([publish.len()]) {
        let mut socket = TcpStream::connect(server.addr).await.unwrap();
        let head = request("/channels", HANDSHAKE);
        socket
            .write_all(&[head.as_bytes(), &publish[..cut]].concat())
            .await
            .unwrap();
        socket.set_zero_linger().unwrap();
    }
    wait_for(&server, "tidings_connections", 1).await;
    let stored = fetch(server.addr, "GET", "/channels/x?limit=1000", "", b"")
        .await
        .json();
    let stored = stored["messages"].as_array().unwrap();
    assert!(stored.len() <= 1 && stored.iter().all(|message| message["data"] == "whole"));
    assert_eq!(server.app.stats().panics.get(), 0);
}

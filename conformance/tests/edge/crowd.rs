//! More connections than an address may have, and more that say nothing than the server may have.

use conformance::carrier::{Carrier, Endpoint};
use conformance::http::get;
use conformance::server::{TestServer, keys_of};
use conformance::tls::Authority;
use tidings_server::{Kind, TlsSlot};
use tokio::net::TcpStream;

use crate::support::{CLEAR, closed, exchange, from, listener, poll, status, until};

#[tokio::test]
async fn an_address_has_its_share_and_is_told_so() {
    let server = TestServer::limited(|limits| limits.connections_per_address = 2).await;
    let mut held = Vec::new();
    for expected in [200, 200, 429] {
        let mut socket = from("127.0.0.2", server.addr).await;
        let answer = poll(&mut socket).await;
        assert_eq!(status(&answer), expected, "{answer}");
        let told = ["\r\nretry-after: ", "\r\nconnection: close\r\n"];
        assert_eq!(
            told.map(|field| answer.contains(field)),
            [expected == 429; 2]
        );
        held.push(socket);
    }
    closed(&mut held[2]).await;
    assert_eq!(server.app.stats().crowded.get(), 1);
    let mut other = from("127.0.0.3", server.addr).await;
    assert_eq!(status(&poll(&mut other).await), 200);
    drop(held);
    until(|| server.app.stats().connections.get() == 1).await;
    let mut again = from("127.0.0.2", server.addr).await;
    assert_eq!(status(&poll(&mut again).await), 200);
}

#[tokio::test]
async fn a_stream_is_told_in_its_own_way() {
    let server = TestServer::limited(|limits| limits.connections_per_address = 1).await;
    let _held = from("127.0.0.2", server.addr).await;
    let mut late = from("127.0.0.2", server.addr).await;
    let request = b"GET /channels/x?transport=sse HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = exchange(&mut late, request).await;
    assert!(
        answer.contains("\r\ncontent-type: text/event-stream\r\n"),
        "{answer}"
    );
    until(|| server.app.stats().crowded.get() == 1).await;
}

#[tokio::test]
async fn proxies_come_for_many() {
    let server = TestServer::limited(|limits| {
        limits.connections_per_address = 1;
        limits.handshakes_per_address = 1;
    })
    .await;
    let addr = listener(&server, CLEAR).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(from("127.0.0.1", addr).await);
    }
    for socket in &mut held {
        assert_eq!(status(&poll(socket).await), 200);
    }
}

#[tokio::test]
async fn who_says_nothing_keeps_few_out() {
    let server = TestServer::limited(|limits| limits.handshakes_per_address = 3).await;
    let handshakes = &server.app.stats().handshakes;
    let mut silent = Vec::new();
    for count in 1..=3 {
        silent.push(from("127.0.0.2", server.addr).await);
        until(|| handshakes.get() == count).await;
    }
    closed(&mut from("127.0.0.2", server.addr).await).await;
    until(|| server.app.stats().handshakes_refused.get() == 1).await;
    let mut other = from("127.0.0.3", server.addr).await;
    assert_eq!(status(&poll(&mut other).await), 200);
    assert_eq!(status(&poll(&mut silent[0]).await), 200);
    assert_eq!(handshakes.get(), 2);
    let mut next = from("127.0.0.2", server.addr).await;
    assert_eq!(
        status(&poll(&mut next).await),
        200,
        "the first is no longer silent"
    );
    drop(silent);
    until(|| handshakes.get() == 0).await;
}

#[tokio::test]
async fn all_together_say_nothing_on_few_connections() {
    let server = TestServer::limited(|limits| limits.handshakes = 2).await;
    let keys = keys_of(&Authority::new("of this test").issue(&["localhost"]));
    let kind = Kind::Public {
        tls: Some(TlsSlot::new(keys)),
        proxy_protocol: false,
    };
    let addr = listener(&server, kind).await;
    let handshakes = &server.app.stats().handshakes;
    let mut half = from("127.0.0.2", addr).await;
    // A ClientHello that goes on for ever.
    let _ = tokio::io::AsyncWriteExt::write_all(&mut half, b"\x16\x03\x01\x02\x00\x01").await;
    let _silent = from("127.0.0.3", addr).await;
    until(|| handshakes.get() == 2).await;
    closed(&mut from("127.0.0.4", addr).await).await;
    assert_eq!(server.app.stats().handshakes_refused.get(), 1);
    drop(half);
    until(|| handshakes.get() == 1).await;
    let _welcome = from("127.0.0.4", addr).await;
    until(|| handshakes.get() == 2).await;
}

#[tokio::test]
async fn a_connection_that_asked_is_none_that_says_nothing() {
    let server = TestServer::limited(|limits| limits.handshakes = 1).await;
    let kept = Endpoint::clear(server.addr, Carrier::Http2);
    assert_eq!(get(&kept, "/channels/x").await.status, 200);
    let mut also_kept = TcpStream::connect(server.addr).await.unwrap();
    for _ in 0..2 {
        assert_eq!(status(&poll(&mut also_kept).await), 200);
        assert_eq!(get(&kept, "/channels/x").await.status, 200);
    }
    assert_eq!(server.app.stats().handshakes_refused.get(), 0);
    assert_eq!(server.app.stats().connections.get(), 2);
}

//! What passes without a fault: everything, byte for byte, in both directions, one request after another.

use conformance::carrier::{Carrier, Endpoint};
use conformance::fault::{End, Kind};
use conformance::http::{Http, get, post};
use conformance::server::TestServer;
use conformance::sse::Events;
use conformance::ws::Ws;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::{
    Peer, before, body, ends, last, patiently, publish, request, sent, start, until, until_closed,
    until_said,
};

const DONE: Option<End> = Some(End::Done);

#[tokio::test]
async fn one_connection_carries_requests_of_all_kinds() {
    let (_server, proxy) = start().await;
    let mut http = Http::connect(proxy.addr).await;
    let read = |asked: serde_json::Value| asked.to_string().into_bytes();
    let poll = read(json!({"channels": [{"name": "x", "after": "earliest"}], "wait": 20}));
    let json = "Content-Type: application/json\r\n";
    for (method, target, fields, sent, status) in [
        ("POST", "/channels/x", "", &b"\"a\""[..], 200),
        ("GET", "/channels/x", "", b"", 200),
        ("GET", "/channels/x?after=earliest&wait=20", "", b"", 200),
        ("POST", "/read", json, &poll, 200),
        ("POST", "/read?_moved=sse.mute", json, b"{}", 400),
        ("GET", "/healthz", "", b"", 200),
    ] {
        let fields = match sent.is_empty() || !fields.is_empty() {
            true => fields,
            false => json,
        };
        http.request(method, target, fields, sent).await;
        let answer = patiently(http.answer()).await;
        assert_eq!(
            answer.status,
            status,
            "{method} {target}: {}",
            answer.text()
        );
    }
    let events = Events::over(http, "/channels/x?after=earliest", "").await;
    let mut events = events.expect("an event stream");
    assert_eq!(
        patiently(events.next()).await.expect("an event").name,
        "$hello"
    );
    assert!(
        patiently(events.next())
            .await
            .expect("an event")
            .data
            .contains(r#""data":"a""#)
    );
    drop(events);
    assert_eq!(last(&proxy).await.end, Some(End::Client));
    let kinds = [
        Kind::Publish,
        Kind::Poll,
        Kind::LongPoll,
        Kind::LongPoll,
        Kind::Poll,
        Kind::Other,
    ];
    let mut expected = kinds.map(|kind| (Some(kind), DONE)).to_vec();
    expected.push((Some(Kind::Sse), Some(End::Client)));
    assert_eq!(ends(&proxy), expected);
    let log = proxy.log();
    assert!(
        log.iter()
            .all(|entry| entry.connection == 1 && entry.fault.is_none())
    );
    assert_eq!(log[4].path, "/read?_moved=sse.mute");
    assert_eq!(log[4].status, Some(400));
}

#[tokio::test]
async fn a_websocket_passes_both_ways() {
    let (server, proxy) = start().await;
    let mut ws = Ws::connect(proxy.addr, "/channels/x?format=raw")
        .await
        .expect("a WebSocket");
    let payload: Vec<u8> = (0..65_536_u32)
        .map(|n| (n.wrapping_mul(n) >> 5) as u8)
        .collect();
    for size in [0, 1, 125, 126, 65_535, payload.len()] {
        ws.send(2, &payload[..size]).await;
        let frame = patiently(ws.frame()).await.expect("a frame");
        assert_eq!(
            (frame.opcode, frame.payload == payload[..size]),
            (2, true),
            "{size}"
        );
    }
    ws.send(9, b"still there?").await;
    let pong = patiently(ws.frame()).await.expect("a frame");
    assert_eq!((pong.opcode, &pong.payload[..]), (10, &b"still there?"[..]));
    assert_eq!(proxy.live()[&Some(Kind::Websocket)], 1);
    ws.send(8, &1000_u16.to_be_bytes()).await;
    let close = patiently(ws.frame()).await.expect("a frame");
    assert_eq!(close.close_code(), Some(1000));
    assert!(patiently(ws.frame()).await.is_none());
    let entry = last(&proxy).await;
    assert_eq!(
        (entry.kind, entry.status),
        (Some(Kind::Websocket), Some(101))
    );
    assert!(
        entry.bytes_in > 131_323 && entry.bytes_out > 131_323,
        "{entry:?}"
    );
    drop(ws);
    until(|| server.app.stats().connections.get() == 0 && proxy.live().is_empty()).await;
}

#[tokio::test]
async fn a_client_that_leaves_is_gone_for_the_server() {
    let (server, proxy) = start().await;
    for target in ["/channels/x?transport=sse", "/channels/x?wait=50"] {
        let mut http = Http::connect(proxy.addr).await;
        http.request("GET", target, "", b"").await;
        let streams = || {
            server
                .app
                .stats()
                .transports
                .iter()
                .any(|one| one.open.get() == 1)
        };
        until(streams).await;
        drop(http);
        until(|| server.app.stats().connections.get() == 0).await;
        assert_eq!(last(&proxy).await.end, Some(End::Client), "{target}");
    }
}

#[tokio::test]
async fn bodies_in_chunks_and_on_demand_arrive() {
    let (server, proxy) = start().await;
    let mut http = Http::connect(proxy.addr).await;
    let text = "Content-Type: text/plain\r\n";
    let chunked = format!("{text}Transfer-Encoding: chunked\r\n");
    http.send(&request("POST /channels/x", &chunked)).await;
    for part in ["4;a=b\r\n가", "!\r\n5\r", "\nhello", "\r\n0\r\n", "\r\n"] {
        http.send(part.as_bytes()).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(patiently(http.answer()).await.json()["offset"], 1);
    let expecting = format!("{text}Content-Length: 5\r\nExpect: 100-continue\r\n");
    http.send(&request("POST /channels/x", &expecting)).await;
    assert_eq!(patiently(http.head()).await.status, 100);
    http.send(b"later").await;
    assert_eq!(patiently(http.answer()).await.json()["offset"], 2);
    let said = get(server.addr, "/channels/x").await.json();
    assert_eq!(said["messages"][0]["data"], "가!hello");
    assert_eq!(said["messages"][1]["data"], "later");
    assert_eq!(ends(&proxy), [(Some(Kind::Publish), DONE); 2]);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_server, proxy) = start().await;
    let mut all = Vec::new();
    for text in ["one", "two", "three"] {
        all.extend_from_slice(&publish("x", text));
    }
    all.extend_from_slice(&request("GET /channels/x", "Connection: close\r\n"));
    let mut socket = sent(proxy.addr, &all).await;
    socket.shutdown().await.expect("an open socket");
    let said = String::from_utf8(until_closed(&mut socket).await).expect("text");
    assert_eq!(said.matches("HTTP/1.1 200 OK").count(), 4, "{said}");
    assert!(said.contains(r#""data":"three""#), "{said}");
    last(&proxy).await;
    let mut expected = vec![(Some(Kind::Publish), DONE); 3];
    expected.push((Some(Kind::Poll), DONE));
    assert_eq!(ends(&proxy), expected);
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_is_whole() {
    let server = TestServer::limited(|limits| limits.message_bytes = 1000).await;
    let proxy = before(server.addr).await;
    let fields = "Content-Type: text/plain\r\nContent-Length: 100000000\r\n";
    let mut socket = sent(proxy.addr, &request("POST /channels/x", fields)).await;
    let said = until_said(&mut socket, b"\r\n\r\n").await;
    assert!(
        said.starts_with(b"HTTP/1.1 413 "),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[tokio::test]
async fn no_byte_is_changed() {
    let peer = Peer::start().await;
    let proxy = before(peer.addr).await;
    let question = b"GET /channels/x HTTP/1.1\nhOsT:x\r\nX:\t\xff\xfe \r\n\r\n";
    let question_body = b"pOST /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n";
    let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let answer = b"HTTP/1.1 200 \r\ncontent-LENGTH:  3\r\n\r\nxyz";
    let last_answer = b"HTTP/1.0 404 No\r\n\r\nuntil the end\0\xff";
    let mut client = sent(proxy.addr, question).await;
    let mut server = peer.accept().await;
    assert_eq!(until_said(&mut server, b"\r\n\r\n").await, question);
    server
        .write_all(&[&hints[..], answer].concat())
        .await
        .expect("a taker");
    assert_eq!(
        until_said(&mut client, b"xyz").await,
        [&hints[..], answer].concat()
    );
    client.write_all(question_body).await.expect("a taker");
    assert_eq!(
        until_said(&mut server, b"Trailer: x\r\n\r\n").await,
        question_body
    );
    server.write_all(last_answer).await.expect("a taker");
    drop(server);
    assert_eq!(until_closed(&mut client).await, last_answer);
    assert_eq!(ends(&proxy)[1], (Some(Kind::Other), DONE));
}

#[tokio::test]
async fn what_is_no_http_1_is_carried_blindly() {
    let (server, proxy) = start().await;
    post(server.addr, "/channels/x", "by HTTP/2").await;
    let http2 = Endpoint::clear(proxy.addr, Carrier::Http2);
    let answer = patiently(get(http2, "/channels/x")).await;
    assert_eq!(answer.json()["messages"][0]["data"], "by HTTP/2");
    assert_eq!(proxy.log()[0].kind, Some(Kind::Other));
    // A head that can be read in two ways is the server's to refuse.
    let double = "Content-Length: 1\r\nContent-Length: 2\r\n";
    let mut socket = sent(proxy.addr, &request("POST /channels/x", double)).await;
    let said = until_closed(&mut socket).await;
    assert!(
        said.starts_with(b"HTTP/1.1 400 "),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[tokio::test]
async fn the_server_s_end_is_the_client_s() {
    let peer = Peer::start().await;
    let proxy = before(peer.addr).await;
    let mut client = sent(proxy.addr, &request("GET /channels/x", "")).await;
    let mut server = peer.accept().await;
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
    server.write_all(half).await.expect("a taker");
    drop(server);
    let said = patiently(async {
        let mut said = Vec::new();
        // A peer that closes with unread bytes resets; either is an end.
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut client, &mut said).await;
        said
    });
    assert_eq!(body(&said.await), b"half");
    assert_eq!(last(&proxy).await.end, Some(End::Server));
    drop(peer);
    let mut refused = sent(proxy.addr, &request("GET /healthz", "")).await;
    crate::support::until_reset(&mut refused).await;
    let entry = last(&proxy).await;
    assert_eq!(entry.end, Some(End::Server));
    assert_eq!(entry.note, Some("the server cannot be reached"));
}

#[tokio::test]
async fn the_client_s_end_is_the_server_s() {
    let peer = Peer::start().await;
    let proxy = before(peer.addr).await;
    let asked = request("GET /channels/x", "");
    let mut client = sent(proxy.addr, &asked).await;
    let mut server = peer.accept().await;
    client.shutdown().await.expect("an open socket");
    assert_eq!(until_closed(&mut server).await, asked);
    // Who says no more may still listen.
    let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
    server.write_all(answer).await.expect("a taker");
    assert_eq!(until_closed(&mut client).await, answer);
    assert_eq!(last(&proxy).await.end, DONE);
}

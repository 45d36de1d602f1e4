//! Faults of answers: held back, cut, silenced, dropped, slowed.

use std::time::{Duration, Instant};

use conformance::fault::{Action, End, Fault, Kind};
use conformance::http::{Http, get, post};
use conformance::ws::Ws;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::support::{
    Peer, before, body, faulty, last, patiently, publish, request, sent, start, stream, until,
    until_closed, until_reset, until_said,
};

/// A poll whose connection closes behind it.
fn poll() -> Vec<u8> {
    request("GET /channels/x", "Connection: close\r\n")
}

#[tokio::test]
async fn a_held_stream_gives_nothing_and_a_held_answer_comes_whole() {
    let (server, proxy) = faulty(&[Kind::Sse, Kind::Poll], Action::Buffer).await;
    let mut socket = sent(proxy.addr, &stream("x")).await;
    until(|| {
        server
            .app
            .stats()
            .transports
            .iter()
            .any(|one| one.open.get() == 1)
    })
    .await;
    post(server.addr, "/channels/x", "held").await;
    let delivered = || {
        server
            .app
            .stats()
            .transports
            .iter()
            .any(|one| one.delivered.get() == 1)
    };
    until(delivered).await;
    until(|| proxy.log()[0].status == Some(200)).await;
    assert_eq!(proxy.cut(Some(&[Kind::Sse])).await, 1);
    assert_eq!(until_reset(&mut socket).await, b"");
    let entry = last(&proxy).await;
    assert_eq!((entry.bytes_out, entry.end), (0, Some(End::Cut)));
    assert_eq!(entry.fault, Some(json!({"buffer": true})));
    let mut socket = sent(proxy.addr, &poll()).await;
    let held = until_closed(&mut socket).await;
    let mut socket = sent(server.addr, &poll()).await;
    assert_eq!(body(&held), body(&until_closed(&mut socket).await));
}

#[tokio::test]
async fn what_is_held_is_bounded() {
    let peer = Peer::start().await;
    let proxy = before(peer.addr).await;
    proxy.set(vec![Fault::new(Action::Buffer)]);
    let mut client = sent(proxy.addr, &request("GET /", "")).await;
    let mut server = peer.accept().await;
    let endless = vec![b'x'; 1 << 20];
    server
        .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
        .await
        .expect("a taker");
    let mut written = 0;
    while patiently(server.write_all(&endless)).await.is_ok() {
        written += 1;
        assert!(written < 100, "nothing bounds it");
    }
    assert!(written >= 63);
    until_reset(&mut client).await;
    let entry = last(&proxy).await;
    assert_eq!(entry.note, Some("more than 64 MiB were held back"));
    assert_eq!(entry.end, Some(End::Cut));
}

#[tokio::test]
async fn a_buffer_lets_go_when_it_is_full() {
    let (server, proxy) = faulty(&[Kind::Sse], Action::BufferBytes(2_000)).await;
    let mut socket = sent(proxy.addr, &stream("x")).await;
    until(|| {
        server
            .app
            .stats()
            .transports
            .iter()
            .any(|one| one.open.get() == 1)
    })
    .await;
    post(server.addr, "/channels/x", "little").await;
    assert_eq!(proxy.log()[0].bytes_out, 0);
    post(server.addr, "/channels/x", &"much".repeat(1000)).await;
    let said = until_said(&mut socket, b"much").await;
    assert!(said.starts_with(b"HTTP/1.1 200 OK\r\n"));
    assert!(String::from_utf8_lossy(&said).contains("little"));
    assert!(proxy.log()[0].bytes_out >= 2_000);
    let mut short = sent(
        proxy.addr,
        &request("GET /channels/x?transport=sse&after=now", ""),
    )
    .await;
    until(|| {
        proxy
            .log()
            .get(1)
            .is_some_and(|entry| entry.status == Some(200))
    })
    .await;
    server.stop().await;
    // What never fills it comes at the end.
    assert!(
        until_closed(&mut short)
            .await
            .starts_with(b"HTTP/1.1 200 OK\r\n")
    );
}

#[tokio::test]
async fn a_cut_comes_after_so_many_bytes() {
    let (_server, proxy) = start().await;
    for bytes in [0, 1, 10, 100] {
        proxy.set(vec![Fault::new(Action::CutBytes(bytes)).times(1)]);
        let mut socket = sent(proxy.addr, &stream("x")).await;
        let said = until_reset(&mut socket).await;
        assert_eq!(body(&said).len() as u64, bytes);
        let entry = last(&proxy).await;
        assert_eq!(entry.end, Some(End::Cut));
        assert_eq!(entry.bytes_out, said.len() as u64);
        assert_eq!(entry.fault, Some(json!({"cut_bytes": bytes})));
    }
}

#[tokio::test]
async fn a_websocket_is_cut_within_its_frames() {
    let (server, proxy) = faulty(&[Kind::Websocket], Action::CutBytes(1_000)).await;
    let mut ws = Ws::connect(proxy.addr, "/channels/x?format=raw")
        .await
        .expect("a WebSocket");
    post(server.addr, "/channels/x", &"a".repeat(600)).await;
    post(server.addr, "/channels/x", &"b".repeat(600)).await;
    // The greeting is absent in raw: one frame is whole, and the second is not.
    assert_eq!(
        patiently(ws.frame()).await.expect("a frame").payload,
        [b'a'; 600]
    );
    assert!(patiently(ws.frame()).await.is_none());
    assert_eq!(last(&proxy).await.end, Some(End::Cut));
    until(|| server.app.stats().connections.get() == 0).await;
}

#[tokio::test]
async fn a_cut_comes_after_a_time() {
    let (_server, proxy) = faulty(&[Kind::Sse], Action::CutMs(150)).await;
    let mut socket = sent(proxy.addr, &stream("x")).await;
    until_said(&mut socket, b"$hello").await;
    let began = Instant::now();
    until_reset(&mut socket).await;
    assert!(began.elapsed() > Duration::from_millis(50));
    assert_eq!(last(&proxy).await.end, Some(End::Cut));
    // An answer that is whole before then is none of its business.
    proxy.set(vec![Fault::new(Action::CutMs(60_000))]);
    assert_eq!(patiently(get(proxy.addr, "/channels/x")).await.status, 200);
}

#[tokio::test]
async fn silence_after_some_bytes_goes_both_ways() {
    let (server, proxy) = faulty(&[Kind::Websocket], Action::StallBytes(5)).await;
    let mut ws = Ws::connect(proxy.addr, "/channels/x")
        .await
        .expect("a WebSocket");
    until(|| proxy.log()[0].end == Some(End::Stalled)).await;
    // What a client says now is read, and not heard: the proxy's record stands still.
    let before = proxy.log()[0].bytes_in;
    ws.command(json!({"type": "publish", "id": 1, "channel": "x", "data": "unheard"}))
        .await;
    let answer = post(server.addr, "/channels/x", "heard").await.json();
    assert_eq!(answer["offset"], 1);
    assert_eq!(proxy.live()[&Some(Kind::Websocket)], 1);
    let entry = last(&proxy).await;
    assert_eq!(entry.bytes_in, before);
    drop(ws);
    until(|| proxy.live().is_empty()).await;
    let is_open = server
        .app
        .stats()
        .transports
        .iter()
        .any(|one| one.open.get() == 1);
    assert!(is_open, "the server is not told");
    let said = get(server.addr, "/channels/x").await.json();
    assert_eq!(said["messages"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn silence_comes_after_a_time_and_can_be_cut() {
    let (server, proxy) = faulty(&[Kind::Sse], Action::StallMs(20)).await;
    let mut socket = sent(proxy.addr, &stream("x")).await;
    until_said(&mut socket, b"$hello").await;
    until(|| proxy.log()[0].end == Some(End::Stalled)).await;
    let sent_before = proxy.log()[0].bytes_out;
    post(server.addr, "/channels/x", "unheard").await;
    assert_eq!(proxy.cut(None).await, 1);
    let said = until_reset(&mut socket).await;
    assert!(!String::from_utf8_lossy(&said).contains("unheard"));
    let entry = last(&proxy).await;
    assert_eq!(
        (entry.bytes_out, entry.end),
        (sent_before, Some(End::Stalled))
    );
    until(|| server.app.stats().connections.get() == 0).await;
}

#[tokio::test]
async fn a_dropped_answer_was_applied() {
    let (server, proxy) = start().await;
    proxy.set(vec![
        Fault::new(Action::DropResponse)
            .on(&[Kind::Publish])
            .times(1),
    ]);
    let text = "once";
    let fields = "Content-Type: text/plain\r\nIdempotency-Key: k1\r\nContent-Length: 4\r\n";
    let request = [&request("POST /channels/x", fields)[..], text.as_bytes()].concat();
    let mut socket = sent(proxy.addr, &request).await;
    assert_eq!(until_reset(&mut socket).await, b"");
    let entry = last(&proxy).await;
    assert_eq!(
        (entry.status, entry.bytes_out, entry.end),
        (Some(200), 0, Some(End::Cut))
    );
    let said = get(server.addr, "/channels/x").await.json();
    assert_eq!(said["messages"][0]["data"], text);
    let mut http = Http::connect(proxy.addr).await;
    http.send(&request).await;
    let again: Value = patiently(http.answer()).await.json();
    assert_eq!(
        (&again["offset"], &again["duplicate"]),
        (&json!(1), &json!(true))
    );
}

#[tokio::test]
async fn a_slow_answer_takes_its_time_and_is_whole() {
    let (server, proxy) = faulty(&[Kind::Poll], Action::Throttle(100_000)).await;
    post(server.addr, "/channels/x", &"a".repeat(50_000)).await;
    let began = Instant::now();
    let slow = patiently(get(proxy.addr, "/channels/x")).await;
    let took = began.elapsed();
    assert_eq!(slow.body, get(server.addr, "/channels/x").await.body);
    // 50 kB at 100 kB/s; the first piece comes at once.
    assert!(took > Duration::from_millis(400), "{took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    // Publishing is as fast as ever.
    let mut socket = sent(proxy.addr, &publish("x", "fast")).await;
    until_said(&mut socket, b"\"offset\":2").await;
}

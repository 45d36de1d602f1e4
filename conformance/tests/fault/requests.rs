//! Faults of requests: answered by somebody else, changed, cut, refused, late.

use std::time::{Duration, Instant};

use conformance::fault::{Action, End, Fault, Kind, Page};
use conformance::http::{Http, fetch, get, post};
use conformance::ws::Ws;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Peer, before, faulty, last, patiently, publish, request, sent, start, stream, until,
    until_closed, until_reset,
};

#[tokio::test]
async fn a_proxy_s_page_stands_for_the_server_s_answer() {
    let (server, proxy) = faulty(&[Kind::Websocket], Action::Status(Page::of(403))).await;
    let Err(answer) = Ws::connect(proxy.addr, "/channels/x").await else {
        panic!("it was to be refused");
    };
    assert_eq!(answer.status, 403);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(server.app.stats().accepted.get(), 0);
    let entry = last(&proxy).await;
    assert_eq!((entry.status, entry.end), (Some(403), Some(End::Done)));
    assert_eq!(entry.fault, Some(json!({"status": 403})));
    assert_eq!(patiently(get(proxy.addr, "/channels/x")).await.status, 200);
}

#[tokio::test]
async fn a_page_can_be_anything() {
    let (_server, proxy) = start().await;
    let page = Page {
        status: 200,
        body: "{\"login\":true}".into(),
        content_type: "application/json".into(),
    };
    proxy.set(vec![Fault::new(Action::Status(page))]);
    // A body of which nothing is read must not reset the answer.
    let large = vec![b'x'; 3 << 20];
    let answer = patiently(fetch(proxy.addr, "POST", "/channels/x", "", &large)).await;
    assert_eq!((answer.status, answer.text()), (200, "{\"login\":true}"));
    assert_eq!(answer.header("connection"), Some("close"));
    let head = patiently(fetch(proxy.addr, "HEAD", "/channels/x", "", b"")).await;
    assert_eq!(head.header("content-length"), Some("14"));
    let mut socket = sent(proxy.addr, &request("HEAD /", "")).await;
    assert!(until_closed(&mut socket).await.ends_with(b"\r\n\r\n"));
}

#[tokio::test]
async fn without_its_upgrade_a_handshake_is_none() {
    let (_server, proxy) = start().await;
    proxy.set(vec![Fault::new(Action::StripUpgrade)]);
    let Err(answer) = Ws::connect(proxy.addr, "/channels/x").await else {
        panic!("nothing was to be switched");
    };
    // So the server says that it does not see one.
    assert_eq!((answer.status, proxy.log()[0].status), (426, Some(426)));
    assert_eq!(proxy.log()[0].fault, Some(json!({"strip_upgrade": true})));
    get(proxy.addr, "/healthz").await;
    assert_eq!(proxy.log()[1].fault, None, "there was nothing to strip");
}

#[tokio::test]
async fn a_request_is_cut_at_its_byte() {
    let peer = Peer::start().await;
    let proxy = before(peer.addr).await;
    let whole = publish("x", "not all of it");
    for bytes in [1, 20, whole.len() - 1] {
        let cut = Action::CutRequestBytes(bytes as u64);
        proxy.set(vec![Fault::new(cut)]);
        let mut client = sent(proxy.addr, &whole).await;
        let mut arrived = Vec::new();
        // A reset ends it.
        let _ = patiently(peer.accept().await.read_to_end(&mut arrived)).await;
        assert!(whole[..bytes].starts_with(&arrived), "no byte too many");
        assert_eq!(until_reset(&mut client).await, b"");
        let entry = last(&proxy).await;
        assert_eq!((entry.bytes_in, entry.end), (bytes as u64, Some(End::Cut)));
    }
}

#[tokio::test]
async fn a_request_that_was_cut_is_not_applied() {
    let whole = publish("x", "not all of it");
    let cut = Action::CutRequestBytes(whole.len() as u64 - 1);
    let (server, proxy) = faulty(&[Kind::Publish], cut).await;
    until_reset(&mut sent(proxy.addr, &whole).await).await;
    until(|| server.app.stats().connections.get() == 0).await;
    assert_eq!(
        post(server.addr, "/channels/x", "the first").await.json()["offset"],
        1
    );
    // Frames of a WebSocket count on behind its handshake.
    let bytes = 300;
    proxy.set(vec![
        Fault::new(Action::CutRequestBytes(bytes)).on(&[Kind::Websocket]),
    ]);
    let mut ws = Ws::connect(proxy.addr, "/channels/x")
        .await
        .expect("a WebSocket");
    let long = "long".repeat(100);
    ws.command(json!({"type": "publish", "id": 1, "channel": "x", "data": long}))
        .await;
    while patiently(ws.frame()).await.is_some() {}
    assert_eq!(last(&proxy).await.bytes_in, bytes);
    assert_eq!(
        post(server.addr, "/channels/x", "the second").await.json()["offset"],
        2
    );
}

#[tokio::test]
async fn a_stalled_request_goes_nowhere() {
    let (server, proxy) = faulty(&[Kind::Poll], Action::Stall).await;
    let mut socket = sent(proxy.addr, &request("GET /channels/x", "")).await;
    until(|| {
        proxy
            .log()
            .first()
            .is_some_and(|entry| entry.end == Some(End::Stalled))
    })
    .await;
    assert_eq!(proxy.live()[&Some(Kind::Poll)], 1);
    assert_eq!(server.app.stats().accepted.get(), 0);
    socket.shutdown().await.expect("an open socket");
    assert_eq!(until_closed(&mut socket).await, b"");
    until(|| proxy.live().is_empty()).await;
    assert_eq!((proxy.log()[0].bytes_in, proxy.log()[0].bytes_out), (0, 0));
}

#[tokio::test]
async fn a_refused_request_is_reset() {
    let (server, proxy) = faulty(&[Kind::Sse], Action::Refuse).await;
    let mut http = Http::connect(proxy.addr).await;
    http.request("GET", "/channels/x", "", b"").await;
    assert_eq!(patiently(http.answer()).await.status, 200);
    // On a connection that carried another kind before, too.
    http.send(&stream("x")).await;
    let mut socket = http.into_inner();
    let read = patiently(socket.read(&mut [0; 10])).await;
    assert_eq!(
        read.expect_err("a reset").kind(),
        std::io::ErrorKind::ConnectionReset
    );
    let entry = last(&proxy).await;
    assert_eq!(
        (entry.kind, entry.end, entry.bytes_in),
        (Some(Kind::Sse), Some(End::Cut), 0)
    );
    until(|| server.app.stats().connections.get() == 0).await;
}

#[tokio::test]
async fn a_late_request_is_overtaken() {
    let (server, proxy) = start().await;
    let late = Fault::new(Action::DelayMs(1_000)).on(&[Kind::Publish]);
    proxy.set(vec![late.times(1)]);
    // Who gives up waiting does not call it back.
    let mut first = Http::connect(proxy.addr).await;
    first.send(&publish("x", "sent first")).await;
    until(|| proxy.log().len() == 1).await;
    drop(first);
    assert_eq!(
        post(proxy.addr, "/channels/x", "sent second").await.json()["offset"],
        1
    );
    assert_eq!(proxy.log()[0].bytes_in, 0);
    until(|| proxy.log()[0].end.is_some()).await;
    let said = get(server.addr, "/channels/x").await.json();
    assert_eq!(said["messages"][0]["data"], "sent second");
    assert_eq!(said["messages"][1]["data"], "sent first");
}

#[tokio::test]
async fn a_random_delay_has_its_bound() {
    let (_server, proxy) = start().await;
    proxy.set(vec![Fault::new(Action::JitterMs(60))]);
    let began = Instant::now();
    for offset in 1..=10 {
        let answer = patiently(post(proxy.addr, "/channels/x", "late")).await;
        assert_eq!(answer.json()["offset"], offset);
    }
    // On average 300 ms together: with this seed always the same.
    assert!(
        began.elapsed() > Duration::from_millis(150),
        "{:?}",
        began.elapsed()
    );
    let fault = Some(json!({"jitter_ms": 60}));
    assert!(proxy.log().iter().all(|entry| entry.fault == fault));
}

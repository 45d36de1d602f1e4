//! What is done to live connections from outside: cut, silence, a server that is away or elsewhere.

use conformance::fault::{End, Kind};
use conformance::http::{Http, get, post};
use conformance::server::TestServer;
use conformance::sse::Events;
use conformance::ws::Ws;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{
    last, patiently, request, sent, start, stream, until, until_reset, until_said,
};

#[tokio::test]
async fn a_cut_meets_the_kinds_that_it_names() {
    let (server, proxy) = start().await;
    let mut sse = sent(proxy.addr, &stream("x")).await;
    until_said(&mut sse, b"$hello").await;
    let mut ws = Ws::connect(proxy.addr, "/channels/x")
        .await
        .expect("a WebSocket");
    assert_eq!(patiently(ws.json()).await.expect("JSON")["type"], "hello");
    let mut idle = Http::connect(proxy.addr).await;
    idle.request("GET", "/channels/x", "", b"").await;
    patiently(idle.answer()).await;
    until(|| proxy.live().get(&None) == Some(&1)).await;
    assert_eq!(
        proxy.cut(Some(&[Kind::Poll])).await,
        0,
        "it has been answered"
    );
    assert_eq!(proxy.cut(Some(&[Kind::Sse, Kind::SsePost])).await, 1);
    assert_eq!(proxy.log()[0].end, Some(End::Cut));
    until_reset(&mut sse).await;
    post(server.addr, "/channels/x", "alive").await;
    assert_eq!(patiently(ws.json()).await.expect("JSON")["data"], "alive");
    assert_eq!(proxy.cut(None).await, 2);
    assert!(patiently(ws.json()).await.is_none());
    assert!(proxy.live().is_empty());
    until(|| server.app.stats().connections.get() == 0).await;
}

#[tokio::test]
async fn silence_meets_the_kinds_that_it_names() {
    let (server, proxy) = start().await;
    let mut ws = Ws::connect(proxy.addr, "/channels/x")
        .await
        .expect("a WebSocket");
    patiently(ws.json()).await.expect("JSON");
    let mut events = Events::open(proxy.addr, "/channels/x", "")
        .await
        .expect("a stream");
    patiently(events.next()).await.expect("an event");
    assert_eq!(proxy.stall(Some(&[Kind::Websocket])).await, 1);
    let before = proxy.log()[0].bytes_out;
    assert_eq!(proxy.log()[0].end, Some(End::Stalled));
    post(server.addr, "/channels/x", "for one of them").await;
    assert!(
        patiently(events.next())
            .await
            .expect("an event")
            .data
            .contains("for one of them")
    );
    let delivered = || {
        server
            .app
            .stats()
            .transports
            .iter()
            .map(|one| one.delivered.get())
            .sum::<u64>()
    };
    until(|| delivered() == 2).await;
    assert_eq!(
        proxy.stall(None).await,
        2,
        "silent or not, it is silent now"
    );
    assert_eq!(proxy.cut(None).await, 2);
    assert!(patiently(ws.json()).await.is_none());
    assert_eq!(proxy.log()[0].bytes_out, before);
}

#[tokio::test]
async fn a_server_that_is_away_resets_everybody() {
    let (_server, proxy) = start().await;
    let mut open = sent(proxy.addr, &stream("x")).await;
    until_said(&mut open, b"$hello").await;
    let mut idle = Http::connect(proxy.addr).await;
    idle.request("GET", "/healthz", "", b"").await;
    patiently(idle.answer()).await;
    proxy.down().await;
    until_reset(&mut open).await;
    assert_eq!(idle.rest().await, b"");
    let mut late = TcpStream::connect(proxy.addr).await.expect("it listens");
    let end = patiently(late.read(&mut [0; 1])).await;
    assert!(end.is_err(), "a reset");
    let entry = last(&proxy).await;
    assert_eq!((entry.kind, entry.end), (None, Some(End::Cut)));
    assert_eq!(entry.fault, Some(serde_json::json!({"down": true})));
    proxy.up();
    assert_eq!(patiently(get(proxy.addr, "/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_server_may_come_back_elsewhere() {
    let (server, proxy) = start().await;
    let mut kept = Http::connect(proxy.addr).await;
    kept.request("GET", "/healthz", "", b"").await;
    assert_eq!(patiently(kept.answer()).await.status, 200);
    server.stop().await;
    assert_eq!(patiently(kept.rest()).await, b"");
    until_reset(&mut sent(proxy.addr, &request("GET /healthz", "")).await).await;
    let server = TestServer::start().await;
    proxy.to(server.addr);
    assert_eq!(patiently(get(proxy.addr, "/healthz")).await.status, 200);
}

//! Streams: which transport, raw payloads, ends, and the server's own.

use conformance::http::{Http, fetch, get, post};
use conformance::server::TestServer;
use conformance::sse::Events;
use conformance::ws::Ws;
use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn the_headers_keep_caches_and_buffers_away() {
    let server = TestServer::start().await;
    for (accept, buffering) in [
        ("Accept: */*\r\n", None),
        ("Accept: text/event-stream\r\n", Some("no")),
    ] {
        let mut http = Http::connect(server.addr).await;
        http.request("GET", "/channels/x", accept, b"").await;
        let head = http.head().await;
        assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(
            head.header("vary"),
            Some("Accept, Origin, Authorization, Cookie")
        );
        assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(head.header("x-accel-buffering"), buffering);
        assert!(head.header("date").is_some());
    }
}

#[tokio::test]
async fn a_raw_stream_carries_payloads_alone() {
    let server = TestServer::start().await;
    post(server.addr, "/channels/x?event=토큰", "a\r\nb").await;
    fetch(server.addr, "POST", "/channels/x", "", &[0xff, 1]).await;
    fetch(
        server.addr,
        "POST",
        "/channels/x?close=true",
        "Content-Type: application/json\r\n",
        b"{\"a\":1.0}",
    )
    .await;
    let mut events = Events::open(server.addr, "/channels/x?format=raw&after=earliest", "")
        .await
        .unwrap();
    assert_eq!(events.next().await.unwrap().name, "$hello");
    let mut got = Vec::new();
    while let Some(event) = events.next().await {
        got.push((event.name, event.data));
    }
    let want = [
        ("토큰", "a\nb"),
        ("", "/wE="),
        ("", "{\"a\":1.0}"),
        ("", "[DONE]"),
    ];
    assert_eq!(
        got,
        want.map(|(name, data)| (name.to_owned(), data.to_owned()))
    );
    let past = Events::open(server.addr, "/channels/x?format=raw", &events.last_id)
        .await
        .err()
        .expect("no stream");
    assert_eq!(past.status, 204);
    for bad in [
        "/channels/x?format=raw",
        "/channels/x?format=json",
        "/channels?name=x&name=y&format=raw&transport=sse",
    ] {
        assert_eq!(get(server.addr, bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn sse_ends_with_its_channels() {
    let server = TestServer::start().await;
    publish(&server, "a", ["a1"]).await;
    let mut events = Events::open(server.addr, "/channels?name=a&name=b&after=earliest", "")
        .await
        .unwrap();
    assert_eq!(events.next().await.unwrap().name, "$hello");
    assert!(events.next().await.unwrap().data.contains("a1"));
    fetch(server.addr, "POST", "/channels/a?close=true", "", b"").await;
    assert_eq!(events.next().await.unwrap().name, "$closed");
    let only_a = events.last_id.clone();
    fetch(
        server.addr,
        "POST",
        "/channels/b?close=true",
        "Content-Type: text/plain\r\n",
        "끝".as_bytes(),
    )
    .await;
    assert!(events.next().await.unwrap().data.contains("끝"));
    assert_eq!(events.next().await.unwrap().name, "$closed");
    assert_eq!(
        events.next().await,
        None,
        "the stream ends with its last channel"
    );
    // Between the two: the end of `a` was told before and is not told again.
    let mut between = Events::open(server.addr, "/channels?name=a&name=b", &only_a)
        .await
        .unwrap();
    assert_eq!(between.next().await.unwrap().name, "$hello");
    assert!(between.next().await.unwrap().data.contains("끝"));
    let past = Events::open(server.addr, "/channels?name=a&name=b", &events.last_id)
        .await
        .err()
        .expect("no stream");
    assert_eq!(past.status, 204);
    let poll = get(server.addr, "/channels?name=a&name=b&after=now&wait=30")
        .await
        .json();
    assert_eq!(
        poll["closed"], true,
        "a poll past the end is answered at once"
    );
}

#[tokio::test]
async fn an_ephemeral_message_reaches_those_of_the_moment() {
    let server = TestServer::start().await;
    let mut events = Events::open(server.addr, "/channels/x", "").await.unwrap();
    let hello = events.next().await.unwrap();
    let waiting = tokio::spawn({
        let addr = server.addr;
        async move { get(addr, "/channels/x?wait=30").await.json() }
    });
    wait_for_readers(&server, 1).await;
    let receipt = post(
        server.addr,
        "/channels/x?ephemeral=true&event=typing",
        "입력 중",
    )
    .await
    .json();
    assert_eq!(
        (&receipt["subscribers"], receipt.get("offset")),
        (&json!(2), None)
    );
    let event = events.next().await.unwrap();
    assert_eq!(
        (event.name.as_str(), &event.id),
        ("typing", &hello.id),
        "it has no id of its own"
    );
    let poll = waiting.await.unwrap();
    assert_eq!(datas(&poll), ["입력 중"]);
    assert_eq!(poll["messages"][0].get("offset"), None);
    assert!(
        datas(&get(server.addr, "/channels/x").await.json()).is_empty(),
        "it is never replayed"
    );
}

#[tokio::test]
async fn the_transport_is_chosen_by_the_request() {
    let server = TestServer::start().await;
    let kind = |target: &'static str, headers: &'static str| {
        let addr = server.addr;
        async move {
            let mut http = Http::connect(addr).await;
            http.request("GET", target, headers, b"").await;
            let head = http.head().await;
            (
                head.status,
                head.header("content-type").unwrap_or("").to_owned(),
            )
        }
    };
    let sse = (200, "text/event-stream".to_owned());
    let poll = (200, "application/json".to_owned());
    let events = "Accept: text/event-stream\r\n";
    assert_eq!(kind("/channels/x", events).await, sse);
    assert_eq!(kind("/channels/x", "").await, poll);
    assert_eq!(kind("/channels/x?transport=poll", events).await, poll);
    assert_eq!(kind("/channels/x?transport=sse", "").await, sse);
    assert_eq!(
        kind(
            "/channels/x",
            "Accept: application/json, text/event-stream;q=0.9\r\n"
        )
        .await,
        poll
    );
    assert_eq!(kind("/channels/x?transport=websocket", "").await.0, 426);
    assert_eq!(kind("/channels/x?transport=pigeon", "").await.0, 400);
    assert_eq!(kind("/channels/x?lastId=1", events).await.0, 400);
    assert!(
        Ws::connect(server.addr, "/channels/x?transport=websocket")
            .await
            .is_ok()
    );
    let overridden = Ws::connect(server.addr, "/channels/x?transport=poll")
        .await
        .err()
        .expect("a poll");
    assert_eq!(overridden.status, 200);
}

#[tokio::test]
async fn the_server_tells_its_own_figures() {
    let server = TestServer::start().await;
    let mut events = Events::open(server.addr, "/channels/$stats", "")
        .await
        .unwrap();
    assert_eq!(events.next().await.unwrap().name, "$hello");
    // The first may have been taken before this stream was counted.
    let figures = loop {
        let event = events.next().await.unwrap();
        let envelope: Value = serde_json::from_str(&event.data).unwrap();
        let figures = envelope["data"].as_object().expect("an object").clone();
        if figures["transports"]["sse"]["open"] == 1 {
            break figures;
        }
    };
    for key in [
        "uptime_s",
        "connections",
        "accepted",
        "requests",
        "refused",
        "published",
        "published_bytes",
        "ephemeral",
        "duplicates",
        "resumed",
        "gaps",
        "channels",
        "remembered",
        "messages",
        "bytes",
    ] {
        assert!(figures[key].is_u64(), "{key}");
    }
    assert_eq!(
        get(server.addr, "/channels/$nothing").await.json()["code"],
        "forbidden"
    );
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(server.addr, path).await.status, 200);
    }
}

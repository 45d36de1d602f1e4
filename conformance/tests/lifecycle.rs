//! Limits on connections and time, a panic, and the orderly end.

use std::sync::Arc;
use std::time::Duration;

use conformance::http::{Http, get, post};
use conformance::server::{Options, TestServer};
use conformance::sse::Events;
use conformance::ws::Ws;
use tidings_core::broker::memory::MemoryBroker;
use tidings_core::broker::{BoxFuture, Holdings};
use tidings_core::{
    Arrival, Broker, BrokerError, ChannelName, ChannelPage, ChannelQuery, ClientId, Digest, Epoch,
    GapReason, Joined, Log, Message, Now, Position, Presence, Publication, PublishError, Receipt,
    Redeemed, Release, Revocation, Revocations, Rulebook, Rules, Ticket, TicketError,
};

async fn wait_for(server: &TestServer, line: &str) {
    while !get(server.addr, "/metrics").await.text().contains(line) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_end_is_orderly_on_every_transport() {
    let server = TestServer::start().await;
    let addr = server.addr;
    let mut events = Events::open(addr, "/channels/x", "").await.unwrap();
    let mut ws = Ws::connect(addr, "/channels/x").await.unwrap();
    events.next().await;
    ws.json().await;
    let mut poll = Http::connect(addr).await;
    poll.request("GET", "/channels/x?wait=30", "", b"").await;
    wait_for(&server, "tidings_readers{transport=\"long-poll\"} 1\n").await;
    let mut idle = Http::connect(addr).await;
    idle.request("GET", "/healthz", "", b"").await;
    idle.answer().await;
    let stopping = tokio::spawn(server.stop());
    let goodbye = events.next().await.unwrap();
    assert_eq!(goodbye.name, "$reconnect");
    let after =
        serde_json::from_str::<serde_json::Value>(&goodbye.data).unwrap()["after_ms"].as_u64();
    assert_eq!(
        (after, events.next().await),
        (events.retry, None),
        "told by `retry:`, too; then the end"
    );
    assert_eq!(ws.json().await.unwrap()["type"], "reconnect");
    assert!(
        ws.frame()
            .await
            .is_some_and(|frame| frame.close_code() == Some(1001))
    );
    let answer = poll.answer().await;
    assert_eq!(
        (
            answer.status,
            answer.json()["messages"].as_array().unwrap().len()
        ),
        (200, 0)
    );
    assert!(idle.rest().await.is_empty(), "an idle connection just ends");
    drop(ws);
    stopping.await.unwrap();
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_stream_says_that_it_lives() {
    let server = TestServer::limited(|limits| limits.heartbeat = Duration::from_millis(100)).await;
    let mut events = Events::open(server.addr, "/channels/x", "").await.unwrap();
    let hello = events.next().await.unwrap();
    for _ in 0..3 {
        let ping = events.next().await.unwrap();
        assert_eq!(
            (ping.name.as_str(), ping.data.as_str(), &ping.id),
            ("$ping", "{\"type\":\"ping\"}", &hello.id)
        );
    }
    assert!(events.retry.is_some_and(|ms| (1_000..=3_000).contains(&ms)));
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_and_costs_nobody() {
    let server = TestServer::limited(|limits| {
        limits.write_time = Duration::from_millis(300);
        limits.flush_bytes = 16 << 10;
    })
    .await;
    let mut stuck = Http::connect(server.addr).await;
    stuck
        .request("GET", "/channels/x", "Accept: text/event-stream\r\n", b"")
        .await;
    stuck.head().await;
    let mut good = Events::open(server.addr, "/channels/x", "").await.unwrap();
    good.next().await;
    let text = "가".repeat(20_000);
    let mut seen = 0;
    // The kernel's buffers take some megabytes before the socket is stuck.
    while server.app.stats().write_timeouts.get() == 0 {
        post(server.addr, "/channels/x", &text).await;
        assert!(good.next().await.unwrap().data.contains(&text));
        seen += 1;
        assert!(seen < 2_000, "never cut");
    }
    assert!(post(server.addr, "/channels/x", "still here").await.status == 200);
    assert!(good.next().await.unwrap().data.contains("still here"));
}

#[tokio::test]
async fn a_live_reader_that_lags_too_far_is_told() {
    let server = TestServer::limited(|limits| {
        limits.lag_bytes = 200_000;
        limits.flush_bytes = 16 << 10;
    })
    .await;
    let mut slow = Events::open(server.addr, "/channels/x", "").await.unwrap();
    slow.next().await;
    let text = "가".repeat(20_000);
    let mut last = 0;
    // Unread, until more than sockets hold has been published.
    for _ in 0..300 {
        last = post(server.addr, "/channels/x", &text).await.json()["offset"]
            .as_u64()
            .unwrap();
    }
    let (mut at, mut gaps) = (0, Vec::new());
    while at < last {
        let event = slow.next().await.expect("the stream goes on");
        let json: serde_json::Value = serde_json::from_str(&event.data).unwrap();
        if event.name == "$gap" {
            assert_eq!(json["from"].as_u64(), Some(at + 1));
            at = json["to"].as_u64().unwrap();
            gaps.push(json["reason"].as_str().unwrap().to_owned());
        } else {
            at += 1;
            assert_eq!(
                json["offset"].as_u64(),
                Some(at),
                "a contiguous run, or a gap between"
            );
        }
    }
    assert!(gaps.contains(&"too_slow".to_owned()), "{gaps:?}");
}

#[tokio::test]
async fn heads_and_bodies_have_their_time_and_size() {
    let server = TestServer::limited(|limits| {
        limits.head_time = Duration::from_millis(200);
        limits.body_time = Duration::from_millis(200);
        limits.head_bytes = 8 << 10;
        limits.head_fields = 20;
    })
    .await;
    let mut slow = Http::connect(server.addr).await;
    slow.send(b"GET /healthz HTTP/1.1\r\nHost: loc").await;
    let answer = slow.answer().await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (408, Some("request_timeout"))
    );
    // A kept connection on which nothing is under way just ends.
    let mut idle = Http::connect(server.addr).await;
    idle.request("GET", "/healthz", "", b"").await;
    idle.answer().await;
    assert!(idle.rest().await.is_empty());
    let mut slow = Http::connect(server.addr).await;
    slow.send(b"POST /channels/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf")
        .await;
    let answer = slow.answer().await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (408, Some("request_timeout"))
    );
    let big = format!("X: {}\r\n", "a".repeat(9_000));
    let many = "X: y\r\n".repeat(30);
    for headers in [big, many] {
        let mut http = Http::connect(server.addr).await;
        http.request("GET", "/healthz", &headers, b"").await;
        assert_eq!(http.head().await.status, 431);
    }
    let mut garbage = Http::connect(server.addr).await;
    garbage.send("안녕 🎉\r\n\r\n".as_bytes()).await;
    assert_eq!(garbage.head().await.status, 400);
    for line in [
        "{code=\"request_timeout\"} 2\n",
        "{code=\"head_too_large\"} 2\n",
        "{code=\"bad_request\"} 1\n",
    ] {
        wait_for(&server, line).await;
    }
}

#[tokio::test]
async fn a_full_server_says_so() {
    let server = TestServer::limited(|limits| limits.connections = 2).await;
    let mut first = Http::connect(server.addr).await;
    let mut second = Http::connect(server.addr).await;
    for http in [&mut first, &mut second] {
        http.request("GET", "/healthz", "", b"").await;
        assert_eq!(http.answer().await.status, 200);
    }
    // How it is, it still says.
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(server.addr, path).await.status, 200);
    }
    let mut third = Http::connect(server.addr).await;
    third.request("GET", "/channels/x", "", b"").await;
    let answer = third.answer().await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (503, Some("server_full"))
    );
    assert!(answer.header("retry-after").is_some());
    // An EventSource would end for good at 503: it is told to come back.
    let mut events = Http::connect(server.addr).await;
    events
        .request(
            "GET",
            "/channels/x",
            "Accept: text/event-stream\r\nLast-Event-ID: k3f9-41\r\n",
            b"",
        )
        .await;
    let answer = events.answer().await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/event-stream"))
    );
    assert!(
        answer.text().starts_with("id: k3f9-41\nretry: "),
        "{}",
        answer.text()
    );
    assert!(
        answer
            .text()
            .contains("\nevent: $error\ndata: {\"type\":\"error\",\"code\":\"server_full\"")
    );
    // Also one of another allowed origin, whose browser would not show it the block otherwise.
    let mut foreign = Http::connect(server.addr).await;
    let headers = "Accept: text/event-stream\r\nOrigin: http://localhost:3000\r\n";
    foreign.request("GET", "/channels/x", headers, b"").await;
    assert_eq!(
        foreign.answer().await.header("access-control-allow-origin"),
        Some("http://localhost:3000")
    );
    // A WebSocket is told inside.
    let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
    let error = ws.json().await.unwrap();
    assert_eq!(
        (&error["code"], &error["temporary"]),
        (&"server_full".into(), &true.into())
    );
    assert_eq!(ws.frame().await.unwrap().close_code(), Some(4102));
    drop((first, second, third, events, foreign, ws));
    loop {
        let mut http = Http::connect(server.addr).await;
        http.request("GET", "/channels/x", "", b"").await;
        if http.answer().await.status == 200 {
            break;
        }
    }
}

#[tokio::test]
async fn channels_per_connection_and_in_all_are_bounded() {
    let server = TestServer::limited(|limits| {
        limits.channels_per_connection = 2;
        limits.channels = 6;
    })
    .await;
    assert_eq!(
        get(server.addr, "/channels?name=a&name=b").await.status,
        200
    );
    assert_eq!(
        get(server.addr, "/channels?name=a&name=b&name=c")
            .await
            .json()["code"],
        "too_many_channels"
    );
    let mut ws = Ws::connect(server.addr, "/channels?name=a&name=b")
        .await
        .unwrap();
    ws.json().await;
    ws.command(serde_json::json!({"type": "subscribe", "id": 1, "channel": "c"}))
        .await;
    assert_eq!(ws.json().await.unwrap()["code"], "too_many_channels");
    let mut refused = None;
    for n in 0..6 {
        let answer = post(server.addr, &format!("/channels/n{n}"), "x").await;
        refused = (answer.status == 503)
            .then(|| answer.json()["code"].clone())
            .or(refused);
    }
    assert_eq!(refused, Some("server_full".into()));
}

/// A broker with a fault: it panics when it is asked for the channel `panic`.
struct Faulty(Arc<MemoryBroker>);

impl Broker for Faulty {
    fn open<'a>(
        &'a self,
        channel: &'a ChannelName,
        rules: &'a Rules,
        now: Now,
    ) -> BoxFuture<'a, Result<Arc<Log<Message>>, BrokerError>> {
        assert_ne!(channel.as_str(), "panic", "the fault of this test");
        self.0.open(channel, rules, now)
    }

    fn publish<'a>(
        &'a self,
        publication: Publication<'a>,
        now: Now,
    ) -> BoxFuture<'a, Result<Receipt, PublishError>> {
        self.0.publish(publication, now)
    }

    fn clear<'a>(
        &'a self,
        channel: &'a ChannelName,
        rules: &'a Rules,
        now: Now,
    ) -> BoxFuture<'a, Result<Position, BrokerError>> {
        self.0.clear(channel, rules, now)
    }

    fn why_lost(&self, channel: &ChannelName, epoch: Epoch) -> GapReason {
        self.0.why_lost(channel, epoch)
    }

    fn apply(&self, rules: &Rulebook, now: Now) {
        self.0.apply(rules, now);
    }

    fn join<'a>(
        &'a self,
        arrival: Arrival<'a>,
        now: Now,
    ) -> BoxFuture<'a, Result<Joined, BrokerError>> {
        self.0.join(arrival, now)
    }

    fn release<'a>(
        &'a self,
        channel: &'a ChannelName,
        client: ClientId,
        release: Release,
        now: Now,
    ) -> BoxFuture<'a, Result<bool, BrokerError>> {
        self.0.release(channel, client, release, now)
    }

    fn presence<'a>(
        &'a self,
        channel: &'a ChannelName,
        limit: usize,
    ) -> BoxFuture<'a, Result<Presence, BrokerError>> {
        self.0.presence(channel, limit)
    }

    fn readers(&self, channel: &ChannelName) -> usize {
        self.0.readers(channel)
    }

    fn expire(&self, now: Now) -> usize {
        self.0.expire(now)
    }

    fn issue(&self, ticket: Ticket, now: Now) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.0.issue(ticket, now)
    }

    fn redeem<'a>(
        &'a self,
        digest: &'a Digest,
        origin: Option<&'a str>,
        now: Now,
    ) -> BoxFuture<'a, Result<Redeemed, TicketError>> {
        self.0.redeem(digest, origin, now)
    }

    fn revoke(&self, revocation: Revocation, now: Now) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.0.revoke(revocation, now)
    }

    fn revocations(&self) -> &Revocations {
        self.0.revocations()
    }

    fn channels(&self, query: ChannelQuery<'_>, now: Now) -> ChannelPage {
        self.0.channels(query, now)
    }

    fn tick(&self, now: Now) -> bool {
        self.0.tick(now)
    }

    fn sweep(&self, now: Now) {
        self.0.sweep(now);
    }

    fn holdings(&self) -> Holdings {
        self.0.holdings()
    }
}

#[tokio::test]
async fn a_panic_ends_one_connection_only() {
    let options = Options::default();
    let broker = MemoryBroker::new([1, 2], &options.limits);
    let server = TestServer::over(Arc::new(Faulty(broker)), options).await;
    let mut events = Events::open(server.addr, "/channels/x", "").await.unwrap();
    events.next().await;
    let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
    ws.json().await;
    let mut http = Http::connect(server.addr).await;
    http.request("GET", "/channels/panic", "", b"").await;
    assert!(http.rest().await.is_empty(), "its own connection is gone");
    ws.command(serde_json::json!({"type": "subscribe", "id": 1, "channel": "panic"}))
        .await;
    assert!(ws.frame().await.is_none());
    post(server.addr, "/channels/x", "살아 있다").await;
    assert!(events.next().await.unwrap().data.contains("살아 있다"));
    wait_for(&server, "tidings_panics_total 2\n").await;
    wait_for(&server, "tidings_readers{transport=\"websocket\"} 0\n").await;
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut_too() {
    let server = TestServer::limited(|limits| limits.write_time = Duration::from_millis(300)).await;
    let text = "x".repeat(60_000);
    for _ in 0..16 {
        post(server.addr, "/channels/x", &text).await;
    }
    let mut stuck = Http::connect(server.addr).await;
    // More answers than sockets hold, none of which is read.
    for _ in 0..100 {
        stuck.request("GET", "/channels/x", "", b"").await;
    }
    wait_for(&server, "tidings_write_timeouts_total 1\n").await;
    assert_eq!(
        post(server.addr, "/channels/x", "still here").await.status,
        200
    );
}

#[tokio::test]
async fn a_client_that_ignores_the_end_gets_one_goodbye() {
    let server = TestServer::start().await;
    let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
    ws.json().await;
    let stopping = tokio::spawn(server.stop());
    let mut frames = Vec::new();
    while let Some(frame) = ws.frame().await {
        frames.push(frame.opcode);
    }
    assert_eq!(frames, [1, 8]);
    stopping.await.unwrap();
}

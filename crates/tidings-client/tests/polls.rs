//! Following by polls, and the way down the ladder, against scripted servers.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::time::Duration;

use support::{
    Server, hello, message, message_in, next_event, next_offset, next_state, options, short,
    to_the_end,
};
use tidings_client::{Error, Event, Start, State, SubscribeOptions, Timings, Transport};

/// An answer to a poll.
fn answer(messages: &[String], cursor: &str, more: bool) -> String {
    format!(
        r#"{{"messages":[{}],"cursor":"{cursor}","more":{more}}}"#,
        messages.join(",")
    )
}

#[tokio::test]
async fn a_long_poll_waits_only_when_there_is_nothing() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::LongPoll);
    let (mut peer, request) = server.request().await;
    assert_eq!(
        request.line,
        "GET /channels/%EB%B0%A9?after=now&limit=1000 HTTP/1.1"
    );
    peer.json(&answer(&[], "k3-4", false)).await;
    assert_eq!(
        next_state(&mut subscription).await,
        State::Connecting(Transport::LongPoll)
    );
    assert_eq!(
        next_state(&mut subscription).await,
        State::Open(Transport::LongPoll)
    );

    let (mut peer, request) = server.request().await;
    assert_eq!(
        request.line,
        "GET /channels/%EB%B0%A9?after=k3-4&limit=1000&wait=30 HTTP/1.1"
    );
    peer.json(&answer(&[message(5), message(6)], "k3-6", true))
        .await;
    let request = peer.request().await;
    assert_eq!(
        request.line, "GET /channels/%EB%B0%A9?after=k3-6&limit=1000 HTTP/1.1",
        "more is fetched at once"
    );
    peer.json(&answer(&[message(7)], "k3-7", false)).await;
    let request = peer.request().await;
    assert_eq!(
        request.line,
        "GET /channels/%EB%B0%A9?after=k3-7&limit=1000&wait=30 HTTP/1.1"
    );
    let closed = r#"{"type":"closed","channel":"방","epoch":"k3","offset":8}"#;
    peer.json(&answer(&[closed.into()], "k3-8", false).replace("false", "false,\"closed\":true"))
        .await;
    for offset in 5..=7 {
        assert_eq!(next_offset(&mut subscription).await, offset);
    }
    let (events, error) = to_the_end(&mut subscription).await;
    assert!(error.is_none(), "{error:?}");
    assert!(
        matches!(&events[..], [Event::Closed(closed)] if closed.position.is_some()),
        "told once: {events:?}"
    );
}

#[tokio::test]
async fn an_opaque_cursor_goes_on_for_all_and_for_each() {
    let server = Server::start().await;
    let options = SubscribeOptions {
        transport: Transport::Poll,
        after: Start::Earliest,
        ..options()
    };
    let mut subscription = server
        .client()
        .subscribe(&["a", "b/c"], options)
        .expect("a subscription");
    let (mut peer, request) = server.request().await;
    assert_eq!(
        request.line,
        "GET /channels?name=a&name=b%2Fc&after=earliest&limit=1000 HTTP/1.1"
    );
    peer.json(&answer(
        &[message_in("a", 1), message_in("b/c", 9)],
        "~both",
        false,
    ))
    .await;
    assert_eq!(
        (
            next_offset(&mut subscription).await,
            next_offset(&mut subscription).await
        ),
        (1, 9)
    );

    let (mut peer, request) = server.request().await;
    assert_eq!(
        request.line,
        "GET /channels?name=a&name=b%2Fc&after=~both&limit=1000 HTTP/1.1"
    );
    let closed = r#"{"type":"closed","channel":"a","epoch":"k3","offset":2}"#;
    peer.json(&answer(&[closed.into()], "~later", false)).await;
    let request = peer.request().await;
    assert_eq!(
        request.line, "GET /channels?name=b%2Fc&after=~later&limit=1000 HTTP/1.1",
        "a is over"
    );
    assert!(matches!(
        next_event(&mut subscription).await,
        Event::Closed(_)
    ));
}

#[tokio::test]
async fn what_did_not_change_is_not_sent_again() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Poll);
    let (mut peer, request) = server.request().await;
    assert_eq!(request.header("if-none-match"), None);
    let headers = "etag: W/\"k3-4\"\r\nconnection: close\r\n";
    peer.answer("200 OK", headers, &answer(&[], "k3-4", false))
        .await;
    let (mut peer, request) = server.request().await;
    assert_eq!(request.header("if-none-match"), Some("W/\"k3-4\""));
    peer.send("HTTP/1.1 304 Not Modified\r\nretry-after: 1\r\n\r\n")
        .await;
    let asked = tokio::time::Instant::now();
    let request = peer.request().await;
    assert_eq!(
        request.line,
        "GET /channels/%EB%B0%A9?after=k3-4&limit=1000 HTTP/1.1"
    );
    assert!(
        asked.elapsed() >= Duration::from_millis(990),
        "the server wished for a slower pace"
    );
    peer.json(&answer(&[message(5)], "k3-5", false)).await;
    assert_eq!(next_offset(&mut subscription).await, 5);
}

#[tokio::test]
async fn a_passing_refusal_of_a_poll_is_waited_out() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Poll);
    let (mut peer, _) = server.request().await;
    peer.problem("429 Too Many Requests", "retry-after: 1\r\n", "rate")
        .await;
    assert_eq!(
        next_state(&mut subscription).await,
        State::Connecting(Transport::Poll)
    );
    let State::Waiting { delay, .. } = next_state(&mut subscription).await else {
        panic!("not waiting")
    };
    assert!(delay >= Duration::from_secs(1), "{delay:?}");
    let (mut peer, _) = server.request().await;
    peer.problem("400 Bad Request", "", "bad_name").await;
    let (_, error) = to_the_end(&mut subscription).await;
    assert_eq!(error.as_ref().and_then(Error::code), Some("bad_name"));
}

#[tokio::test]
async fn auto_goes_down_to_what_gets_through() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Auto);
    let ladder = tokio::spawn(async move { ladder_until_message(&mut subscription).await });
    // Something in between does not know upgrades.
    for _ in 0..2 {
        let (mut peer, request) = server.request().await;
        assert!(request.is_upgrade());
        refuse(&mut peer, "403 Forbidden").await;
    }
    // Something in between gathers the stream instead of passing it on.
    let (mut held, request) = server.request().await;
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    let line = "GET /channels/%EB%B0%A9?after=now&_moved=websocket.blocked HTTP/1.1";
    assert_eq!(request.line, line);
    held.stream().await;
    // Something in between takes no body.
    let mut told = "?_moved=sse.mute";
    for _ in 0..2 {
        let (mut peer, request) = server.request().await;
        assert_eq!(request.line, format!("POST /read{told} HTTP/1.1"));
        let body = r#"{"channels":[{"name":"방","after":"now"}],"transport":"sse"}"#;
        assert_eq!(request.body_text(), body);
        refuse(&mut peer, "405 Method Not Allowed").await;
        told = "";
    }
    // Something in between ends what waits.
    let mut asked = "now";
    // What waits is a long poll to the server, too.
    let mut told = "&_moved=sse-post.blocked";
    for _ in 0..3 {
        let (mut peer, request) = server.request().await;
        let line = format!("GET /channels/%EB%B0%A9?after={asked}&limit=1000 HTTP/1.1");
        assert_eq!(request.line, line);
        let headers = "connection: close\r\n";
        peer.answer("200 OK", headers, &answer(&[], "k3-4", false))
            .await;
        let (mut peer, request) = server.request().await;
        let line = format!("after=k3-4&limit=1000&wait=30{told} HTTP/1.1");
        assert!(request.line.ends_with(&line), "{}", request.line);
        peer.answer("504 Gateway Timeout", headers, "").await;
        (asked, told) = ("k3-4", "");
    }
    // Asking again and again works.
    let (mut peer, _) = server.request().await;
    peer.json(&answer(&[message(5)], "k3-5", false)).await;
    assert_eq!(
        ladder.await.expect("no panic"),
        [
            "connecting websocket",
            "connecting websocket",
            "websocket.blocked sse",
            "connecting sse",
            "sse.mute sse-post",
            "connecting sse-post",
            "connecting sse-post",
            "sse-post.blocked long-poll",
            "connecting long-poll",
            "open long-poll",
            "connecting long-poll",
            "open long-poll",
            "connecting long-poll",
            "open long-poll",
            "long-poll.cut poll",
            "connecting poll",
            "open poll",
        ]
    );
}

/// As something in between does that knows nothing of this.
async fn refuse(peer: &mut support::Peer, status: &str) {
    let headers = "content-type: text/html\r\nconnection: close\r\n";
    peer.answer(status, headers, "<h1>No</h1>").await;
}

/// The states on the way to the first message, without the waits between.
async fn ladder_until_message(subscription: &mut tidings_client::Subscription) -> Vec<String> {
    let mut states = Vec::new();
    loop {
        match next_event(subscription).await {
            Event::Message(_) => return states,
            Event::State(State::Connecting(rung)) => states.push(format!("connecting {rung}")),
            Event::State(State::Open(rung)) => states.push(format!("open {rung}")),
            Event::State(State::Moved { from, to, reason }) => {
                states.push(format!("{from}.{reason} {to}"));
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn auto_prefers_websocket_and_keeps_it_over_an_outage() {
    let server = Server::start().await;
    let address = server.address();
    let mut subscription = server.follow(Transport::Auto);
    let (mut peer, request) = server.request().await;
    peer.upgrade(&request).await;
    peer.text(&hello(4)).await;
    assert_eq!(
        next_state(&mut subscription).await,
        State::Connecting(Transport::WebSocket)
    );
    assert_eq!(
        next_state(&mut subscription).await,
        State::Open(Transport::WebSocket)
    );
    drop((peer, server));
    // Refused again and again: the server is away, nothing is wrong with the transport.
    for _ in 0..4 {
        assert!(matches!(
            next_state(&mut subscription).await,
            State::Waiting { .. }
        ));
        assert_eq!(
            next_state(&mut subscription).await,
            State::Connecting(Transport::WebSocket)
        );
    }
    let server = Server::start_at(address).await;
    let (mut peer, request) = server.request().await;
    assert!(request.is_upgrade());
    assert_eq!(request.line, "GET /channels/%EB%B0%A9?after=k3-4 HTTP/1.1");
    peer.upgrade(&request).await;
    peer.text(&hello(4)).await;
    peer.text(&message(5)).await;
    assert_eq!(next_offset(&mut subscription).await, 5);
}

#[tokio::test]
async fn the_position_moves_from_one_transport_to_the_next() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Auto);
    let (mut peer, request) = server.request().await;
    peer.upgrade(&request).await;
    peer.text(&hello(4)).await;
    peer.text(&message(5)).await;
    assert_eq!(next_offset(&mut subscription).await, 5);
    drop(peer);
    for _ in 0..2 {
        let (mut peer, request) = server.request().await;
        assert!(request.is_upgrade());
        peer.json(&answer(&[], "k3-5", false)).await; // The upgrade was taken out on the way.
    }
    let (mut peer, request) = server.request().await;
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    let line = "GET /channels/%EB%B0%A9?after=k3-5&_moved=websocket.blocked HTTP/1.1";
    assert_eq!(request.line, line);
    peer.stream().await;
    peer.event(&hello(5)).await;
    peer.event(&message(5)).await;
    peer.event(&message(6)).await;
    assert_eq!(next_offset(&mut subscription).await, 6);
}

#[tokio::test]
async fn a_refused_handshake_is_explained_by_the_next_transport() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Auto);
    for upgrade in [true, true, false] {
        let (mut peer, request) = server.request().await;
        assert_eq!(request.is_upgrade(), upgrade);
        peer.problem("400 Bad Request", "", "bad_name").await;
    }
    let (_, error) = to_the_end(&mut subscription).await;
    assert_eq!(error.as_ref().and_then(Error::code), Some("bad_name"));
}

#[tokio::test]
async fn who_wants_to_gives_up_on_what_is_no_tidings_server() {
    let server = Server::start().await;
    let timings = Timings {
        max_attempts: Some(10),
        ..short()
    };
    let client = server.builder().timings(timings).build();
    let mut subscription = client
        .expect("a client")
        .subscribe(&["방"], options())
        .expect("a subscription");
    let end = tokio::spawn(async move { to_the_end(&mut subscription).await });
    // Twice on each rung.
    for _ in 0..10 {
        let (mut peer, _) = server.request().await;
        let headers = "content-type: text/html\r\nconnection: close\r\n";
        peer.answer("200 OK", headers, "<h1>It works!</h1>").await;
    }
    let (_, error) = answering(&server, end).await.expect("no panic");
    assert!(matches!(error, Some(Error::Foreign(_))), "{error:?}");
}

/// Awaits something while whoever asks is told that the server is well.
async fn answering<T>(server: &Server, future: impl Future<Output = T>) -> T {
    tokio::select! {
        done = future => done,
        (_, request) = server.request() => panic!("{request:?}"),
    }
}

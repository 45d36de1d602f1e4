//! Following over WebSocket and SSE against scripted servers: resume, loss, refusals, silence, limits.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::time::Duration;

use support::{
    Server, hello, hello_with, message, next, next_event, next_gap, next_message, next_offset,
    next_state, options, soon, to_the_end,
};
use tidings_client::{
    Error, Event, GapReason, Limits, Payload, Start, State, SubscribeOptions, Transport,
};

const CLOSED: &str = r#"{"type":"closed","channel":"방","epoch":"k3","offset":9}"#;

#[tokio::test]
async fn sse_goes_on_where_it_was_cut() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Sse);
    let (mut peer, request) = server.request().await;
    assert_eq!(request.line, "GET /channels/%EB%B0%A9?after=now HTTP/1.1");
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    peer.stream().await;
    peer.event(&hello(4)).await;
    peer.event(&message(5)).await;
    assert_eq!(next_offset(&mut subscription).await, 5);
    assert_eq!(subscription.cursors(), Some(vec!["k3-5".into()]));
    peer.send(format!("data: {}", message(6))).await;
    drop(peer); // In the middle of a block: what was not finished was not said.

    let (mut peer, request) = server.request().await;
    assert_eq!(request.line, "GET /channels/%EB%B0%A9?after=k3-5 HTTP/1.1");
    peer.stream().await;
    peer.event(&hello(5)).await;
    for offset in [5, 6, 6, 7] {
        peer.event(&message(offset)).await;
    }
    peer.event(CLOSED).await;
    assert_eq!(next_offset(&mut subscription).await, 6);
    assert_eq!(next_offset(&mut subscription).await, 7);
    assert!(matches!(
        next_event(&mut subscription).await,
        Event::Closed(_)
    ));
    assert!(next(&mut subscription).await.is_none());
    peer.ended().await;
}

#[tokio::test]
async fn websocket_goes_on_where_it_was_cut() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::WebSocket);
    let (mut peer, request) = server.request().await;
    assert_eq!(request.line, "GET /channels/%EB%B0%A9?after=now HTTP/1.1");
    peer.upgrade(&request).await;
    peer.text(&hello(4)).await;
    peer.text(&message(5)).await;
    assert_eq!(next_offset(&mut subscription).await, 5);
    peer.close_frame(4200).await;

    let (mut peer, request) = server.request().await;
    assert_eq!(request.line, "GET /channels/%EB%B0%A9?after=k3-5 HTTP/1.1");
    peer.upgrade(&request).await;
    peer.text(&hello(5)).await;
    let header =
        r#"{"type":"message","channel":"방","epoch":"k3","offset":6,"event":"그림","time":1}"#;
    let length = u16::try_from(header.len()).expect("short").to_be_bytes();
    peer.frame(2, &[&length, header.as_bytes(), &[0, 255, 128]].concat())
        .await;
    let message = next_message(&mut subscription).await;
    assert_eq!(message.data, Payload::Bytes(vec![0, 255, 128].into()));
    assert_eq!(
        (message.event.as_deref(), &*message.raw),
        (Some("그림"), header)
    );
    peer.text(CLOSED).await;
    let (_, error) = to_the_end(&mut subscription).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(
        peer.client_frame().await,
        (8, 1000_u16.to_be_bytes().to_vec()),
        "a farewell"
    );
}

#[tokio::test]
async fn pings_are_answered() {
    let server = Server::start().await;
    let _subscription = server.follow(Transport::WebSocket);
    let (mut peer, request) = server.request().await;
    peer.upgrade(&request).await;
    peer.text(&hello(0)).await;
    peer.frame(9, b"beat").await;
    assert_eq!(peer.client_frame().await, (10, b"beat".to_vec()));
}

#[tokio::test]
async fn losses_are_told_wherever_they_come_from() {
    let server = Server::start().await;
    let options = SubscribeOptions {
        transport: Transport::Sse,
        after: Start::Cursor("old-3".into()),
        ..options()
    };
    let mut subscription = server
        .client()
        .subscribe(&["방"], options)
        .expect("a subscription");
    let (mut peer, request) = server.request().await;
    assert_eq!(request.line, "GET /channels/%EB%B0%A9?after=old-3 HTTP/1.1");
    peer.stream().await;
    peer.event(&hello(10).replace("true", "false")).await;
    soon("the greeting", async {
        while !matches!(subscription.next().await, Some(Ok(Event::Hello(_)))) {}
    })
    .await;
    drop(peer); // Between the greeting and the gap that it announced.

    let (mut peer, request) = server.request().await;
    assert_eq!(
        request.line, "GET /channels/%EB%B0%A9?after=old-3 HTTP/1.1",
        "or the gap would never be told"
    );
    peer.stream().await;
    peer.event(&hello(10).replace("true", "false")).await;
    let told = r#"{"type":"gap","channel":"방","epoch":"k3","from":null,"to":10,"reason":"epoch_changed"}"#;
    peer.event(told).await;
    peer.event(&message(11)).await;
    peer.event(&message(14)).await;
    let gap = next_gap(&mut subscription).await;
    assert_eq!(
        (gap.from, gap.to, gap.reason),
        (None, 10, GapReason::EpochChanged)
    );
    assert_eq!(next_offset(&mut subscription).await, 11);
    let gap = next_gap(&mut subscription).await;
    assert_eq!(
        (gap.from, gap.to, gap.reason),
        (Some(12), 13, GapReason::Untold)
    );
    assert_eq!(next_offset(&mut subscription).await, 14);
}

#[tokio::test]
async fn an_ended_channel_is_no_content() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Sse);
    let (mut peer, _) = server.request().await;
    peer.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    let (events, error) = to_the_end(&mut subscription).await;
    assert!(error.is_none(), "{error:?}");
    assert!(
        matches!(events.last(), Some(Event::Closed(closed)) if closed.channel == "방"),
        "{events:?}"
    );
}

#[tokio::test]
async fn final_refusals_end_it() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Sse);
    let (mut peer, _) = server.request().await;
    peer.problem("403 Forbidden", "", "forbidden").await;
    let (_, error) = to_the_end(&mut subscription).await;
    let error = error.expect("a refusal");
    assert_eq!(
        (error.status(), error.code()),
        (Some(403), Some("forbidden"))
    );

    let mut subscription = server.follow(Transport::WebSocket);
    let (mut peer, request) = server.request().await;
    peer.upgrade(&request).await;
    peer.text(r#"{"type":"error","code":"forbidden","message":"안 돼요","temporary":false}"#)
        .await;
    peer.close_frame(4003).await;
    let (_, error) = to_the_end(&mut subscription).await;
    let error = error.expect("a refusal");
    assert_eq!(
        (error.code(), error.detail()),
        (Some("forbidden"), Some("안 돼요"))
    );
    assert_eq!(
        error.refusal().and_then(|refusal| refusal.close_code),
        Some(4003)
    );
}

#[tokio::test]
async fn passing_refusals_are_waited_out() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Sse);
    let (mut peer, _) = server.request().await;
    peer.stream().await;
    peer.send("id: k3-1\nretry: 70\nevent: $error\n").await;
    peer.event(r#"{"type":"error","code":"draining","message":"잠시만","temporary":true}"#)
        .await;
    drop(peer);
    assert_eq!(
        next_state(&mut subscription).await,
        State::Connecting(Transport::Sse)
    );
    let State::Waiting { reason, delay } = next_state(&mut subscription).await else {
        panic!("not waiting")
    };
    assert!(
        reason.contains("draining") && reason.contains("잠시만"),
        "{reason}"
    );
    assert!(delay >= Duration::from_millis(70), "{delay:?}");

    let (mut peer, _) = server.request().await;
    peer.problem("503 Service Unavailable", "retry-after: 1\r\n", "draining")
        .await;
    assert_eq!(
        next_state(&mut subscription).await,
        State::Connecting(Transport::Sse)
    );
    let State::Waiting { delay, .. } = next_state(&mut subscription).await else {
        panic!("not waiting")
    };
    assert!(delay >= Duration::from_secs(1), "{delay:?}");
}

#[tokio::test]
async fn the_server_says_when_to_come_back() {
    for transport in [Transport::Sse, Transport::WebSocket] {
        let server = Server::start().await;
        let mut subscription = server.follow(transport);
        let (mut peer, request) = server.request().await;
        let reconnect = r#"{"type":"reconnect","after_ms":40}"#;
        if transport == Transport::Sse {
            peer.stream().await;
            peer.event(&hello(0)).await;
            peer.event(reconnect).await;
        } else {
            peer.upgrade(&request).await;
            peer.text(&hello(0)).await;
            peer.text(reconnect).await;
        }
        peer.ended().await;
        assert_eq!(
            next_state(&mut subscription).await,
            State::Connecting(transport)
        );
        assert_eq!(next_state(&mut subscription).await, State::Open(transport));
        let State::Waiting { delay, .. } = next_state(&mut subscription).await else {
            panic!("not waiting")
        };
        assert_eq!(
            delay,
            Duration::from_millis(40),
            "dealt out by the server, so not spread again"
        );
        server.request().await;
    }
}

#[tokio::test]
async fn silence_ends_a_connection() {
    for transport in [Transport::Sse, Transport::WebSocket] {
        let server = Server::start().await;
        let mut subscription = server.follow(transport);
        let (mut peer, request) = server.request().await;
        if transport == Transport::Sse {
            peer.stream().await;
            peer.event(&hello_with(0.02, 0)).await;
        } else {
            peer.upgrade(&request).await;
            peer.text(&hello_with(0.02, 0)).await;
        }
        assert_eq!(
            next_state(&mut subscription).await,
            State::Connecting(transport)
        );
        assert_eq!(next_state(&mut subscription).await, State::Open(transport));
        let State::Waiting { reason, .. } = next_state(&mut subscription).await else {
            panic!("not waiting")
        };
        assert!(reason.contains("no sign of life"), "{reason}");
        peer.ended().await;
        server.request().await;
    }
}

#[tokio::test]
async fn a_slow_reader_is_no_silent_server() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Sse);
    let (mut peer, _) = server.request().await;
    peer.stream().await;
    peer.event(&hello_with(0.02, 0)).await;
    for offset in 1..=100 {
        peer.event(&message(offset)).await;
    }
    peer.event(CLOSED).await;
    // Ten times as long as silence may last: what is being handed over is no silence.
    tokio::time::sleep(Duration::from_millis(900)).await;
    for offset in 1..=100 {
        assert_eq!(next_offset(&mut subscription).await, offset);
    }
    let (events, error) = to_the_end(&mut subscription).await;
    assert!(
        error.is_none() && !events.iter().any(|event| matches!(event, Event::State(_))),
        "{events:?}"
    );
}

#[tokio::test]
async fn too_large_is_final() {
    let server = Server::start().await;
    let limits = Limits {
        max_message: 1_000,
        ..Limits::default()
    };
    let client = server.builder().limits(limits).build().expect("a client");
    let large = message(1).replace("\"n\"", &format!("\"{}\"", "큰".repeat(400)));
    for transport in [Transport::Sse, Transport::WebSocket] {
        let mut subscription = client
            .subscribe(
                &["방"],
                SubscribeOptions {
                    transport,
                    ..options()
                },
            )
            .expect("a subscription");
        let (mut peer, request) = server.request().await;
        if transport == Transport::Sse {
            peer.stream().await;
            peer.event(&hello(0)).await;
            peer.event(&large).await;
        } else {
            peer.upgrade(&request).await;
            peer.text(&hello(0)).await;
            peer.text(&large).await;
        }
        let (_, error) = to_the_end(&mut subscription).await;
        assert!(
            matches!(error, Some(Error::TooLarge { limit: 1_000, .. })),
            "{transport}: {error:?}"
        );
    }
}

#[tokio::test]
async fn dropping_it_ends_the_connection() {
    for transport in [Transport::Sse, Transport::WebSocket] {
        let server = Server::start().await;
        let subscription = server.follow(transport);
        let (mut peer, request) = server.request().await;
        if transport == Transport::Sse {
            peer.stream().await
        } else {
            peer.upgrade(&request).await
        }
        drop(subscription);
        peer.ended().await;
    }
}

#[tokio::test]
async fn what_two_connections_carry_comes_once() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Sse);
    let (mut old, _) = server.request().await;
    old.stream().await;
    old.event(&hello(0)).await;
    old.event(&message(1)).await;
    assert_eq!(next_offset(&mut subscription).await, 1);
    subscription.refresh();
    let (mut new, request) = server.request().await;
    assert_eq!(request.line, "GET /channels/%EB%B0%A9?after=k3-1 HTTP/1.1");
    // Read on until the other one works.
    old.event(&typing(1)).await;
    old.event(&message(2)).await;
    assert_eq!(next_message(&mut subscription).await.time, 1);
    assert_eq!(next_offset(&mut subscription).await, 2);
    new.stream().await;
    new.event(&hello(1)).await;
    new.event(&typing(1)).await;
    new.event(&message(2)).await;
    new.event(&typing(1)).await;
    new.event(&message(3)).await;
    old.ended().await;
    let third = next_message(&mut subscription).await;
    assert_eq!(
        (third.position, third.time),
        (None, 1),
        "one more of the same"
    );
    assert_eq!(next_offset(&mut subscription).await, 3);
}

fn typing(time: u64) -> String {
    format!(r#"{{"type":"message","channel":"방","event":"typing","data":true,"time":{time}}}"#)
}

#[tokio::test]
async fn what_the_old_connection_says_does_not_count_any_more() {
    let server = Server::start().await;
    let mut subscription = server.follow(Transport::Sse);
    let (mut old, _) = server.request().await;
    old.stream().await;
    old.event(&hello(0)).await;
    assert_eq!(
        next_state(&mut subscription).await,
        State::Connecting(Transport::Sse)
    );
    let open = State::Open(Transport::Sse);
    assert_eq!(next_state(&mut subscription).await, open);
    subscription.refresh();
    let (mut new, _) = server.request().await;
    new.stream().await;
    new.event(&hello(0)).await;
    assert_eq!(next_state(&mut subscription).await, open);
    old.ended().await;
    new.event(&message(1)).await;
    assert_eq!(next_offset(&mut subscription).await, 1);
    // One that does not work changes nothing.
    subscription.refresh();
    let (mut third, _) = server.request().await;
    third
        .answer("403 Forbidden", "connection: close\r\n", "No")
        .await;
    third.ended().await;
    new.event(&message(2)).await;
    assert_eq!(next_offset(&mut subscription).await, 2);
}

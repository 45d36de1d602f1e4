//! Tokens and sessions against the real server, on every transport.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use conformance::{
    http::fetch,
    keyed::{self, keys, token},
    server::TestServer,
};
use serde_json::json;
use support::{next_event, next_message, next_state, options, short, soon, to_the_end};
use tidings_client::{
    Client, ClientBuilder, Error, Event, Join, Publish, Start, State, SubscribeOptions,
    Subscription, Transport,
};

const ALL: [Transport; 5] = [
    Transport::WebSocket,
    Transport::Sse,
    Transport::SsePost,
    Transport::LongPoll,
    Transport::Poll,
];

/// What alice may for so many seconds.
fn of_alice(seconds: i64) -> String {
    let rooms = ["room"];
    token(
        seconds,
        json!({"sub": "alice", "channels": {"subscribe": rooms, "publish": rooms}}),
    )
}

fn builder(server: &TestServer) -> ClientBuilder {
    Client::builder(&format!("http://{}", server.addr)).timings(short())
}

fn follow(builder: ClientBuilder, transport: Transport) -> Subscription {
    let options = SubscribeOptions {
        transport,
        after: Start::Earliest,
        ..options()
    };
    let client = builder.build().expect("a client");
    client
        .subscribe(&["room"], options)
        .expect("a subscription")
}

/// One token after the other, the last one for ever; and how often somebody asked.
fn in_turn(builder: ClientBuilder, tokens: &[String]) -> (ClientBuilder, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, tokens) = (asked.clone(), tokens.to_vec());
    let builder = builder.token_from(move || {
        let turn = count.fetch_add(1, Ordering::Relaxed);
        let token = tokens[turn.min(tokens.len() - 1)].clone();
        async move { Ok::<_, Error>(token) }
    });
    (builder, asked)
}

async fn publish(server: &TestServer, data: &str) {
    let client = builder(server)
        .token(of_alice(60))
        .build()
        .expect("a client");
    let published = client.publish("room", Publish::text(data)).await;
    published.expect("it may");
}

#[tokio::test]
async fn a_token_is_shown_on_every_transport() {
    let server = keyed::start().await;
    publish(&server, "안녕").await;
    for transport in ALL {
        let mut subscription = follow(builder(&server).token(of_alice(60)), transport);
        let message = next_message(&mut subscription).await;
        let from = message.from.expect("the server says who");
        assert_eq!(from.user.as_deref(), Some("alice"), "{transport}");
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    // A short poll is not told that its token ends soon.
    for transport in [Transport::WebSocket, Transport::Sse, Transport::LongPoll] {
        let server = keyed::start().await;
        let first = of_alice(4);
        let (renewing, asked) = in_turn(builder(&server), &[first.clone(), of_alice(60)]);
        let mut renewed = follow(renewing, transport);
        // When this one has ended, so has the first token.
        let mut fixed = follow(builder(&server).token(first), Transport::WebSocket);
        let (_, error) = to_the_end(&mut fixed).await;
        assert_eq!(error.expect("an error").code(), Some("token_expired"));
        publish(&server, "after").await;
        let mut reconnects = 0;
        loop {
            match next_event(&mut renewed).await {
                Event::State(State::Waiting { .. }) => reconnects += 1,
                Event::Message(_) => break,
                _ => {}
            }
        }
        // A long poll ends with its token, and the next one shows another.
        let expected = u32::from(transport == Transport::LongPoll);
        assert_eq!(reconnects, expected, "{transport}");
        assert_eq!(asked.load(Ordering::Relaxed), 2, "{transport}");
    }
}

#[tokio::test]
async fn an_ended_token_is_asked_for_again_once() {
    let server = keyed::start().await;
    publish(&server, "x").await;
    let (old, good) = (of_alice(-60), of_alice(60));
    for transport in ALL {
        let (renewing, asked) = in_turn(builder(&server), &[old.clone(), good.clone()]);
        next_message(&mut follow(renewing, transport)).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2, "{transport}");
        let (in_vain, asked) = in_turn(builder(&server), std::slice::from_ref(&old));
        let (_, error) = to_the_end(&mut follow(in_vain, transport)).await;
        assert_eq!(error.expect("an error").code(), Some("token_expired"));
        assert_eq!(asked.load(Ordering::Relaxed), 2, "{transport}");
    }
    let (renewing, asked) = in_turn(builder(&server), &[old.clone(), good]);
    let client = renewing.build().expect("a client");
    let published = client.publish("room", Publish::text("y")).await;
    published.expect("the second token is good");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let (in_vain, asked) = in_turn(builder(&server), &[old]);
    let client = in_vain.build().expect("a client");
    let refused = client.publish("room", Publish::text("z")).await;
    assert_eq!(refused.expect_err("ended").code(), Some("token_expired"));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

/// The client of the next greeting.
async fn greeted(subscription: &mut Subscription) -> Option<String> {
    loop {
        if let Event::Hello(hello) = next_event(subscription).await {
            return hello.client;
        }
    }
}

#[tokio::test]
async fn a_client_comes_back_as_itself() {
    let server = keyed::start().await;
    let [admin, _] = keys();
    let admin = format!("Authorization: Bearer {admin}\r\n");
    for transport in [Transport::WebSocket, Transport::Sse] {
        let mut subscription = follow(builder(&server).token(of_alice(60)), transport);
        let before = greeted(&mut subscription).await;
        assert!(before.is_some());
        let alice = br#"{"user":"alice"}"#;
        let answer = fetch(server.addr, "POST", "/admin/disconnect", &admin, alice).await;
        assert_eq!(answer.json()["disconnected"], 1, "{transport}");
        assert_eq!(greeted(&mut subscription).await, before, "{transport}");
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let server = keyed::start().await;
    let [admin, _] = keys();
    let admin = format!("Authorization: Bearer {admin}\r\n");
    let revoke = br#"{"user":"mallory"}"#;
    fetch(server.addr, "POST", "/admin/revoke", &admin, revoke).await;
    let elsewhere = token(
        60,
        json!({"sub": "bob", "channels": {"subscribe": ["other"]}}),
    );
    let revoked = token(
        60,
        json!({"sub": "mallory", "channels": {"subscribe": ["room"]}, "iat": 1}),
    );
    for transport in ALL {
        for (builder, code) in [
            (builder(&server), "unauthorized"),
            (builder(&server).token("no.such.token"), "unauthorized"),
            (builder(&server).token(elsewhere.clone()), "forbidden"),
            (builder(&server).token(revoked.clone()), "revoked"),
        ] {
            let (events, error) = to_the_end(&mut follow(builder, transport)).await;
            let error = error.expect("an error");
            assert_eq!(error.code(), Some(code), "{transport}: {error}");
            assert!(error.detail().is_some_and(|detail| !detail.is_empty()));
            let again = |event: &Event| matches!(event, Event::State(State::Waiting { .. }));
            assert!(!events.iter().any(again), "{transport} {code}: {events:?}");
        }
    }
    let nobody = builder(&server).token_from(|| async { Err::<String, _>("the vault is shut") });
    let (_, error) = to_the_end(&mut follow(nobody, Transport::Auto)).await;
    let error = error.expect("an error");
    assert_eq!(error.to_string(), "no token: the vault is shut");
}

/// The newer token does not name the channel any more.
#[tokio::test]
async fn a_lost_right_is_told() {
    for transport in [Transport::WebSocket, Transport::Sse, Transport::LongPoll] {
        let server = keyed::start().await;
        let without = token(
            60,
            json!({"sub": "alice", "channels": {"subscribe": ["other"]}}),
        );
        let (renewing, _) = in_turn(builder(&server), &[of_alice(4), without]);
        let mut subscription = follow(renewing, transport);
        assert_eq!(
            next_state(&mut subscription).await,
            State::Connecting(transport)
        );
        let (events, error) = soon("the end", to_the_end(&mut subscription)).await;
        let told = |event: &Event| matches!(event, Event::Unsubscribed(lost) if lost.reason.as_deref() == Some("forbidden"));
        let streams = transport != Transport::LongPoll;
        assert_eq!(events.iter().any(told), streams, "{transport}: {events:?}");
        let error = error.expect("an error");
        assert_eq!(error.code(), Some("forbidden"), "{transport}: {error}");
    }
}

/// Who is there, as an observer is told.
#[tokio::test]
async fn a_member_is_seen_on_every_transport() {
    let server = TestServer::start().await;
    for transport in ALL {
        let client = builder(&server).user("alice").build().expect("a client");
        let info = serde_json::value::to_raw_value("앨리스").expect("JSON");
        let options = SubscribeOptions {
            transport,
            join: Join::As(Some(info.into())),
            ..options()
        };
        let room = format!("room:{transport}");
        let mut member = client.subscribe(&[&room], options).expect("a subscription");
        while !matches!(next_event(&mut member).await, Event::State(State::Open(_))) {}
        let target = format!("/channels/{room}/presence");
        let there = conformance::http::get(server.addr, &target).await.json();
        assert_eq!(there["count"], 1, "{transport}: {there}");
        assert_eq!(there["clients"][0]["user"], "alice", "{transport}");
        assert_eq!(there["clients"][0]["info"], "앨리스", "{transport}");
    }
}

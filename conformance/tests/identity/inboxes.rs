//! Inboxes: one's own messages, and what two clients need to find each other.

use conformance::server::{Options, TestServer};
use conformance::ws::Ws;
use serde_json::{Value, json};
use tidings_core::{Audience, May, Rules};

use crate::support::{
    BACKEND, Kind, Reader, bearer, command, get, next, options, post, publish, refused_ws, rules,
    session, start, token, token_of, with_session, ws,
};

/// A server on which every user may publish to inboxes.
async fn signalling() -> TestServer {
    let mut book = rules();
    for realm in ["@", "~"] {
        let base: &Rules = book.default();
        let may = May {
            publish: Audience::Authenticated,
            ..base.may
        };
        let inbox = Rules {
            may,
            ..base.clone()
        };
        book.set(realm, inbox);
    }
    TestServer::with(Options {
        rules: Some(book),
        ..options()
    })
    .await
}

/// A device of a user that reads both its inboxes.
struct Device {
    ws: Ws,
    client: String,
}

async fn device(server: &TestServer, user: &str) -> Device {
    let token = token(json!({"sub": user}));
    let (mut ws, hello) = ws(server.addr, "/channels", &bearer(&token)).await;
    for channel in ["@", "~"] {
        let subscribe = json!({"type": "subscribe", "channel": channel});
        let told = command(&mut ws, subscribe).await;
        assert_eq!(told["type"], "subscribed", "{told}");
    }
    Device {
        ws,
        client: hello["client"].as_str().expect("a client").into(),
    }
}

#[tokio::test]
async fn an_own_inbox_is_left_by_the_sign_by_which_it_was_read() {
    let server = signalling().await;
    let mut bob = device(&server, "bob").await;
    for (sign, name) in [("@", "@bob".to_owned()), ("~", format!("~{}", bob.client))] {
        let told = command(&mut bob.ws, json!({"type": "unsubscribe", "channel": sign})).await;
        assert_eq!(
            (&told["type"], &told["channel"]),
            (&json!("unsubscribed"), &json!(name))
        );
    }
}

impl Device {
    async fn send(&mut self, to: &str, event: &str, data: Value) -> Value {
        let publish = json!({
            "type": "publish", "channel": to, "event": event, "data": data,
            // Nobody is asked who they are.
            "from": {"client": "c1", "user": "mallory"}, "client": "c1", "user": "mallory",
        });
        command(&mut self.ws, publish).await
    }

    async fn gets(&mut self, event: &str, from: (&str, &str)) -> Value {
        let told = next(&mut self.ws).await;
        assert_eq!(told["event"], event, "{told}");
        assert_eq!(told["from"], json!({"client": from.0, "user": from.1}));
        told["data"].clone()
    }
}

#[tokio::test]
async fn two_clients_agree_on_a_call() {
    let server = signalling().await;
    let mut alice = device(&server, "alice").await;
    let mut bob = device(&server, "bob").await;
    let (a, b) = (alice.client.clone(), bob.client.clone());
    let ack = alice
        .send("@bob", "offer", json!({"sdp": "v=0 제안"}))
        .await;
    assert_eq!(
        (&ack["type"], &ack["subscribers"]),
        (&json!("ack"), &json!(1))
    );
    assert_eq!(bob.gets("offer", (&a, "alice")).await["sdp"], "v=0 제안");
    let ack = bob
        .send(&format!("~{a}"), "answer", json!({"sdp": "v=0 응답"}))
        .await;
    assert_eq!(ack["subscribers"], 1);
    assert_eq!(alice.gets("answer", (&b, "bob")).await["sdp"], "v=0 응답");
    for turn in 0..3 {
        let ack = alice
            .send(&format!("~{b}"), "ice-candidate", json!(turn))
            .await;
        assert_eq!(ack["subscribers"], 1);
        assert_eq!(bob.gets("ice-candidate", (&a, "alice")).await, turn);
        let ack = bob
            .send(&format!("~{a}"), "ice-candidate", json!(turn))
            .await;
        assert_eq!(ack["subscribers"], 1);
        assert_eq!(alice.gets("ice-candidate", (&b, "bob")).await, turn);
    }
    let ack = alice.send("@carol", "offer", json!(1)).await;
    assert_eq!(ack["subscribers"], 0, "nobody is reached");
    let mut second = device(&server, "bob").await;
    let ack = alice.send("@bob", "bye", json!(1)).await;
    assert_eq!(ack["subscribers"], 2, "two devices are");
    bob.gets("bye", (&a, "alice")).await;
    second.gets("bye", (&a, "alice")).await;
}

#[tokio::test]
async fn nobody_says_in_anothers_name() {
    let server = start().await;
    let alice = bearer(&token_of("alice"));
    let from = json!({"user": "alice"});
    let claimed = json!({
        "channel": "room:1", "data": 1,
        "from": {"user": "bob"}, "user": "bob", "client": "c1",
    });
    let batch = json!({"messages": [claimed], "from": {"user": "bob"}, "user": "bob"});
    assert_eq!(
        post(server.addr, "/publish", &alice, &batch).await.status,
        200
    );
    let body = json!({"from": {"user": "bob"}});
    let of_body = post(server.addr, "/channels/room:1", &alice, &body).await;
    assert_eq!(of_body.status, 200);
    publish(&server, "room:1", json!(1)).await;
    let read = get(server.addr, "/channels/room:1", &alice).await.json();
    let senders: Vec<&Value> = (0..3).map(|at| &read["messages"][at]["from"]).collect();
    assert_eq!(senders, [&from, &from, &Value::Null]);
    let named = post(server.addr, "/channels/room:1?user=bob", &alice, &body).await;
    assert_eq!(named.status, 400);
}

#[tokio::test]
async fn two_devices_of_a_user_read_from_where_each_stood() {
    let server = start().await;
    let token = token(json!({"sub": "alice"}));
    let inbox = "/channels?name=@alice";
    for data in ["하나", "둘"] {
        publish(&server, "@alice", json!(data)).await;
    }
    let phone = get(
        server.addr,
        &format!("{inbox}&limit=1&after=earliest"),
        &bearer(&token),
    )
    .await;
    let desk = get(
        server.addr,
        &format!("{inbox}&after=earliest"),
        &bearer(&token),
    )
    .await;
    publish(&server, "@alice", json!("셋")).await;
    for (stood, missed) in [(phone, vec!["둘", "셋"]), (desk, vec!["셋"])] {
        let cursor = stood.json()["cursor"]
            .as_str()
            .expect("a cursor")
            .to_owned();
        let target = format!("{inbox}&after={cursor}");
        for kind in [Kind::Sse, Kind::WebSocket] {
            let mut reader = Reader::open(kind, &server, &target, &bearer(&token)).await;
            for expected in &missed {
                assert_eq!(reader.told().await["data"], *expected, "{kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_inbox_is_read_by_whom_it_belongs_to() {
    let server = start().await;
    let addr = server.addr;
    let (alice, bob) = (token_of("alice"), token_of("bob"));
    let told = session(&server, &alice).await;
    let client = format!("~{}", told["client"].as_str().expect("a client"));
    let own = with_session(&alice, told["session"].as_str().expect("a session"));
    let no_inbox = token(json!({"sub": "alice", "inbox": false, "channels": {"subscribe": ["*"]}}));
    let user = "@alice";
    for (what, headers, channel, status) in [
        ("one's own", &own, user, 200),
        ("one's own", &own, "@", 200),
        ("one's own client's", &own, &client[..], 200),
        ("one's own client's", &own, "~", 200),
        ("another user's", &bearer(&bob), user, 403),
        ("another user's client's", &bearer(&bob), &client[..], 403),
        (
            "a client's, without its session",
            &bearer(&alice),
            &client[..],
            403,
        ),
        ("a client's, nobody knows which", &bearer(&alice), "~", 400),
        ("a token without inbox", &bearer(&no_inbox), user, 403),
        ("a backend", &bearer(&BACKEND), user, 200),
        ("nobody's", &String::new(), user, 401),
        ("nobody's", &String::new(), "@", 401),
        ("nobody's client's", &String::new(), &client[..], 403),
        ("of no client", &own, "~nobody", 400),
    ] {
        let target = format!("/channels?name={channel}");
        let answer = get(addr, &target, headers).await;
        assert_eq!(answer.status, status, "{what} {channel}: {}", answer.text());
        if status != 200 {
            let code = answer.json()["code"].clone();
            // A WebSocket is a client of its own, also where a poll is none.
            if channel != "~" {
                assert_eq!(refused_ws(addr, &target, headers).await.0, code, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn who_publishes_to_inboxes_is_for_the_rules() {
    let (strict, free) = (start().await, signalling().await);
    let nothing = bearer(&token(json!({"sub": "eve"})));
    let named = bearer(&token(
        json!({"sub": "eve", "channels": {"publish": ["@bob"]}}),
    ));
    for (server, headers, bob, alice) in [
        (&strict, &nothing, 403, 403),
        (&strict, &named, 200, 403),
        (&strict, &String::new(), 401, 401),
        (&free, &nothing, 200, 200),
        (&free, &String::new(), 401, 401),
    ] {
        for (channel, status) in [("@bob", bob), ("@alice", alice)] {
            let target = format!("/channels?name={channel}");
            let answer = post(server.addr, &target, headers, &json!(1)).await;
            assert_eq!(answer.status, status, "{channel}: {}", answer.text());
        }
    }
}

//! Sessions: a client stays the same, whatever it reads by.

use conformance::server::TestServer;
use serde_json::{Value, json};

use crate::support::{
    BACKEND, Kind, Reader, ask, bearer, command, get, next, post, publish, rest_of, session, start,
    token_of, with_session, ws,
};

fn text<'a>(told: &'a Value, name: &str) -> &'a str {
    told[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name}: {told}"))
}

#[tokio::test]
async fn a_client_stays_the_same_over_all_transports_and_so_does_its_inbox() {
    let server = start().await;
    let alice = token_of("alice");
    let (socket, hello) = ws(server.addr, "/channels", &bearer(&alice)).await;
    let client = text(&hello, "client").to_owned();
    let inbox = format!("~{client}");
    drop(socket);
    let mut session = text(&hello, "session").to_owned();
    let mut after = String::new();
    for (turn, kind) in [Kind::Sse, Kind::LongPoll, Kind::WebSocket]
        .into_iter()
        .enumerate()
    {
        let headers = with_session(&alice, &session);
        let target = format!("/channels?name=~{after}");
        let mut reader = Reader::open(kind, &server, &target, &headers).await;
        if kind != Kind::LongPoll {
            assert_eq!(reader.hello["client"], client);
            session = text(&reader.hello, "session").to_owned();
        }
        publish(&server, &inbox, json!(turn)).await;
        let told = reader.told().await;
        assert_eq!(told["data"], turn, "{kind:?}: {told}");
        assert_eq!(told["channel"], inbox);
        after = format!("&after={}-{}", text(&told, "epoch"), told["offset"]);
        drop(reader);
    }
    let headers = with_session(&alice, &session);
    let receipt = post(server.addr, "/channels/room:1", &headers, &json!(1)).await;
    assert_eq!(receipt.status, 200);
    let read = get(server.addr, "/channels/room:1", &headers).await.json();
    assert_eq!(
        read["messages"][0]["from"],
        json!({"client": client, "user": "alice"})
    );
}

/// What a session makes of who shows it with this token.
async fn comes_back(server: &TestServer, headers: &str, session: &str) -> Value {
    let body = json!({"session": session});
    let answer = post(server.addr, "/session", headers, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["client"].clone()
}

#[tokio::test]
async fn what_is_not_ones_session_makes_a_new_client() {
    let server = start().await;
    let (alice, bob) = (bearer(&token_of("alice")), bearer(&token_of("bob")));
    let of_alice = ask(server.addr, "/session", &alice).await.json();
    let of_nobody = ask(server.addr, "/session", "").await.json();
    assert_eq!(of_alice["user"], "alice");
    assert!(of_alice["expires"].is_u64());
    assert!(text(&of_alice, "session").starts_with("s1_"));
    assert_eq!(of_nobody.get("user"), None);
    let good = text(&of_alice, "session");
    assert_eq!(comes_back(&server, &alice, good).await, of_alice["client"]);
    let before = server.app.stats().sessions_refused.get();
    let middle = good.len() / 2;
    let other = if &good[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    let tampered = format!("{}{other}{}", &good[..middle], &good[middle + 1..]);
    let cases = [
        ("of another user", &bob, good),
        ("of a user, as nobody", &String::new(), good),
        ("of nobody, as a user", &alice, text(&of_nobody, "session")),
        ("tampered with", &alice, &tampered[..]),
        ("cut", &alice, &good[..good.len() - 1]),
        ("garbage", &alice, "s1_garbage"),
        ("of another kind", &alice, "nothing"),
    ];
    let count = cases.len() as u64;
    for (what, headers, session) in cases {
        let client = comes_back(&server, headers, session).await;
        assert_ne!(client, of_alice["client"], "{what}");
        assert_ne!(client, of_nobody["client"], "{what}");
    }
    assert_eq!(server.app.stats().sessions_refused.get() - before, count);
}

#[tokio::test]
async fn a_session_of_nobody_is_nobodys() {
    let server = start().await;
    let told = ask(server.addr, "/session", "").await.json();
    let header = format!("Tidings-Session: {}\r\n", text(&told, "session"));
    let (_, hello) = ws(server.addr, "/channels/open:1", &header).await;
    assert_eq!(hello["client"], told["client"]);
}

#[tokio::test]
async fn a_session_stands_in_a_body_and_in_a_command_too() {
    let server = start().await;
    let alice = token_of("alice");
    let told = session(&server, &alice).await;
    let (client, session) = (text(&told, "client"), text(&told, "session"));
    publish(&server, &format!("~{client}"), json!("소식")).await;
    let body = json!({"channels": [{"name": "~"}], "session": session, "after": "earliest"});
    let read = post(server.addr, "/read", &bearer(&alice), &body)
        .await
        .json();
    assert_eq!(read["messages"][0]["data"], "소식", "{read}");

    let (mut socket, hello) = ws(server.addr, "/channels", "").await;
    assert_ne!(hello["client"], told["client"]);
    let auth = json!({"type": "auth", "token": alice, "session": session});
    let answer = command(&mut socket, auth).await;
    assert_eq!(answer["client"], told["client"]);
}

#[tokio::test]
async fn the_echo_of_a_session_is_left_out() {
    let server = start().await;
    let alice = token_of("alice");
    let told = session(&server, &alice).await;
    let headers = with_session(&alice, text(&told, "session"));
    let target = "/channels?name=room:1";
    let mut own = Vec::new();
    for kind in Kind::ALL {
        own.push(Reader::open(kind, &server, target, &headers).await);
    }
    let mut other = Reader::open(Kind::WebSocket, &server, target, &bearer(&alice)).await;
    let silent = "/channels/room:1?echo=false";
    let receipt = post(server.addr, silent, &headers, &json!("나만 빼고")).await;
    assert_eq!(receipt.status, 200);
    assert_eq!(other.told().await["data"], "나만 빼고");
    for reader in &mut own {
        let told = reader.told().await;
        let what = format!("{:?}: {told}", reader.kind);
        assert_eq!(
            (&told["type"], &told["reason"]),
            (&json!("skip"), &json!("own")),
            "{what}"
        );
        assert_eq!(
            (&told["from"], &told["to"]),
            (&json!(1), &json!(1)),
            "{what}"
        );
    }
    let without = post(server.addr, silent, &bearer(&alice), &json!(1)).await;
    assert_eq!(without.status, 400);
    assert_eq!(without.json()["code"], "invalid_parameter");
}

#[tokio::test]
async fn a_backend_leaves_out_a_client_and_nobody_else_may() {
    let server = start().await;
    let alice = token_of("alice");
    let (mut socket, hello) = ws(server.addr, "/channels/room:1", &bearer(&alice)).await;
    let target = format!("/channels/room:1?exclude={}", text(&hello, "client"));
    let refused = post(server.addr, &target, &bearer(&alice), &json!(1)).await;
    assert_eq!(refused.status, 400);
    let receipt = post(server.addr, &target, &bearer(&BACKEND), &json!(1)).await;
    assert_eq!(receipt.status, 200);
    assert_eq!(next(&mut socket).await["type"], "skip");
}

#[tokio::test]
async fn a_session_alone_comes_back_before_anything_is_read() {
    let server = start().await;
    let nobody = ask(server.addr, "/session", "").await.json();
    let show = |told: &Value| json!({"type": "auth", "session": text(told, "session")});
    let (mut socket, hello) = ws(server.addr, "/channels", "").await;
    assert_ne!(hello["client"], nobody["client"]);
    let answer = command(&mut socket, show(&nobody)).await;
    assert_eq!(answer["type"], "ack", "{answer}");
    assert_eq!(answer["client"], nobody["client"]);
    assert_eq!(answer.get("user"), None);
    let read = json!({"type": "subscribe", "channel": "open:1"});
    assert_eq!(command(&mut socket, read).await["type"], "subscribed");
    let own = json!({"type": "publish", "channel": "open:1", "data": 1, "echo": false});
    assert_eq!(command(&mut socket, own).await["type"], "ack");
    assert_eq!(next(&mut socket).await["reason"], "own");
    // The same client as before is no other one, whatever it reads.
    assert_eq!(command(&mut socket, show(&answer)).await["type"], "ack");
    let other = ask(server.addr, "/session", "").await.json();
    let refused = command(&mut socket, show(&other)).await;
    assert_eq!(refused["code"], "invalid_command", "{refused}");
}

#[tokio::test]
async fn a_session_alone_is_of_who_asks_or_ignored() {
    let server = start().await;
    let alice = token_of("alice");
    let (of_alice, of_bob) = (
        session(&server, &alice).await,
        session(&server, &token_of("bob")).await,
    );
    let of_nobody = ask(server.addr, "/session", "").await.json();
    let (mut socket, hello) = ws(server.addr, "/channels", &bearer(&alice)).await;
    let before = server.app.stats().sessions_refused.get();
    for other in [
        text(&of_bob, "session"),
        text(&of_nobody, "session"),
        "s1_garbage",
        "",
    ] {
        let answer = command(&mut socket, json!({"type": "auth", "session": other})).await;
        assert_eq!(answer["type"], "ack", "{answer}");
        assert_eq!(
            (&answer["client"], &answer["user"]),
            (&hello["client"], &json!("alice"))
        );
    }
    assert_eq!(server.app.stats().sessions_refused.get() - before, 4);
    let show = json!({"type": "auth", "session": text(&of_alice, "session")});
    let answer = command(&mut socket, show).await;
    assert_eq!(
        (&answer["client"], &answer["user"]),
        (&of_alice["client"], &json!("alice"))
    );
    assert_eq!(answer["expires"], hello["expires"]);
    let nothing = command(&mut socket, json!({"type": "auth"})).await;
    assert_eq!(nothing["code"], "invalid_command", "{nothing}");
}

#[tokio::test]
async fn a_session_alone_is_no_credential() {
    let server = start().await;
    let nobody = ask(server.addr, "/session", "").await.json();
    let (mut socket, _) = ws(server.addr, "/channels", "").await;
    let show = json!({"type": "auth", "session": text(&nobody, "session")});
    assert_eq!(command(&mut socket, show).await["client"], nobody["client"]);
    let read = json!({"type": "subscribe", "channel": "room:1"});
    assert_eq!(command(&mut socket, read).await["code"], "unauthorized");
    let (told, code) = rest_of(&mut socket).await;
    assert_eq!(told.last().expect("why")["code"], "unauthorized");
    assert_eq!(code, Some(4021), "after ten seconds, as without one");
}

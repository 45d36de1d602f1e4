//! What is somebody else's: channels, cursors, sessions, clients, names, presence.

use serde_json::{Value, json};

use crate::support::{
    Bystander, ask, bearer, claims, is, keyed, patiently, publish, session, sign, socket, token,
    told, with_key,
};

/// A token of this user for these channels alone.
fn limited_to(user: &str, channels: &[&str]) -> String {
    let mut claims = claims(user);
    claims["channels"] = json!({"subscribe": channels, "publish": channels, "presence": channels});
    sign(&claims)
}

/// CVE-2026-39972: what is remembered of one right is never taken for another.
#[tokio::test]
async fn names_that_join_to_one_text_are_several() {
    let server = keyed().await;
    publish(&server, "/channels?name=a%3Ab_c", "secret").await;
    for (user, granted, asked, status) in [
        ("u", vec!["a_b:c"], "a:b_c", 403),
        ("u", vec!["a:b_c"], "a:b_c", 200),
        ("u", vec!["a_b", "c"], "a:b_c", 403),
        ("u_a", vec!["b:c"], "a:b_c", 403),
        ("u", vec!["a:b"], "a:b_c", 403),
        ("u", vec!["a:b_*"], "a:b_c", 200),
        ("u", vec!["a:b_c*"], "a:b_", 403),
        ("u", vec!["A:B_C"], "a:b_c", 403),
    ] {
        let headers = bearer(&limited_to(user, &granted));
        // Twice: an answer that was kept must be the same.
        for _ in 0..2 {
            let target = format!("/channels?name={asked}");
            let answer = ask(&server, "GET", &target, &headers, "").await;
            assert_eq!(answer.status, status, "{granted:?} {asked}");
        }
    }
}

#[tokio::test]
async fn a_cursor_carries_no_rights() {
    let server = keyed().await;
    publish(&server, "/channels/secret", "하나").await;
    publish(&server, "/channels/secret", "둘").await;
    let read = ask(
        &server,
        "GET",
        "/channels/secret?limit=1",
        &with_key("backend"),
        "",
    )
    .await;
    let cursor = read.json()["cursor"].as_str().expect("a cursor").to_owned();
    let both = ask(
        &server,
        "GET",
        "/channels?name=secret&name=open",
        &with_key("backend"),
        "",
    )
    .await;
    let both = both.json()["cursor"].as_str().expect("a cursor").to_owned();
    let mallory = bearer(&limited_to("mallory", &["open"]));
    for (after, target) in [
        (&cursor, "/channels/secret"),
        (&both, "/channels?name=secret&name=open"),
    ] {
        let target = format!(
            "{target}{}after={after}",
            if target.contains('?') { '&' } else { '?' }
        );
        let answer = ask(&server, "GET", &target, &mallory, "").await;
        assert_eq!(told(&answer), is(403, "forbidden"), "{target}");
        let events = format!("{mallory}Accept: text/event-stream\r\nLast-Event-ID: {after}\r\n");
        let answer = ask(&server, "GET", &target, &events, "").await;
        assert_eq!(told(&answer), is(403, "forbidden"), "{target}");
    }
    // On a channel of one's own it is a position of another one, and says nothing of it.
    let own = ask(
        &server,
        "GET",
        &format!("/channels/open?after={both}"),
        &mallory,
        "",
    )
    .await;
    assert!(
        !own.text().contains("하나") && !own.text().contains("secret"),
        "{}",
        own.text()
    );
}

#[tokio::test]
async fn a_session_is_of_its_user_alone() {
    let server = keyed().await;
    let (of_alice, alice) = session(&server, &token("alice")).await;
    let refused = &server.app.stats().sessions_refused;
    for (headers, at) in [
        (bearer(&token("mallory")), 1),
        (String::new(), 2),
        (with_key("backend"), 3),
    ] {
        let headers = format!("{headers}Tidings-Session: {of_alice}\r\n");
        let answer = ask(&server, "POST", "/session", &headers, "").await.json();
        assert_ne!(answer["client"], json!(alice), "{headers}");
        assert_eq!(refused.get(), at);
    }
    let by_body = json!({"session": of_alice}).to_string();
    let answer = ask(
        &server,
        "POST",
        "/session",
        &bearer(&token("mallory")),
        &by_body,
    )
    .await
    .json();
    assert_ne!(answer["client"], json!(alice));
    let (mut ws, _) = socket(&server, "/channels", "").await;
    ws.command(json!({"type": "auth", "id": 1, "token": token("mallory"), "session": of_alice}))
        .await;
    let ack = patiently(ws.json()).await.expect("an answer");
    assert_eq!(
        (&ack["user"], ack["client"] == json!(alice)),
        (&json!("mallory"), false),
        "{ack}"
    );
    for at in 0..of_alice.len() {
        let mut bytes = of_alice.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).expect("ASCII");
        let headers = format!("{}Tidings-Session: {forged}\r\n", bearer(&token("alice")));
        let answer = ask(&server, "POST", "/session", &headers, "").await.json();
        assert_ne!(answer["client"], json!(alice), "the character {at}");
    }
    let own = format!("{}Tidings-Session: {of_alice}\r\n", bearer(&token("alice")));
    assert_eq!(
        ask(&server, "POST", "/session", &own, "").await.json()["client"],
        json!(alice)
    );
}

#[tokio::test]
async fn who_a_message_is_from_is_the_server_s_to_say() {
    let server = keyed().await;
    let mallory = bearer(&token("mallory"));
    let forged = json!({"client": "c1", "user": "alice"});
    for target in [
        "/channels/x?user=alice",
        "/channels/x?from=alice",
        "/channels/x?client=c1",
    ] {
        let answer = ask(&server, "POST", target, &mallory, "1").await;
        assert_eq!(answer.status, 400, "{target}");
    }
    let batch = json!({"messages": [{"channel": "x", "data": 1, "from": forged, "user": "alice", "client": "c1"}]});
    assert_eq!(
        ask(&server, "POST", "/publish", &mallory, &batch.to_string())
            .await
            .status,
        200
    );
    let own = json!({"from": forged, "type": "message", "user": "alice"}).to_string();
    assert_eq!(
        ask(&server, "POST", "/channels/x", &mallory, &own)
            .await
            .status,
        200
    );
    let (mut ws, hello) = socket(&server, "/channels", &mallory).await;
    ws.command(json!({"type": "publish", "id": 1, "channel": "x", "data": 1, "from": forged, "user": "alice"})).await;
    assert_eq!(
        patiently(ws.json()).await.expect("an answer")["type"],
        "ack"
    );
    let read = ask(&server, "GET", "/channels/x", &mallory, "")
        .await
        .json();
    let messages = read["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), 3);
    for message in messages {
        assert_eq!(message["from"]["user"], "mallory", "{message}");
        assert_ne!(message["from"]["client"], "c1", "{message}");
    }
    assert_eq!(messages[2]["from"]["client"], hello["client"]);
    // Whom a message is not for, is a backend's to say.
    let answer = ask(&server, "POST", "/channels/x?exclude=c1", &mallory, "1").await;
    assert_eq!(told(&answer), is(400, "invalid_parameter"));
}

#[tokio::test]
async fn inboxes_of_others_are_closed() {
    let server = keyed().await;
    let (_, of_alice) = session(&server, &token("alice")).await;
    publish(&server, "/channels/@alice", "secret").await;
    let mut everything = claims("mallory");
    everything["channels"] = json!({"subscribe": ["*"], "publish": ["*"], "presence": ["*"]});
    let mallory = bearer(&sign(&everything));
    for name in [
        "@alice".to_owned(),
        format!("~{of_alice}"),
        "@".to_owned() + "Alice",
        "@mallory2".to_owned(),
    ] {
        let target = format!("/channels?name={name}");
        for (method, headers, body) in [
            ("GET", mallory.clone(), ""),
            ("GET", format!("{mallory}Accept: text/event-stream\r\n"), ""),
            ("POST", mallory.clone(), "forged"),
            ("DELETE", mallory.clone(), ""),
        ] {
            let answer = ask(&server, method, &target, &headers, body).await;
            assert_eq!(told(&answer), is(403, "forbidden"), "{method} {name}");
        }
        let presence = ask(
            &server,
            "GET",
            &format!("/presence?name={name}"),
            &mallory,
            "",
        )
        .await;
        assert_eq!(presence.status, 403, "{name}");
        let (mut ws, _) = socket(&server, "/channels", &mallory).await;
        ws.command(json!({"type": "subscribe", "id": 1, "channel": name}))
            .await;
        assert_eq!(
            patiently(ws.json()).await.expect("an answer")["code"],
            "forbidden"
        );
    }
    let own = ask(
        &server,
        "GET",
        "/channels?name=@",
        &bearer(&token("alice")),
        "",
    )
    .await;
    assert!(own.text().contains("secret"), "it is hers");
    let nobody = ask(&server, "GET", "/channels?name=@", "", "").await;
    assert_eq!(told(&nobody), is(401, "unauthorized"));
}

#[tokio::test]
async fn what_a_member_shows_is_small_its_own_and_never_breaks_a_reader() {
    let server = keyed().await;
    let mut bystander = Bystander::new(&server).await;
    let mut named = claims("alice");
    named["info"] = json!({"name": "앨리스"});
    let alice = bearer(&sign(&named));
    let mallory = bearer(&token("mallory"));
    let (mut ws, hello) = socket(&server, "/channels", &mallory).await;
    let million = json!("x".repeat(200 << 10));
    let deep: Value = serde_json::from_str(&nested(100)).expect("JSON");
    for info in [million, deep, json!("x".repeat(1023))] {
        ws.command(
            json!({"type": "subscribe", "id": 1, "channel": "room", "join": true, "info": info}),
        )
        .await;
        let answer = patiently(ws.json()).await.expect("an answer");
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("error"), &json!("invalid_parameter")),
            "{answer}"
        );
    }
    let (session, _) = session(&server, &token("mallory")).await;
    let polls = format!("{mallory}Tidings-Session: {session}\r\n");
    let million =
        json!({"channels": [{"name": "room"}], "join": true, "info": "x".repeat(1_000_000)});
    let answer = ask(&server, "POST", "/read", &polls, &million.to_string()).await;
    assert_eq!(told(&answer), is(400, "invalid_parameter"));
    let deepest = format!(
        "{{\"channels\":[{{\"name\":\"room\"}}],\"join\":true,\"info\":{}}}",
        nested(500)
    );
    let answer = ask(&server, "POST", "/read", &polls, &deepest).await;
    assert_eq!(
        told(&answer),
        is(400, "invalid_parameter"),
        "deeper than readers read"
    );

    let forged = json!({"client": "c1", "user": "alice", "name": "앨리스"});
    ws.command(
        json!({"type": "subscribe", "id": 2, "channel": "room", "join": true, "info": forged,
        "client": "c1", "user": "alice"}),
    )
    .await;
    assert_eq!(
        patiently(ws.json()).await.expect("an answer")["type"],
        "subscribed"
    );
    let target = "/channels?name=room&join=true&info=%22someone%20else%22";
    let (_alice, _) = socket(&server, target, &alice).await;
    let presence = ask(&server, "GET", "/presence?name=room", &mallory, "")
        .await
        .json();
    let clients = presence["clients"].as_array().expect("a list");
    assert_eq!(clients.len(), 2, "{presence}");
    let of = |user: &str| {
        clients
            .iter()
            .find(|client| client["user"] == user)
            .expect("there")
    };
    assert_eq!(
        (&of("mallory")["client"], &of("mallory")["info"]),
        (&hello["client"], &forged)
    );
    assert_eq!(
        of("alice")["info"],
        json!({"name": "앨리스"}),
        "the token says it"
    );
    bystander.lives().await;
}

/// Lists within lists.
fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

//! Line ends and control characters in what comes with tokens, cursors and members. Those in events,
//! keys and payloads are in `conformance/tests/hardening/injection.rs`.

use conformance::http::{Http, fetch, get, percent};
use conformance::server::TestServer;
use conformance::sse::Events;
use serde_json::{Value, json};

use crate::support::{
    Bystander, bearer, claims, is, keyed, keyed_limited, patiently, session, sign, socket, token,
    told,
};

const SEPARATORS: [&str; 8] = [
    "\r",
    "\n",
    "\r\n",
    "\n\n",
    "\0",
    "\u{85}",
    "\u{2028}",
    "\u{1b}[31m",
];

#[tokio::test]
async fn a_user_with_a_line_end_is_nobody() {
    let server = keyed_limited(|limits| limits.auth_failures_per_address = 0).await;
    for separator in SEPARATORS {
        let user = format!("a{separator}Set-Cookie:x=1");
        let answer = fetch(
            server.addr,
            "GET",
            "/channels/x",
            &bearer(&token(&user)),
            b"",
        )
        .await;
        assert_eq!(told(&answer), is(401, "unauthorized"), "{user:?}");
        for name in ["jti", "sub"] {
            let mut claims = claims("alice");
            claims[name] = json!(user);
            let answer = fetch(
                server.addr,
                "POST",
                "/session",
                &bearer(&sign(&claims)),
                b"",
            )
            .await;
            assert_eq!(told(&answer), is(401, "unauthorized"), "{name} {user:?}");
        }
    }
}

/// Where it is decoded, nothing that comes in a URL stands in the head of an answer.
#[tokio::test]
async fn nothing_of_a_url_becomes_a_header() {
    let server = TestServer::start().await;
    for separator in SEPARATORS {
        let forged = percent(&format!(
            "{separator}X-Forged: 1{separator}{separator}<script>"
        ));
        for target in [
            format!("/channels/x?after={forged}"),
            format!("/channels/x?after={forged}&wait=1"),
            format!("/channels/x?ticket={forged}"),
            format!("/channels/x?_={forged}"),
            format!("/channels/x?{forged}=1"),
            format!("/channels/{forged}"),
            format!("/channels/x?name={forged}"),
            format!("/channels/x?event={forged}"),
            format!("/{forged}"),
        ] {
            for method in ["GET", "POST"] {
                let mut http = Http::connect(server.addr).await;
                http.request(method, &target, "", b"").await;
                let answer = patiently(http.answer()).await;
                assert_eq!(answer.header("x-forged"), None, "{method} {target}");
                assert_eq!(answer.header("location"), None, "{method} {target}");
                assert!(
                    !answer.text().contains("<script>")
                        || answer
                            .header("content-type")
                            .is_some_and(|kind| kind.contains("json")),
                    "{target}"
                );
            }
        }
        let target = format!("/channels/x?after={forged}&transport=sse");
        let mut events = Events::open(server.addr, &target, "")
            .await
            .expect("a stream");
        let hello = patiently(events.next()).await.expect("a hello");
        assert_eq!((&*hello.name, &*hello.id), ("$hello", "0-0"));
    }
}

/// Bytes that HTTP has no place for end in a header where they begin.
#[tokio::test]
async fn sessions_and_tokens_with_control_characters_are_refused() {
    let server = keyed_limited(|limits| limits.auth_failures_per_address = 0).await;
    let mut bystander = Bystander::new(&server).await;
    for name in [
        "Authorization: Bearer ",
        "Tidings-Session: ",
        "Sec-WebSocket-Protocol: bearer.",
        "Idempotency-Key: ",
        "Origin: ",
    ] {
        for separator in ["\0", "\r", "\u{1b}[31m", "\u{7f}"] {
            let mut http = Http::connect(server.addr).await;
            let headers = format!("{name}a{separator}X-Forged: 1\r\n");
            http.request("POST", "/session", &headers, b"").await;
            let head = patiently(http.head()).await;
            assert!(
                matches!(head.status, 400 | 401 | 403),
                "{name} {separator:?} {}",
                head.status
            );
            assert_eq!(head.header("x-forged"), None);
        }
    }
    bystander.lives().await;
}

#[tokio::test]
async fn what_a_member_shows_is_one_event_for_every_reader() {
    let server = keyed().await;
    let alice = bearer(&token("alice"));
    let mut http = Http::connect(server.addr).await;
    let target = "/channels?name=$presence:room";
    http.request(
        "GET",
        target,
        &format!("{alice}Accept: text/event-stream\r\n"),
        b"",
    )
    .await;
    assert_eq!(http.head().await.status, 200);
    let mut events = Events::begun(http, "");
    assert_eq!(
        patiently(events.next()).await.expect("a hello").name,
        "$hello"
    );
    let (session, client) = session(&server, &token("mallory")).await;
    let polls = format!(
        "{}Tidings-Session: {session}\r\n",
        bearer(&token("mallory"))
    );
    for separator in SEPARATORS {
        let text = format!("a{separator}{separator}data: forged");
        // White space of JSON outside of strings, too.
        let info = format!("{{\"text\":\r\n\n\r{}}}", json!(text));
        let target = format!("/channels/room?join=true&info={}", percent(&info));
        assert_eq!(
            fetch(server.addr, "GET", &target, &polls, b"").await.status,
            200,
            "{text:?}"
        );
        let event = patiently(events.next()).await.expect("an event");
        let told: Value = serde_json::from_str(&event.data).expect("an envelope");
        assert_eq!(
            (&told["data"]["client"], &told["data"]["info"]["text"]),
            (&json!(client), &json!(text)),
            "{told}"
        );
    }
    let presence = fetch(server.addr, "GET", "/presence?name=room", &alice, b"")
        .await
        .json();
    assert_eq!(presence["count"], 1);
}

#[tokio::test]
async fn what_is_no_json_is_shown_by_nobody() {
    let server = keyed().await;
    let alice = bearer(&token("alice"));
    for info in [
        "a",
        "{",
        "1 2",
        "{\"a\":1}\n{\"b\":2}",
        "\"\n\"",
        "\u{feff}1",
        "'a'",
        "",
    ] {
        let target = format!("/channels/room?join=true&info={}", percent(info));
        let answer = fetch(
            server.addr,
            "GET",
            &target,
            &format!("{alice}Accept: text/event-stream\r\n"),
            b"",
        )
        .await;
        assert_eq!(told(&answer), is(400, "invalid_parameter"), "{info:?}");
    }
    let (_ws, hello) = socket(&server, "/channels/room?join=true&info=1", &alice).await;
    assert_eq!(hello["type"], "hello");
    assert_eq!(get(server.addr, "/presence?name=room").await.status, 401);
}

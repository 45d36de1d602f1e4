//! Line ends and other separators in every text that a client can bring: refused, or carried so that
//! a reader by the letter gets back exactly what was sent, in exactly one event.

use conformance::http::{Http, fetch, get, percent, post};
use conformance::server::TestServer;
use conformance::sse::{Event, Events};
use conformance::ws::Ws;
use serde_json::{Value, json};

use crate::support::stored;

/// What ends a line for someone: for SSE the first four, NUL for an id; the others for readers that
/// know more kinds of lines than the standard.
const SEPARATORS: [&str; 12] = [
    "\r", "\n", "\r\n", "\n\n", "\0", "\u{85}", "\u{2028}", "\u{2029}", "\u{b}", "\u{c}", "\u{1c}",
    "\u{feff}",
];
/// What would follow in the stream if the separator worked.
const FORGED: &str = "data: forged";

async fn next(events: &mut Events) -> (Event, Value) {
    let event = events.next().await.expect("the stream goes on");
    let json = serde_json::from_str(&event.data).expect("an envelope");
    (event, json)
}

#[tokio::test]
async fn an_event_name_is_refused_or_comes_back_as_it_was() {
    let server = TestServer::start().await;
    let mut events = Events::open(server.addr, "/channels/x", "").await.unwrap();
    let mut raw = Events::open(server.addr, "/channels/x?format=raw", "")
        .await
        .unwrap();
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    events.next().await;
    raw.next().await;
    ws.json().await;
    for separator in SEPARATORS {
        let name = format!("a{separator}{FORGED}");
        let refused = separator.contains(['\r', '\n', '\0']);
        let target = format!("/channels/x?event={}", percent(&name));
        let batch = json!({"messages": [{"channel": "x", "event": name, "data": 1}]});
        let published = [
            post(server.addr, &target, "1").await.status,
            fetch(
                server.addr,
                "POST",
                "/publish",
                "",
                batch.to_string().as_bytes(),
            )
            .await
            .status,
        ];
        assert_eq!(
            published,
            if refused { [400; 2] } else { [200; 2] },
            "{separator:?}"
        );
        ws.command(json!({"type": "publish", "id": 1, "channel": "x", "event": name, "data": 1}))
            .await;
        let answer = ws.json().await.unwrap();
        assert_eq!(
            answer["type"],
            if refused { "error" } else { "ack" },
            "{separator:?}"
        );
        if !refused {
            for _ in 0..3 {
                let (event, json) = next(&mut events).await;
                assert_eq!((&*event.name, &json["event"]), (&*name, &json!(name)));
                let event = raw.next().await.unwrap();
                assert_eq!((&*event.name, &*event.data), (&*name, "1"));
            }
        }
    }
}

#[tokio::test]
async fn names_of_channels_and_users_hold_no_separator() {
    let server = TestServer::start().await;
    for separator in SEPARATORS {
        let name = format!("a{separator}{}", FORGED.replace(' ', ""));
        let escaped = percent(&name);
        // U+FEFF is a character like others, and two names that differ by it are two names.
        let status = if separator == "\u{feff}" { 200 } else { 400 };
        for target in [
            format!("/channels/{escaped}"),
            format!("/channels?name={escaped}"),
            format!("/channels/x?user={escaped}"),
        ] {
            for method in ["GET", "POST", "DELETE"] {
                let answer = fetch(server.addr, method, &target, "", b"").await;
                assert_eq!(answer.status, status, "{method} {target}");
            }
            let sse = format!(
                "{target}{}transport=sse",
                if target.contains('?') { "&" } else { "?" }
            );
            match Events::open(server.addr, &sse, "").await {
                Ok(mut events) => {
                    assert_eq!((status, &*next(&mut events).await.0.name), (200, "$hello"))
                }
                Err(head) => assert_eq!(head.status, status, "{sse}"),
            }
        }
        let body = json!({"channels": [{"name": name}]}).to_string();
        assert_eq!(
            fetch(server.addr, "POST", "/read", "", body.as_bytes())
                .await
                .status,
            status
        );
        let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
        ws.json().await;
        ws.command(json!({"type": "subscribe", "id": 1, "channel": name}))
            .await;
        let answer = ws.json().await.unwrap();
        assert_eq!(answer["type"] == "subscribed", status == 200, "{answer}");
    }
}

#[tokio::test]
async fn escapes_are_decoded_once() {
    let server = TestServer::start().await;
    for (segment, name) in [
        ("%250d%250a", Some("%0d%0a")),
        ("%25250A", Some("%250A")),
        ("%0d%0a", None),
        ("%0D", None),
        ("%E5%98%8A%E5%98%8D", Some("\u{560a}\u{560d}")),
        ("%c0%8a", None),
        ("%u000a", None),
        ("a%00", None),
    ] {
        let answer = get(server.addr, &format!("/channels/{segment}")).await;
        assert_eq!(
            answer.status,
            if name.is_some() { 200 } else { 400 },
            "{segment}"
        );
        let Some(name) = name else { continue };
        let mut events = Events::open(server.addr, &format!("/channels/{segment}"), "")
            .await
            .unwrap();
        let (_, hello) = next(&mut events).await;
        assert!(hello["channels"].get(name).is_some(), "{hello}");
    }
}

#[tokio::test]
async fn a_last_event_id_is_never_written_as_it_came() {
    let server = TestServer::start().await;
    post(server.addr, "/channels/x", "하나").await;
    for id in [
        "\u{85}",
        "\u{2028}",
        "k3f9-1\u{2028}data: forged",
        "%0d%0adata: forged",
        "k3f9-1 data: forged",
        "\t",
        "\"",
        "'",
    ] {
        let mut events = Events::open(server.addr, "/channels/x", &format!("k{id}"))
            .await
            .unwrap();
        let hello = events.next().await.unwrap();
        assert_eq!((&*hello.id, &*hello.name), ("0-0", "$hello"), "{id:?}");
        let (_, gap) = next(&mut events).await;
        assert_eq!(gap["reason"], "unknown_cursor");
        let (message, _) = next(&mut events).await;
        assert!(message.id.ends_with("-1"), "{message:?}");
    }
    // Line ends and NUL are none of a header's characters (RFC 9110 section 5.5).
    for id in ["k\0x", "k\rdata: forged", "k\r data: forged"] {
        let mut http = Http::connect(server.addr).await;
        let headers = format!("Accept: text/event-stream\r\nLast-Event-ID: {id}\r\n");
        http.request("GET", "/channels/x", &headers, b"").await;
        assert_eq!(http.head().await.status, 400, "{id:?}");
    }
}

#[tokio::test]
async fn a_refusal_that_repeats_the_id_is_one_event() {
    let server = TestServer::limited(|limits| limits.connections = 1).await;
    let mut first = Http::connect(server.addr).await;
    first.request("GET", "/healthz", "", b"").await;
    first.answer().await;
    for (id, repeated) in [
        ("k3f9-41", true),
        ("a b: c", true),
        ("\u{2028}data: forged", false),
        ("\u{85}", false),
    ] {
        let headers = format!("Accept: text/event-stream\r\nLast-Event-ID: {id}\r\n");
        let answer = fetch(server.addr, "GET", "/channels/x", &headers, b"").await;
        let lines: Vec<_> = answer.text().split('\n').collect();
        let lines = match repeated {
            true => {
                assert_eq!(lines[0], format!("id: {id}"));
                &lines[1..]
            }
            false => &lines[..],
        };
        let starts = [
            "retry: ",
            "event: $error",
            "data: {\"type\":\"error\",",
            "",
            "",
        ];
        assert_eq!(lines.len(), starts.len(), "{lines:?}");
        assert!(
            lines
                .iter()
                .zip(starts)
                .all(|(line, start)| line.starts_with(start)),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn an_idempotency_key_is_visible_ascii() {
    let server = TestServer::start().await;
    for separator in SEPARATORS.into_iter().chain([" ", "\t", "\u{7f}", "é"]) {
        let key = format!("a{separator}b");
        let target = format!("/channels/x?key={}", percent(&key));
        assert_eq!(post(server.addr, &target, "1").await.status, 400, "{key:?}");
        let batch = json!({"messages": [{"channel": "x", "key": key, "data": 1}]}).to_string();
        assert_eq!(
            fetch(server.addr, "POST", "/publish", "", batch.as_bytes())
                .await
                .status,
            400,
            "{key:?}"
        );
        if !separator.contains('\n') {
            let header = format!("Idempotency-Key: {key}\r\n");
            assert_eq!(
                fetch(server.addr, "POST", "/channels/x", &header, b"1")
                    .await
                    .status,
                400,
                "{key:?}"
            );
        }
    }
    assert_eq!(stored(&server, "x").await, 0);
}

#[tokio::test]
async fn every_text_is_one_event_in_every_form() {
    let server = TestServer::start().await;
    let mut events = Events::open(server.addr, "/channels/x", "").await.unwrap();
    let mut raw = Events::open(server.addr, "/channels/x?format=raw", "")
        .await
        .unwrap();
    events.next().await;
    raw.next().await;
    let mut texts: Vec<String> = SEPARATORS
        .iter()
        .map(|separator| format!("a{separator}{FORGED}"))
        .collect();
    texts.extend(
        [
            "",
            "\r",
            "\n",
            "\r\n",
            "\n\r",
            "\r\r\n\n",
            " a",
            "  a ",
            ":",
            "id: 9",
            "\nid: 9\n\n",
            "event: $gap\n\ndata: {}",
            "retry: 0\n",
            "data: a\r\rid: 9",
        ]
        .map(str::to_owned),
    );
    for text in &texts {
        assert_eq!(post(server.addr, "/channels/x", text).await.status, 200);
        let (event, json) = next(&mut events).await;
        assert_eq!((&*event.name, &json["data"]), ("", &json!(text)));
        let event_raw = raw.next().await.unwrap();
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(
            (&*event_raw.name, &event_raw.data, &event_raw.id),
            ("", &lines, &event.id),
            "{text:?}"
        );
    }
    // JSON whose white space is made of line ends, and strings that hold what ends other readers' lines.
    let body = "{\"a\":\r\n\r\r\n[1,\n\"\u{2028}\u{85}\u{2029}\\n\"]\n}";
    fetch(
        server.addr,
        "POST",
        "/channels/x",
        "Content-Type: application/json\r\n",
        body.as_bytes(),
    )
    .await;
    let (_, json) = next(&mut events).await;
    assert_eq!(json["data"], json!({"a": [1, "\u{2028}\u{85}\u{2029}\n"]}));
    let raw: Value = serde_json::from_str(&raw.next().await.unwrap().data).unwrap();
    assert_eq!(raw, json["data"]);
}

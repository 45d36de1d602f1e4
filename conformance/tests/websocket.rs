//! WebSocket: the handshake, commands, frames, liveness, closing.

use std::time::Duration;

use conformance::http::{Http, fetch, get, post};
use conformance::server::TestServer;
use conformance::ws::{HANDSHAKE, Ws};
use serde_json::{Value, json};

/// The close code with which the connection ends, after its other frames.
async fn close_code(ws: &mut Ws) -> Option<u16> {
    while let Some(frame) = ws.frame().await {
        if frame.opcode == 8 {
            return frame.close_code();
        }
    }
    None
}

#[tokio::test]
async fn a_bad_handshake_is_refused_by_a_status() {
    let server = TestServer::start().await;
    let change = |from: &str, to: &str| HANDSHAKE.replace(from, to);
    for (headers, status) in [
        (change("Version: 13", "Version: 8"), 426),
        (change("Sec-WebSocket-Version: 13\r\n", ""), 426),
        (change("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400),
        (
            change("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
            400,
        ),
        (change("keep-alive, Upgrade", "keep-alive"), 400),
        (format!("{HANDSHAKE}Content-Length: 5\r\n"), 400),
        (format!("{HANDSHAKE}Origin: http://evil.example\r\n"), 403),
    ] {
        let mut http = Http::connect(server.addr).await;
        http.request("GET", "/channels/x", &headers, b"").await;
        let answer = http.answer().await;
        assert_eq!(answer.status, status, "{headers}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        if status == 426 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        }
    }
    let mut http = Http::connect(server.addr).await;
    http.send(format!("GET /channels/x HTTP/1.0\r\nHost: localhost\r\n{HANDSHAKE}\r\n").as_bytes())
        .await;
    assert_eq!(http.answer().await.status, 400);
}

#[tokio::test]
async fn a_subprotocol_is_chosen_when_offered() {
    let server = TestServer::start().await;
    for (offer, chosen) in [
        ("", None),
        (
            "Sec-WebSocket-Protocol: graphql-ws, tidings.v1\r\n",
            Some("tidings.v1"),
        ),
        ("Sec-WebSocket-Protocol: v9\r\n", None),
    ] {
        let mut http = Http::connect(server.addr).await;
        http.request("GET", "/channels", &format!("{HANDSHAKE}{offer}"), b"")
            .await;
        let head = http.head().await;
        assert_eq!(
            (head.status, head.header("sec-websocket-protocol")),
            (101, chosen)
        );
        assert_eq!(
            head.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
    }
}

#[tokio::test]
async fn other_refusals_are_told_inside() {
    let server = TestServer::start().await;
    for (target, code, close) in [
        ("/channels/x?since=1", "unknown_parameter", 4002),
        ("/channels/a%20b", "invalid_name", 4001),
        ("/channels?name=x&name=x", "invalid_parameter", 4002),
        ("/channels/@alice", "unauthorized", 4021),
        ("/channels/~c1", "forbidden", 4003),
        ("/channels?format=raw", "invalid_parameter", 4002),
    ] {
        let mut ws = Ws::connect(server.addr, target).await.unwrap();
        let error = ws.frame().await.unwrap().json();
        assert_eq!(
            (&error["type"], &error["code"], &error["temporary"]),
            (&json!("error"), &json!(code), &json!(false))
        );
        assert_eq!(close_code(&mut ws).await, Some(close), "{target}");
    }
}

#[tokio::test]
async fn commands_are_answered_in_their_order() {
    let server = TestServer::start().await;
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    let hello = ws.json().await.unwrap();
    assert_eq!(
        (&hello["type"], &hello["transport"], &hello["channels"]),
        (&json!("hello"), &json!("websocket"), &json!({}))
    );
    assert_eq!(
        (&hello["heartbeat"], &hello["max_message"]),
        (&json!(25), &json!(65536))
    );
    post(server.addr, "/channels/x", "하나").await;
    for command in [
        json!({"type": "subscribe", "id": 1, "channel": "x", "after": "earliest"}),
        json!({"type": "publish", "id": "둘", "channel": "x", "data": {"n": 2}, "event": "e"}),
        json!({"type": "ping", "id": 3, "time": 1.50}),
        json!({"type": "ping"}),
    ] {
        ws.command(command).await;
    }
    let mut got = Vec::new();
    while got.len() < 6 {
        got.push(ws.json().await.unwrap());
    }
    let kinds: Vec<_> = got.iter().map(|m| m["type"].as_str().unwrap()).collect();
    let answers: Vec<_> = kinds.iter().filter(|kind| **kind != "message").collect();
    assert_eq!(answers, [&"subscribed", &"ack", &"pong", &"pong"]);
    assert_eq!(kinds[0], "subscribed", "before its messages");
    assert_eq!(
        (&got[0]["id"], &got[0]["offset"], &got[0]["recovered"]),
        (&json!(1), &json!(0), &json!(true))
    );
    let ack = got.iter().find(|m| m["type"] == "ack").unwrap();
    assert_eq!(
        (&ack["id"], &ack["offset"], &ack["subscribers"]),
        (&json!("둘"), &json!(2), &json!(1))
    );
    let messages: Vec<_> = got.iter().filter(|m| m["type"] == "message").collect();
    assert_eq!(
        (messages[0]["data"].as_str(), &messages[1]["data"]),
        (Some("하나"), &json!({"n": 2}))
    );
    assert_eq!(messages[1]["from"]["client"], hello["client"]);
    ws.command(json!({"type": "unsubscribe", "id": 4, "channel": "x"}))
        .await;
    let unsubscribed = ws.json().await.unwrap();
    assert_eq!(
        (
            &unsubscribed["type"],
            &unsubscribed["id"],
            &unsubscribed["offset"]
        ),
        (&json!("unsubscribed"), &json!(4), &json!(2))
    );
    post(server.addr, "/channels/x", "셋").await;
    ws.command(json!({"type": "ping", "id": 5})).await;
    assert_eq!(
        ws.json().await.unwrap()["id"],
        5,
        "no message after unsubscribed"
    );
}

#[tokio::test]
async fn a_wrong_command_does_not_end_the_connection() {
    let server = TestServer::start().await;
    let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
    ws.json().await;
    for (text, id, code) in [
        ("not json", Value::Null, "invalid_command"),
        ("[1]", Value::Null, "invalid_command"),
        (r#"{"id":1}"#, json!(1), "invalid_command"),
        (r#"{"type":"fly","id":2}"#, json!(2), "invalid_command"),
        (
            r#"{"type":"subscribe","id":3}"#,
            json!(3),
            "invalid_command",
        ),
        (
            r#"{"type":"subscribe","id":4,"channel":"x"}"#,
            json!(4),
            "already_subscribed",
        ),
        (
            r#"{"type":"subscribe","id":5,"channel":"a b"}"#,
            json!(5),
            "invalid_name",
        ),
        (
            r#"{"type":"unsubscribe","id":6,"channel":"y"}"#,
            json!(6),
            "not_subscribed",
        ),
        (
            r#"{"type":"publish","id":7,"channel":"x"}"#,
            json!(7),
            "invalid_payload",
        ),
        (
            r#"{"type":"publish","id":8,"channel":"$stats","data":1}"#,
            json!(8),
            "forbidden",
        ),
        (
            r#"{"type":"publish","id":9,"channel":"x","data":1,"event":"$ping"}"#,
            json!(9),
            "invalid_event",
        ),
        (
            r#"{"type":"auth","id":10,"token":"x"}"#,
            json!(10),
            "unauthorized",
        ),
    ] {
        ws.send(1, text.as_bytes()).await;
        let error = ws.json().await.unwrap();
        assert_eq!(
            (
                &error["type"],
                error.get("id").unwrap_or(&Value::Null),
                &error["code"]
            ),
            (&json!("error"), &id, &json!(code)),
            "{text}"
        );
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|message| message.len() > 10)
        );
    }
    ws.send(2, &[0, 200, b'{']).await;
    assert_eq!(ws.json().await.unwrap()["code"], "invalid_command");
    ws.command(json!({"type": "ping", "id": 99})).await;
    assert_eq!(ws.json().await.unwrap()["id"], 99);
}

#[tokio::test]
async fn bytes_travel_as_binary_frames_both_ways() {
    let server = TestServer::start().await;
    let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
    ws.json().await;
    let header = r#"{"type":"publish","id":1,"channel":"x","event":"그림"}"#.as_bytes();
    let mut frame = (header.len() as u16).to_be_bytes().to_vec();
    frame.extend_from_slice(header);
    frame.extend_from_slice(&[0, 0xff, 0x80]);
    ws.send(2, &frame).await;
    assert_eq!(ws.json().await.unwrap()["type"], "ack");
    let message = ws.frame().await.unwrap();
    assert_eq!(message.opcode, 2);
    let length = usize::from(u16::from_be_bytes([message.payload[0], message.payload[1]]));
    let envelope: Value = serde_json::from_slice(&message.payload[2..2 + length]).unwrap();
    assert_eq!(
        (
            &envelope["event"],
            envelope.get("data"),
            &envelope["offset"]
        ),
        (&json!("그림"), None, &json!(1))
    );
    assert_eq!(&message.payload[2 + length..], [0, 0xff, 0x80]);
    let poll = get(server.addr, "/channels/x").await.json();
    assert_eq!(
        (
            &poll["messages"][0]["encoding"],
            &poll["messages"][0]["data"]
        ),
        (&json!("base64"), &json!("AP+A"))
    );
}

#[tokio::test]
async fn one_need_not_hear_oneself() {
    let server = TestServer::start().await;
    let mut me = Ws::connect(server.addr, "/channels/x").await.unwrap();
    let mut other = Ws::connect(server.addr, "/channels/x").await.unwrap();
    me.json().await;
    other.json().await;
    for (n, echo) in [(1, false), (2, true), (3, false)] {
        me.command(json!({"type": "publish", "channel": "x", "data": n, "echo": echo}))
            .await;
        assert_eq!(me.json().await.unwrap()["type"], "ack");
        let mine = me.json().await.unwrap();
        assert_eq!(other.json().await.unwrap()["data"], n);
        if echo {
            assert_eq!(mine["data"], n);
        } else {
            assert_eq!(
                (&mine["type"], &mine["from"], &mine["to"], &mine["reason"]),
                (&json!("skip"), &json!(n), &json!(n), &json!("own"))
            );
        }
    }
}

#[tokio::test]
async fn a_raw_socket_is_nothing_but_payloads() {
    let server = TestServer::start().await;
    let mut a = Ws::connect(server.addr, "/channels/x?format=raw&echo=false")
        .await
        .unwrap();
    let mut b = Ws::connect(server.addr, "/channels/x?format=raw")
        .await
        .unwrap();
    a.send(1, "안녕".as_bytes()).await;
    a.send(1, br#"{"n":1.0}"#).await;
    a.send(2, &[0xff]).await;
    let want = [(1, "안녕".as_bytes()), (1, br#"{"n":1.0}"#), (2, &[0xff])];
    for (opcode, payload) in want {
        let frame = b.frame().await.unwrap();
        assert_eq!((frame.opcode, &frame.payload[..]), (opcode, payload));
    }
    b.send(1, b"to both").await;
    assert_eq!(
        a.frame().await.unwrap().payload,
        b"to both",
        "without its own"
    );
    let poll = get(server.addr, "/channels/x").await.json();
    assert_eq!(poll["messages"][1]["data"], json!({"n": 1.0}));
    // What it cannot say closes it: a gap with the position to come back with, an end with 1000.
    let mut gap = Ws::connect(server.addr, "/channels/x?format=raw&after=zzz-1")
        .await
        .unwrap();
    let frame = gap.frame().await.unwrap();
    assert_eq!(frame.close_code(), Some(4202));
    let position = std::str::from_utf8(&frame.payload[2..]).unwrap().to_owned();
    let mut back = Ws::connect(
        server.addr,
        &format!("/channels/x?format=raw&after={position}"),
    )
    .await
    .unwrap();
    assert_eq!(back.frame().await.unwrap().payload, "안녕".as_bytes());
    fetch(server.addr, "POST", "/channels/x?close=true", "", b"").await;
    assert_eq!(close_code(&mut b).await, Some(1000));
}

#[tokio::test]
async fn the_last_channel_closes_the_connection() {
    let server = TestServer::start().await;
    let mut ws = Ws::connect(server.addr, "/channels?name=a&name=b")
        .await
        .unwrap();
    ws.json().await;
    fetch(
        server.addr,
        "POST",
        "/channels/a?close=true",
        "Content-Type: text/plain\r\n",
        "끝".as_bytes(),
    )
    .await;
    assert_eq!(ws.json().await.unwrap()["data"], "끝");
    let closed = ws.json().await.unwrap();
    assert_eq!(
        (&closed["type"], &closed["offset"]),
        (&json!("closed"), &json!(2))
    );
    fetch(server.addr, "POST", "/channels/b?close=true", "", b"").await;
    assert_eq!(ws.json().await.unwrap()["type"], "closed");
    assert_eq!(close_code(&mut ws).await, Some(1000));
    let mut past = Ws::connect(server.addr, "/channels/a").await.unwrap();
    assert_eq!(past.json().await.unwrap()["type"], "hello");
    assert_eq!(past.json().await.unwrap()["type"], "closed");
    assert_eq!(close_code(&mut past).await, Some(1000));
}

#[tokio::test]
async fn broken_frames_have_their_close_codes() {
    let server = TestServer::limited(|limits| limits.command_bytes = 1_000).await;
    for (bytes, code) in [
        (&[0x81, 0x01, b'x'][..], 1002),
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002),
        (&[0x83, 0x80, 0, 0, 0, 0], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        (&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4], 1009),
        (&[0x88, 0x82, 0, 0, 0, 0, 3, 0xed], 1002),
    ] {
        let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
        ws.json().await;
        ws.send_bytes(bytes).await;
        assert_eq!(close_code(&mut ws).await, Some(code), "{bytes:?}");
        assert!(ws.frame().await.is_none());
    }
    assert!(
        get(server.addr, "/metrics")
            .await
            .text()
            .contains("tidings_frame_errors_total 6\n")
    );
}

#[tokio::test]
async fn closing_is_answered() {
    let server = TestServer::start().await;
    let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
    ws.json().await;
    ws.send(9, b"ping").await;
    let pong = ws.frame().await.unwrap();
    assert_eq!((pong.opcode, &pong.payload[..]), (10, &b"ping"[..]));
    ws.send(8, &[&4321u16.to_be_bytes()[..], "안녕".as_bytes()].concat())
        .await;
    assert_eq!(close_code(&mut ws).await, Some(4321));
    assert!(ws.frame().await.is_none(), "the server ends the connection");
}

#[tokio::test]
async fn silence_is_asked_about_and_ends_the_connection() {
    let server = TestServer::limited(|limits| limits.heartbeat = Duration::from_millis(200)).await;
    let mut alive = Ws::connect(server.addr, "/channels/x").await.unwrap();
    let mut dead = Ws::connect(server.addr, "/channels/x").await.unwrap();
    alive.json().await;
    for _ in 0..6 {
        assert_eq!(alive.frame().await.unwrap().json(), json!({"type": "ping"}));
        let ping = alive.frame().await.unwrap();
        assert_eq!(ping.opcode, 9, "both pings, in one write");
        alive.send(10, &ping.payload).await;
    }
    assert_eq!(close_code(&mut dead).await, Some(4201));
    assert!(
        get(server.addr, "/metrics")
            .await
            .text()
            .contains("tidings_heartbeat_timeouts_total 1\n")
    );
    alive.command(json!({"type": "ping", "id": 1})).await;
    assert_eq!(alive.json().await.unwrap()["id"], 1);
}

#[tokio::test]
async fn a_client_that_only_listens_lives_by_its_pongs() {
    let server = TestServer::limited(|limits| limits.heartbeat = Duration::from_millis(200)).await;
    let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
    ws.json().await;
    let mut messages = 0;
    while messages < 60 {
        post(server.addr, "/channels/x", "소식").await;
        let frame = ws
            .frame()
            .await
            .expect("a busy stream is asked for a sign of life, too");
        match frame.opcode {
            9 => ws.send(10, &frame.payload).await,
            1 if frame.json()["type"] == "message" => {
                messages += 1;
                // Slower than the heartbeat in all.
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn commands_behind_the_handshake_wait_for_the_hello() {
    let server = TestServer::start().await;
    let mask = |text: &str| {
        let mut frame = vec![0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        frame
    };
    let mut http = Http::connect(server.addr).await;
    let mut bytes =
        format!("GET /channels?name=a&name=b HTTP/1.1\r\nHost: localhost\r\n{HANDSHAKE}\r\n")
            .into_bytes();
    bytes.extend(mask(r#"{"type":"unsubscribe","id":1,"channel":"a"}"#));
    bytes.extend(mask(r#"{"type":"subscribe","id":2,"channel":"c"}"#));
    http.send(&bytes).await;
    let mut ws = Ws::requested(http).await.unwrap();
    let hello = ws.json().await.unwrap();
    assert_eq!(hello["channels"].as_object().unwrap().len(), 2);
    assert_eq!(ws.json().await.unwrap()["type"], "unsubscribed");
    assert_eq!(ws.json().await.unwrap()["type"], "subscribed");
}

#[tokio::test]
async fn a_handshake_that_lost_its_upgrade_is_told_so() {
    let server = TestServer::start().await;
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    let answer = fetch(server.addr, "GET", "/channels/x", key, b"").await;
    assert_eq!(answer.status, 426);
    assert!(answer.json()["detail"].as_str().unwrap().contains("proxy"));
}

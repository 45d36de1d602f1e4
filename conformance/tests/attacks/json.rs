//! JSON that one parser reads otherwise than another, or that costs more than its bytes.

use std::time::{Duration, Instant};

use conformance::http::{Http, fetch, get};
use conformance::server::TestServer;
use conformance::ws::Ws;
use serde_json::{Value, json};

use crate::support::{Bystander, is, keyed, patiently, socket, told, with_key};

const JSON: &str = "Content-Type: application/json\r\n";

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

async fn say(ws: &mut Ws, command: &str) -> Value {
    ws.send(1, command.as_bytes()).await;
    patiently(ws.json()).await.expect("an answer")
}

#[tokio::test]
async fn depth_is_bounded_and_breadth_costs_its_bytes() {
    let server = keyed().await;
    let mut bystander = Bystander::new(&server).await;
    let headers = format!("{}{JSON}", with_key("backend"));
    let publish = async |body: &str| {
        fetch(
            server.addr,
            "POST",
            "/channels/x",
            &headers,
            body.as_bytes(),
        )
        .await
    };
    assert_eq!(publish(&nested(64)).await.status, 200);
    for depth in [65, 1_000, 10_000] {
        assert_eq!(
            told(&publish(&nested(depth)).await),
            is(400, "invalid_payload"),
            "{depth}"
        );
        assert_eq!(
            told(&publish(&"[".repeat(depth)).await),
            is(400, "invalid_payload"),
            "{depth}"
        );
        assert_eq!(
            told(&publish(&"{\"a\":".repeat(depth)).await).0,
            400,
            "{depth}"
        );
    }
    let (mut ws, _) = socket(&server, "/channels", &with_key("backend")).await;
    let begun = Instant::now();
    let deep = format!(
        r#"{{"type":"publish","id":1,"channel":"x","data":{}}}"#,
        nested(100_000)
    );
    assert_eq!(say(&mut ws, &deep).await["code"], "invalid_payload");
    // What has no meaning is passed over, however deep.
    let passed_over = format!(r#"{{"type":"ping","id":2,"x":{}}}"#, nested(100_000));
    assert_eq!(say(&mut ws, &passed_over).await["type"], "pong");
    let unclosed = format!(r#"{{"type":"ping","id":3,"x":{}"#, "[".repeat(200_000));
    assert_eq!(say(&mut ws, &unclosed).await["code"], "invalid_command");
    for body in [
        format!(
            r#"{{"messages":[{{"channel":"x","data":{}}}]}}"#,
            nested(100_000)
        ),
        nested(100_000),
        "[".repeat(1_000_000),
    ] {
        let answer = fetch(server.addr, "POST", "/publish", &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{:.40}", body);
    }
    let keys: String = (0..100_000).map(|at| format!(",\"k{at}\":0")).collect();
    let many = format!(r#"{{"messages":[{{"channel":"x","data":1}}]{keys}}}"#);
    let million = r#","a":0"#.repeat(170_000);
    for body in [
        many,
        format!(r#"{{"messages":[{{"channel":"x","data":1}}]{million}}}"#),
    ] {
        assert!(body.len() <= 1 << 20 || body.len() < 1_500_000);
        let answer = fetch(server.addr, "POST", "/publish", &headers, body.as_bytes()).await;
        assert!(matches!(answer.status, 200 | 413), "{}", answer.status);
    }
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    bystander.lives().await;
}

#[tokio::test]
async fn what_stands_twice_is_refused() {
    let server = TestServer::start().await;
    let (mut ws, _) = socket(&server, "/channels", "").await;
    for command in [
        r#"{"type":"publish","id":1,"channel":"a","channel":"b","data":1}"#,
        r#"{"type":"publish","id":1,"channel":"a","data":1,"channel":"b"}"#,
        r#"{"type":"publish","id":1,"channel":"a","ch\u0061nnel":"b","data":1}"#,
        r#"{"type":"subscribe","id":1,"channel":"a","channel":"b"}"#,
        r#"{"type":"subscribe","id":1,"channel":"a","channel":"a"}"#,
        r#"{"type":"subscribe","type":"publish","id":1,"channel":"a","data":1}"#,
        r#"{"type":"unsubscribe","id":1,"channel":"a","channel":"b"}"#,
        r#"{"type":"publish","id":1,"channel":"a","data":1,"data":2}"#,
        r#"{"type":"publish","id":1,"channel":"a","data":1,"key":"1","key":"2"}"#,
        r#"{"type":"auth","id":1,"token":"a","token":"b"}"#,
    ] {
        let answer = say(&mut ws, command).await;
        assert_eq!(answer["code"], "invalid_command", "{command} {answer}");
        let told = answer["message"].as_str().expect("a text");
        assert!(told.contains("duplicate field"), "{told}");
    }
    let answer = say(
        &mut ws,
        r#"{"type":"publish","id":1,"id":2,"channel":"a","data":1}"#,
    )
    .await;
    assert_eq!(
        (&answer["code"], &answer["id"]),
        (&json!("invalid_command"), &Value::Null)
    );
    for (target, body) in [
        (
            "/publish",
            r#"{"messages":[{"channel":"a","channel":"b","data":1}]}"#,
        ),
        (
            "/publish",
            r#"{"messages":[{"channel":"a","data":1}],"messages":[]}"#,
        ),
        ("/read", r#"{"channels":[{"name":"a","name":"b"}]}"#),
        (
            "/read",
            r#"{"channels":[{"name":"a"}],"channels":[{"name":"b"}]}"#,
        ),
        ("/session", r#"{"session":"a","session":"b"}"#),
        ("/admin/revoke", r#"{"user":"a","user":"b"}"#),
        ("/admin/disconnect", r#"{"user":"a","user":"b"}"#),
    ] {
        let answer = fetch(server.addr, "POST", target, JSON, body.as_bytes()).await;
        assert_eq!(told(&answer), is(400, "bad_request"), "{target} {body}");
        assert!(
            answer.text().contains("duplicate field"),
            "{}",
            answer.text()
        );
    }
    for channel in ["a", "b"] {
        let read = get(server.addr, &format!("/channels/{channel}")).await;
        assert_eq!(read.json()["messages"], json!([]), "{channel}");
    }
    // In a payload it is the readers' business, and reaches them as it came.
    let twice = r#"{"channel":"a","channel":"b"}"#;
    fetch(server.addr, "POST", "/channels/x", JSON, twice.as_bytes()).await;
    assert!(get(server.addr, "/channels/x").await.text().contains(twice));
}

#[tokio::test]
async fn numbers_and_texts_that_parsers_dispute_reach_readers_as_they_came() {
    let server = TestServer::start().await;
    let (mut ws, _) = socket(&server, "/channels", "").await;
    for payload in [
        "1e400",
        "-0",
        "123456789012345678901234567890",
        "0.1000000000000000055511151231257827",
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#"{"\ud800":1}"#,
        "\"\u{feff}\"",
        r#""\u0000""#,
    ] {
        let answer = fetch(server.addr, "POST", "/channels/x", JSON, payload.as_bytes()).await;
        assert_eq!(answer.status, 200, "{payload}");
        let read = get(server.addr, "/channels/x?last=1").await;
        assert!(
            read.text().contains(&format!("\"data\":{payload},")),
            "{}",
            read.text()
        );
        let command = format!(r#"{{"type":"publish","id":1,"channel":"x","data":{payload}}}"#);
        assert_eq!(say(&mut ws, &command).await["type"], "ack", "{payload}");
        let read = get(server.addr, "/channels/x?last=1").await;
        assert!(
            read.text().contains(&format!("\"data\":{payload},")),
            "{}",
            read.text()
        );
    }
    for payload in [
        "\u{feff}1",
        "NaN",
        "Infinity",
        "-",
        "01",
        "1e",
        "'a'",
        "{a:1}",
        "[1,]",
        "/**/1",
        "\"\u{1}\"",
        r#""\x""#,
        "1 2",
        "",
        "nul",
    ] {
        let answer = fetch(server.addr, "POST", "/channels/x", JSON, payload.as_bytes()).await;
        assert_eq!(told(&answer), is(400, "invalid_payload"), "{payload:?}");
    }
    let overlong: [&[u8]; 4] = [
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xff\"",
        b"\xff\xfe1\0",
    ];
    for payload in overlong {
        let answer = fetch(server.addr, "POST", "/channels/x", JSON, payload).await;
        assert_eq!(told(&answer), is(400, "invalid_payload"), "{payload:?}");
    }
}

#[tokio::test]
async fn what_the_server_itself_reads_is_strict() {
    let server = TestServer::start().await;
    let (mut ws, _) = socket(&server, "/channels", "").await;
    for command in [
        r#"{"type":"publish","id":1,"channel":"\ud800","data":1}"#,
        r#"{"type":"publish","id":1,"channel":"x","event":"\ud800","data":1}"#,
        r#"{"type":"publish","id":1,"channel":"x","data":"\ud800","encoding":"text"}"#,
        r#"{"type":"subscribe","id":1,"channel":"x","last":1e400}"#,
        r#"{"type":"subscribe","id":1,"channel":"x","last":-1}"#,
        r#"{"type":"subscribe","id":1,"channel":"x","last":18446744073709551616}"#,
        r#"["subscribe",1,"x"]"#,
        "\u{feff}{\"type\":\"ping\"}",
        "{\"type\":\"ping\"} {\"type\":\"ping\"}",
        "null",
        "1e400",
        "",
    ] {
        let answer = say(&mut ws, command).await;
        assert_eq!(answer["type"], "error", "{command} {answer}");
    }
    for body in [
        r#"{"channels":[{"name":"x"}],"wait":1e400}"#,
        r#"{"channels":[{"name":"x"}],"wait":-1}"#,
        r#"{"channels":[{"name":"\ud800"}]}"#,
        "\u{feff}{\"channels\":[{\"name\":\"x\"}]}",
        r#"[[{"name":"x"}]]"#,
    ] {
        let answer = fetch(server.addr, "POST", "/read", JSON, body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    for wait in ["1e400", "NaN", "inf", "-1", "-0.1", "0x1"] {
        let answer = get(server.addr, &format!("/channels/x?wait={wait}")).await;
        assert_eq!(told(&answer), is(400, "invalid_parameter"), "{wait}");
    }
    assert_eq!(
        say(&mut ws, r#"{"type":"ping","id":9}"#).await["id"],
        9,
        "it is served on"
    );
    // However long it shall wait, it waits as long as it may: here it is answered at once.
    conformance::http::post(server.addr, "/channels/x", "1").await;
    let mut http = Http::connect(server.addr).await;
    http.request("GET", "/channels/x?wait=1e300&after=earliest", "", b"")
        .await;
    assert_eq!(patiently(http.answer()).await.status, 200);
}

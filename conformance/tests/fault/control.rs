//! Commands over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use conformance::fault::{Kind, control};
use conformance::http::{Answer, Http, fetch, get, post};
use conformance::server::TestServer;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{patiently, sent, start, stream, until_reset, until_said};

/// A server, the address of a proxy before it, and where that is commanded.
async fn commanded() -> (TestServer, SocketAddr, SocketAddr) {
    let (server, proxy) = start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (front, commands) = (proxy.addr, listener.local_addr().expect("a bound socket"));
    tokio::spawn(control::serve(Arc::new(proxy), listener));
    (server, front, commands)
}

async fn command(to: SocketAddr, method: &str, path: &str, body: &str) -> Answer {
    let answer = patiently(fetch(to, method, path, "", body.as_bytes())).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    answer
}

async fn obeyed(to: SocketAddr, method: &str, path: &str, body: Value) -> Value {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let answer = command(to, method, path, &body).await;
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn faults_are_set_and_taken_away() {
    let (_server, front, commands) = commanded().await;
    let faults = json!([
        {"on": ["publish"], "fault": {"status": 502, "body": "<p>502", "content_type": "text/html"}, "times": 1},
        {"on": ["sse", "sse-post", "long-poll"], "fault": {"buffer": true}, "probability": 0.5, "after": 2},
    ]);
    let said = obeyed(commands, "PUT", "/faults", faults).await;
    assert_eq!(said, json!({"faults": 2}));
    let answer = post(front, "/channels/x", "a").await;
    assert_eq!((answer.status, answer.text()), (502, "<p>502"));
    assert_eq!(post(front, "/channels/x", "a").await.status, 200);
    obeyed(
        commands,
        "PUT",
        "/faults",
        json!([{"fault": {"refuse": true}}]),
    )
    .await;
    let mut http = Http::connect(front).await;
    http.request("GET", "/channels/x", "", b"").await;
    assert!(patiently(http.try_answer()).await.is_none());
    assert_eq!(
        obeyed(commands, "DELETE", "/faults", Value::Null).await,
        json!({"faults": 0})
    );
    assert_eq!(get(front, "/channels/x").await.status, 200);
}

#[tokio::test]
async fn what_happened_and_what_lives_is_told() {
    let (_server, front, commands) = commanded().await;
    let mut sse = sent(front, &stream("x")).await;
    until_said(&mut sse, b"$hello").await;
    let live = obeyed(commands, "GET", "/live", Value::Null).await;
    let kinds = [
        "websocket",
        "sse",
        "sse-post",
        "long-poll",
        "poll",
        "publish",
        "other",
        "idle",
    ];
    for kind in kinds {
        assert_eq!(live[kind], json!(u8::from(kind == "sse")), "{kind}");
    }
    let cut = obeyed(commands, "POST", "/cut", json!({"on": ["websocket"]})).await;
    assert_eq!(cut, json!({"connections": 0}));
    assert_eq!(
        obeyed(commands, "POST", "/stall", json!({"on": ["sse"]})).await["connections"],
        1
    );
    assert_eq!(
        obeyed(commands, "POST", "/cut", Value::Null).await["connections"],
        1
    );
    until_reset(&mut sse).await;
    let log = obeyed(commands, "GET", "/log", Value::Null).await;
    let entry = log[0].as_object().expect("a record");
    let names: Vec<_> = entry.keys().map(String::as_str).collect();
    let expected = "at_ms connection kind method path fault status bytes_in bytes_out end note";
    assert_eq!(names.join(" "), expected);
    assert_eq!(log[0]["kind"], "sse");
    assert_eq!(log[0]["path"], "/channels/x");
    assert_eq!(log[0]["status"], 200);
    assert_eq!(log[0]["end"], "stalled");
}

#[tokio::test]
async fn the_server_goes_and_moves() {
    let (_server, front, commands) = commanded().await;
    assert_eq!(
        obeyed(commands, "PUT", "/down", Value::Null).await,
        json!({"down": true})
    );
    let mut http = Http::connect(front).await;
    assert_eq!(http.rest().await, b"");
    assert_eq!(
        obeyed(commands, "DELETE", "/down", Value::Null).await,
        json!({"down": false})
    );
    let other = TestServer::start().await;
    post(other.addr, "/channels/x", "of the other").await;
    let to = json!({"to": format!("http://{}/", other.addr)});
    let said = obeyed(commands, "PUT", "/to", to).await;
    assert_eq!(said, json!({"to": other.addr.to_string()}));
    let answer = get(front, "/channels/x").await.json();
    assert_eq!(answer["messages"][0]["data"], "of the other");
}

#[tokio::test]
async fn a_page_of_another_origin_may_ask() {
    let (_server, _front, commands) = commanded().await;
    let answer = command(commands, "OPTIONS", "/faults", "").await;
    assert_eq!(answer.status, 204);
    let methods = answer
        .header("access-control-allow-methods")
        .expect("a list");
    assert!(
        ["GET", "POST", "PUT", "DELETE"]
            .iter()
            .all(|method| methods.contains(method))
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_there_is() {
    let (_server, front, commands) = commanded().await;
    for (method, path, body, status, told) in [
        ("PUT", "/faults", "[{", 400, "EOF while parsing"),
        (
            "PUT",
            "/faults",
            "{}",
            400,
            "invalid type: map, expected a sequence",
        ),
        (
            "PUT",
            "/faults",
            r#"[{"on":["sse"]}]"#,
            400,
            "missing field `fault`",
        ),
        (
            "PUT",
            "/faults",
            r#"[{"fault":{"explode":1}}]"#,
            400,
            "unknown field `explode`",
        ),
        (
            "PUT",
            "/faults",
            r#"[{"fault":{"stall":true},"odds":1}]"#,
            400,
            "unknown field `odds`",
        ),
        (
            "PUT",
            "/faults",
            r#"[{"fault":{"stall":true},"on":["ws"]}]"#,
            400,
            "unknown variant `ws`",
        ),
        (
            "PUT",
            "/faults",
            r#"[{"fault":{"stall":true},"on":[]}]"#,
            400,
            "on: no kind",
        ),
        (
            "PUT",
            "/faults",
            r#"[{"fault":{"stall":true},"probability":2}]"#,
            400,
            "0 to 1",
        ),
        (
            "POST",
            "/cut",
            r#"{"kinds":["sse"]}"#,
            400,
            "unknown field `kinds`",
        ),
        (
            "PUT",
            "/to",
            r#"{"to":"nowhere"}"#,
            400,
            "HOST:PORT is needed",
        ),
        ("PUT", "/to", "", 400, "EOF while parsing"),
        ("GET", "/faults", "", 404, "what is GET /faults?"),
        ("DELETE", "/log", "", 404, "what is DELETE /log?"),
    ] {
        let answer = command(commands, method, path, body).await;
        assert_eq!(answer.status, status, "{method} {path} {body}");
        let said = answer.json();
        let error = said["error"].as_str().expect("text");
        assert!(error.contains(told), "{method} {path} {body}: {error}");
        assert_eq!(said["faults"].as_array().map(Vec::len), Some(15));
        assert_eq!(said["kinds"], json!(Kind::ALL));
        assert_eq!(said["requests"].as_array().map(Vec::len), Some(9));
    }
    assert_eq!(
        get(front, "/channels/x").await.status,
        200,
        "none of it came into force"
    );
}

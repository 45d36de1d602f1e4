//! Operations as they are when nothing fails, and what comes of them.

use conformance::http::Http;
use conformance::server::TestServer;
use conformance::ws::{HANDSHAKE, Ws};
use serde_json::Value;

use crate::keyed::bearer;

/// An operation as it is when nothing fails.
pub struct Operation {
    pub name: &'static str,
    pub method: &'static str,
    pub target: &'static str,
    pub headers: &'static str,
    pub body: &'static str,
}

pub const fn operation(
    name: &'static str,
    method: &'static str,
    target: &'static str,
    body: &'static str,
) -> Operation {
    Operation {
        name,
        method,
        target,
        headers: "",
        body,
    }
}

pub const OPERATIONS: &[Operation] = &[
    operation("poll, long poll", "GET", "/channels/room:1", ""),
    Operation {
        headers: "Accept: text/event-stream\r\n",
        ..operation("SSE", "GET", "/channels/room:1", "")
    },
    Operation {
        headers: HANDSHAKE,
        ..operation("WebSocket", "GET", "/channels/room:1", "")
    },
    operation(
        "`POST /read`",
        "POST",
        "/read",
        r#"{"channels":[{"name":"room:1"}]}"#,
    ),
    operation("`POST /channels/NAME`", "POST", "/channels/room:1", "1"),
    operation("`DELETE /channels/NAME`", "DELETE", "/channels/room:1", ""),
    operation(
        "`POST /publish`",
        "POST",
        "/publish",
        r#"{"messages":[{"channel":"room:1","data":1}]}"#,
    ),
    operation("`GET …/presence`", "GET", "/channels/room:1/presence", ""),
    operation("`POST /session`", "POST", "/session", ""),
    operation("`POST /tickets`", "POST", "/tickets", ""),
    operation("`OPTIONS`", "OPTIONS", "/channels/room:1", ""),
    operation("`GET /admin/channels`", "GET", "/admin/channels", ""),
    operation("`GET /admin/revocations`", "GET", "/admin/revocations", ""),
    operation(
        "`POST /admin/disconnect`",
        "POST",
        "/admin/disconnect",
        r#"{"user":"x"}"#,
    ),
    operation(
        "`POST /admin/revoke`",
        "POST",
        "/admin/revoke",
        r#"{"user":"x"}"#,
    ),
    operation("`GET /metrics`", "GET", "/metrics", ""),
    operation("`GET /`", "GET", "/", ""),
    operation("`GET /tidings.js`", "GET", "/tidings.js", ""),
    operation("`GET /healthz`", "GET", "/healthz", ""),
    operation("`GET /readyz`", "GET", "/readyz", ""),
];

/// Asks, and says what came as the document writes it.
pub async fn ask(server: &TestServer, operation: &Operation, more: &str) -> String {
    ask_as(server, operation, &server.addr.to_string(), more).await
}

pub async fn ask_as(server: &TestServer, operation: &Operation, host: &str, more: &str) -> String {
    let Operation {
        method,
        target,
        headers,
        body,
        ..
    } = operation;
    let mut http = Http::connect(server.addr).await;
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // A WebSocket has no body, nor its length.
    let request = match *headers == HANDSHAKE {
        true => request.replace("Content-Length: 0\r\n", ""),
        false => request,
    };
    http.send(request.as_bytes()).await;
    if *headers == HANDSHAKE {
        return match Ws::requested(http).await {
            Ok(ws) => closed(ws).await,
            Err(answer) => format!("{} in the handshake", answer.unwrap().status),
        };
    }
    let answer = http.answer().await;
    let code = match answer.header("content-type") {
        Some("text/event-stream") => {
            let data = answer.text().lines().find_map(|l| l.strip_prefix("data: "));
            serde_json::from_str::<Value>(data.expect("an event")).unwrap()["code"].clone()
        }
        Some("application/problem+json") => answer.json()["code"].clone(),
        _ => Value::Null,
    };
    match code.as_str() {
        Some(code) => format!("{} {code}", answer.status),
        None => answer.status.to_string(),
    }
}

/// What a WebSocket says when it ends.
pub async fn closed(mut ws: Ws) -> String {
    let mut code = String::new();
    while let Some(frame) = ws.frame().await {
        if let Some(close) = frame.close_code() {
            return format!("{close} {code}").trim_end().to_owned();
        }
        if frame.opcode == 1 && frame.json()["type"] == "error" {
            code = frame.json()["code"].as_str().unwrap().to_owned();
        }
    }
    panic!("it ended without a close frame")
}

/// The answer to a command of alice.
pub async fn command(server: &TestServer, alice: &str, command: Value) -> String {
    let http = Http::connect(server.addr).await;
    let mut ws = Ws::over(http, "/channels", &bearer(alice)).await.unwrap();
    assert_eq!(ws.json().await.unwrap()["type"], "hello");
    ws.command(command).await;
    let answer = ws.json().await.expect("an answer");
    format!(
        "{} {}",
        answer["type"].as_str().unwrap(),
        answer["code"].as_str().unwrap_or("")
    )
}

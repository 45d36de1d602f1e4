//! What the real process says while clients send it secrets and texts made for logs: on standard
//! output, in its log at the finest level, in answers and figures.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use common::{Server, serve_with, start, tidings};
use conformance::carrier::{Carrier, Endpoint};
use conformance::http::{Http, fetch, percent};
use conformance::ws::{HANDSHAKE, Ws};
use rustix::process::Signal;
use serde_json::{Value, json};
use tidings_auth::{KeyText, SigningKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECRET: &str = "canary-of-the-shared-secret-of-all-tokens";
const SESSIONS: &str = "canary-of-the-secret-of-all-sessions-here";

/// A key, by the number of the byte that its secret is made of.
fn key(name: &str, byte: u8) -> KeyText {
    KeyText::generate(name, [byte; 32]).unwrap()
}

fn token(user: &str, expires: u64) -> String {
    let claims =
        json!({"sub": user, "exp": expires, "channels": {"subscribe": ["*"], "publish": ["*"]}});
    let key = SigningKey::from_secret(SECRET.as_bytes()).unwrap();
    key.mint(None, claims.as_object().unwrap()).unwrap()
}

/// A server that asks who somebody is and writes down all that it can.
fn serve(format: &str) -> (Server, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidings.toml");
    let config = format!(
        "log = {{ level = 'trace', format = '{format}' }}\n\
         limits.auth_failures_per_address = 0\n\
         auth = {{ cookie = 'tidings_token', session_secret = '{SESSIONS}' }}\n\
         [tokens.main]\nalgorithm = 'HS256'\nsecret = '{SECRET}'\n\
         [keys.admin]\nhash = '{}'\nsubscribe = ['*']\npublish = ['*']\nadmin = true\n",
        key("admin", 1).hash()
    );
    std::fs::File::create(&path)
        .unwrap()
        .write_all(config.as_bytes())
        .unwrap();
    let path = path.to_str().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--config", path];
    let mut command = tidings(&arguments);
    if format == "text" {
        return (serve_with(&mut command), folder);
    }
    let process = start(&mut command);
    let serving: Value = serde_json::from_str(&process.err.find("\"serving\"")).unwrap();
    let url = format!("http://{}", serving["address"].as_str().unwrap());
    (Server { process, url }, folder)
}

/// All that it said, after its end.
fn said(mut server: Server) -> Vec<String> {
    server.process.signal(Signal::TERM);
    let mut lines = server.process.err.rest();
    lines.extend(server.process.out.rest());
    server.process.wait();
    lines
}

/// Sends bytes, and gives all that is answered within the time that a wrong head takes.
async fn raw(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut socket = TcpStream::connect(addr).await.unwrap();
    // It may be closed before.
    let _ = socket.write_all(bytes).await;
    let _ = socket.shutdown().await;
    let mut said = Vec::new();
    let read = socket.read_to_end(&mut said);
    let _ = tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("an end");
    String::from_utf8_lossy(&said).into_owned()
}

/// Sends a secret by every way that there is for one, and by those that people take by mistake; gives
/// all that was answered.
async fn by_every_way(addr: SocketAddr, secret: &str) -> Vec<String> {
    let mut answers = Vec::new();
    let origin = format!("Origin: http://{addr}\r\n");
    let escaped = percent(secret);
    let every = secret
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect::<String>();
    let headers = [
        format!("Authorization: Bearer {secret}\r\n"),
        format!("Authorization: Basic {secret}\r\n"),
        format!("Authorization: {secret}\r\n"),
        format!("Authorization: Bearer {secret}\r\nAuthorization: Bearer {secret}\r\n"),
        format!("{origin}Cookie: tidings_token={secret}\r\n"),
        format!(
            "{origin}Cookie: other={secret}; tidings_token={secret}; tidings_token={secret}\r\n"
        ),
        format!("Tidings-Session: {secret}\r\n"),
        format!("Sec-WebSocket-Protocol: bearer.{secret}\r\n"),
        format!("Referer: http://{addr}/channels/x?ticket={secret}\r\nUser-Agent: {secret}\r\n"),
        format!("Idempotency-Key: {secret}\r\nLast-Event-ID: {secret}\r\n"),
    ];
    let targets = [
        format!("/channels/x?ticket={escaped}"),
        format!("/channels/x?ticket={every}"),
        format!("/channels/x?ticket={escaped}&ticket={escaped}"),
        format!("/channels/x?ticket={escaped}&transport=sse"),
        format!("/channels/x?token={escaped}"),
        format!("/channels/x?access_token={escaped}"),
        format!("/channels/x?_={escaped}"),
        format!("/metrics?ticket={escaped}"),
        format!("/nothing?ticket={escaped}"),
    ];
    let http2 = Endpoint::clear(addr, Carrier::Http2);
    for to in [Endpoint::from(addr), http2] {
        for headers in &headers {
            for (method, target) in [
                ("GET", "/channels/x"),
                ("POST", "/channels/x"),
                ("GET", "/metrics"),
                ("PUT", "/x"),
            ] {
                let answer = fetch(&to, method, target, headers, b"").await;
                answers.push(format!(
                    "{answer:?} {}",
                    String::from_utf8_lossy(&answer.body)
                ));
            }
        }
        for target in &targets {
            for method in ["GET", "POST"] {
                let mut http = Http::connect(&to).await;
                http.request(method, target, "", b"").await;
                let answer = http.head().await;
                answers.push(format!("{answer:?}"));
            }
        }
    }
    for (target, body) in [
        ("/session", json!({"session": secret})),
        (
            "/read",
            json!({"channels": [{"name": "x"}], "session": secret}),
        ),
    ] {
        let answer = fetch(addr, "POST", target, "", body.to_string().as_bytes()).await;
        answers.push(format!(
            "{answer:?} {}",
            String::from_utf8_lossy(&answer.body)
        ));
    }
    for head in [
        format!("GET /channels/x?ticket={secret} HTTP/9.9\r\nHost: {addr}\r\n\r\n"),
        format!("GET /channels/x?ticket={secret}\r\n\r\n"),
        format!("{secret}\r\n\r\n"),
        format!("{secret} /channels/x HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
        format!(
            "GET /channels/x HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {secret}\0\r\n\r\n"
        ),
        format!(
            "GET /channels/x HTTP/1.1\r\nHost: {addr}\r\nAuthorization : Bearer {secret}\r\n\r\n"
        ),
        format!(
            "GET /channels/x HTTP/1.1\r\nHost: {addr}\r\nA: b\r\n Authorization: Bearer {secret}\r\n\r\n"
        ),
        format!("GET /channels/x HTTP/1.1\r\nHost: {secret}@{addr}\r\n\r\n"),
        format!("GET http://{secret}@{addr}/channels/x HTTP/1.1\r\nHost: {addr}\r\n\r\n"),
        format!(
            "GET /channels/x HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {secret}\r\nX: {}\r\n\r\n",
            "x".repeat(40_000)
        ),
        format!(
            "POST /channels/x HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {secret}\r\nContent-Length: {secret}\r\n\r\n"
        ),
        format!(
            "POST /session HTTP/1.1\r\nHost: {addr}\r\nTransfer-Encoding: chunked\r\n\r\n{secret}\r\n"
        ),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{secret}"),
        format!("GET /channels/x HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {secret}"),
    ] {
        answers.push(raw(addr, head.as_bytes()).await);
    }
    answers.extend(by_websocket(addr, secret).await);
    answers
}

async fn by_websocket(addr: SocketAddr, secret: &str) -> Vec<String> {
    let mut answers = Vec::new();
    for headers in [
        format!("Sec-WebSocket-Protocol: tidings.v1, bearer.{secret}\r\n"),
        format!("Sec-WebSocket-Protocol: bearer.{secret}, bearer.{secret}\r\n"),
        format!("Authorization: Bearer {secret}\r\n"),
        format!("Origin: http://{addr}\r\nCookie: tidings_token={secret}\r\n"),
    ] {
        let mut http = Http::connect(addr).await;
        http.request("GET", "/channels/x", &format!("{HANDSHAKE}{headers}"), b"")
            .await;
        let Ok(mut ws) = Ws::requested(http).await else {
            continue;
        };
        answers.push(format!("{:?}", ws.handshake));
        answers.push(
            ws.json()
                .await
                .map_or(String::new(), |json| json.to_string()),
        );
    }
    let mut ws = Ws::connect(addr, "/channels").await.unwrap();
    ws.json().await;
    for command in [
        json!({"type": "auth", "id": 1, "token": format!("{secret}x")}),
        json!({"type": "auth", "id": 2, "token": [secret]}),
        json!({"type": "auth", "id": 3, "token": secret, "session": {"a": secret}}),
        json!({"type": "auth", "id": 4, "token": format!("{secret}x"), "session": secret}),
    ] {
        ws.command(command).await;
        answers.push(ws.json().await.unwrap().to_string());
    }
    answers
}

/// The parts of a secret by which it is known again.
fn needles(secret: &str) -> Vec<&str> {
    secret
        .split('.')
        .map(|part| &part[part.len().saturating_sub(24)..])
        .filter(|part| part.len() > 20)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_said_again() {
    let (server, _folder) = serve("json");
    let addr = server.address();
    let (admin, alice) = (key("admin", 1), token("alice", 9_999_999_999));
    let by_alice = format!("Authorization: Bearer {alice}\r\n");
    let session = fetch(addr, "POST", "/session", &by_alice, b"").await.json();
    let ticket = fetch(addr, "POST", "/tickets", &by_alice, b"").await.json();
    let session = session["session"].as_str().unwrap().to_owned();
    let ticket = ticket["ticket"].as_str().unwrap().to_owned();
    let of_nobody = key("nobody", 2).as_str().to_owned();
    let secrets = [
        admin.as_str().to_owned(),
        alice,
        token("bob", 1),
        session,
        ticket,
        of_nobody,
    ];
    let mut all = Vec::new();
    for secret in &secrets {
        all.extend(by_every_way(addr, secret).await);
        // By mistake in a path: who asked is told which channel is meant, and nobody else.
        for target in [
            format!("/{secret}"),
            format!("/channels/{secret}"),
            format!("/channels/{secret}/presence"),
            format!("/admin/{secret}?a={secret}"),
        ] {
            for method in ["GET", "PATCH"] {
                fetch(addr, method, &target, "", b"").await;
            }
        }
    }
    let by_admin = format!("Authorization: Bearer {}\r\n", admin.as_str());
    let figures = fetch(addr, "GET", "/metrics", &by_admin, b"").await;
    assert_eq!(figures.status, 200);
    all.push(figures.text().to_owned());
    all.push(
        fetch(addr, "GET", "/channels/$stats", &by_admin, b"")
            .await
            .text()
            .to_owned(),
    );
    let revocations = fetch(addr, "GET", "/admin/revocations", &by_admin, b"").await;
    all.push(revocations.text().to_owned());
    let log = said(server);
    assert!(
        log.iter()
            .any(|line| line.contains("\"DEBUG\"") && line.contains("refused")),
        "it was written down"
    );
    all.extend(log);
    let needles: Vec<&str> = secrets
        .iter()
        .flat_map(|secret| needles(secret))
        .chain([SECRET, SESSIONS])
        .collect();
    assert!(needles.len() >= secrets.len());
    for text in &all {
        for needle in &needles {
            assert!(!text.contains(needle), "{needle} in {text}");
        }
    }
}

/// Targets made for whoever reads a log, without its first slash.
fn targets() -> Vec<String> {
    let mut targets: Vec<String> = [
        "%0a2026-01-01T00:00:00Z%20ERROR%20forged",
        "%0d%0aforged",
        "%1b[31mforged%1b[0m",
        "%1b]0;forged%07",
        "%00forged",
        "\",\"level\":\"ERROR\",\"message\":\"forged",
        "\\u000aforged\\",
        "%e2%80%ae%f0%9f%92%a9forged",
        "%ff%fe%80forged",
        "${jndi:ldap://127.0.0.1/forged}",
        "%s%n%x{}forged",
    ]
    .map(str::to_owned)
    .into();
    targets.push("forged/".repeat(1_500));
    targets.push("é".repeat(3_000));
    targets
}

async fn forge(addr: SocketAddr) {
    let agents = [
        "\x1b[31mforged",
        "forged\u{85}line",
        &"forged".repeat(200_000),
        "\"forged\\",
    ];
    for target in targets() {
        for agent in agents {
            let request =
                format!("GET /{target} HTTP/1.1\r\nHost: {addr}\r\nUser-Agent: {agent}\r\n\r\n");
            raw(addr, request.as_bytes()).await;
        }
        for method in ["FORGED", "forged\x1b", "GET\nforged"] {
            raw(
                addr,
                format!("{method} /{target} HTTP/1.1\r\nHost: {addr}\r\n\r\n").as_bytes(),
            )
            .await;
        }
    }
    for bytes in 0..=255u8 {
        let request = [
            b"GET /forged",
            &[bytes][..],
            b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ]
        .concat();
        raw(addr, &request).await;
    }
    let http2 = Endpoint::clear(addr, Carrier::Http2);
    for target in ["/%0aforged", "/\"forged"] {
        fetch(&http2, "GET", target, "User-Agent: \"forged\r\n", b"").await;
    }
}

/// What a server has written down of texts that are made for logs.
async fn forged_log(format: &str) -> Vec<String> {
    let (mut server, _folder) = serve(format);
    forge(server.address()).await;
    server.process.signal(Signal::TERM);
    let lines = server.process.err.rest();
    server.process.wait();
    assert!(
        lines.iter().any(|line| line.contains("forged")),
        "paths are written down"
    );
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_lines_of_json_whatever_is_sent() {
    let lines = forged_log("json").await;
    for line in &lines {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(
            object["level"] != "ERROR" && object["timestamp"].is_string(),
            "{line}"
        );
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.len() < 2_000, "{} bytes", line.len());
        if let Some(path) = object["path"].as_str() {
            assert!(path.len() <= 256, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_for_people_has_no_line_of_a_client_s() {
    let lines = forged_log("text").await;
    for line in &lines {
        let is_own = line
            .split_once(' ')
            .is_some_and(|(time, _)| time.ends_with('Z') && time.starts_with("20"));
        assert!(is_own, "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(line.len() < 2_000, "{} bytes", line.len());
    }
}

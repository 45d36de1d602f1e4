//! Real answers, good and bad, are documented: each status, type and body.

use conformance::http::{Answer, Http, fetch};
use conformance::keyed::{self, keys, put_administration_elsewhere, token};
use conformance::server::{Options, TestServer};
use conformance::ws::HANDSHAKE;
use serde_json::json;
use tidings_core::Limits;

use crate::contract::Contract;

/// What only a broken, busy or ending server answers, or a client that takes its time.
const RARE: [u16; 5] = [408, 429, 431, 500, 503];

/// Pages of every origin may load it, whatever else is refused them.
const SDK: &str = "/tidings.{file}";

const EVENTS: &str = "Accept: text/event-stream\r\n";

/// A target and a body that an operation takes.
pub fn sample(path: &str, method: &str) -> (String, &'static [u8]) {
    let target = match path {
        "/channels" | "/presence" => format!("{path}?name=a"),
        SDK => "/tidings.js".into(),
        _ => path
            .replace("{channel}", "a")
            .replace("{file}", "style.css"),
    };
    let body: &[u8] = match (path, method) {
        ("/channels" | "/channels/{channel}", "post") => b"1",
        ("/read", "post") => br#"{"channels":[{"name":"a"}]}"#,
        ("/publish", "post") => br#"{"messages":[{"channel":"a","data":1}]}"#,
        ("/admin/disconnect" | "/admin/revoke", "post") => br#"{"user":"nobody"}"#,
        _ => b"",
    };
    (target, body)
}

/// A contract and the server that is held to it.
struct Trial {
    contract: Contract,
    server: TestServer,
}

impl Trial {
    async fn ask(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let answer = fetch(self.server.addr, method, target, headers, body).await;
        self.contract.check(method, target, &answer);
        answer
    }

    /// Asks, and expects this status; of a GET also the head.
    async fn expect(&mut self, status: u16, request: &str, headers: &str, body: &[u8]) -> Answer {
        let (method, target) = request.split_once(' ').expect("a method");
        let answer = self.ask(method, target, headers, body).await;
        assert_eq!(answer.status, status, "{request}");
        if method == "GET" && headers != EVENTS {
            let head = self.ask("HEAD", target, headers, b"").await;
            assert_eq!(head.status, status, "HEAD {target}");
        }
        answer
    }

    /// Asks, and expects a refusal of this code.
    async fn refused(&mut self, code: &str, request: &str, headers: &str, body: &[u8]) {
        let (method, target) = request.split_once(' ').expect("a method");
        let answer = self.ask(method, target, headers, body).await;
        assert_eq!(answer.json()["code"], code, "{request}");
    }

    /// The head of a stream's answer.
    async fn begins(
        &mut self,
        status: u16,
        method: &str,
        target: &str,
        headers: &str,
        body: &[u8],
    ) {
        let mut http = Http::connect(self.server.addr).await;
        http.request(method, target, headers, body).await;
        let head = http.head().await;
        assert_eq!(head.status, status, "{method} {target}");
        self.contract.check(method, target, &head);
    }

    /// What every operation answers.
    async fn sweep(&mut self, headers: &str, status: u16) {
        for (path, method) in self.contract.operations() {
            // Elsewhere no content is what a reading answers at its end.
            let is_here = status != 204 || method == "options";
            let responses = self.contract.responses(&path, &method);
            let is_refused = path != SDK || method == "options" || !matches!(status, 403 | 404);
            if is_here && is_refused && responses.contains_key(&status) {
                let (target, body) = sample(&path, &method);
                let answer = self
                    .ask(&method.to_uppercase(), &target, headers, body)
                    .await;
                assert_eq!(answer.status, status, "{method} {target}");
            }
        }
    }
}

#[tokio::test]
async fn every_answer_is_documented() {
    let mut trial = Trial {
        contract: Contract::new(),
        server: small_server().await,
    };
    trial.sweep("", 200).await;
    trial.sweep("", 204).await;
    trial
        .sweep("Origin: http://a\r\nOrigin: http://b\r\n", 400)
        .await;
    trial.sweep("Origin: http://evil.example\r\n", 403).await;
    readings(&mut trial).await;
    files(&mut trial).await;
    messages(&mut trial).await;
    bad_requests(&mut trial).await;
    people(&mut trial).await;
    trial.server = keyed::start().await;
    keyed_answers(&mut trial).await;
    assert_eq!(trial.contract.unseen(&RARE), [""; 0]);
}

async fn small_server() -> TestServer {
    let limits = Limits {
        message_bytes: 256,
        body_bytes: 1024,
        batch_messages: 4,
        channels_per_connection: 2,
        ..Limits::default()
    };
    TestServer::with(Options {
        limits,
        ..Options::default()
    })
    .await
}

async fn readings(trial: &mut Trial) {
    let image = "Content-Type: image/png\r\n";
    trial
        .expect(200, "POST /channels/b?event=e&user=alice", image, b"\x89")
        .await;
    trial
        .expect(200, "POST /channels/b?ephemeral=true", "", b"1")
        .await;
    trial
        .expect(200, "GET /channels/b?after=old-1", "", b"")
        .await;
    trial
        .expect(200, "GET /channels/b?wait=1&after=earliest", "", b"")
        .await;
    let end = trial
        .expect(200, "POST /channels/end?close=true", "", b"1")
        .await
        .json();
    let end = format!("{}-{}", end["epoch"].as_str().unwrap(), end["offset"]);
    trial.expect(200, "GET /channels/end", "", b"").await;
    let read = json!({"channels": [{"name": "end", "after": end}]}).to_string();
    trial
        .expect(204, &format!("GET /channels/end?after={end}"), EVENTS, b"")
        .await;
    trial
        .expect(
            204,
            &format!("GET /channels?name=end&after={end}"),
            EVENTS,
            b"",
        )
        .await;
    trial
        .expect(204, "POST /read", EVENTS, read.as_bytes())
        .await;
    for target in ["/channels/b", "/channels?name=b"] {
        trial.begins(200, "GET", target, EVENTS, b"").await;
        trial.begins(101, "GET", target, HANDSHAKE, b"").await;
        let wanted = format!("GET {target}{}transport=websocket", mark(target));
        trial.expect(426, &wanted, "", b"").await;
        let tag = trial.expect(200, &format!("GET {target}"), "", b"").await;
        let known = format!("If-None-Match: {}\r\n", tag.header("etag").unwrap());
        trial
            .expect(304, &format!("GET {target}"), &known, b"")
            .await;
    }
    let read = br#"{"channels":[{"name":"b"}]}"#;
    trial.begins(200, "POST", "/read", EVENTS, read).await;
    let tag = trial.expect(200, "POST /read", "", read).await;
    let known = format!("If-None-Match: {}\r\n", tag.header("etag").unwrap());
    trial.expect(304, "POST /read", &known, read).await;
    let websocket = br#"{"channels":[{"name":"b"}],"transport":"websocket"}"#;
    trial.expect(426, "POST /read", "", websocket).await;
}

fn mark(target: &str) -> char {
    if target.contains('?') { '&' } else { '?' }
}

/// What pages load: from this server, under its own names, by whoever they are.
async fn files(trial: &mut Trial) {
    for file in ["js", "js.map", "global.js", "global.js.map"] {
        let request = format!("GET /tidings.{file}");
        let tag = trial.expect(200, &request, "", b"").await;
        let known = format!("If-None-Match: {}\r\n", tag.header("etag").unwrap());
        trial.expect(304, &request, &known, b"").await;
    }
    trial.expect(404, "GET /tidings.css", "", b"").await;
    for method in ["GET", "HEAD"] {
        let mut http = Http::connect(trial.server.addr).await;
        let request = format!("{method} /tidings.js HTTP/1.1\r\nHost: evil.example\r\n\r\n");
        http.send(request.as_bytes()).await;
        let answer = match method {
            "HEAD" => http.head().await,
            _ => http.answer().await,
        };
        assert_eq!(answer.status, 403);
        trial.contract.check(method, "/tidings.js", &answer);
    }
}

async fn messages(trial: &mut Trial) {
    for target in ["/channels/c", "/channels?name=d"] {
        let with = |query: &str| format!("POST {target}{}{query}", mark(target));
        trial.expect(200, &with("key=k"), "", b"1").await;
        let again = trial.expect(200, &with("key=k"), "", b"1").await;
        assert_eq!(again.json()["duplicate"], true);
        trial.expect(422, &with("key=k"), "", b"2").await;
        trial
            .expect(413, &format!("POST {target}"), "", &[b'x'; 257])
            .await;
        trial.expect(200, &with("close=true"), "", b"").await;
        trial.expect(409, &format!("POST {target}"), "", b"1").await;
    }
    let batch =
        br#"{"messages":[{"channel":"c","data":1},{"channel":"e","data":"x","encoding":"text"}]}"#;
    let results = trial.expect(200, "POST /publish", "", batch).await.json();
    assert_eq!(results["results"][0]["code"], "channel_closed");
    let large = [b' '; 1025];
    for path in [
        "/read",
        "/publish",
        "/session",
        "/admin/disconnect",
        "/admin/revoke",
    ] {
        trial.expect(413, &format!("POST {path}"), "", &large).await;
    }
}

async fn bad_requests(trial: &mut Trial) {
    let json = "Content-Type: application/json\r\n";
    let many = br#"{"messages":[{"channel":"a"},{"channel":"a"},{"channel":"a"},{"channel":"a"},{"channel":"a"}]}"#;
    let rows: &[(&str, &str, &str, &[u8])] = &[
        ("bad_request", "GET /channels/a?x=%", "", b""),
        ("bad_request", "POST /read", "", b"[]"),
        ("bad_request", "POST /session", "", b"[]"),
        ("bad_request", "POST /admin/revoke", "", b"{}{"),
        ("invalid_name", "GET /channels/%20", "", b""),
        ("invalid_name", "GET /presence?name=%20", "", b""),
        ("invalid_parameter", "GET /channels/a?wait=x", "", b""),
        ("invalid_parameter", "POST /admin/disconnect", "", b"{}"),
        ("invalid_parameter", "GET /admin/channels?limit=x", "", b""),
        ("unknown_parameter", "POST /tickets?since=1", "", b""),
        (
            "too_many_channels",
            "GET /channels?name=a&name=b&name=c",
            "",
            b"",
        ),
        ("invalid_payload", "POST /channels/a", json, b"{"),
        ("invalid_event", "POST /channels/a?event=$e", "", b"1"),
        ("invalid_key", "POST /channels/a?key=", "", b"1"),
        ("batch_too_large", "POST /publish", "", many),
        ("forbidden", "POST /channels/$stats", "", b"1"),
        ("forbidden", "DELETE /channels/$stats", "", b""),
        (
            "bad_handshake",
            "GET /channels/a",
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n",
            b"",
        ),
    ];
    for (code, request, headers, body) in rows {
        trial.refused(code, request, headers, body).await;
    }
}

/// Presence, sessions, tickets, and what the administration lists.
async fn people(trial: &mut Trial) {
    let identity = trial
        .expect(200, "POST /session?user=alice", "", b"")
        .await
        .json();
    let session = format!(
        "Tidings-Session: {}\r\n",
        identity["session"].as_str().unwrap()
    );
    let join = "GET /channels/room?user=alice&join=true&presence=true&info=%221%22";
    trial.expect(200, join, &session, b"").await;
    for request in [
        "GET /channels/room/presence",
        "GET /presence?name=room&by=user",
    ] {
        let there = trial.expect(200, request, "", b"").await.json();
        assert_eq!(there["count"], 1, "{there}");
    }
    trial
        .expect(
            200,
            "POST /admin/revoke",
            "",
            br#"{"user":"mallory","for":60}"#,
        )
        .await;
    let client = json!({"client": identity["client"]}).to_string();
    trial
        .expect(200, "POST /admin/revoke", "", client.as_bytes())
        .await;
    trial
        .expect(200, "POST /admin/revoke", "", br#"{"token":"jti"}"#)
        .await;
    let held = trial
        .expect(200, "GET /admin/revocations", "", b"")
        .await
        .json();
    // With the one of the sweep.
    assert_eq!(held["revocations"].as_array().unwrap().len(), 4);
    let page = trial
        .expect(200, "GET /admin/channels?limit=1", "", b"")
        .await
        .json();
    assert!(page["next"].is_string(), "{page}");
}

async fn keyed_answers(trial: &mut Trial) {
    let expired = format!(
        "Authorization: Bearer {}\r\n",
        token(-60, json!({"sub": "alice"}))
    );
    trial.sweep(&expired, 401).await;
    trial.expect(401, "GET /channels/a", "", b"").await;
    let good = format!(
        "Authorization: Bearer {}\r\n",
        token(60, json!({"sub": "alice"}))
    );
    trial.expect(403, "GET /channels/a", &good, b"").await;
    let identity = trial.expect(200, "POST /session", &good, b"").await.json();
    assert!(identity["expires"].is_u64(), "{identity}");
    trial.expect(200, "POST /tickets", &good, b"").await;
    let [admin, other] = keys().map(|key| format!("Authorization: Bearer {key}\r\n"));
    trial.expect(403, "GET /admin/channels", &other, b"").await;
    trial.expect(403, "POST /tickets", &other, b"").await;
    trial.expect(200, "GET /metrics", &admin, b"").await;
    trial.expect(200, "GET /admin/channels", &admin, b"").await;
    put_administration_elsewhere(&trial.server);
    trial.sweep(&admin, 404).await;
}

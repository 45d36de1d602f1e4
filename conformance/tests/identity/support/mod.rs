//! A server that knows tokens and keys, and what its clients share.

mod application;
mod keys;
pub mod presence;
mod reader;

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conformance::carrier::Endpoint;
use conformance::http::{Answer, Http, fetch};
use conformance::server::{Options, TestServer};
use conformance::sse::Events;
use conformance::ws::Ws;
use serde_json::{Value, json};
use tidings_auth::{Sessions, Verifier};
use tidings_core::{Audience, History, Limits, May, Rulebook, Rules};
use tidings_server::outbound::Outbound;
use tidings_server::{AccessRules, Auth, Tokens};
use tokio::time::timeout;

pub use application::Application;
pub use keys::{ADMIN, BACKEND, SIGNERS, Signer, backend_keys, issuer};
pub use reader::{Kind, Reader};

/// Longer than anything takes on a busy machine: reached only by what hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A header line that says that the body is JSON.
pub const JSON: &str = "Content-Type: application/json\r\n";

/// `work`, unless it hangs.
pub async fn patiently<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it comes to an end")
}

/// Waits until it is so.
pub async fn until(mut is_so: impl FnMut() -> bool) {
    patiently(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Unix time in seconds.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is past 1970").as_secs()
}

/// Waits for the next second of Unix time: what is issued then is later than what was issued before.
pub async fn next_second() {
    let before = now();
    until(|| now() > before).await;
}

/// A server of which the issuer is known, with namespaces for each audience.
pub async fn start() -> TestServer {
    TestServer::with(options()).await
}

/// The same with other limits.
pub async fn limited(change: impl FnOnce(&mut Limits)) -> TestServer {
    let mut options = options();
    change(&mut options.limits);
    TestServer::with(options).await
}

/// What [`start`] begins with.
pub fn options() -> Options {
    let limits = Limits {
        // The tests that are about it set it.
        auth_failures_per_address: 0,
        ..Limits::default()
    };
    Options {
        rules: Some(rules()),
        access: access(),
        auth: auth(),
        limits,
        ..Options::default()
    }
}

/// Pages of one other site may use it.
pub fn access() -> AccessRules {
    AccessRules {
        origins: vec!["https://app.example".into()],
        ..AccessRules::default()
    }
}

/// Tokens of all algorithms and two keys.
pub fn auth() -> Auth {
    let verifier = Verifier::new(vec![issuer()]).expect("one issuer");
    with_tokens(verifier)
}

/// The same with other issuers. Clocks are one here: a token ends when it says.
pub fn with_tokens(verifier: Verifier) -> Auth {
    let outbound = Outbound::new(None, false).expect("no authorities to read");
    Auth {
        tokens: Tokens::new(verifier.with_leeway(0), outbound).expect("URLs on this machine"),
        keys: backend_keys(),
        sessions: Sessions::new(&[7; 32]).expect("long enough"),
        cookie: Some("tidings_token".into()),
        open: false,
        ..Auth::open()
    }
}

/// What a token names, and a namespace for each audience besides.
pub fn rules() -> Rulebook {
    let base = Rules {
        may: May::BY_TOKEN,
        ..Rules::open(History::default(), &Limits::default())
    };
    let mut book = Rulebook::new(base.clone());
    for (namespace, audience) in [
        ("open", Audience::Anyone),
        ("members", Audience::Authenticated),
        ("back", Audience::Backend),
    ] {
        let may = May::all(audience);
        book.set(
            namespace,
            Rules {
                may,
                ..base.clone()
            },
        );
    }
    let live = May {
        subscribe: Audience::Anyone,
        ..May::all(Audience::Token)
    };
    book.set("live", Rules { may: live, ..base });
    book
}

/// A token of this server's issuer that is good for ten minutes, unless the claims say otherwise.
pub fn token(claims: Value) -> String {
    SIGNERS[0].token(claims)
}

/// A token that lets a user do everything with every channel.
pub fn token_of(user: &str) -> String {
    token(json!({"sub": user, "channels": everything()}))
}

/// All patterns there are.
pub fn everything() -> Value {
    json!({"subscribe": ["*"], "publish": ["*"], "presence": ["*"]})
}

/// A header line with a token or key.
pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Header lines with a token and a session.
pub fn with_session(token: &str, session: &str) -> String {
    format!("{}Tidings-Session: {session}\r\n", bearer(token))
}

/// GET with header lines.
pub async fn get(to: impl Into<Endpoint>, target: &str, headers: &str) -> Answer {
    patiently(fetch(to, "GET", target, headers, b"")).await
}

/// POST of JSON with header lines.
pub async fn post(to: impl Into<Endpoint>, target: &str, headers: &str, body: &Value) -> Answer {
    let (headers, body) = (format!("{JSON}{headers}"), body.to_string());
    patiently(fetch(to, "POST", target, &headers, body.as_bytes())).await
}

/// POST without a body.
pub async fn ask(to: impl Into<Endpoint>, target: &str, headers: &str) -> Answer {
    patiently(fetch(to, "POST", target, headers, b"")).await
}

/// POST of the administration.
pub async fn administrate(server: &TestServer, target: &str, body: &Value) -> Value {
    let answer = post(server.addr, target, &bearer(&ADMIN), body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Publishes as the application, and gives the receipt.
pub async fn publish(server: &TestServer, channel: &str, data: Value) -> Value {
    let target = format!("/channels?name={channel}");
    let answer = post(server.addr, &target, &bearer(&BACKEND), &data).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Gets a client and its session.
pub async fn session(server: &TestServer, token: &str) -> Value {
    let answer = ask(server.addr, "/session", &bearer(token)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Opens a WebSocket, and gives its hello.
pub async fn ws(addr: SocketAddr, target: &str, headers: &str) -> (Ws, Value) {
    let mut ws = raw_ws(addr, target, headers).await;
    let hello = next(&mut ws).await;
    assert_eq!(hello["type"], "hello", "{hello}");
    (ws, hello)
}

/// Opens a WebSocket, whatever it says.
pub async fn raw_ws(to: impl Into<Endpoint>, target: &str, headers: &str) -> Ws {
    let http = Http::connect(to).await;
    let opened = patiently(Ws::over(http, target, headers)).await;
    opened.unwrap_or_else(|answer| panic!("no WebSocket: {answer:?}"))
}

/// The next thing that a WebSocket is told.
pub async fn next(ws: &mut Ws) -> Value {
    patiently(ws.json()).await.expect("the WebSocket is open")
}

/// Sends a command, and gives its answer; what came before it is passed over.
pub async fn command(ws: &mut Ws, mut command: Value) -> Value {
    let id = fastrand::u32(..);
    command["id"] = id.into();
    ws.command(command).await;
    loop {
        let told = next(ws).await;
        if told["id"] == id {
            return told;
        }
    }
}

/// Says who one is.
pub async fn authenticate(ws: &mut Ws, token: &str) -> Value {
    command(ws, json!({"type": "auth", "token": token})).await
}

/// What is told until the end, and its close code.
pub async fn rest_of(ws: &mut Ws) -> (Vec<Value>, Option<u16>) {
    let mut told = Vec::new();
    while let Some(frame) = patiently(ws.frame()).await {
        match frame.opcode {
            1 => told.push(frame.json()),
            8 => return (told, frame.close_code()),
            _ => {}
        }
    }
    (told, None)
}

/// The code and the close code with which a WebSocket is refused.
pub async fn refused_ws(
    to: impl Into<Endpoint>,
    target: &str,
    headers: &str,
) -> (Value, Option<u16>) {
    let (mut told, code) = rest_of(&mut raw_ws(to, target, headers).await).await;
    let error = told.pop().expect("it says why");
    assert_eq!(error["type"], "error", "{error}");
    (error["code"].clone(), code)
}

/// Opens a stream of events; the head of the answer if it is none.
pub async fn sse(to: impl Into<Endpoint>, target: &str, headers: &str) -> Result<Events, Answer> {
    let mut http = Http::connect(to).await;
    let headers = format!("Accept: text/event-stream\r\n{headers}");
    patiently(http.request("GET", target, &headers, b"")).await;
    let head = patiently(http.head()).await;
    match head.status {
        200 => Ok(Events::begun(http, "")),
        _ => Err(head),
    }
}

/// The one block with which an `EventSource` is told to come back.
pub async fn sse_refusal(server: &TestServer, target: &str, headers: &str) -> Value {
    let headers = format!("Accept: text/event-stream\r\n{headers}");
    let answer = get(server.addr, target, &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let field = |name: &str| {
        let mut lines = answer.text().lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no {name}: {}", answer.text()))
    };
    assert_eq!(field("event"), "$error");
    let error: Value = serde_json::from_str(field("data")).expect("JSON");
    assert_eq!(error["retry_ms"].to_string(), field("retry"));
    assert_eq!(error["temporary"], true);
    error
}

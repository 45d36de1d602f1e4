//! The library face: the same URLs under a path of an axum application.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::routing::get;
use conformance::http::{Http, fetch, get as fetch_get, post};
use conformance::sse::Events;
use conformance::ws::Ws;
use serde_json::json;
use tidings::{Builder, Message, Tidings, User};

/// An application with pages of its own and Tidings under `/rt`; `x-user` says who asks.
async fn application(change: impl FnOnce(Builder) -> Builder) -> (SocketAddr, Tidings) {
    let tidings = change(Tidings::builder()).start().expect("random numbers");
    let app = Router::new()
        .route("/", get(|| async { "its own" }))
        .nest_service("/rt", tidings.service())
        .layer(middleware::from_fn(identify));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("a free port");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, tidings)
}

async fn identify(mut request: Request, next: Next) -> axum::response::Response {
    let user = request.headers().get("x-user").cloned();
    if let Some(user) = user {
        let name = user.to_str().expect("a name").into();
        request.extensions_mut().insert(User(name));
    }
    next.run(request).await
}

fn waiting_poll(metrics: &str) -> bool {
    metrics.contains("tidings_readers{transport=\"long-poll\"} 1\n")
}

/// Waits for what the metrics tell.
async fn until(tidings: &Tidings, holds: impl Fn(&str) -> bool) {
    let waits = async {
        while !holds(&tidings.metrics()) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waits).await;
    waited.expect("it comes in time");
}

#[tokio::test]
async fn four_transports_read_what_rust_publishes() {
    let (address, tidings) = application(|builder| builder).await;
    assert_eq!(fetch_get(address, "/").await.text(), "its own");
    let mut events = Events::open(address, "/rt/channels/a", "").await.unwrap();
    assert_eq!(events.next().await.unwrap().name, "$hello");
    let mut ws = Ws::connect(address, "/rt/channels/a").await.unwrap();
    assert_eq!(ws.json().await.unwrap()["type"], "hello");
    let mut poll = Http::connect(address).await;
    poll.request("GET", "/rt/channels/a?wait=30&after=now", "", b"")
        .await;
    until(&tidings, waiting_poll).await;

    let message = Message::json(&json!({"text": "안녕 👋"}))
        .unwrap()
        .event("say");
    let held = tidings.publish("a", message.key("k1")).await.unwrap();
    assert_eq!(
        (held.offset, held.subscribers, held.duplicate),
        (Some(1), 3, false)
    );
    let again = Message::json(&json!({"text": "안녕 👋"}))
        .unwrap()
        .event("say")
        .key("k1");
    assert!(tidings.publish("a", again).await.unwrap().duplicate);
    tidings
        .publish("a", Message::bytes(vec![0xff]).close())
        .await
        .unwrap();

    let event = events.next().await.unwrap();
    assert_eq!(event.name, "say");
    assert!(event.data.contains("안녕 👋"));
    let first = ws.json().await.unwrap();
    assert_eq!(
        (&first["offset"], &first["data"]["text"]),
        (&json!(1), &json!("안녕 👋"))
    );
    let answer = poll.answer().await.json();
    assert_eq!(answer["messages"][0], first);
    // The same connection goes on after a poll.
    poll.request("GET", "/rt/channels/a?after=earliest", "", b"")
        .await;
    let all = poll.answer().await.json();
    assert_eq!(
        (&all["closed"], &all["messages"][1]["data"]),
        (&json!(true), &json!("/w=="))
    );
    assert_eq!(events.next().await.unwrap().name, "");
    assert_eq!(events.next().await.unwrap().name, "$closed");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn clients_only_read_unless_told_otherwise() {
    let (address, _tidings) = application(|builder| builder).await;
    let refused = post(address, "/rt/channels/a", "x").await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (403, Some("forbidden"))
    );
    assert_eq!(
        fetch(address, "DELETE", "/rt/channels/a", "", b"")
            .await
            .status,
        403
    );
    let batch = b"{\"messages\":[{\"channel\":\"a\",\"data\":1}]}";
    let refused = fetch(address, "POST", "/rt/publish", "", batch).await;
    assert_eq!(refused.status, 403);
    let mut raw = Ws::connect(address, "/rt/channels/a?format=raw")
        .await
        .unwrap();
    raw.send(1, b"x").await;
    assert_eq!(raw.frame().await.unwrap().close_code(), Some(4003));
    let mut ws = Ws::connect(address, "/rt/channels/a").await.unwrap();
    ws.json().await.unwrap();
    ws.command(json!({"type": "publish", "id": 1, "channel": "a", "data": 1}))
        .await;
    assert_eq!(ws.json().await.unwrap()["code"], "forbidden");
    let list = fetch_get(address, "/rt/channels/a").await.json();
    assert_eq!(list["messages"], json!([]));

    let (address, _tidings) = application(|builder| builder.clients_publish(true)).await;
    assert_eq!(post(address, "/rt/channels/a", "x").await.status, 200);
}

#[tokio::test]
async fn the_application_says_who_asks() {
    let (address, _tidings) = application(|builder| builder.clients_publish(true)).await;
    assert_eq!(
        fetch_get(address, "/rt/channels/a?user=mallory")
            .await
            .status,
        400
    );
    fetch(
        address,
        "POST",
        "/rt/channels/a",
        "x-user: alice\r\n",
        b"hi",
    )
    .await;
    let list = fetch_get(address, "/rt/channels/a").await.json();
    assert_eq!(list["messages"][0]["from"], json!({"user": "alice"}));
}

#[tokio::test]
async fn what_a_guest_does_not_show() {
    let (address, _tidings) = application(|builder| builder).await;
    for path in ["/rt/", "/rt/metrics", "/rt/healthz", "/rt/console/app.js"] {
        assert_eq!(fetch_get(address, path).await.status, 404, "{path}");
    }
    let own = fetch_get(address, "/rt/channels/$stats").await;
    assert_eq!(own.json()["code"], "forbidden");
    let foreign = fetch(
        address,
        "GET",
        "/rt/channels/a",
        "Origin: http://evil.example\r\n",
        b"",
    )
    .await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test]
async fn streams_end_in_order_when_the_application_stops() {
    let (address, tidings) = application(|builder| builder).await;
    let mut events = Events::open(address, "/rt/channels/a", "").await.unwrap();
    events.next().await.unwrap();
    let mut ws = Ws::connect(address, "/rt/channels/a").await.unwrap();
    ws.json().await.unwrap();
    tidings.stop();
    assert_eq!(events.next().await.unwrap().name, "$reconnect");
    assert!(events.next().await.is_none());
    assert_eq!(ws.json().await.unwrap()["type"], "reconnect");
    assert_eq!(ws.frame().await.unwrap().close_code(), Some(1001));
}

#[tokio::test]
async fn a_reader_that_goes_is_let_go() {
    let (address, tidings) = application(|builder| builder).await;
    let mut http = Http::connect(address).await;
    http.request("GET", "/rt/channels/a?wait=50&after=now", "", b"")
        .await;
    let events = Events::open(address, "/rt/channels/a", "").await.unwrap();
    until(&tidings, waiting_poll).await;
    drop((http, events));
    let nobody = |metrics: &str| {
        let mut readers = metrics
            .lines()
            .filter(|line| line.starts_with("tidings_readers{"));
        readers.all(|line| line.ends_with(" 0"))
    };
    until(&tidings, nobody).await;
}

#[tokio::test]
async fn a_topic_is_checked_as_over_http() {
    let (_, tidings) = application(|builder| builder).await;
    let about = |topic: &str| Message::text("1").topic(topic);
    assert!(tidings.publish("a", about("BTC")).await.is_ok());
    let refused = tidings.publish("a", about("")).await.unwrap_err();
    assert_eq!(refused.code, tidings::Code::InvalidParameter);
}

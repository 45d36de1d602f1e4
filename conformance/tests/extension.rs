//! Paths of an embedder's own beside the server's: they pass the same checks, and a reading that one
//! begins is a reading like any.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;
use conformance::carrier::Carrier;
use conformance::http::{Http, fetch, get, post};
use conformance::keyed;
use conformance::server::{Options, TestServer};
use conformance::sse::Events;
use http::{HeaderMap, HeaderValue, Response, header};
use tidings_core::{Action, ChannelName};
use tidings_server::{Answering, Asked, Extended, Extension};

/// Greets at `/own/hello`, and follows the channel `own:1` at `/own/stream`.
struct Own;

impl Extension for Own {
    fn methods(&self, path: &str) -> Option<&'static str> {
        match path {
            "/own/hello" | "/channels" => Some("GET, HEAD, OPTIONS"),
            "/own/stream" => Some("POST, OPTIONS"),
            _ => None,
        }
    }

    fn body_bytes(&self) -> usize {
        16
    }

    fn answer<'a>(&'a self, asked: Asked<'a>) -> Answering<'a> {
        Box::pin(async move {
            if asked.head.uri.path() == "/own/hello" {
                let mut answer = Response::new(Bytes::from_static(b"hello"));
                let own = HeaderValue::from_static("max-age=60");
                answer.headers_mut().insert(header::CACHE_CONTROL, own);
                return Ok(Extended::Answer(answer));
            }
            let channel = ChannelName::parse("own:1").expect("a name");
            let actions = [Action::Publish];
            asked.claim(&actions, &channel, asked.body.len()).await?;
            let mut headers = HeaderMap::new();
            headers.insert("x-own", HeaderValue::from_static("1"));
            Ok(Extended::Stream(channel, headers))
        })
    }
}

async fn server() -> TestServer {
    TestServer::with(Options {
        extension: Some(Arc::new(Own)),
        ..Options::default()
    })
    .await
}

#[tokio::test]
async fn its_paths_pass_the_checks_of_all() {
    let server = server().await;
    let answer = get(server.addr, "/own/hello").await;
    assert_eq!((answer.status, answer.text()), (200, "hello"));
    assert_eq!(answer.header("cache-control"), Some("max-age=60"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let head = fetch(server.addr, "HEAD", "/own/hello", "", b"").await;
    assert_eq!(head.header("content-length"), Some("5"));
    let foreign = "Origin: https://evil.example\r\n";
    for (method, target, headers, body, status) in [
        ("GET", "/own/other", "", "", 404),
        ("GET", "/own/hello", foreign, "", 403),
        ("POST", "/own/hello", "", "", 405),
        ("GET", "/own/stream", "", "", 405),
        ("POST", "/own/stream", "", "more than sixteen", 413),
        // What the server has is the server's.
        ("GET", "/channels", "", "", 400),
    ] {
        let answer = fetch(server.addr, method, target, headers, body.as_bytes()).await;
        assert_eq!(answer.status, status, "{method} {target}");
        let refused = answer.header("content-type");
        assert_eq!(
            refused,
            Some("application/problem+json"),
            "{method} {target}"
        );
        if status == 405 && method == "GET" {
            assert_eq!(answer.header("allow"), Some("POST, OPTIONS"));
        }
    }
    let own = "Origin: http://localhost:1\r\n";
    let answer = fetch(server.addr, "GET", "/own/hello", own, b"").await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("http://localhost:1")
    );
}

#[tokio::test]
async fn a_stream_is_the_raw_reading_of_a_channel() {
    let server = server().await;
    post(server.addr, "/channels/own:1", "first").await;
    for carrier in [Carrier::Http1, Carrier::Embedded] {
        let endpoint = server.endpoint(carrier).await;
        let mut http = Http::connect(endpoint.clone()).await;
        http.request("POST", "/own/stream", "Last-Event-ID: 0-0\r\n", b"")
            .await;
        let head = http.head().await;
        assert_eq!(head.status, 200, "{}", head.text());
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("x-own"), Some("1"));
        let mut events = Events::begun(http, "");
        assert_eq!(events.next().await.unwrap().name, "$hello");
        let first = events.next().await.unwrap();
        assert_eq!((first.name.as_str(), first.data.as_str()), ("", "first"));
        // It goes on by the channel's own URL.
        let target = "/channels/own:1?format=raw";
        let mut again = Events::open(endpoint, target, &first.id).await.unwrap();
        assert_eq!(again.next().await.unwrap().name, "$hello");
        post(server.addr, "/channels/own:1?event=e", "second").await;
        let (there, here) = (again.next().await.unwrap(), events.next().await.unwrap());
        assert_eq!(there, here);
        fetch(server.addr, "DELETE", "/channels/own:1", "", b"").await;
        post(server.addr, "/channels/own:1", "first").await;
    }
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let server = keyed::start_with(Some(Arc::new(Own))).await;
    let refused = fetch(server.addr, "POST", "/own/stream", "", b"").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["code"], "unauthorized");
    let [_, key] = keyed::keys().map(|key| format!("Authorization: Bearer {key}\r\n"));
    let mut http = Http::connect(server.addr).await;
    http.request("POST", "/own/stream", &key, b"").await;
    assert_eq!(http.head().await.status, 200);
    server.app.stop();
    let stopped = fetch(server.addr, "POST", "/own/stream", &key, b"").await;
    assert_eq!(stopped.json()["code"], "stopping");
}

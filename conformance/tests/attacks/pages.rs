//! Answers that a browser or a cache takes for something else.

use conformance::http::{Answer, Http, fetch, get, percent, post};
use conformance::server::TestServer;
use serde_json::json;

use crate::support::{bearer, keyed, keyed_limited, publish, token, with_key};

const SCRIPT: &str = "<!doctype html><script>alert(document.domain)</script>";

/// What every answer says to browsers and caches.
fn is_guarded(answer: &Answer, row: &str) {
    assert_eq!(
        answer.header("cache-control"),
        Some("no-store, no-transform"),
        "{row}"
    );
    assert_eq!(
        answer.header("vary"),
        Some("Accept, Origin, Authorization, Cookie"),
        "{row}"
    );
    assert_eq!(
        answer.header("x-content-type-options"),
        Some("nosniff"),
        "{row}"
    );
    assert_eq!(
        answer.header("referrer-policy"),
        Some("no-referrer"),
        "{row}"
    );
    let policy = answer.header("content-security-policy");
    assert_eq!(policy, Some("sandbox; default-src 'none'"), "{row}");
    assert_eq!(
        answer.header("age").or(answer.header("expires")),
        None,
        "{row}"
    );
}

#[tokio::test]
async fn what_somebody_publishes_is_never_a_page() {
    let server = TestServer::start().await;
    for content_type in [
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/plain",
        "application/javascript",
    ] {
        let headers = format!("Content-Type: {content_type}\r\n");
        let target = format!("/channels/x?event={}", percent("<script>"));
        fetch(server.addr, "POST", &target, &headers, SCRIPT.as_bytes()).await;
    }
    post(
        server.addr,
        &format!(
            "/channels/{}",
            percent("<script>alert(1)</script>").replace("%2F", "")
        ),
        SCRIPT,
    )
    .await;
    for (target, headers, kind) in [
        (
            "/channels/x",
            "Accept: text/html,*/*;q=0.8\r\n",
            "application/json",
        ),
        (
            "/channels/x?wait=1&after=earliest",
            "Accept: text/html\r\n",
            "application/json",
        ),
        (
            "/channels/x?transport=sse&after=earliest",
            "",
            "text/event-stream",
        ),
        (
            "/channels/x?transport=sse&format=raw&after=earliest",
            "",
            "text/event-stream",
        ),
        (
            "/channels/%3Cscript%3E/x",
            "Accept: text/html\r\n",
            "application/problem+json",
        ),
        (
            "/%3Cscript%3Ealert(1)%3C/script%3E",
            "Accept: text/html\r\n",
            "application/problem+json",
        ),
        (
            "/channels/x?%3Cscript%3E=1",
            "Accept: text/html\r\n",
            "application/problem+json",
        ),
        (
            "/channels/x/presence",
            "Accept: text/html\r\n",
            "application/json",
        ),
    ] {
        let mut http = Http::connect(server.addr).await;
        http.request("GET", target, headers, b"").await;
        let head = http.head().await;
        assert_eq!(head.header("content-type"), Some(kind), "{target}");
        is_guarded(&head, target);
    }
}

#[tokio::test]
async fn no_answer_may_be_kept_and_no_error_either() {
    let server = keyed_limited(|limits| limits.auth_failures_per_address = 3).await;
    publish(&server, "/channels/x", "secret").await;
    let key = with_key("backend");
    for (method, target, headers, status) in [
        ("GET", "/channels/x", key.as_str(), 200),
        ("HEAD", "/channels/x", &key, 200),
        ("GET", "/channels/x?wait=1", &key, 200),
        ("POST", "/channels/x", &key, 200),
        ("POST", "/session", &key, 200),
        ("GET", "/healthz", "", 200),
        ("OPTIONS", "/channels/x", "", 204),
        ("GET", "/channels/x", "", 401),
        ("GET", "/channels/x", "Authorization: Bearer x\r\n", 401),
        ("GET", "/channels/x?since=1", "Host: localhost\r\n", 400),
        (
            "GET",
            "/channels/x",
            "Origin: https://evil.example\r\n",
            403,
        ),
        ("GET", "/nothing", "", 404),
        ("GET", "/", "", 404),
        ("PUT", "/channels/x", "", 405),
        ("GET", "/channels/x?transport=websocket", &key, 426),
        ("GET", "/channels/x", "Authorization: Bearer x\r\n", 401),
        ("GET", "/channels/x", "Authorization: Bearer x\r\n", 401),
        ("GET", "/channels/x", "Authorization: Bearer x\r\n", 429),
    ] {
        let answer = fetch(server.addr, method, target, headers, b"").await;
        assert_eq!(answer.status, status, "{method} {target} {headers}");
        is_guarded(&answer, &format!("{method} {target} {headers}"));
    }
    let read = get(server.addr, "/channels/x").await;
    assert!(!read.text().contains("secret"));
}

#[tokio::test]
async fn a_path_that_looks_like_a_file_is_no_channel_s_answer() {
    let server = keyed().await;
    publish(&server, "/channels/x", "secret").await;
    let key = with_key("backend");
    for target in [
        "/channels/x/foo.css",
        "/channels/x/..%2ffoo.css",
        "/channels/x%2ffoo.css",
        "/channels/x/presence/foo.js",
        "/channels/x/",
        "/channels/x//",
        "/channels//x",
        "//channels/x",
        "/channels/x%00.css",
        "/channels/x%0a.css",
        "/Channels/x",
        "/read/foo.css",
    ] {
        let answer = fetch(server.addr, "GET", target, &key, b"").await;
        assert!(
            matches!(answer.status, 400 | 404 | 405),
            "{target} {}",
            answer.status
        );
        assert!(!answer.text().contains("secret"), "{target}");
        is_guarded(&answer, target);
    }
    // These are other channels, and have nothing of `x`.
    for target in [
        "/channels/x.css",
        "/channels/x;foo.css",
        "/channels/x%3Ffoo.css",
        "/channels/x%23.css",
    ] {
        let answer = fetch(server.addr, "GET", target, &key, b"").await;
        assert_eq!(answer.json()["messages"], json!([]), "{target}");
        is_guarded(&answer, target);
    }
}

#[tokio::test]
async fn a_tag_of_one_user_says_nothing_to_another() {
    let server = keyed().await;
    publish(&server, "/channels/x", "하나").await;
    let read = |who: String, tag: String| {
        let addr = server.addr;
        async move {
            let headers = format!("{who}If-None-Match: {tag}\r\n");
            fetch(addr, "GET", "/channels/x", &headers, b"").await
        }
    };
    let alice = bearer(&token("alice"));
    let first = read(alice.clone(), "\"x\"".into()).await;
    let tag = first.header("etag").expect("a tag").to_owned();
    assert_eq!(read(alice, tag.clone()).await.status, 304);
    let others = read(bearer(&token("bob")), tag.clone()).await;
    assert_eq!(others.status, 200);
    assert_ne!(others.header("etag"), Some(&*tag));
    // Who may not read is told so, and not that nothing has changed.
    for any in [tag, "*".into()] {
        assert_eq!(read(String::new(), any).await.status, 401);
    }
}

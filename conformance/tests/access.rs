//! Who may ask: Host, Origin, CORS, methods, and the codes of section 10.

use conformance::http::{Answer, Http, fetch, get};
use conformance::server::{Options, TestServer};
use tidings_server::AccessRules;

async fn with_host(server: &TestServer, host: &str, more: &str) -> Answer {
    let mut http = Http::connect(server.addr).await;
    http.send(format!("GET /channels/x HTTP/1.1\r\n{host}{more}\r\n").as_bytes())
        .await;
    http.answer().await
}

#[tokio::test]
async fn a_rebound_name_gets_nothing() {
    let server = TestServer::start().await;
    for (host, status) in [
        ("Host: localhost\r\n", 200),
        ("Host: 127.0.0.1:8000\r\n", 200),
        ("Host: [::1]\r\n", 200),
        ("Host: evil.example\r\n", 403),
        ("Host: evil.example:8000\r\n", 403),
        ("", 400),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
    ] {
        assert_eq!(with_host(&server, host, "").await.status, status, "{host}");
    }
    let rebound = "Origin: http://evil.example:8000\r\n";
    assert_eq!(
        with_host(&server, "Host: evil.example:8000\r\n", rebound)
            .await
            .json()["code"],
        "host_not_allowed"
    );
}

#[tokio::test]
async fn a_probe_comes_by_any_name_and_learns_nothing() {
    let server = TestServer::start().await;
    for (path, status) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 403),
        ("/channels/x", 403),
    ] {
        let mut http = Http::connect(server.addr).await;
        http.send(format!("GET {path} HTTP/1.1\r\nHost: 10.0.0.5:8000\r\n\r\n").as_bytes())
            .await;
        let answer = http.answer().await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn foreign_pages_may_not_read_or_write() {
    let server = TestServer::start().await;
    for origin in [
        "http://evil.example",
        "null",
        "https://localhost.evil.example",
        "http://localhost.",
        "file://",
    ] {
        for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS"] {
            let headers = format!("Origin: {origin}\r\n");
            let answer = fetch(server.addr, method, "/channels/x", &headers, b"").await;
            assert_eq!(answer.status, 403, "{method} {origin}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert_eq!(
                answer.header("vary"),
                Some("Accept, Origin, Authorization, Cookie")
            );
        }
        let events = format!("Origin: {origin}\r\nAccept: text/event-stream\r\n");
        assert_eq!(
            fetch(server.addr, "GET", "/channels/x", &events, b"")
                .await
                .status,
            403
        );
    }
    assert!(
        get(server.addr, "/channels/x").await.json()["messages"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn allowed_pages_get_their_headers() {
    let access = AccessRules {
        origins: vec!["https://app.example".into()],
        loopback_origins: true,
        ..AccessRules::default()
    };
    let server = TestServer::with(Options {
        access,
        ..Options::default()
    })
    .await;
    for origin in ["https://app.example", "http://localhost:3000"] {
        let headers = format!("Origin: {origin}\r\n");
        let answer = fetch(server.addr, "GET", "/channels/x", &headers, b"").await;
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(
            answer.header("access-control-expose-headers"),
            Some("ETag, Retry-After")
        );
        let refused = fetch(server.addr, "GET", "/channels/x?since=1", &headers, b"").await;
        assert_eq!(
            (
                refused.status,
                refused.header("access-control-allow-origin")
            ),
            (400, Some(origin))
        );
        let preflight = format!(
            "{headers}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: last-event-id\r\n"
        );
        let preflight = fetch(server.addr, "OPTIONS", "/read", &preflight, b"").await;
        assert_eq!(
            (
                preflight.status,
                preflight.header("access-control-allow-origin")
            ),
            (204, Some(origin))
        );
        let allowed = preflight.header("access-control-allow-headers").unwrap();
        for header in [
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-None-Match",
            "Last-Event-ID",
            "Tidings-Session",
        ] {
            assert!(allowed.contains(header), "{header}");
        }
        assert!(
            preflight
                .header("access-control-allow-methods")
                .unwrap()
                .contains("DELETE")
        );
    }
}

#[tokio::test]
async fn wrong_methods_and_paths() {
    let server = TestServer::start().await;
    for (method, target, status) in [
        ("PUT", "/channels/x", 405),
        ("PATCH", "/channels", 405),
        ("GET", "/publish", 405),
        ("GET", "/read", 405),
        ("POST", "/healthz", 405),
        ("GET", "/nothing", 404),
        ("GET", "/console/../Cargo.toml", 404),
        ("GET", "/console/%2e%2e/Cargo.toml", 404),
        ("GET", "/channels", 400),
        ("DELETE", "/channels", 400),
    ] {
        let answer = fetch(server.addr, method, target, "", b"").await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.header("allow").is_some(), status == 405);
        let problem = answer.json();
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "code", "detail"] {
            assert!(problem[field].is_string(), "{field}");
        }
    }
}

#[tokio::test]
async fn a_get_with_a_body_is_refused_and_its_bytes_are_no_request() {
    let server = TestServer::start().await;
    let smuggled = "POST /channels/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n!";
    for target in [
        "/channels/x?wait=30",
        "/channels/x?transport=sse",
        "/channels/x",
    ] {
        let mut http = Http::connect(server.addr).await;
        http.request("GET", target, "", smuggled.as_bytes()).await;
        assert_eq!(http.answer().await.status, 400, "{target}");
    }
    assert!(
        get(server.addr, "/channels/x").await.json()["messages"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

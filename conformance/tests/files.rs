//! The client for browsers, as every server hands it to every page.

#![allow(clippy::unwrap_used)]

use conformance::http::{fetch, get};
use conformance::keyed;
use conformance::server::TestServer;

const FOREIGN: &str = "Origin: https://elsewhere.example\r\n";

#[tokio::test]
async fn pages_of_every_origin_load_it_from_every_server() {
    let open = TestServer::start().await;
    for server in [&open, &keyed::start().await] {
        for (path, content_type) in [
            ("/tidings.js", "text/javascript; charset=utf-8"),
            ("/tidings.global.js", "text/javascript; charset=utf-8"),
            ("/tidings.js.map", "application/json"),
            ("/tidings.global.js.map", "application/json"),
        ] {
            for headers in ["", FOREIGN, "Origin: http://localhost:1\r\n"] {
                let answer = fetch(server.addr, "GET", path, headers, b"").await;
                assert_eq!(answer.status, 200, "{path} {headers}");
                for (name, value) in [
                    ("content-type", Some(content_type)),
                    ("access-control-allow-origin", Some("*")),
                    ("access-control-allow-credentials", None),
                    ("cross-origin-resource-policy", Some("cross-origin")),
                    ("cache-control", Some("no-cache")),
                    ("x-content-type-options", Some("nosniff")),
                    ("vary", None),
                ] {
                    assert_eq!(answer.header(name), value, "{path} {headers} {name}");
                }
            }
        }
    }
}

#[tokio::test]
async fn who_has_it_is_told_so() {
    let server = TestServer::start().await;
    let first = get(server.addr, "/tidings.js").await;
    let tag = first.header("etag").unwrap().to_owned();
    assert!(tag.starts_with('"') && tag.len() == 34, "{tag}");
    for given in [tag.clone(), format!("\"x\", W/{tag}"), "*".into()] {
        let headers = format!("{FOREIGN}If-None-Match: {given}\r\n");
        let answer = fetch(server.addr, "GET", "/tidings.js", &headers, b"").await;
        assert_eq!((answer.status, answer.body.len()), (304, 0), "{given}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let other = fetch(
        server.addr,
        "GET",
        "/tidings.js",
        "If-None-Match: \"x\"\r\n",
        b"",
    )
    .await;
    assert_eq!((other.status, other.body), (200, first.body));
    assert_ne!(
        get(server.addr, "/tidings.global.js").await.header("etag"),
        Some(tag.as_str())
    );
}

#[tokio::test]
async fn it_is_these_files_and_no_others() {
    let server = TestServer::start().await;
    for path in [
        "/tidings.",
        "/tidings.css",
        "/tidings.js/x",
        "/tidings.../x",
        "/tidings",
    ] {
        assert_eq!(get(server.addr, path).await.status, 404, "{path}");
    }
    let foreign = fetch(server.addr, "OPTIONS", "/tidings.js", FOREIGN, b"").await;
    assert_eq!(foreign.status, 403);
    let post = fetch(server.addr, "POST", "/tidings.js", FOREIGN, b"").await;
    assert_eq!(post.status, 403);
}

//! Opening handshakes that no suite of frames knows (RFC 6455 section 4.2).

use conformance::http::{Answer, Http};
use conformance::server::TestServer;
use conformance::ws::HANDSHAKE;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const ACCEPT: Option<&str> = Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

async fn handshake(server: &TestServer, headers: &str) -> Answer {
    let mut http = Http::connect(server.addr).await;
    http.request("GET", "/channels/x", headers, b"").await;
    http.head().await
}

fn changed(from: &str, to: &str) -> String {
    assert!(HANDSHAKE.contains(from), "{from}");
    HANDSHAKE.replace(from, to)
}

#[tokio::test]
async fn every_spelling_of_a_good_one_is_accepted() {
    let server = TestServer::start().await;
    for headers in [
        HANDSHAKE.to_lowercase().replace(&KEY.to_lowercase(), KEY),
        HANDSHAKE.to_uppercase().replace(&KEY.to_uppercase(), KEY),
        changed("Upgrade: websocket", "Upgrade: WebSocket"),
        changed("Upgrade: websocket", "Upgrade: h2c, websocket"),
        changed("Upgrade: websocket", "Upgrade: h2c\r\nUpgrade: websocket"),
        changed("keep-alive, Upgrade", "keep-alive,upgrade"),
        changed("keep-alive, Upgrade", "UPGRADE"),
        changed("keep-alive, Upgrade", " , ,Upgrade,"),
        changed("keep-alive, Upgrade", "keep-alive\r\nConnection: Upgrade"),
        changed("Version: 13", "Version:13"),
        changed("Version: 13", "Version:  13  "),
        format!("{HANDSHAKE}Content-Length: 0\r\n"),
        format!(
            "{HANDSHAKE}Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        ),
        format!("{HANDSHAKE}Sec-WebSocket-Extensions: x-unknown; a=\"bc\", \r\n"),
        format!("{HANDSHAKE}Expect: 100-continue\r\n"),
    ] {
        let head = handshake(&server, &headers).await;
        assert_eq!(
            (head.status, head.header("sec-websocket-accept")),
            (101, ACCEPT),
            "{headers}"
        );
        assert_eq!(head.header("content-length"), None);
        assert_eq!(head.header("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn a_wrong_one_is_told_what_is_wrong() {
    let server = TestServer::start().await;
    let key = |value: &str| changed("dGhlIHNhbXBsZSBub25jZQ==", value);
    let version = |value: &str| changed("Version: 13", value);
    for (headers, status) in [
        (format!("{HANDSHAKE}{KEY}"), 400),
        // RFC 6455 section 9.1: what is quoted is still a token.
        (
            format!("{HANDSHAKE}Sec-WebSocket-Extensions: x-unknown; a=\"b,c\"\r\n"),
            400,
        ),
        (
            format!("{HANDSHAKE}sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
            400,
        ),
        (key(""), 400),
        (key("dGhlIHNhbXBsZSBub25jZQ"), 400),
        (key("dGhlIHNhbXBsZSBub25jZQ== x"), 400),
        (key("dGhlIHNhbXBsZSBub25jZWE="), 400),
        (key("_-hlIHNhbXBsZSBub25jZQ=="), 400),
        (
            key("dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="),
            400,
        ),
        (version("Version: 13\r\nSec-WebSocket-Version: 13"), 426),
        (version("Version: 13, 8"), 426),
        (version("Version: 013"), 426),
        (version("Version: 12"), 426),
        (version("Version:"), 426),
        (changed("Upgrade: websocket", "Upgrade: websocket/13"), 426),
        (changed("keep-alive, Upgrade", "close"), 400),
        (changed("keep-alive, Upgrade", "Upgraded"), 400),
        (format!("{HANDSHAKE}Content-Length: 1\r\n"), 400),
        (format!("{HANDSHAKE}Transfer-Encoding: chunked\r\n"), 400),
    ] {
        let mut http = Http::connect(server.addr).await;
        http.request("GET", "/channels/x", &headers, b"").await;
        let answer = http.answer().await;
        assert_eq!(answer.status, status, "{headers}");
        assert!(
            answer.json()["detail"]
                .as_str()
                .is_some_and(|detail| detail.len() > 20)
        );
        assert_eq!(answer.header("sec-websocket-accept"), None);
        if status == 426 {
            // RFC 9110 section 15.5.22, RFC 6455 section 4.4.
            assert_eq!(answer.header("upgrade"), Some("websocket"), "{headers}");
            assert!(
                answer
                    .header("connection")
                    .is_some_and(|c| c.contains("upgrade")),
                "{headers}"
            );
            let asked = headers.contains("Upgrade: websocket\r\n");
            let version = asked.then_some("13");
            assert_eq!(answer.header("sec-websocket-version"), version, "{headers}");
        }
    }
}

#[tokio::test]
async fn another_method_or_path_is_no_websocket() {
    let server = TestServer::start().await;
    for (method, target, status) in [
        ("HEAD", "/channels/x", 426),
        ("PUT", "/channels/x", 405),
        ("GET", "/nothing", 404),
        ("GET", "/read", 405),
    ] {
        let mut http = Http::connect(server.addr).await;
        http.request(method, target, HANDSHAKE, b"").await;
        let answer = http.head().await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.header("sec-websocket-accept"), None);
    }
    let mut http = Http::connect(server.addr).await;
    let old = format!("GET /channels/x HTTP/1.0\r\nHost: localhost\r\n{HANDSHAKE}\r\n");
    http.send(old.as_bytes()).await;
    assert_eq!(http.answer().await.status, 400);
}

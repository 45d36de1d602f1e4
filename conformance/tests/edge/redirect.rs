//! The listener that sends every request to HTTPS.

use conformance::server::TestServer;
use tidings_server::Kind;
use tokio::net::TcpStream;

use crate::support::{exchange, listener, status};

async fn answers(port: u16, requests: &[(&str, Result<&str, u16>)]) {
    let server = TestServer::start().await;
    let kind = Kind::Redirect {
        port,
        proxy_protocol: false,
    };
    let addr = listener(&server, kind).await;
    for (request, expected) in requests {
        let mut socket = TcpStream::connect(addr).await.expect("it listens");
        let answer = exchange(&mut socket, request.as_bytes()).await;
        match expected {
            Ok(location) => {
                assert_eq!(status(&answer), 308, "{request}{answer}");
                assert!(
                    answer.contains(&format!("\r\nlocation: {location}\r\n")),
                    "{request}{answer}"
                );
                assert!(
                    answer.contains("\r\ncache-control: no-store\r\n"),
                    "{answer}"
                );
            }
            Err(code) => {
                assert_eq!(status(&answer), *code, "{request}{answer}");
                assert!(!answer.contains("\r\nlocation:"), "{request}{answer}");
            }
        }
    }
    let sent = requests
        .iter()
        .filter(|(_, expected)| expected.is_ok())
        .count();
    assert_eq!(server.app.stats().redirects.get(), sent as u64);
}

#[tokio::test]
async fn every_request_is_sent_to_https() {
    answers(443, &[
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", Ok("https://localhost/")),
        ("GET /channels/a%20b?x=%0d%0a HTTP/1.1\r\nHost: localhost:80\r\n\r\n", Ok("https://localhost/channels/a%20b?x=%0d%0a")),
        ("POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", Ok("https://localhost/publish")),
        ("GET /metrics HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", Ok("https://[::1]/metrics")),
        ("GET /channels/x HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\n\r\n", Ok("https://localhost/channels/x")),
        ("GET //evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", Ok("https://localhost//evil.example/")),
        ("GET http://localhost/a HTTP/1.1\r\nHost: localhost\r\n\r\n", Ok("https://localhost/a")),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", Ok("https://localhost/")),
        ("GET /channels/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", Ok("https://localhost/channels/x")),
    ])
    .await;
}

#[tokio::test]
async fn to_another_port_and_never_to_another_host() {
    answers(
        8443,
        &[
            (
                "GET /a HTTP/1.1\r\nHost: localhost:8080\r\n\r\n",
                Ok("https://localhost:8443/a"),
            ),
            (
                "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
                Ok("https://localhost:8443/"),
            ),
            ("GET / HTTP/1.0\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: \r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: user@localhost\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: localhost/evil\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", Err(403)),
            (
                "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
                Err(400),
            ),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(0)),
        ],
    )
    .await;
}

//! Heads, handshakes and frames that cost a server elsewhere its life. What is abused at length by
//! frames, by HTTP/2 and by slowness has tests of its own; the table says which.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use conformance::carrier::Carrier;
use conformance::http::Http;
use conformance::server::{Options, TestServer, keys_of};
use conformance::tls::{Authority, connector};
use conformance::ws::{HANDSHAKE, Ws};
use rustls::pki_types::ServerName;
use tidings_protocol::Code;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::support::{Bystander, is, keyed, patiently, refusals, told, until};

/// All that the server says to bytes which it may not want to read to their end.
async fn answer_to(server: &TestServer, parts: &[&[u8]]) -> String {
    let mut socket = TcpStream::connect(server.addr).await.expect("it listens");
    patiently(async {
        let mut said = Vec::new();
        let (mut read, mut write) = socket.split();
        let hear = async { read.read_to_end(&mut said).await.ok() };
        let say = async {
            for part in parts {
                if write.write_all(part).await.is_err() {
                    return;
                }
            }
            // Nothing more comes: it need not be waited for.
            let _ = write.shutdown().await;
        };
        tokio::join!(hear, say);
        String::from_utf8_lossy(&said).into_owned()
    })
    .await
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_refused_before_it_has_come() {
    let server = keyed().await;
    let mut bystander = Bystander::new(&server).await;
    let million = "a".repeat(1 << 20);
    let fields = "x: y\r\n".repeat(10_000);
    let rows: [(&str, String); 5] = [
        (
            "a header of 1 MB",
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {million}\r\n\r\n"),
        ),
        (
            "10,000 headers",
            format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"),
        ),
        (
            "a target of 1 MB",
            format!("GET /channels/{million} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ),
        (
            "a method of 1 MB",
            format!(
                "{} / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                million.to_uppercase()
            ),
        ),
        (
            "a first line without end",
            format!("GET /{million}{million}"),
        ),
    ];
    let mut wrong = Vec::new();
    for (row, head) in &rows {
        let before = refusals(&server, Code::HeadTooLarge) + refusals(&server, Code::BadRequest);
        let said = answer_to(&server, &[head.as_bytes()]).await;
        // Where the connection is reset before, its answer may be lost on the way: it is counted.
        if !(said.is_empty()
            || said.starts_with("HTTP/1.1 431 ")
            || said.starts_with("HTTP/1.1 414 ")
            || said.starts_with("HTTP/1.1 400 "))
        {
            wrong.push(format!("{row}: {said}"));
        }
        until(|| {
            refusals(&server, Code::HeadTooLarge) + refusals(&server, Code::BadRequest) > before
        })
        .await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    bystander.lives().await;
}

/// CVE-2023-43669, CVE-2021-32640, CVE-2024-37890: the time for a head grows with its bytes.
#[tokio::test]
async fn a_handshake_costs_what_its_bytes_cost() {
    let server = keyed().await;
    let mut bystander = Bystander::new(&server).await;
    let long = 14_000;
    for value in [
        " ".repeat(long),
        ", ".repeat(long / 2),
        ",".repeat(long),
        "a ,".repeat(long / 3),
        format!("x{}y", " ".repeat(long)),
        "a".repeat(long),
        "\"".repeat(long),
        "x;a=".repeat(long / 4),
    ] {
        for name in [
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
            "Connection",
            "Accept",
            "Cookie",
            "Authorization",
        ] {
            let begun = Instant::now();
            let mut http = Http::connect(server.addr).await;
            let headers = format!("{HANDSHAKE}{name}: {value}\r\n");
            http.request("GET", "/channels/x", &headers, b"").await;
            let head = patiently(http.head()).await;
            assert!(
                matches!(head.status, 101 | 400 | 401),
                "{name} {:.20} {}",
                value,
                head.status
            );
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "{name} {:.20} {:?}",
                value,
                begun.elapsed()
            );
        }
    }
    let mut many = String::new();
    for at in 0..80 {
        many.push_str(&format!("X-{at}: y\r\n"));
    }
    let mut http = Http::connect(server.addr).await;
    http.request("GET", "/channels/x", &format!("{HANDSHAKE}{many}"), b"")
        .await;
    assert_eq!(http.head().await.status, 101, "as many as may be");
    bystander.lives().await;
}

/// Writes a byte at a time, each in a packet of its own.
struct ByTheByte(TcpStream);

impl AsyncRead for ByTheByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ByTheByte {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let one = &buf[..buf.len().min(1)];
        Pin::new(&mut self.0).poll_write(cx, one)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// CVE-2024-32650, CVE-2024-11738.
#[tokio::test]
async fn tls_in_pieces_and_in_the_wrong_order_ends_no_more_than_itself() {
    let authority = Authority::new("of this test");
    let keys = keys_of(&authority.issue(&["localhost"]));
    let server = TestServer::with(Options {
        tls: Some(keys),
        ..Options::default()
    })
    .await;
    let name = || ServerName::try_from("localhost").expect("a name");
    let tls = connector(&authority.pem(), "http/1.1");
    let garbage: [&[u8]; 6] = [
        // An alert that says goodbye, as the first word.
        b"\x15\x03\x03\x00\x02\x01\x00",
        // A fatal one.
        b"\x15\x03\x03\x00\x02\x02\x28",
        // A record of nothing, and of too much.
        b"\x16\x03\x01\x00\x00\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\xff\xff",
        // A ClientHello of 16 MB, in pieces, of which an alert follows.
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff\x15\x03\x03\x00\x02\x01\x00",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ];
    let errors = &server.app.stats().tls_errors;
    for (at, bytes) in garbage.iter().enumerate() {
        answer_to(&server, &[bytes]).await;
        until(|| errors.get() == at as u64 + 1).await;
    }
    for hasty in [false, true] {
        let socket = TcpStream::connect(server.addr).await.expect("it listens");
        socket.set_nodelay(true).expect("set");
        let mut stream = patiently(tls.connect(name(), ByTheByte(socket)))
            .await
            .expect("a handshake");
        if !hasty {
            let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
            stream.write_all(request).await.expect("taken");
            stream.flush().await.expect("taken");
            let mut answer = [0; 15];
            patiently(stream.read_exact(&mut answer))
                .await
                .expect("an answer");
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
        }
        stream.shutdown().await.expect("said");
    }
    assert_eq!(server.app.stats().panics.get(), 0);
}

/// A binary frame that says it has a header longer than itself: nothing is waited for or reserved.
#[tokio::test]
async fn parts_that_are_declared_and_never_come_are_refused_at_once() {
    let server = keyed().await;
    let mut bystander = Bystander::new(&server).await;
    let (mut ws, _) = crate::support::socket(&server, "/channels", "").await;
    let frames: [&[u8]; 5] = [b"", b"\x00", b"\xff\xff", b"\xff\xff{}", b"\x00\x02"];
    for frame in frames {
        ws.send(2, frame).await;
        let answer = patiently(ws.json()).await.expect("an answer");
        assert_eq!(answer["code"], "invalid_command", "{frame:?}");
    }
    let mut http = Http::connect(server.addr).await;
    let lengths = ["18446744073709551615", "9223372036854775808", "99999999999"];
    for length in lengths {
        let head =
            format!("POST /read HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        http.send(head.as_bytes()).await;
        let answer = patiently(http.answer()).await;
        assert!(
            matches!(answer.status, 400 | 413 | 431),
            "{length} {}",
            answer.status
        );
        http = Http::connect(server.addr).await;
    }
    bystander.lives().await;
}

/// Who says nothing of itself is not kept for its silence.
#[tokio::test]
async fn a_socket_that_nobody_claims_ends() {
    let server = keyed().await;
    let begun = Instant::now();
    let endpoint = server.endpoint(Carrier::Http1).await;
    let mut ws = Ws::connect(endpoint, "/channels")
        .await
        .expect("a WebSocket");
    let error = loop {
        let said = patiently(ws.json()).await.expect("a last word");
        if said["type"] == "error" {
            break said;
        }
    };
    assert_eq!(error["code"], "unauthorized", "{error}");
    assert_eq!(
        patiently(ws.frame()).await.expect("a close").close_code(),
        Some(4021)
    );
    assert!(
        begun.elapsed() >= Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    let answer = conformance::http::get(server.addr, "/channels/x").await;
    assert_eq!(told(&answer), is(401, "unauthorized"));
}

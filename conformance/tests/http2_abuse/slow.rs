//! Clients that take their time on HTTP/2: with their preface, their heads and their windows.

use std::time::Duration;

use conformance::http::post as publish;
use conformance::http2::{
    END_STREAM, Http2, INITIAL_WINDOW_SIZE, PREFACE, frame, get, headers, kind, post, request,
    settings, window,
};
use conformance::server::TestServer;
use tidings_core::Limits;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Bystander, drip, metric, narrow, patiently, rest, wait_for};

/// CANCEL (RFC 9113 section 7).
const CANCEL: u32 = 8;
const WRITE_TIMEOUTS: &str = "tidings_write_timeouts_total";

fn hasty(limits: &mut Limits) {
    limits.head_time = Duration::from_millis(300);
    limits.body_time = Duration::from_millis(300);
    limits.write_time = Duration::from_millis(300);
}

async fn connect(server: &TestServer) -> TcpStream {
    let socket = TcpStream::connect(server.addr).await.expect("it listens");
    socket.set_nodelay(true).expect("a socket");
    socket
}

#[tokio::test]
async fn a_preface_in_pieces_is_one() {
    let server = TestServer::start().await;
    for cut in 1..PREFACE.len() {
        let mut socket = connect(&server).await;
        socket.write_all(&PREFACE[..cut]).await.unwrap();
        // What was sent is read on its own before the rest comes, or not: it is the same.
        tokio::task::yield_now().await;
        let behind = [&PREFACE[cut..], &settings(&[(1, 0)]), &get(1, "/healthz")].concat();
        socket.write_all(&behind).await.unwrap();
        let answer = patiently(Http2::bare(socket).answer(1)).await;
        assert_eq!(answer.expect("an answer").0, 200, "{cut}");
    }
}

#[tokio::test]
async fn a_connection_by_the_byte_is_served() {
    let server = TestServer::start().await;
    let mut socket = connect(&server).await;
    let bytes = [PREFACE, &settings(&[(1, 0)]), &get(1, "/healthz")].concat();
    drip(&mut socket, &bytes, Duration::from_millis(1)).await;
    let answer = patiently(Http2::bare(socket).answer(1)).await;
    assert_eq!(answer.expect("an answer").0, 200);
}

#[tokio::test]
async fn half_a_preface_has_the_time_of_a_head() {
    let server = TestServer::limited(hasty).await;
    let mut socket = connect(&server).await;
    socket.write_all(&PREFACE[..20]).await.unwrap();
    assert!(rest(&mut socket).await.is_empty());
    // The same if it comes by the byte: no byte buys time.
    let mut socket = connect(&server).await;
    drip(&mut socket, &PREFACE[..23], Duration::from_millis(30)).await;
    assert!(rest(&mut socket).await.is_empty());
    wait_for(&server, "tidings_connections", 1).await;
}

/// What is no preface is a request of HTTP/1.1, and a bad one.
#[tokio::test]
async fn what_is_almost_a_preface_is_not_one() {
    let server = TestServer::start().await;
    for at in [0, 5, 15, 20, 23] {
        let mut bytes = PREFACE.to_vec();
        bytes[at] ^= 1;
        let mut socket = connect(&server).await;
        socket.write_all(&bytes).await.unwrap();
        socket.shutdown().await.unwrap();
        let answer = rest(&mut socket).await;
        let refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 ");
        assert!(refused, "{at}: {}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(metric(&server, "tidings_panics_total").await, 0);
}

/// Ended with GOAWAY and no error: nothing was asked.
#[tokio::test]
async fn who_asks_for_nothing_is_ended() {
    let server = TestServer::limited(hasty).await;
    let head = get(1, "/healthz");
    let begun = frame(kind::HEADERS, END_STREAM, 1, &head[9..]);
    for said in [
        &b""[..],
        // A head without its end, and parts of frames.
        &begun,
        &head[..5],
        &head[..20],
        &[0, 0x40, 0, kind::DATA, 0, 0, 0, 0, 1],
    ] {
        let mut http2 = Http2::connect(server.addr).await;
        http2.send(said).await;
        assert_eq!(patiently(http2.end()).await, Some(0), "{said:02x?}");
    }
    wait_for(&server, "tidings_connections", 1).await;
    assert_eq!(metric(&server, "tidings_http2_errors_total").await, 0);
}

#[tokio::test]
async fn pings_and_a_head_by_the_byte_buy_no_time() {
    let server = TestServer::limited(hasty).await;
    let ping = frame(kind::PING, 0, 0, &[7; 8]).repeat(1_000);
    let head = headers(1, END_STREAM, &[("x", &"y".repeat(10_000))]);
    for bytes in [ping, head] {
        let mut socket = connect(&server).await;
        let opening = [PREFACE, &settings(&[])].concat();
        socket.write_all(&opening).await.unwrap();
        // Some 50 pings a second at most are fewer than a flood for as long as this takes.
        patiently(async {
            for piece in bytes.chunks(17) {
                if socket.write_all(piece).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("it was taken to its end");
        })
        .await;
    }
    wait_for(&server, "tidings_connections", 1).await;
    assert_eq!(metric(&server, "tidings_http2_floods_total").await, 0);
}

#[tokio::test]
async fn a_body_that_does_not_come_has_its_time() {
    let server = TestServer::limited(hasty).await;
    let mut http2 = Http2::connect(server.addr).await;
    http2.send(&post(1, "/channels/x")).await;
    let answer = patiently(http2.answer(1)).await.expect("an answer");
    assert_eq!(answer.0, 408);
}

/// A window of zero ends the stream and not the connection.
#[tokio::test]
async fn a_window_of_zero_costs_its_stream() {
    let server = TestServer::limited(hasty).await;
    let mut bystander = Bystander::new(&server).await;
    for _ in 0..16 {
        publish(server.addr, "/channels/x", &"x".repeat(60_000)).await;
    }
    let mut http2 = Http2::connect_with(server.addr, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    for (stream, path) in [
        (1, "/channels/x"),
        (3, "/channels/x?transport=sse"),
        (5, "/channels/x?wait=1&last=10"),
    ] {
        let before = metric(&server, WRITE_TIMEOUTS).await;
        http2.send(&get(stream, path)).await;
        let answer = bystander.lives_while(patiently(http2.answer(stream))).await;
        let (status, body, code) = answer.expect("the connection goes on");
        assert_eq!((status, body.len(), code), (200, 0, Some(CANCEL)), "{path}");
        assert_eq!(metric(&server, WRITE_TIMEOUTS).await, before + 1, "{path}");
    }
    // With a window its streams are as others'.
    http2.send(&get(7, "/channels/x?limit=1&last=1")).await;
    http2.send(&window(7, 100_000)).await;
    let answer = patiently(http2.answer(7)).await.expect("an answer");
    assert_eq!((answer.0, answer.2), (200, None));
    for transport in ["sse", "long-poll"] {
        wait_for(
            &server,
            &format!("tidings_readers{{transport=\"{transport}\"}}"),
            0,
        )
        .await;
    }
}

/// A connection whose window is used up by one stream, for all others too.
#[tokio::test]
async fn a_connection_without_window_costs_its_streams() {
    let server = TestServer::limited(hasty).await;
    for _ in 0..16 {
        publish(server.addr, "/channels/x", &"x".repeat(60_000)).await;
    }
    // The streams may have much, the connection keeps the 65,535 bytes that it has at first.
    let mut http2 = Http2::connect_with(server.addr, &[(INITIAL_WINDOW_SIZE, 1 << 24)]).await;
    for stream in [1, 3, 5] {
        http2.send(&get(stream, "/channels/x")).await;
    }
    let mut ended = 0;
    while ended < 3 {
        let frame = patiently(http2.frame()).await.expect("it goes on");
        if frame.kind == kind::RST_STREAM {
            assert_eq!(frame.code(), Some(CANCEL));
            ended += 1;
        }
    }
    assert_eq!(metric(&server, WRITE_TIMEOUTS).await, 3);
}

/// The socket itself takes nothing: that ends the connection with all its streams.
#[tokio::test]
async fn answers_that_nobody_reads_end_the_connection() {
    let server = TestServer::limited(hasty).await;
    let mut bystander = Bystander::new(&server).await;
    for _ in 0..16 {
        publish(server.addr, "/channels/x", &"x".repeat(60_000)).await;
    }
    let socket = narrow(server.addr).await;
    let windows = [(INITIAL_WINDOW_SIZE, (1 << 31) - 1)];
    let mut http2 = Http2::over(socket, &windows).await;
    http2.send(&window(0, 1 << 30)).await;
    for stream in (1..200).step_by(2) {
        let _ = http2.try_send(&get(stream, "/channels/x")).await;
    }
    // The connection, or streams of it first.
    bystander
        .lives_while(wait_for(&server, "tidings_connections", 2))
        .await;
    // Streams are counted after their connection.
    patiently(async {
        while metric(&server, WRITE_TIMEOUTS).await == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(metric(&server, "tidings_panics_total").await, 0);
}

/// What was asked and taken back while nobody reads is not held either.
#[tokio::test]
async fn requests_taken_back_and_nothing_read() {
    let server = TestServer::limited(hasty).await;
    let mut bystander = Bystander::new(&server).await;
    let socket = narrow(server.addr).await;
    let mut http2 = Http2::over(socket, &[]).await;
    let mut flood = Vec::new();
    for stream in (1..2_000).step_by(2) {
        flood.extend(headers(stream, END_STREAM, &request("GET", "/channels/x")));
        flood.extend(conformance::http2::reset(stream, CANCEL));
    }
    let _ = http2.try_send(&flood).await;
    bystander
        .lives_while(wait_for(&server, "tidings_connections", 2))
        .await;
    assert_eq!(metric(&server, "tidings_http2_floods_total").await, 1);
}

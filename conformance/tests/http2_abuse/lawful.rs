//! What looks like abuse and is not: clients that keep to the rules are not ended for it.

use conformance::http::post as publish;
use conformance::http2::{
    END_STREAM, Http2, frame, get, goaway, headers, kind, post, request, reset, window,
};
use conformance::server::TestServer;

use crate::support::{metric, patiently, wait_for};

const FLOODS: &str = "tidings_http2_floods_total";
const ERRORS: &str = "tidings_http2_errors_total";
/// CANCEL (RFC 9113 section 7).
const CANCEL: u32 = 8;

/// The stream up to the event that holds `text`.
async fn hears(http2: &mut Http2, stream: u32, text: &str) {
    let mut body = String::new();
    while !body.contains(text) {
        let frame = patiently(http2.frame()).await.expect("the stream goes on");
        if frame.stream == stream && frame.kind == kind::DATA {
            body += &String::from_utf8_lossy(&frame.payload);
        }
        assert!(frame.stream != stream || !frame.is_last(), "{frame:?}");
    }
}

#[tokio::test]
async fn trailers_of_a_request_are_passed_over() {
    let server = TestServer::start().await;
    let mut http2 = Http2::connect(server.addr).await;
    http2.send(&post(1, "/channels/x")).await;
    http2.send(&frame(kind::DATA, 0, 1, b"one")).await;
    let trailers = headers(1, END_STREAM, &[("x-checksum", "1")]);
    http2.send(&trailers).await;
    let answer = patiently(http2.answer(1)).await.expect("an answer");
    assert_eq!(answer.0, 200, "{}", String::from_utf8_lossy(&answer.1));
}

/// All streams that the server allows, and all but one taken back at once: a page that is left, or a
/// proxy whose clients go.
#[tokio::test]
async fn as_many_streams_as_may_be_are_cancelled_at_once() {
    let server = TestServer::start().await;
    let streams = u32::try_from(tidings_core::Limits::default().streams).unwrap();
    let last = 2 * streams - 1;
    let path = "/channels/x?wait=30&last=0";
    let mut http2 = Http2::connect(server.addr).await;
    for stream in (1..last).step_by(2) {
        http2.send(&get(stream, path)).await;
    }
    http2.send(&get(last, "/channels/x?transport=sse")).await;
    hears(&mut http2, last, "hello").await;
    let resets: Vec<u8> = (1..last)
        .step_by(2)
        .flat_map(|stream| reset(stream, CANCEL))
        .collect();
    http2.send(&resets).await;
    wait_for(&server, "tidings_readers{transport=\"long-poll\"}", 0).await;
    publish(server.addr, "/channels/x", "still here").await;
    hears(&mut http2, last, "still here").await;
    assert_eq!(metric(&server, FLOODS).await, 0);
}

/// A connection that lives long, as one from a proxy: answers that come before the bodies of their
/// requests do not add up.
#[tokio::test]
async fn refused_publishes_for_ever() {
    let server = TestServer::start().await;
    let mut http2 = Http2::connect(server.addr).await;
    http2.send(&window(0, 1 << 30)).await;
    for stream in (1..6_001).step_by(2) {
        // Answered before the body is read; the body comes all the same, and is small.
        http2.send(&post(stream, "/nothing")).await;
        let answer = patiently(http2.answer(stream)).await;
        let Some((404 | 405, ..)) = answer else {
            let end = patiently(http2.end()).await;
            panic!("stream {stream}: {answer:?}, GOAWAY {end:?}");
        };
        let body = [
            frame(kind::DATA, 0, stream, b"{\"text\":1}"),
            frame(kind::DATA, END_STREAM, stream, b""),
        ];
        let _ = http2.try_send(&body.concat()).await;
    }
    assert_eq!(metric(&server, FLOODS).await, 0);
    assert_eq!(metric(&server, ERRORS).await, 0);
}

#[tokio::test]
async fn a_client_that_says_goodbye_hears_its_streams_out() {
    let server = TestServer::start().await;
    let mut http2 = Http2::connect(server.addr).await;
    http2.send(&get(1, "/channels/x?transport=sse")).await;
    hears(&mut http2, 1, "hello").await;
    http2.send(&goaway(0)).await;
    publish(server.addr, "/channels/x", "after").await;
    hears(&mut http2, 1, "after").await;
    http2.send(&reset(1, CANCEL)).await;
    assert_eq!(patiently(http2.end()).await, Some(0));
    assert_eq!(metric(&server, ERRORS).await, 0);
}

/// What a client says of the server is not the client's error.
#[tokio::test]
async fn a_client_that_leaves_with_an_error_is_not_counted_as_wrong() {
    const CALM: u32 = 11;
    let server = TestServer::start().await;
    for code in [CALM, 1, 2] {
        let mut http2 = Http2::connect(server.addr).await;
        http2.send(&get(1, "/healthz")).await;
        assert_eq!(patiently(http2.answer(1)).await.expect("an answer").0, 200);
        http2.send(&goaway(code)).await;
        patiently(http2.end()).await;
    }
    wait_for(&server, "tidings_connections", 1).await;
    assert_eq!(metric(&server, FLOODS).await, 0);
    assert_eq!(metric(&server, ERRORS).await, 0);
}

/// A request whose body is in small frames, for as long as a connection lives.
#[tokio::test]
async fn publishes_in_small_pieces_for_ever() {
    let server = TestServer::start().await;
    let mut http2 = Http2::connect(server.addr).await;
    for stream in (1..2_001).step_by(2) {
        let mut bytes = headers(stream, 0, &request("POST", "/channels/x"));
        for _ in 0..20 {
            bytes.extend(frame(kind::DATA, 0, stream, b"ab"));
        }
        bytes.extend(frame(kind::DATA, END_STREAM, stream, b""));
        http2.send(&bytes).await;
        let answer = patiently(http2.answer(stream)).await;
        assert_eq!(answer.expect("an answer").0, 200, "{stream}");
    }
    assert_eq!(metric(&server, FLOODS).await, 0);
}

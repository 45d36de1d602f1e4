//! Frames that must not be.

use conformance::http2::{
    ACK, END_HEADERS, END_STREAM, INITIAL_WINDOW_SIZE, field, frame, get, kind, post, request,
    reset, settings, window,
};

use super::Fate::{GoAway, Reset};
use super::{FLOW_CONTROL, FRAME_SIZE, PROTOCOL, judge, row};

/// RFC 9113 sections 4 to 6. The library knows errors of size and of heads, and some of windows, as
/// PROTOCOL_ERROR only, where FRAME_SIZE_ERROR, COMPRESSION_ERROR and FLOW_CONTROL_ERROR are more
/// exact; and it takes a body behind the end for an error of the connection, as it may (section 5.4.1).
#[tokio::test]
async fn frames() {
    let whole: Vec<u8> = request("GET", "/healthz")
        .iter()
        .flat_map(|f| field(f.0, f.1))
        .collect();
    let begun = frame(kind::HEADERS, END_STREAM, 1, &whole);
    let most = (1 << 31) - 1;
    judge(vec![
        row("DATA on 0", frame(kind::DATA, 0, 0, b"x"), GoAway(PROTOCOL)),
        row(
            "HEADERS on 0",
            frame(kind::HEADERS, END_HEADERS, 0, &whole),
            GoAway(PROTOCOL),
        ),
        row(
            "PRIORITY on 0",
            frame(kind::PRIORITY, 0, 0, &[0; 5]),
            GoAway(PROTOCOL),
        ),
        row("RST_STREAM on 0", reset(0, 8), GoAway(PROTOCOL)),
        row(
            "CONTINUATION on 0",
            frame(kind::CONTINUATION, END_HEADERS, 0, b""),
            GoAway(PROTOCOL),
        ),
        row(
            "SETTINGS on 1",
            frame(kind::SETTINGS, 0, 1, b""),
            GoAway(PROTOCOL),
        ),
        row(
            "PING on 1",
            frame(kind::PING, 0, 1, &[0; 8]),
            GoAway(PROTOCOL),
        ),
        row(
            "GOAWAY on 1",
            frame(kind::GOAWAY, 0, 1, &[0; 8]),
            GoAway(PROTOCOL),
        ),
        row(
            "PUSH_PROMISE",
            frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
            GoAway(PROTOCOL),
        ),
        row("an even stream", get(2, "/healthz"), GoAway(PROTOCOL)),
        row(
            "DATA on a stream that is not",
            frame(kind::DATA, 0, 1, b"x"),
            GoAway(PROTOCOL),
        ),
        row("RST_STREAM on one", reset(1, 8), GoAway(PROTOCOL)),
        row("WINDOW_UPDATE on one", window(1, 1), GoAway(PROTOCOL)),
        row(
            "PING of 7 bytes",
            frame(kind::PING, 0, 0, &[0; 7]),
            GoAway(PROTOCOL),
        ),
        row(
            "SETTINGS of 5 bytes",
            frame(kind::SETTINGS, 0, 0, &[0; 5]),
            GoAway(PROTOCOL),
        ),
        row(
            "SETTINGS: an answer with a payload",
            frame(kind::SETTINGS, ACK, 0, &[0; 6]),
            GoAway(PROTOCOL),
        ),
        row(
            "a frame that is too large",
            frame(kind::DATA, 0, 1, &[0; 16_385]),
            GoAway(FRAME_SIZE),
        ),
        row(
            "a head within a head",
            [begun.clone(), get(3, "/healthz")].concat(),
            GoAway(PROTOCOL),
        ),
        row(
            "a PING within a head",
            [begun, frame(kind::PING, 0, 0, &[0; 8])].concat(),
            GoAway(PROTOCOL),
        ),
        row(
            "CONTINUATION of nothing",
            [
                get(1, "/healthz"),
                frame(kind::CONTINUATION, END_HEADERS, 1, b""),
            ]
            .concat(),
            GoAway(PROTOCOL),
        ),
        row("WINDOW_UPDATE of nothing", window(0, 0), GoAway(PROTOCOL)),
        row(
            "WINDOW_UPDATE over 2^31",
            [window(0, most), window(0, most)].concat(),
            GoAway(FLOW_CONTROL),
        ),
        row(
            "the same on a stream",
            [post(1, "/channels/x"), window(1, most), window(1, most)].concat(),
            Reset(FLOW_CONTROL),
        ),
        row(
            "windows of 2^31",
            settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)]),
            GoAway(PROTOCOL),
        ),
        row(
            "a body behind the end",
            [get(1, "/channels/x?wait=30"), frame(kind::DATA, 0, 1, b"x")].concat(),
            GoAway(PROTOCOL),
        ),
        row(
            "an index that is none",
            frame(kind::HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0x7f]),
            GoAway(PROTOCOL),
        ),
        row(
            "index 0",
            frame(kind::HEADERS, END_HEADERS, 1, &[0x80]),
            GoAway(PROTOCOL),
        ),
        row(
            "a string longer than its head",
            frame(kind::HEADERS, END_HEADERS, 1, &[0, 5, b'a']),
            GoAway(PROTOCOL),
        ),
    ])
    .await;
}

//! permessage-deflate: the examples of RFC 7692, section 7.2.3, byte for byte, and what a client may
//! and may not send where it was agreed on.

mod websocket_support;

use tidings_protocol::websocket::{Event, FrameError};
use websocket_support::*;

/// "Hello" by the RFC: one block, deflated on its own.
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
const DEFLATED_TEXT: u8 = RSV1 | TEXT;

fn taken(what: &str, frames: &[Vec<u8>], events: &[Event]) {
    check_where(agreed(), what, frames, events, None);
}

fn refused(what: &str, frames: &[Vec<u8>], error: FrameError) {
    check_where(agreed(), what, frames, &[], Some(error));
}

/// One frame of a text message, deflated to `payload`.
fn one(payload: &[u8]) -> Vec<Vec<u8>> {
    vec![frame(FIN | DEFLATED_TEXT, payload)]
}

#[test]
fn the_examples_of_the_rfc() {
    let hello = [text("Hello")];
    taken("7.2.3.1, one frame", &one(HELLO), &hello);
    let fragments = [
        frame(DEFLATED_TEXT, &HELLO[..3]),
        frame(FIN | CONTINUATION, &HELLO[3..]),
    ];
    taken("7.2.3.1, two fragments", &fragments, &hello);
    taken(
        "7.2.3.2, without context takeover",
        &[one(HELLO), one(HELLO)].concat(),
        &[text("Hello"), text("Hello")],
    );
    let stored = b"\x00\x05\x00\xfa\xffHello\x00";
    taken("7.2.3.3, no compression", &one(stored), &hello);
    let final_block = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    taken("7.2.3.4, BFINAL", &one(final_block), &hello);
    let two_blocks = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    taken("7.2.3.5, two blocks", &one(two_blocks), &hello);
    taken("7.2.3.6, an empty message", &one(b"\x00"), &[text("")]);
    let empty_last = [
        frame(DEFLATED_TEXT, &HELLO[..6]),
        frame(FIN | CONTINUATION, &HELLO[6..]),
    ];
    taken("7.2.3.6, nothing left to say", &empty_last, &hello);
}

#[test]
fn no_context_is_taken_over() {
    let with_context = one(b"\xf2\x00\x11\x00\x00");
    check_where(
        agreed(),
        "7.2.3.2, with context takeover",
        &[one(HELLO), with_context].concat(),
        &[text("Hello")],
        Some(FrameError::DeflateInvalid),
    );
}

#[test]
fn only_the_first_frame_of_a_message_says_that_it_is_deflated() {
    for opcode in [CONTINUATION, CLOSE, PING, PONG, 3, 7, 11, 15] {
        refused(
            "RSV1 elsewhere",
            &[frame(FIN | RSV1 | opcode, HELLO)],
            FrameError::ReservedBits,
        );
    }
    for bits in [0x10, 0x20, 0x30, 0x50, 0x60, 0x70] {
        for opcode in [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] {
            refused(
                "RSV2 and RSV3",
                &[frame(FIN | bits | opcode, HELLO)],
                FrameError::ReservedBits,
            );
        }
    }
    for first in [BINARY, DEFLATED_TEXT] {
        refused(
            "RSV1 on a later fragment",
            &[
                frame(first, &HELLO[..3]),
                frame(FIN | RSV1 | CONTINUATION, &HELLO[3..]),
            ],
            FrameError::ReservedBits,
        );
        refused(
            "a message within a message",
            &[frame(first, &HELLO[..3]), frame(FIN | DEFLATED_TEXT, HELLO)],
            FrameError::FragmentExpected,
        );
    }
    for opcode in [TEXT, BINARY] {
        check(
            "where it was not agreed on",
            &[frame(FIN | RSV1 | opcode, HELLO)],
            &[],
            Some(FrameError::ReservedBits),
        );
    }
}

#[test]
fn plain_and_deflated_messages_take_turns() {
    let frames = [
        frame(FIN | TEXT, b"plain"),
        frame(FIN | RSV1 | BINARY, HELLO),
        frame(BINARY, HELLO),
        frame(FIN | PING, HELLO),
        frame(FIN | CONTINUATION, b""),
        frame(DEFLATED_TEXT, b""),
        frame(FIN | PONG, b""),
        frame(CONTINUATION, HELLO),
        frame(FIN | PING, b"between"),
        frame(FIN | CONTINUATION, b""),
        frame(FIN | TEXT, "끝".as_bytes()),
        frame(FIN | CLOSE, b""),
    ];
    let events = [
        text("plain"),
        binary(b"Hello"),
        Event::Ping(control(HELLO)),
        binary(HELLO),
        Event::Pong(control(b"")),
        Event::Ping(control(b"between")),
        text("Hello"),
        text("끝"),
        Event::Close(None),
    ];
    taken("all kinds", &frames, &events);
}

#[test]
fn a_final_block_ends_its_stream_and_not_the_message() {
    let final_hello = b"\xf3\x48\xcd\xc9\xc9\x07\x00";
    let hello = [text("Hello")];
    taken("nothing behind it", &one(final_hello), &hello);
    let again = [&final_hello[..], HELLO].concat();
    taken("another stream", &one(&again), &[text("HelloHello")]);
    let twice = [&final_hello[..], final_hello].concat();
    taken("two final ones", &one(&twice), &[text("HelloHello")]);
    for garbage in [
        &b"\xff"[..],
        b"\xf2\x48\xcd",
        b"\x00\x00",
        b"\x00\x00\xff\xff",
        b"\xf2\x00\x11\x00\x00",
    ] {
        let payload = [final_hello, garbage].concat();
        refused(
            "garbage behind it",
            &one(&payload),
            FrameError::DeflateInvalid,
        );
    }
}

#[test]
fn data_that_is_not_whole_valid_deflate_is_refused() {
    for (what, payload) in [
        ("a reserved block type", &b"\x06\x00"[..]),
        (
            "stored, its length and complement differ",
            b"\x00\x05\x00\xff\xffHello\x00",
        ),
        (
            "stored, shorter than it says",
            b"\x00\xff\xff\x00\x00Hello\x00",
        ),
        ("a distance beyond the beginning", b"\xf2\x00\x11\x00\x00"),
        (
            "the last 00 00 ff ff left on",
            b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff",
        ),
        (
            "without the header of the empty block",
            b"\x00\x05\x00\xfa\xffHello",
        ),
        ("a zlib header", b"\x78\x9c\xf2\x48\xcd\xc9\xc9\x07\x00"),
        ("plain text", b"Hello"),
        ("ones", &[0xff; 40]),
    ] {
        refused(what, &one(payload), FrameError::DeflateInvalid);
        let binary = [frame(FIN | RSV1 | BINARY, payload)];
        refused(what, &binary, FrameError::DeflateInvalid);
    }
    assert_eq!(FrameError::DeflateInvalid.close_code().get(), 1007);
}

#[test]
fn a_message_that_is_cut_anywhere_is_not_taken_for_a_whole_one() {
    let json: String = (0..60)
        .map(|n| format!("{{\"symbol\":\"S{}\",\"price\":{}}},", n % 7, n * n * 37))
        .collect();
    for level in [0, 1, 2, 6] {
        let whole = deflated(json.as_bytes(), level);
        taken("whole", &one(&whole), &[text(&json)]);
        // A stored block's first byte alone says that nothing is left.
        for cut in 1 + usize::from(level == 0)..whole.len() {
            let input = one(&whole[..cut]).concat();
            let heard = hear_where(agreed(), &input, input.len());
            assert_eq!(heard.events, [], "level {level}, cut at {cut}");
            assert_eq!(heard.error, Some(FrameError::DeflateInvalid));
        }
    }
    taken("nothing inflates to nothing", &one(b""), &[text("")]);
}

#[test]
fn a_deflated_message_is_the_same_in_every_cut() {
    let data = "{\"price\":91250.10,\"名\":\"안녕 👋🏽\"}".repeat(30);
    let payload = deflated(data.as_bytes(), 6);
    for cut in 0..=payload.len() {
        let frames = [
            frame(DEFLATED_TEXT, &payload[..cut]),
            frame(FIN | PING, b"between"),
            frame(FIN | CONTINUATION, &payload[cut..]),
        ];
        let events = [Event::Ping(control(b"between")), text(&data)];
        taken("two fragments", &frames, &events);
    }
    let input = one(&payload).concat();
    for piece in 1..=input.len() {
        let heard = hear_where(agreed(), &input, piece);
        assert_eq!(heard.events, [text(&data)], "pieces of {piece}");
    }
}

#[test]
fn inflated_text_must_be_utf8() {
    let head = "안녕 ".repeat(2_000);
    for tail in [&b"\xff"[..], b"\xed\xa0\x80", b"\xf0\x9f\x91", b"\xec"] {
        let data = [head.as_bytes(), tail].concat();
        let payload = deflated(&data, 6);
        refused("text", &one(&payload), FrameError::Utf8Invalid);
        let frames = [frame(FIN | RSV1 | BINARY, &payload)];
        taken("binary", &frames, &[binary(&data)]);
    }
}

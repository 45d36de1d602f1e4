//! What clients may and may not send, rule by rule, in the order of the sections of the Autobahn
//! test suite: framing, pings, reserved bits, opcodes, fragmentation, UTF-8. Each row is
//! decoded whole, in halves and byte by byte.

mod websocket_support;

use tidings_protocol::websocket::{Decoder, Event, FrameError};
use websocket_support::*;

#[test]
fn messages_of_every_length_form() {
    for len in [0, 1, 2, 3, 7, 8, 9, 124, 125, 126, 127, 128, 65_535, 65_536] {
        let ascii = "*".repeat(len);
        check(
            "text",
            &[frame(FIN | TEXT, ascii.as_bytes())],
            &[text(&ascii)],
            None,
        );
        let bytes: Vec<u8> = (0..len).map(|index| (index * 31) as u8).collect();
        check(
            "binary",
            &[frame(FIN | BINARY, &bytes)],
            &[binary(&bytes)],
            None,
        );
    }
}

#[test]
fn pings_and_pongs() {
    let long = [0xfe; 125];
    for payload in [
        &b""[..],
        b"Hello, world!",
        "안녕".as_bytes(),
        b"\x00\xff\xfe",
        &long,
    ] {
        check(
            "ping",
            &[frame(FIN | PING, payload)],
            &[Event::Ping(control(payload))],
            None,
        );
        check(
            "pong",
            &[frame(FIN | PONG, payload)],
            &[Event::Pong(control(payload))],
            None,
        );
    }
    refused(
        "126 bytes",
        &[frame(FIN | PING, &[0; 126])],
        FrameError::ControlTooLong,
    );
    let ten: Vec<_> = (0..10).map(|_| frame(FIN | PING, b"payload")).collect();
    check(
        "ten in a row",
        &ten,
        &vec![Event::Ping(control(b"payload")); 10],
        None,
    );
}

#[test]
fn reserved_bits_are_refused_on_every_opcode() {
    for opcode in [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] {
        for bits in 1..8 {
            let frames = [
                frame(FIN | TEXT, b"before"),
                frame(FIN | bits << 4 | opcode, b""),
                frame(FIN | PING, b""),
            ];
            check(
                "after a message",
                &frames,
                &[text("before")],
                Some(FrameError::ReservedBits),
            );
        }
    }
}

#[test]
fn reserved_opcodes_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        refused(
            "empty",
            &[frame(FIN | opcode, b"")],
            FrameError::ReservedOpcode(opcode),
        );
        refused(
            "full",
            &[frame(FIN | opcode, b"payload")],
            FrameError::ReservedOpcode(opcode),
        );
        refused(
            "not final",
            &[frame(opcode, b"")],
            FrameError::ReservedOpcode(opcode),
        );
    }
}

#[test]
fn fragments_make_one_message_with_controls_between() {
    let halves = [
        frame(TEXT, b"fragment1"),
        frame(FIN | CONTINUATION, b"fragment2"),
    ];
    check("two", &halves, &[text("fragment1fragment2")], None);

    let frames = [
        frame(BINARY, b""),
        frame(FIN | PING, b"one"),
        frame(CONTINUATION, b"\x01"),
        frame(FIN | PONG, b""),
        frame(FIN | PING, b"two"),
        frame(CONTINUATION, b""),
        frame(CONTINUATION, b"\x02\x03"),
        frame(FIN | CONTINUATION, b""),
        frame(FIN | TEXT, b"next"),
    ];
    let events = [
        Event::Ping(control(b"one")),
        Event::Pong(control(b"")),
        Event::Ping(control(b"two")),
        binary(b"\x01\x02\x03"),
        text("next"),
    ];
    check("with controls", &frames, &events, None);

    let empty = [
        frame(TEXT, b""),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, b""),
    ];
    check("all empty", &empty, &[text("")], None);
}

#[test]
fn fragments_out_of_order_are_refused() {
    for opcode in [PING, PONG, CLOSE] {
        refused(
            "control",
            &[frame(opcode, b""), frame(FIN | CONTINUATION, b"")],
            FrameError::ControlFragmented,
        );
    }
    for first in [CONTINUATION, FIN | CONTINUATION] {
        refused(
            "nothing to continue",
            &[frame(first, b"x")],
            FrameError::ContinuationUnexpected,
        );
    }
    for first in [TEXT, BINARY, FIN | TEXT, FIN | BINARY] {
        refused(
            "not continued",
            &[frame(TEXT, b"x"), frame(first, b"y")],
            FrameError::FragmentExpected,
        );
        refused(
            "not continued, empty",
            &[frame(BINARY, b""), frame(first, b"")],
            FrameError::FragmentExpected,
        );
    }
    let ended = [
        frame(TEXT, b"a"),
        frame(FIN | CONTINUATION, b"b"),
        frame(FIN | CONTINUATION, b"c"),
    ];
    check(
        "continued past its end",
        &ended,
        &[text("ab")],
        Some(FrameError::ContinuationUnexpected),
    );
}

#[test]
fn unmasked_frames_are_refused() {
    refused(
        "text",
        &[vec![FIN | TEXT, 2, b'h', b'i']],
        FrameError::NotMasked,
    );
    refused("empty ping", &[vec![FIN | PING, 0]], FrameError::NotMasked);
}

#[test]
fn lengths_must_be_minimal_and_below_2_to_the_63() {
    for (bytes, error) in [
        (vec![0x81, 0xfe, 0, 0], FrameError::LengthNotMinimal),
        (vec![0x81, 0xfe, 0, 125], FrameError::LengthNotMinimal),
        (
            vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 1],
            FrameError::LengthNotMinimal,
        ),
        (
            vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            FrameError::LengthNotMinimal,
        ),
        (
            vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            FrameError::LengthOverflow,
        ),
        (
            vec![0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            FrameError::LengthOverflow,
        ),
    ] {
        refused("length", &[bytes], error);
    }
}

#[test]
fn valid_text_is_taken_wherever_it_is_cut() {
    let whole = "Hello-µ@ßöäüàá-UTF-8!! 안녕하세요 세계 👋🏽🇰🇷 \u{0}\u{7ff}\u{800}\u{ffff}\u{10ffff}";
    for cut in 0..=whole.len() {
        let (head, tail) = whole.as_bytes().split_at(cut);
        let frames = [
            frame(TEXT, head),
            frame(FIN | PING, b"\xff"),
            frame(FIN | CONTINUATION, tail),
        ];
        check(
            "cut",
            &frames,
            &[Event::Ping(control(b"\xff")), text(whole)],
            None,
        );
    }
    let bytewise: Vec<_> = whole
        .bytes()
        .map(|byte| frame(CONTINUATION, &[byte]))
        .collect();
    let frames = [
        vec![frame(TEXT, b"")],
        bytewise,
        vec![frame(FIN | CONTINUATION, b"")],
    ]
    .concat();
    check("a frame per byte", &frames, &[text(whole)], None);
}

#[test]
fn invalid_text_fails_at_its_byte_not_at_the_end_of_its_frame() {
    for (good, bad) in [
        ("κόσμε".as_bytes(), 0xff),
        ("κόσμε".as_bytes(), 0x80),
        ("안녕".as_bytes(), 0xc0),
        (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4", 0x90), // over U+10FFFF
        (b"ok \xed", 0xa0),                                          // surrogate
        (b"\xe0", 0x9f),                                             // overlong
        (b"\xf0", 0x8f),                                             // overlong
        (b"\xf0\x9f\x91", b' '), // an emoji without its last byte
        (b"", 0xf5),
    ] {
        let payload = [good, &[bad], b"never read".as_slice()].concat();
        let input = frame(FIN | TEXT, &payload);
        let wrong = input.len() - payload.len() + good.len();
        let mut decoder = Decoder::new(1024, None);
        let mut heard = Heard::default();
        heard.feed(&mut decoder, &input[..wrong]);
        assert_eq!(heard, Heard::default(), "{payload:x?}: a valid beginning");
        heard.feed(&mut decoder, &input[wrong..=wrong]);
        assert_eq!(heard.error, Some(FrameError::Utf8Invalid), "{payload:x?}");

        let fragments = [frame(TEXT, good), frame(CONTINUATION, &[bad])];
        refused(
            "in a fragment that is not the last",
            &fragments,
            FrameError::Utf8Invalid,
        );
    }
}

#[test]
fn text_must_not_end_within_a_character() {
    for text in ["µ", "안", "👋"] {
        let cut = &text.as_bytes()[..text.len() - 1];
        refused(
            "one frame",
            &[frame(FIN | TEXT, cut)],
            FrameError::Utf8Invalid,
        );
        let fragments = [frame(TEXT, cut), frame(FIN | CONTINUATION, b"")];
        refused("empty last fragment", &fragments, FrameError::Utf8Invalid);
        check("binary", &[frame(FIN | BINARY, cut)], &[binary(cut)], None);
    }
}

//! Close frames: which are valid, and the silence after them and after errors.

mod websocket_support;

use tidings_protocol::websocket::{CloseCode, CloseFrame, Decoder, Event, FrameError};
use websocket_support::*;

fn close_payload(code: u16, reason: &[u8]) -> Vec<u8> {
    [&code.to_be_bytes(), reason].concat()
}

#[test]
fn close_codes() {
    let valid = |code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    for code in (0..=5100).chain([65_535]) {
        let input = frame(FIN | CLOSE, &close_payload(code, b""));
        let heard = hear(&input, input.len());
        if valid(code) {
            let code = CloseCode::new(code).expect("valid");
            assert_eq!(
                heard.events,
                [Event::Close(Some(CloseFrame {
                    code,
                    reason: String::new()
                }))]
            );
        } else {
            assert_eq!(heard.error, Some(FrameError::CloseCodeInvalid(code)));
            assert_eq!(CloseCode::new(code), None);
        }
    }
}

#[test]
fn close_payloads() {
    check(
        "empty",
        &[frame(FIN | CLOSE, b"")],
        &[Event::Close(None)],
        None,
    );
    refused(
        "half a code",
        &[frame(FIN | CLOSE, b"\x03")],
        FrameError::CloseTruncated,
    );
    refused(
        "126 bytes",
        &[frame(FIN | CLOSE, &[0; 126])],
        FrameError::ControlTooLong,
    );
    let longest = "안".repeat(41);
    for reason in ["", "bye", "안녕히 가세요 👋", &longest] {
        let close = CloseFrame {
            code: CloseCode::NORMAL,
            reason: reason.to_owned(),
        };
        let input = frame(FIN | CLOSE, &close_payload(1000, reason.as_bytes()));
        check("reason", &[input], &[Event::Close(Some(close))], None);
    }
    let input = frame(FIN | CLOSE, &close_payload(1000, b"caf\xe9"));
    refused("reason in Latin-1", &[input], FrameError::Utf8Invalid);
}

#[test]
fn nothing_is_heard_after_a_close_or_an_error() {
    let after = [
        frame(FIN | TEXT, b"late"),
        frame(FIN | PING, b""),
        frame(FIN | CLOSE, b""),
        vec![0xff; 64],
    ];
    let closed = [vec![frame(FIN | CLOSE, b"")], after.to_vec()].concat();
    check("close", &closed, &[Event::Close(None)], None);
    let inside = [
        vec![frame(TEXT, b"begun"), frame(FIN | CLOSE, b"")],
        after.to_vec(),
    ]
    .concat();
    check(
        "close inside a message",
        &inside,
        &[Event::Close(None)],
        None,
    );

    let mut decoder = Decoder::new(1024, None);
    let mut heard = Heard::default();
    heard.feed(
        &mut decoder,
        &[frame(TEXT, b"begun"), frame(FIN | TEXT, b"wrong")].concat(),
    );
    assert_eq!(heard.error, Some(FrameError::FragmentExpected));
    assert!(decoder.is_finished() && decoder.memory() == 0);
    heard.feed(&mut decoder, &after.concat());
    assert_eq!(heard.events, []);
}

#[test]
fn each_error_has_its_close_code() {
    for (error, code) in [
        (FrameError::NotMasked, 1002),
        (FrameError::CloseCodeInvalid(1005), 1002),
        (FrameError::Utf8Invalid, 1007),
        (FrameError::MessageTooBig { limit: 1 }, 1009),
    ] {
        assert_eq!(error.close_code().get(), code);
    }
}

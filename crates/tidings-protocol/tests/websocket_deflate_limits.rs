//! What a hostile client can make the decoder hold and do where compression was agreed on.

mod websocket_support;

use tidings_protocol::websocket::{Decoder, FrameError};
use websocket_support::*;

const LIMIT: usize = 1 << 20;
const DEFLATED: u8 = FIN | RSV1 | BINARY;
const TOO_BIG: Option<FrameError> = Some(FrameError::MessageTooBig { limit: LIMIT });

fn hear_once(limit: usize, input: &[u8]) -> Heard {
    let mut heard = Heard::default();
    let mut decoder = Decoder::new(limit, agreed());
    heard.feed(&mut decoder, input);
    assert_eq!(
        decoder.memory(),
        0,
        "nothing is held after a message or an error"
    );
    assert_eq!(decoder.is_finished(), heard.error.is_some());
    heard
}

#[test]
fn a_bomb_bursts_at_the_limit() {
    let bomb = deflated(&vec![0; 64 << 20], 9);
    assert!(bomb.len() < 70_000, "1000:1");
    let heard = hear_once(LIMIT, &frame(DEFLATED, &bomb));
    assert_eq!((heard.events.len(), heard.error), (0, TOO_BIG));
}

#[test]
fn the_limit_is_that_of_the_inflated_message_and_exact() {
    for limit in [0, 1, 63, 64, 65, 1_000, 70_000] {
        for level in [0, 1, 6] {
            let data = vec![7; limit + 1];
            let fits = hear_once(limit, &frame(DEFLATED, &deflated(&data[..limit], level)));
            assert_eq!(fits.events, [binary(&data[..limit])]);
            let over = hear_once(limit, &frame(DEFLATED, &deflated(&data, level)));
            let error = Some(FrameError::MessageTooBig { limit });
            assert_eq!((over.events.len(), over.error), (0, error), "{limit}");
        }
    }
}

#[test]
fn what_cannot_be_compressed_fits_up_to_the_limit() {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let data: Vec<u8> = noise.take(LIMIT).collect();
    for level in [0, 1, 9] {
        let payload = deflated(&data, level);
        assert!(payload.len() > data.len());
        let heard = hear_once(LIMIT, &frame(DEFLATED, &payload));
        assert_eq!(
            heard,
            Heard {
                events: vec![binary(&data)],
                error: None
            }
        );
    }
}

#[test]
fn a_declared_length_reserves_nothing_and_is_refused_at_the_header() {
    let most = (LIMIT + LIMIT / 8 + 64) as u64;
    for declared in [most + 1, 1 << 30, (1 << 63) - 1] {
        for first in [DEFLATED, RSV1 | TEXT] {
            let heard = hear_once(LIMIT, &header(first, declared));
            assert_eq!(heard.error, TOO_BIG);
        }
    }
    let mut decoder = Decoder::new(LIMIT, agreed());
    let mut heard = Heard::default();
    heard.feed(&mut decoder, &header(DEFLATED, most));
    assert_eq!((heard, decoder.memory()), (Heard::default(), 0));

    let plain = hear_once(LIMIT, &header(FIN | BINARY, LIMIT as u64 + 1));
    assert_eq!(
        plain.error, TOO_BIG,
        "a plain message has no such allowance"
    );
}

#[test]
fn the_allowance_holds_over_all_fragments() {
    let mut decoder = Decoder::new(800, agreed());
    let mut heard = Heard::default();
    heard.feed(&mut decoder, &frame(RSV1 | BINARY, &[0; 900]));
    heard.feed(&mut decoder, &frame(CONTINUATION, &[0; 64]));
    heard.feed(&mut decoder, &frame(FIN | PING, &[1; 125]));
    assert_eq!((heard.events.len(), heard.error), (1, None));
    assert!(decoder.memory() <= 964 + 125, "{}", decoder.memory());
    heard.feed(&mut decoder, &header(CONTINUATION, 1));
    assert_eq!(heard.error, Some(FrameError::MessageTooBig { limit: 800 }));
    assert_eq!(decoder.memory(), 0);
}

#[test]
fn stored_blocks_reserve_nothing_for_what_they_declare() {
    let promise = b"\x00\xff\xff\x00\x00only so much";
    let heard = hear_once(LIMIT, &frame(DEFLATED, promise));
    assert_eq!(heard.error, Some(FrameError::DeflateInvalid));
}

#[test]
fn empty_blocks_by_the_hundred_thousand_are_an_empty_message() {
    for (what, block, last) in [
        ("stored", &b"\x00\x00\x00\xff\xff"[..], &b"\x00"[..]),
        ("final, fixed codes", b"\x03\x00", b""),
        ("final, stored", b"\x01\x00\x00\xff\xff", b"\x00"),
        // Four of 10 bits each.
        ("fixed codes", b"\x02\x08\x20\x80\x00", b"\x00"),
    ] {
        let payload = [&block.repeat(200_000), last].concat();
        let heard = hear_once(LIMIT, &frame(DEFLATED, &payload));
        assert_eq!(
            heard,
            Heard {
                events: vec![binary(b"")],
                error: None
            },
            "{what}"
        );
    }
}

#[test]
fn ten_thousand_fragments_are_one_message() {
    let data: Vec<u8> = (0..200_000_u64).map(|n| ((n * n) >> 7) as u8).collect();
    let payload = deflated(&data, 6);
    let mut input = frame(RSV1 | BINARY, b"");
    for byte in &payload {
        input.extend(frame(CONTINUATION, &[*byte]));
    }
    input.extend(frame(FIN | CONTINUATION, b""));
    assert!(payload.len() > 10_000);
    let heard = hear_once(LIMIT, &input);
    assert_eq!(
        heard,
        Heard {
            events: vec![binary(&data)],
            error: None
        }
    );
}

//! The frame that each WebSocket reader of a message is given.

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress};
use tidings_core::{ChannelName, Draft, Epoch, Message, Payload, PayloadKind, Position};
use tidings_protocol::envelope::{envelope, websocket_frame};
use tidings_protocol::websocket::{DEFLATE_FROM, Deflate};

const DEFLATED_TEXT: u8 = 0xc1;
const DEFLATED_BINARY: u8 = 0xc2;

fn message(kind: PayloadKind, bytes: impl Into<Bytes>) -> Message {
    let bytes = bytes.into();
    let payload = Payload {
        written: bytes.len(),
        kind,
        bytes,
    };
    let channel = ChannelName::parse("room:7").expect("a good name");
    let position = Position {
        epoch: Epoch::from_number(7),
        offset: 42,
    };
    Message::new(
        Draft::new(channel, payload),
        Some(position),
        1_763_671_234_567,
    )
}

fn window(bits: u8) -> Option<Deflate> {
    Some(Deflate::new(bits).expect("8 to 15"))
}

fn payload(frame: &[u8]) -> Vec<u8> {
    let head = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    if frame[0] & 0x40 == 0 {
        return frame[head..].to_vec();
    }
    let mut data = Vec::with_capacity(1 << 20);
    Decompress::new(false)
        .decompress_vec(&frame[head..], &mut data, FlushDecompress::None)
        .expect("valid");
    data
}

fn is_same(one: &Bytes, other: &Bytes) -> bool {
    std::ptr::eq(one, other)
}

#[test]
fn every_kind_is_deflated_once_for_all_and_says_the_same() {
    let json = "[".to_owned() + &"{\"price\":91250.10},".repeat(50) + "1]";
    for (kind, bytes, plain_first, deflated_first) in [
        (
            PayloadKind::Json,
            json.clone().into_bytes(),
            0x81,
            DEFLATED_TEXT,
        ),
        (
            PayloadKind::Text,
            json.clone().into_bytes(),
            0x81,
            DEFLATED_TEXT,
        ),
        (PayloadKind::Binary, vec![0xfe; 999], 0x82, DEFLATED_BINARY),
    ] {
        let message = message(kind, bytes.clone());
        for raw in [true, false] {
            // Deflated first, so that it is not made from the plain one.
            let deflated = websocket_frame(&message, raw, window(15));
            let plain = websocket_frame(&message, raw, None);
            assert_eq!((plain[0], deflated[0]), (plain_first, deflated_first));
            assert!(deflated.len() * 2 < plain.len());
            assert_eq!(payload(deflated), payload(plain));
            assert!(is_same(
                deflated,
                websocket_frame(&message, raw, window(11))
            ));
            assert!(is_same(plain, websocket_frame(&message, raw, None)));
        }
        assert_eq!(payload(websocket_frame(&message, true, window(15))), bytes);
    }
    let message = message(PayloadKind::Json, json);
    let deflated = websocket_frame(&message, false, window(15));
    assert_eq!(payload(deflated), envelope(&message, true).into_bytes());
}

#[test]
fn a_reader_with_a_small_window_gets_long_messages_plain() {
    let message = message(PayloadKind::Text, "a".repeat(5_000));
    for raw in [true, false] {
        let plain = websocket_frame(&message, raw, None);
        for bits in 8..=12 {
            assert!(is_same(websocket_frame(&message, raw, window(bits)), plain));
        }
        for bits in 13..=15 {
            assert!(websocket_frame(&message, raw, window(bits)).len() < 200);
        }
    }
}

#[test]
fn what_does_not_pay_is_plain() {
    let noise: Vec<u8> = (0..2_000_u64)
        .map(|n| (n.wrapping_mul(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    for message in [
        message(PayloadKind::Text, ""),
        message(PayloadKind::Text, "a".repeat(DEFLATE_FROM - 1)),
        message(PayloadKind::Binary, noise),
    ] {
        let plain = websocket_frame(&message, true, None);
        for _ in 0..2 {
            assert!(is_same(websocket_frame(&message, true, window(15)), plain));
        }
    }
    let enough = message(PayloadKind::Text, "a".repeat(DEFLATE_FROM));
    assert_eq!(websocket_frame(&enough, true, window(15))[0], DEFLATED_TEXT);
    assert_eq!(
        websocket_frame(&enough, false, window(15))[0],
        DEFLATED_TEXT
    );
}

#[test]
fn a_header_too_long_for_its_two_bytes_is_written_as_text() {
    let mut message = message(PayloadKind::Binary, vec![7; 500]);
    message.from.user = Some("u".repeat(70_000).into());
    for deflate in [None, window(15)] {
        let frame = websocket_frame(&message, false, deflate);
        assert_eq!(frame[0] & 0x0f, 1);
        assert_eq!(payload(frame), envelope(&message, true).into_bytes());
    }
}

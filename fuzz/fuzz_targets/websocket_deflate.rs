//! Deflated messages from a client: the first byte says how the rest is cut, and the rest is read
//! twice, as frames and as the payload of one message.
//!
//! The same events and the same end however the bytes are cut, and memory as promised. What one
//! message inflates to is what miniz_oxide makes of it, which shares no code with the server's
//! inflater; and what the server deflates is inflated to what it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use tidings_fuzz::decoding::{Heard, LIMIT, cut, hear};
use tidings_protocol::websocket::{Deflate, Event, MessageKind, deflated_frame};

/// A whole binary or text message, deflated.
const BINARY: u8 = 0xc2;
const TEXT: u8 = 0xc1;

/// What every sender leaves out (RFC 7692 section 7.2.1), and a block that ends a stream.
const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

fuzz_target!(|input: &[u8]| {
    let Some((seed, bytes)) = input.split_first() else {
        return;
    };
    frames(*seed, bytes);
    message(*seed, bytes);
    round(bytes);
});

fn frames(seed: u8, bytes: &[u8]) {
    let whole = heard([bytes]);
    assert_eq!(whole, heard(cut(bytes, seed)));
    assert_eq!(whole, heard(bytes.chunks(1)));
    for event in &whole.events {
        if let Event::Message { kind, data } = event {
            assert!(data.len() <= LIMIT);
            assert!(*kind == MessageKind::Binary || std::str::from_utf8(data).is_ok());
        }
    }
}

fn message(seed: u8, deflated: &[u8]) {
    if deflated.len() > LIMIT + LIMIT / 8 + 64 {
        return;
    }
    let expected = inflated(deflated).filter(|data| data.len() <= LIMIT);
    let frame = client_frame(BINARY, deflated);
    assert_eq!(only_message(&heard([&frame[..]])), expected.as_deref());
    assert_eq!(heard([&frame[..]]), heard(cut(&frame, seed)));
    let text = heard([&client_frame(TEXT, deflated)[..]]);
    let expected = expected.filter(|data| std::str::from_utf8(data).is_ok());
    assert_eq!(only_message(&text), expected.as_deref());
}

fn round(payload: &[u8]) {
    let payload = &payload[..payload.len().min(LIMIT)];
    let (front, back) = payload.split_at(payload.len() / 3);
    let Some(frame) = deflated_frame(MessageKind::Binary, &[front, back]) else {
        return;
    };
    let header = match frame[1] {
        126 => 4,
        _ => 2,
    };
    assert_eq!(frame[0], BINARY);
    let sent = client_frame(BINARY, &frame[header..]);
    assert_eq!(only_message(&heard([&sent[..]])), Some(payload));
    assert_eq!(inflated(&frame[header..]).as_deref(), Some(payload));
    assert!(frame.len() <= payload.len() + 4, "it is smaller, or plain");
}

fn heard<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Heard {
    hear(pieces, Deflate::new(15))
}

/// A frame of a client with a mask of zeros.
fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(short @ 0..=125) => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend((payload.len() as u16).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn only_message(heard: &Heard) -> Option<&[u8]> {
    match (&heard.events[..], heard.error) {
        ([Event::Message { data, .. }], None) => Some(data),
        ([], Some(_)) => None,
        _ => panic!("one message or one error: {heard:?}"),
    }
}

/// The message whose deflated form this is: streams one after the other, of which the last ends where
/// a block does.
fn inflated(mut deflated: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    while !deflated.is_empty() {
        let (status, taken, data) = stream(deflated);
        let done = status == TINFLStatus::Done;
        if !done {
            let ended = stream(&[deflated, &END].concat());
            let whole = (TINFLStatus::Done, deflated.len() + END.len(), data.len());
            if (ended.0, ended.1, ended.2.len()) != whole {
                return None;
            }
        }
        message.extend(data);
        deflated = if done { &deflated[taken..] } else { &[] };
    }
    Some(message)
}

/// One stream from the front: how it ended, what it took, and what it gave. One that gives more than
/// a message may have has not ended.
fn stream(deflated: &[u8]) -> (TINFLStatus, usize, Vec<u8>) {
    let mut out = vec![0; LIMIT + 1];
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_HAS_MORE_INPUT;
    let (status, taken, given) =
        decompress(&mut DecompressorOxide::new(), deflated, &mut out, 0, flags);
    out.truncate(given);
    (status, taken, out)
}

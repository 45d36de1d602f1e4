//! Client frames byte by byte, and a decoder run to its end. No test of its own.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use flate2::{Compress, Compression, FlushCompress};
use tidings_protocol::websocket::{
    ControlPayload, Decoder, Deflate, Event, FrameError, MessageKind,
};

pub const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame with the length in its shortest form. `first` is the first byte of the header.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    frame.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// The header of such a frame, whatever follows it.
pub fn header(first: u8, payload_len: u64) -> Vec<u8> {
    let mut header = vec![first];
    if payload_len < 126 {
        header.push(0x80 | payload_len as u8);
    } else if let Ok(length) = u16::try_from(payload_len) {
        header.push(0x80 | 126);
        header.extend(length.to_be_bytes());
    } else {
        header.push(0x80 | 127);
        header.extend(payload_len.to_be_bytes());
    }
    header.extend(MASK);
    header
}

/// Everything that a client's bytes came to.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    pub events: Vec<Event>,
    pub error: Option<FrameError>,
}

impl Heard {
    /// Feeds one read's bytes and drains the decoder, as a connection does.
    pub fn feed(&mut self, decoder: &mut Decoder, mut input: &[u8]) {
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(event)) => self.events.push(event),
                Ok(None) => break assert!(input.is_empty(), "bytes left behind"),
                Err(error) => break self.error = Some(error),
            }
        }
    }
}

/// Decodes `input` in pieces of `piece` bytes.
pub fn hear(input: &[u8], piece: usize) -> Heard {
    hear_where(None, input, piece)
}

/// The same where compression was agreed on, or not.
pub fn hear_where(deflate: Option<Deflate>, input: &[u8], piece: usize) -> Heard {
    let mut decoder = Decoder::new(1 << 20, deflate);
    let mut heard = Heard::default();
    for read in input.chunks(piece) {
        heard.feed(&mut decoder, read);
        if heard.error.is_some() {
            break;
        }
    }
    heard
}

/// What a handshake with the largest window agrees on.
pub fn agreed() -> Option<Deflate> {
    Some(Deflate::new(15).expect("8 to 15"))
}

/// `data` as one deflated message has it.
pub fn deflated(data: &[u8], level: u32) -> Vec<u8> {
    let mut deflated = Vec::with_capacity(data.len() + data.len() / 8 + 64);
    Compress::new(Compression::new(level), false)
        .compress_vec(data, &mut deflated, FlushCompress::Sync)
        .expect("room enough");
    assert_eq!(deflated.split_off(deflated.len() - 4), [0, 0, 0xff, 0xff]);
    deflated
}

pub fn text(data: &str) -> Event {
    Event::Message {
        kind: MessageKind::Text,
        data: data.to_owned().into(),
    }
}

pub fn binary(data: &[u8]) -> Event {
    Event::Message {
        kind: MessageKind::Binary,
        data: data.to_vec().into(),
    }
}

pub fn control(payload: &[u8]) -> ControlPayload {
    ControlPayload::new(payload.to_vec()).expect("at most 125 bytes")
}

/// The events and the error of `frames`, the same for every cut.
pub fn check(what: &str, frames: &[Vec<u8>], events: &[Event], error: Option<FrameError>) {
    check_where(None, what, frames, events, error);
}

/// The same where compression was agreed on, or not.
pub fn check_where(
    deflate: Option<Deflate>,
    what: &str,
    frames: &[Vec<u8>],
    events: &[Event],
    error: Option<FrameError>,
) {
    let input = frames.concat();
    for piece in [input.len(), input.len() / 2 + 1, 7, 1] {
        let heard = hear_where(deflate, &input, piece.max(1));
        assert_eq!(heard.events, events, "{what}, pieces of {piece}");
        assert_eq!(heard.error, error, "{what}, pieces of {piece}");
    }
}

pub fn refused(what: &str, frames: &[Vec<u8>], error: FrameError) {
    check(what, frames, &[], Some(error));
}

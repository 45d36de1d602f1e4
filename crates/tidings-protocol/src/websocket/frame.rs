//! Frame headers and the mask (RFC 6455, sections 5.2 and 5.3): parsing what clients send, encoding
//! what the server sends. It knows one header at a time; the order of frames is the decoder's.

use std::ops::Deref;

use super::{FrameError, MessageKind};

/// The most that a control frame can carry, in bytes (section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// Two fixed bytes, 8 of length, 4 of mask.
pub(super) const MAX_CLIENT_HEADER: usize = 14;
const MAX_SERVER_HEADER: usize = 10;

const FIN: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
/// "Deflated", on the first frame of a message (RFC 7692, section 6).
pub(super) const RSV1: u8 = 0x40;
const OPCODE_BITS: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH_BITS: u8 = 0x7f;
/// The values of the 7-bit length that announce a longer one.
const LENGTH_IN_2_BYTES: u8 = 126;
const LENGTH_IN_8_BYTES: u8 = 127;

/// What a frame is (section 11.8). The value is the one on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation = 0,
    /// The first or only fragment of a text message.
    Text = 1,
    /// The first or only fragment of a binary message.
    Binary = 2,
    /// The last frame of its sender.
    Close = 8,
    /// Asks for a pong.
    Ping = 9,
    /// Answers a ping, or comes unasked.
    Pong = 10,
}

impl Opcode {
    fn parse(bits: u8) -> Result<Self, FrameError> {
        Ok(match bits {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return Err(FrameError::ReservedOpcode(bits)),
        })
    }

    /// Control frames (close, ping, pong) may stand between the fragments of a message.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

impl From<MessageKind> for Opcode {
    fn from(kind: MessageKind) -> Self {
        match kind {
            MessageKind::Binary => Self::Binary,
            MessageKind::Text => Self::Text,
        }
    }
}

/// The header of a client's frame, checked as far as one header can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientHeader {
    pub(super) fin: bool,
    /// Only on the first frame of a message.
    pub(super) is_deflated: bool,
    pub(super) opcode: Opcode,
    /// As declared: not to be trusted, and never a reason to allocate.
    pub(super) payload_len: u64,
    pub(super) mask: [u8; 4],
}

impl ClientHeader {
    /// Parses the header at the start of `bytes` and tells how many bytes it took; `None` if it
    /// goes on behind them. A wrong byte is reported as soon as it is there, whatever is still
    /// missing. `inflates`: whether deflated messages are taken.
    pub(super) fn parse(bytes: &[u8], inflates: bool) -> Result<Option<(Self, usize)>, FrameError> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let opcode = parse_first(first, inflates)?;
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        let short = parse_second(second, opcode)?;
        let Some((payload_len, rest)) = parse_length(short, &bytes[2..])? else {
            return Ok(None);
        };
        let Some((&mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        let header = Self {
            fin: first & FIN != 0,
            is_deflated: first & RSV1 != 0,
            opcode,
            payload_len,
            mask,
        };
        Ok(Some((header, bytes.len() - rest.len())))
    }
}

fn parse_first(byte: u8, inflates: bool) -> Result<Opcode, FrameError> {
    let opcode = Opcode::parse(byte & OPCODE_BITS);
    let begins_message = matches!(opcode, Ok(Opcode::Binary | Opcode::Text));
    let used = if inflates && begins_message { RSV1 } else { 0 };
    if byte & RESERVED_BITS & !used != 0 {
        return Err(FrameError::ReservedBits);
    }
    let opcode = opcode?;
    if opcode.is_control() && byte & FIN == 0 {
        return Err(FrameError::ControlFragmented);
    }
    Ok(opcode)
}

fn parse_second(byte: u8, opcode: Opcode) -> Result<u8, FrameError> {
    if byte & MASKED == 0 {
        return Err(FrameError::NotMasked);
    }
    let short = byte & LENGTH_BITS;
    if opcode.is_control() && usize::from(short) > MAX_CONTROL_PAYLOAD {
        return Err(FrameError::ControlTooLong);
    }
    Ok(short)
}

/// The payload length and what stands behind it.
fn parse_length(short: u8, bytes: &[u8]) -> Result<Option<(u64, &[u8])>, FrameError> {
    let parsed = match short {
        LENGTH_IN_2_BYTES => bytes
            .split_first_chunk()
            .map(|(length, rest)| (u64::from(u16::from_be_bytes(*length)), rest)),
        LENGTH_IN_8_BYTES => bytes
            .split_first_chunk()
            .map(|(length, rest)| (u64::from_be_bytes(*length), rest)),
        _ => return Ok(Some((u64::from(short), bytes))),
    };
    let Some((length, _)) = parsed else {
        return Ok(None);
    };
    if length >> 63 != 0 {
        return Err(FrameError::LengthOverflow);
    }
    let shorter_form_ends = if short == LENGTH_IN_2_BYTES {
        125
    } else {
        u64::from(u16::MAX)
    };
    if length <= shorter_form_ends {
        return Err(FrameError::LengthNotMinimal);
    }
    Ok(parsed)
}

/// Appends `masked` to `buffer` without its mask, and turns `mask` so that it fits the byte that
/// comes next.
pub(super) fn append_unmasked(buffer: &mut Vec<u8>, masked: &[u8], mask: &mut [u8; 4]) {
    let start = buffer.len();
    buffer.extend_from_slice(masked);
    let [a, b, c, d] = *mask;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = buffer[start..].as_chunks_mut::<8>();
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ word).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
    mask.rotate_left(masked.len() % 4);
}

/// The 2 to 10 bytes in front of the payload of a server's frame. It dereferences to them.
#[derive(Clone, Copy, Debug)]
pub struct EncodedHeader {
    bytes: [u8; MAX_SERVER_HEADER],
    len: u8,
}

impl Deref for EncodedHeader {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Encodes the header of a server's frame (unmasked, no extension) with a payload of `payload_len`
/// bytes. That a control frame is final and has at most [`MAX_CONTROL_PAYLOAD`] bytes is the
/// caller's part.
#[must_use]
pub fn frame_header(opcode: Opcode, fin: bool, payload_len: usize) -> EncodedHeader {
    debug_assert!(!opcode.is_control() || fin && payload_len <= MAX_CONTROL_PAYLOAD);
    let mut bytes = [0; MAX_SERVER_HEADER];
    bytes[0] = opcode as u8 | if fin { FIN } else { 0 };
    let len = if payload_len <= MAX_CONTROL_PAYLOAD {
        bytes[1] = payload_len as u8;
        2
    } else if let Ok(length) = u16::try_from(payload_len) {
        bytes[1] = LENGTH_IN_2_BYTES;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        4
    } else {
        bytes[1] = LENGTH_IN_8_BYTES;
        bytes[2..].copy_from_slice(&(payload_len as u64).to_be_bytes());
        10
    };
    EncodedHeader { bytes, len }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmasks_like_the_definition_at_every_length_and_cut() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let masked: Vec<u8> = (0..67).collect();
        let plain: Vec<u8> = masked
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key)
            .collect();
        for end in 0..=masked.len() {
            for cut in 0..=end {
                let (mut buffer, mut mask) = (b"kept".to_vec(), key);
                append_unmasked(&mut buffer, &masked[..cut], &mut mask);
                append_unmasked(&mut buffer, &masked[cut..end], &mut mask);
                assert_eq!(&buffer[..4], b"kept");
                assert_eq!(buffer[4..], plain[..end]);
            }
        }
    }

    #[test]
    fn header_lengths_use_the_shortest_form() {
        for (len, expected) in [
            (0, &b"\x81\x00"[..]),
            (125, b"\x81\x7d"),
            (126, b"\x81\x7e\x00\x7e"),
            (65_535, b"\x81\x7e\xff\xff"),
            (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        ] {
            assert_eq!(&*frame_header(Opcode::Text, true, len), expected);
        }
        assert_eq!(&*frame_header(Opcode::Continuation, false, 1), b"\x00\x01");
    }

    #[test]
    fn a_message_is_deflated_only_where_that_was_agreed_on() {
        for first in [0xc1, 0xc2, 0x41, 0x42] {
            let refused = ClientHeader::parse(&[first], false);
            assert_eq!(refused, Err(FrameError::ReservedBits));
            let parsed = ClientHeader::parse(&[first, 0x80, 0, 0, 0, 0], true);
            assert!(matches!(parsed, Ok(Some((header, 6))) if header.is_deflated));
        }
    }

    #[test]
    fn wrong_bytes_are_refused_before_the_header_is_whole() {
        for (bytes, expected) in [
            (&[0xa1][..], FrameError::ReservedBits),
            (&[0xc0], FrameError::ReservedBits),
            (&[0xc9], FrameError::ReservedBits),
            (&[0xc3], FrameError::ReservedBits),
            (&[0x83], FrameError::ReservedOpcode(3)),
            (&[0x09], FrameError::ControlFragmented),
            (&[0x81, 0x00], FrameError::NotMasked),
            (&[0x89, 0xfe], FrameError::ControlTooLong),
            (&[0x81, 0xfe, 0, 125], FrameError::LengthNotMinimal),
            (
                &[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
                FrameError::LengthNotMinimal,
            ),
            (
                &[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
                FrameError::LengthOverflow,
            ),
        ] {
            for inflates in [false, true] {
                assert_eq!(ClientHeader::parse(bytes, inflates), Err(expected));
                let cut = ClientHeader::parse(&bytes[..bytes.len() - 1], inflates);
                assert_eq!(cut, Ok(None));
            }
        }
    }
}

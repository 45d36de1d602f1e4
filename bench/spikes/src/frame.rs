//! Server side of RFC 6455 framing: encode once, decode without an idle buffer.
//!
//! No fragmentation across frames and no extension: data frames from the client are counted and
//! dropped, which costs the same as handing them on.

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of a published record.
pub const PAYLOAD: usize = 128;
/// Bytes of its WebSocket frame: an unmasked header of four bytes in front.
pub const FRAME: usize = PAYLOAD + 4;

/// Encodes an unmasked binary frame (RFC 6455 section 5.2) of at most 65,535 bytes.
pub fn encode(opcode: u8, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(payload.len() + 4);
    out.put_u8(0x80 | opcode);
    if payload.len() < 126 {
        out.put_u8(payload.len() as u8);
    } else {
        out.put_u8(126);
        out.put_u16(payload.len() as u16);
    }
    out.put_slice(payload);
    out.freeze()
}

/// A masked client text frame of fewer than 126 bytes.
pub fn masked_text(payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut out = vec![0x81, 0x80 | payload.len() as u8];
    out.extend(mask);
    out.extend(
        payload
            .iter()
            .enumerate()
            .map(|(i, byte)| byte ^ mask[i % 4]),
    );
    out
}

/// What the decoder found.
pub enum Incoming {
    /// A text or binary frame of so many bytes.
    Data(usize),
    /// A ping, with the pong to send.
    Ping(Bytes),
    /// The peer closes.
    Close,
    /// A pong.
    Pong,
}

/// The client broke the rules or the limit.
#[derive(Debug)]
pub struct Malformed;

/// Keeps nothing but an incomplete frame.
#[derive(Default)]
pub struct Decoder {
    partial: Vec<u8>,
}

impl Decoder {
    /// Decodes what was read; an incomplete frame stays inside, complete ones go to `sink`.
    ///
    /// # Errors
    /// `Err` on an unmasked frame or on one longer than 64 KiB.
    pub fn feed(
        &mut self,
        read: &mut [u8],
        sink: &mut dyn FnMut(Incoming),
    ) -> Result<(), Malformed> {
        if self.partial.is_empty() {
            let used = decode_all(read, sink)?;
            self.partial.extend_from_slice(&read[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(read);
        let used = decode_all(&mut joined, sink)?;
        joined.drain(..used);
        if !joined.is_empty() {
            self.partial = joined;
        }
        Ok(())
    }
}

fn decode_all(bytes: &mut [u8], sink: &mut dyn FnMut(Incoming)) -> Result<usize, Malformed> {
    let mut used = 0;
    while let Some((length, head, mask)) = header(&bytes[used..])? {
        if bytes.len() - used < head + length {
            break;
        }
        let opcode = bytes[used] & 0x0f;
        let payload = &mut bytes[used + head..used + head + length];
        for (i, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[i % 4];
        }
        sink(match opcode {
            8 => Incoming::Close,
            9 => Incoming::Ping(encode(10, payload)),
            10 => Incoming::Pong,
            _ => Incoming::Data(length),
        });
        used += head + length;
    }
    Ok(used)
}

/// Payload length, header length with mask, and mask, once they are all there.
fn header(bytes: &[u8]) -> Result<Option<(usize, usize, [u8; 4])>, Malformed> {
    if bytes.len() < 2 {
        return Ok(None);
    }
    if bytes[1] & 0x80 == 0 || bytes[1] & 0x7f == 127 {
        return Err(Malformed);
    }
    let long = bytes[1] & 0x7f == 126;
    let head = if long { 8 } else { 6 };
    if bytes.len() < head {
        return Ok(None);
    }
    let length = match long {
        true => usize::from(u16::from_be_bytes([bytes[2], bytes[3]])),
        false => usize::from(bytes[1] & 0x7f),
    };
    let mask = [
        bytes[head - 4],
        bytes[head - 3],
        bytes[head - 2],
        bytes[head - 1],
    ];
    Ok(Some((length, head, mask)))
}

//! Whole server frames in one allocation each. Shared by all its receivers, a message's frame is
//! made once. It fragments nothing, compresses nothing, and masks nothing: a server's frames are
//! never masked (RFC 6455, section 5.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::RSV1;
use super::{
    CloseCode, CloseFrame, ControlPayload, MAX_CLOSE_REASON, MessageKind, Opcode, frame_header,
};

/// A text message as one frame. `payload` must be UTF-8: it comes from JSON or text that was
/// validated when it came in, and is not validated again for every framing.
#[must_use]
pub fn text_frame(payload: &[u8]) -> Bytes {
    debug_assert!(std::str::from_utf8(payload).is_ok());
    message_frame(MessageKind::Text, &[payload])
}

/// A message as one frame, its payload put together from `parts`, which are UTF-8 if `kind` is
/// text.
#[must_use]
pub fn message_frame(kind: MessageKind, parts: &[&[u8]]) -> Bytes {
    whole_frame(kind.into(), parts)
}

/// A message as one frame that says it is deflated (RFC 7692, section 7.2.1).
pub(super) fn deflated_message_frame(kind: MessageKind, deflated: &[u8]) -> Bytes {
    let mut frame = assembled(kind.into(), &[deflated]);
    frame[0] |= RSV1;
    frame.freeze()
}

/// A ping (section 5.5.2).
#[must_use]
pub fn ping_frame(payload: &ControlPayload) -> Bytes {
    whole_frame(Opcode::Ping, &[payload.as_bytes()])
}

/// The pong that answers a ping of the same payload (section 5.5.3).
#[must_use]
pub fn pong_frame(payload: &ControlPayload) -> Bytes {
    whole_frame(Opcode::Pong, &[payload.as_bytes()])
}

/// A close frame. A `reason` over [`MAX_CLOSE_REASON`] bytes is cut in front of the character that
/// would cross the limit.
#[must_use]
pub fn close_frame(code: CloseCode, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(MAX_CLOSE_REASON)];
    whole_frame(
        Opcode::Close,
        &[&code.get().to_be_bytes(), reason.as_bytes()],
    )
}

/// The close frame that answers the client's: its code without its reason, or as empty as it was
/// (section 5.5.1).
#[must_use]
pub fn close_reply(received: Option<&CloseFrame>) -> Bytes {
    received.map_or_else(
        || whole_frame(Opcode::Close, &[]),
        |close| close_frame(close.code, ""),
    )
}

fn whole_frame(opcode: Opcode, parts: &[&[u8]]) -> Bytes {
    assembled(opcode, parts).freeze()
}

fn assembled(opcode: Opcode, parts: &[&[u8]]) -> BytesMut {
    let payload_len = parts.iter().map(|part| part.len()).sum();
    let header = frame_header(opcode, true, payload_len);
    let mut frame = BytesMut::with_capacity(header.len() + payload_len);
    frame.put_slice(&header);
    parts.iter().for_each(|part| frame.put_slice(part));
    frame
}

//! Client bytes to events, in any cut, with every rule that RFC 6455 has for a server that reads,
//! and RFC 7692 where compression was negotiated.
//! It does not answer: pongs, the closing handshake and the close frame of an error are the
//! connection's, as are time and rate limits.

use std::mem;

use bytes::Bytes;

use super::frame::{ClientHeader, MAX_CLIENT_HEADER, append_unmasked};
use super::inflate::inflate;
use super::utf8::Utf8;
use super::{CloseFrame, Deflate, FrameError, MAX_CONTROL_PAYLOAD, Opcode};

/// Whether a message is text or bytes (section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// Any bytes.
    Binary,
    /// UTF-8.
    Text,
}

/// What a ping or pong carries: at most [`MAX_CONTROL_PAYLOAD`] bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlPayload(Bytes);

impl ControlPayload {
    /// `payload`, if it fits a control frame.
    #[must_use]
    pub fn new(payload: impl Into<Bytes>) -> Option<Self> {
        let payload = payload.into();
        (payload.len() <= MAX_CONTROL_PAYLOAD).then_some(Self(payload))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The close frame: the last event of a connection. To be answered with [`super::close_reply`]
    /// unless the server closed first.
    Close(Option<CloseFrame>),
    /// A whole message.
    Message {
        /// Text or bytes.
        kind: MessageKind,
        /// The payload over all fragments, inflated, in memory of exactly its size; valid UTF-8 if
        /// `kind` is text.
        data: Bytes,
    },
    /// To be answered with [`super::pong_frame`].
    Ping(ControlPayload),
    /// A sign of life.
    Pong(ControlPayload),
}

/// One connection's reading side. It holds heap memory only while a message or a control frame is
/// incomplete, and then in proportion to what has arrived, never to what a header declared: at most
/// twice that, and at most the message limit plus one control frame. Time is linear in the bytes
/// fed, however many fragments they make.
///
/// A deflated message is held as it came, of which an eighth more than the limit is taken, and
/// inflated when it is whole, within one call that then holds both. No window is held for a
/// connection.
#[derive(Debug)]
pub struct Decoder {
    /// The message under way, unmasked and, if it is deflated, as it came; behind it the control
    /// frame under way, which may stand between fragments.
    buffer: Vec<u8>,
    max_message: usize,
    stage: Stage,
    /// The message under way: from its first header to its last byte.
    message: Option<PartialMessage>,
    utf8: Utf8,
    /// Whether the client may deflate.
    inflates: bool,
}

#[derive(Clone, Copy, Debug)]
struct PartialMessage {
    kind: MessageKind,
    is_deflated: bool,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Header(PartialHeader),
    Payload(PartialFrame),
    /// After a close frame or an error.
    Finished,
}

impl Decoder {
    /// A decoder for messages of up to `max_message` bytes, counted over all fragments and
    /// inflated, which may be deflated if the handshake agreed on `deflate`.
    #[must_use]
    pub const fn new(max_message: usize, deflate: Option<Deflate>) -> Self {
        Self {
            buffer: Vec::new(),
            max_message,
            stage: Stage::Header(PartialHeader::EMPTY),
            message: None,
            utf8: Utf8::Boundary,
            inflates: deflate.is_some(),
        }
    }

    /// Takes bytes from the front of `input` up to the end of the next event. `None`: all is taken,
    /// and the event goes on behind it. To be called until it says so.
    ///
    /// After [`Event::Close`] or an error the decoder is finished: it takes whatever comes and
    /// yields nothing (sections 5.5.1 and 7.1.7).
    ///
    /// # Errors
    /// At the first byte that breaks a rule; for text at the first byte that is not UTF-8, and for
    /// a message that is too big at the header that says so. What is wrong within a deflated message
    /// shows at its last byte. [`FrameError::close_code`] is what to answer.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Event>, FrameError> {
        let decoded = self.advance(input);
        if matches!(decoded, Err(_) | Ok(Some(Event::Close(_)))) {
            *self = Self {
                stage: Stage::Finished,
                ..Self::new(self.max_message, None)
            };
        }
        decoded
    }

    /// Whether the last byte taken ended a message or a control frame outside of a message (or
    /// nothing was taken yet), so that nothing is owed by the client.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.message.is_none() && matches!(self.stage, Stage::Header(partial) if partial.len == 0)
    }

    /// Whether a close frame or an error ended the reading.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.stage, Stage::Finished)
    }

    /// Heap memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Event>, FrameError> {
        loop {
            match &mut self.stage {
                Stage::Header(partial) => match partial.take(input, self.inflates)? {
                    Some(header) => self.begin_frame(header)?,
                    None => return Ok(None),
                },
                Stage::Payload(frame) => {
                    let frame = *frame;
                    if !self.take_payload(frame, input)? {
                        return Ok(None);
                    }
                    if let Some(event) = self.end_frame(frame)? {
                        return Ok(Some(event));
                    }
                }
                Stage::Finished => {
                    *input = &[];
                    return Ok(None);
                }
            }
        }
    }

    fn begin_frame(&mut self, header: ClientHeader) -> Result<(), FrameError> {
        let message = self.message_with(header)?;
        let payload_len = self.check_length(header, message)?;
        self.message = message;
        self.stage = Stage::Payload(PartialFrame {
            remaining: payload_len,
            mask: header.mask,
            opcode: header.opcode,
            fin: header.fin,
            control_len: if header.opcode.is_control() {
                payload_len as u8
            } else {
                0
            },
        });
        Ok(())
    }

    /// The message under way once a frame with this header has begun.
    fn message_with(&self, header: ClientHeader) -> Result<Option<PartialMessage>, FrameError> {
        let kind = match header.opcode {
            Opcode::Text => MessageKind::Text,
            Opcode::Binary => MessageKind::Binary,
            Opcode::Continuation if self.message.is_none() => {
                return Err(FrameError::ContinuationUnexpected);
            }
            _ => return Ok(self.message),
        };
        if self.message.is_some() {
            return Err(FrameError::FragmentExpected);
        }
        Ok(Some(PartialMessage {
            kind,
            is_deflated: header.is_deflated,
        }))
    }

    fn check_length(
        &self,
        header: ClientHeader,
        message: Option<PartialMessage>,
    ) -> Result<usize, FrameError> {
        // Control frames were measured with their header and do not count: the buffer holds the
        // message alone here.
        let most = if header.opcode.is_control() {
            MAX_CONTROL_PAYLOAD
        } else {
            self.most_buffered(message) - self.buffer.len()
        };
        match usize::try_from(header.payload_len) {
            Ok(len) if len <= most => Ok(len),
            _ => Err(FrameError::MessageTooBig {
                limit: self.max_message,
            }),
        }
    }

    /// The most that may come of `message`. Deflated, even what cannot be compressed becomes at most
    /// an eighth longer, unless it is flushed every few bytes: by codes of 9 bits for 8.
    fn most_buffered(&self, message: Option<PartialMessage>) -> usize {
        const LEAST_DEFLATED: usize = 64;
        if message.is_some_and(|message| message.is_deflated) {
            self.max_message
                .saturating_add(self.max_message / 8 + LEAST_DEFLATED)
        } else {
            self.max_message
        }
    }

    /// Takes what `input` has of the frame's payload; whether that was the rest of it.
    fn take_payload(
        &mut self,
        mut frame: PartialFrame,
        input: &mut &[u8],
    ) -> Result<bool, FrameError> {
        let (arrived, rest) = input.split_at(frame.remaining.min(input.len()));
        *input = rest;
        let start = self.buffer.len();
        self.make_room(arrived.len(), frame);
        append_unmasked(&mut self.buffer, arrived, &mut frame.mask);
        if !frame.opcode.is_control() && self.message.is_some_and(PartialMessage::is_plain_text) {
            self.utf8.feed(&self.buffer[start..])?;
        }
        frame.remaining -= arrived.len();
        self.stage = Stage::Payload(frame);
        Ok(frame.remaining == 0)
    }

    /// Grows by doubling, so that the growth is paid for by what has arrived, but not past the most
    /// that can still come. That is the frame's end only if nothing can follow it: taken for every
    /// fragment, or for control frames between fragments, it would copy the whole message again and
    /// again for a byte each.
    fn make_room(&mut self, arrived: usize, frame: PartialFrame) {
        let needed = self.buffer.len() + arrived;
        if needed <= self.buffer.capacity() {
            return;
        }
        let is_last = frame.fin && (self.message.is_none() || !frame.opcode.is_control());
        let most = if is_last {
            self.buffer.len() + frame.remaining
        } else {
            self.most_buffered(self.message)
                .saturating_add(MAX_CONTROL_PAYLOAD)
        };
        let capacity = needed.max(self.buffer.capacity().saturating_mul(2).min(most));
        self.buffer.reserve_exact(capacity - self.buffer.len());
    }

    fn end_frame(&mut self, frame: PartialFrame) -> Result<Option<Event>, FrameError> {
        self.stage = Stage::Header(PartialHeader::EMPTY);
        Ok(match frame.opcode {
            Opcode::Close => Some(Event::Close(CloseFrame::parse(&self.take_control(frame))?)),
            Opcode::Ping => Some(Event::Ping(ControlPayload(self.take_control(frame)))),
            Opcode::Pong => Some(Event::Pong(ControlPayload(self.take_control(frame)))),
            Opcode::Binary | Opcode::Continuation | Opcode::Text if !frame.fin => None,
            Opcode::Binary | Opcode::Continuation | Opcode::Text => self.take_message()?,
        })
    }

    fn take_control(&mut self, frame: PartialFrame) -> Bytes {
        if self.message.is_none() {
            return Bytes::from(mem::take(&mut self.buffer));
        }
        let start = self.buffer.len() - usize::from(frame.control_len);
        let payload = Bytes::copy_from_slice(&self.buffer[start..]);
        self.buffer.truncate(start);
        payload
    }

    fn take_message(&mut self) -> Result<Option<Event>, FrameError> {
        let Some(PartialMessage { kind, is_deflated }) = self.message.take() else {
            return Ok(None);
        };
        let mut data = mem::take(&mut self.buffer);
        if is_deflated {
            data = inflate(&data, kind, self.max_message)?;
        } else if !self.utf8.is_complete() {
            return Err(FrameError::Utf8Invalid);
        }
        // A log may keep the message for hours: without the slack of its growth.
        let data = Bytes::from(data.into_boxed_slice());
        Ok(Some(Event::Message { kind, data }))
    }
}

impl PartialMessage {
    fn is_plain_text(self) -> bool {
        self.kind == MessageKind::Text && !self.is_deflated
    }
}

/// A header, as far as it has come.
#[derive(Clone, Copy, Debug)]
struct PartialHeader {
    bytes: [u8; MAX_CLIENT_HEADER],
    len: u8,
}

impl PartialHeader {
    const EMPTY: Self = Self {
        bytes: [0; MAX_CLIENT_HEADER],
        len: 0,
    };

    /// Takes from `input` what belongs to the header; the header once it is whole.
    fn take(
        &mut self,
        input: &mut &[u8],
        inflates: bool,
    ) -> Result<Option<ClientHeader>, FrameError> {
        let had = usize::from(self.len);
        let filled = MAX_CLIENT_HEADER.min(had + input.len());
        self.bytes[had..filled].copy_from_slice(&input[..filled - had]);
        let parsed = ClientHeader::parse(&self.bytes[..filled], inflates)?;
        // What was copied past the header's end stays in the input.
        let end = parsed.map_or(filled, |(_, end)| end);
        *input = &input[end - had..];
        self.len = end as u8;
        Ok(parsed.map(|(header, _)| header))
    }
}

/// A frame whose payload is under way.
#[derive(Clone, Copy, Debug)]
struct PartialFrame {
    /// Bytes of payload that have not arrived.
    remaining: usize,
    /// Turned to fit the next byte.
    mask: [u8; 4],
    opcode: Opcode,
    fin: bool,
    /// The length of a control frame, which is where its payload begins, counted from the end of
    /// the buffer; else 0.
    control_len: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_costs_one_cache_line() {
        assert!(size_of::<Decoder>() <= 64, "{}", size_of::<Decoder>());
    }
}

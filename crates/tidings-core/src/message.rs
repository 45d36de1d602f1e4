//! Messages, as they wait to be published and as they stand in a log.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tidings_log::{Epoch, Position};

use crate::channel::ChannelName;
use crate::framing::{Frames, Framing};

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// What the bytes are.
    pub kind: PayloadKind,
    /// As they were published, byte for byte.
    pub bytes: Bytes,
    /// Bytes that it takes in an envelope, where text is escaped and bytes are base64: what history,
    /// lag and answers are reckoned in.
    pub written: usize,
}

impl Payload {
    /// Text without characters.
    pub fn empty() -> Self {
        Self {
            kind: PayloadKind::Text,
            bytes: Bytes::new(),
            written: 2,
        }
    }
}

/// What the bytes of a payload are. Whoever makes a [`Payload`] has checked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// One valid JSON text.
    Json,
    /// Valid UTF-8.
    Text,
    /// Anything.
    Binary,
}

/// One logical client, as others may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(pub u64);

impl std::str::FromStr for ClientId {
    type Err = NotAClient;

    fn from_str(text: &str) -> Result<Self, NotAClient> {
        let digits = text.strip_prefix('c').ok_or(NotAClient)?;
        let digits: String = digits.chars().rev().collect();
        let id = Self(u64::from_str_radix(&digits, 36).map_err(|_| NotAClient)?);
        // One spelling each, or the limits of one client would be those of two.
        (id.to_string() == text).then_some(id).ok_or(NotAClient)
    }
}

/// A text that is no client's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no client's id: `hello` says one")]
pub struct NotAClient;

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", Epoch::from_number(self.0))
    }
}

/// Who sent a message, as the server knows it; nothing a sender says gets here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// The client, where it is one with an id.
    pub client: Option<ClientId>,
    /// The user, where one is known.
    pub user: Option<Arc<str>>,
}

/// The name of an event: it stands in an `event:` line, so what would break that line or imitate an
/// event of the server is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName(Box<str>);

/// Why a text is no event name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventNameError {
    /// No characters.
    #[error("an event name is not empty: leave `event` out instead")]
    Empty,
    /// Over the limit, given in bytes.
    #[error("an event name has at most {0} bytes")]
    TooLong(usize),
    /// Begins with `$`, or is `open` or `error`.
    #[error(
        "an event name does not begin with $ and is not `open` or `error`: those are the server's and EventSource's own"
    )]
    Reserved,
    /// Holds CR, LF or NUL.
    #[error("an event name holds no CR, LF or NUL")]
    Character,
}

impl EventName {
    /// Checks and takes a name of at most `bytes_max` bytes.
    pub fn parse(text: &str, bytes_max: usize) -> Result<Self, EventNameError> {
        if text.is_empty() {
            return Err(EventNameError::Empty);
        }
        if text.len() > bytes_max {
            return Err(EventNameError::TooLong(bytes_max));
        }
        if text.contains(['\r', '\n', '\0']) {
            return Err(EventNameError::Character);
        }
        if text.starts_with('$') || text == "open" || text == "error" {
            return Err(EventNameError::Reserved);
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message that wants to be published.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Where to.
    pub channel: ChannelName,
    /// Its event name.
    pub event: Option<EventName>,
    /// What it carries; `None` only ends the channel.
    pub payload: Option<Payload>,
    /// Seen by the readers of this moment only, not kept.
    pub ephemeral: bool,
    /// The channel ends with it.
    pub close: bool,
    /// Idempotency key.
    pub key: Option<Box<str>>,
    /// Whose the key is: no two parties have one text here, and none holds a line feed.
    pub party: Option<Box<str>>,
    /// What it is about, where its channel gives slow readers the newest about each thing.
    pub topic: Option<Box<str>>,
    /// Who sends it.
    pub from: Sender,
    /// Not for this client.
    pub exclude: Option<ClientId>,
}

impl Draft {
    /// A plain message.
    pub fn new(channel: ChannelName, payload: Payload) -> Self {
        Self {
            channel,
            event: None,
            payload: Some(payload),
            ephemeral: false,
            close: false,
            key: None,
            party: None,
            topic: None,
            from: Sender::default(),
            exclude: None,
        }
    }

    /// What it counts in a log: its envelope, with a fixed part for the entry itself.
    pub fn size(&self) -> usize {
        const ENTRY: usize = 128;
        let payload = self.payload.as_ref().map_or(0, |p| p.written);
        let event = self.event.as_ref().map_or(0, |e| e.as_str().len());
        ENTRY + self.channel.as_str().len() + event + payload
    }
}

/// What an entry of a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message for the readers.
    Data,
    /// The end of the channel.
    End,
}

/// An entry of a channel's log.
#[derive(Debug)]
pub struct Message {
    /// Message or end.
    pub kind: Kind,
    /// The channel.
    pub channel: ChannelName,
    /// Its place; `None` for an ephemeral one.
    pub position: Option<Position>,
    /// Its event name.
    pub event: Option<EventName>,
    /// What it carries.
    pub payload: Payload,
    /// Who sent it.
    pub from: Sender,
    /// When, in Unix milliseconds.
    pub time: u64,
    /// Not for this client.
    pub exclude: Option<ClientId>,
    frames: Frames,
}

impl Message {
    /// The message that `draft` becomes at `position`.
    pub fn new(draft: Draft, position: Option<Position>, time: u64) -> Self {
        Self {
            kind: Kind::Data,
            channel: draft.channel,
            position,
            event: draft.event,
            payload: draft.payload.unwrap_or_else(Payload::empty),
            from: draft.from,
            time,
            exclude: draft.exclude,
            frames: Frames::default(),
        }
    }

    /// The end of `channel`.
    pub fn end(channel: ChannelName, position: Position, time: u64) -> Self {
        let draft = Draft::new(channel, Payload::empty());
        Self {
            kind: Kind::End,
            ..Self::new(draft, Some(position), time)
        }
    }

    /// The message in this form, made by `encode` if nobody did so before. `encode` runs once, while
    /// those wait who want another form made; so it must not ask for a frame of the same message.
    pub fn frame(&self, framing: Framing, encode: impl FnOnce(&Self) -> Bytes) -> &Bytes {
        self.frames.get(framing, || encode(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Histories are made of it: what nobody reads yet must cost next to nothing.
    #[test]
    fn a_message_takes_192_bytes_of_which_16_are_its_frames() {
        assert_eq!(size_of::<Message>(), 192);
        assert_eq!(size_of::<Frames>(), 16);
    }
}

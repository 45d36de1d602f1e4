//! What a subscription hands out: messages, and everything that a reader has to be told about its channels and
//! its connection. Plain data; where it comes from is the business of `envelope` and `subscription`.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::end::MoveReason;

/// The place after one message of one channel. Positions of two channels, or of two epochs, do not compare.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The identity of the log, 1–16 of `a-z0-9`.
    pub epoch: String,
    /// The number of the message within the epoch: 1, 2, 3 … ≤ 2^53−1; 0 is the place before the first.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.offset)
    }
}

/// The text is not `EPOCH-OFFSET`; it may still be an opaque cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position of the form EPOCH-OFFSET")]
pub struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        let (epoch, offset) = text.split_once('-').ok_or(NotAPosition)?;
        let epoch_ok = (1..=16).contains(&epoch.len())
            && epoch
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let offset_ok = offset.bytes().all(|b| b.is_ascii_digit());
        let offset: u64 = offset.parse().map_err(|_| NotAPosition)?;
        if epoch_ok && offset_ok && offset < 1 << 53 {
            Ok(Self {
                epoch: epoch.to_owned(),
                offset,
            })
        } else {
            Err(NotAPosition)
        }
    }
}

/// A way to read the same cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// The best that gets through, in the order in which they stand here. Only ever an option: no [`State`] names it.
    #[default]
    Auto,
    /// WebSocket (RFC 6455).
    WebSocket,
    /// Server-Sent Events (HTML standard, section 9.2).
    Sse,
    /// The same stream as the answer to a `POST`, for networks that hold back what `GET` streams.
    SsePost,
    /// Requests that wait for the next message.
    LongPoll,
    /// Requests that answer at once, repeated at an interval.
    Poll,
}

impl Transport {
    /// The name on a command line: `auto`, `websocket`, `sse`, `sse-post`, `long-poll`, `poll`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::SsePost => "sse-post",
            Self::LongPoll => "long-poll",
            Self::Poll => "poll",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such transport: one of auto, websocket, sse, sse-post, long-poll, poll")]
pub struct UnknownTransport;

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(text: &str) -> Result<Self, UnknownTransport> {
        [
            Self::Auto,
            Self::WebSocket,
            Self::Sse,
            Self::SsePost,
            Self::LongPoll,
            Self::Poll,
        ]
        .into_iter()
        .find(|transport| transport.as_str() == text)
        .ok_or(UnknownTransport)
    }
}

/// One thing that a subscription tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The connection changed its state.
    State(State),
    /// The server's greeting, on WebSocket and SSE.
    Hello(Hello),
    /// A channel was added by a command (long lists of channels on WebSocket).
    Subscribed(Subscribed),
    /// A message.
    Message(Message),
    /// Messages were lost to this reader.
    Gap(Gap),
    /// Offsets that were not meant for this reader: no loss.
    Skip(Skip),
    /// A channel ended: nothing follows on it.
    Closed(Closed),
    /// The right to read a channel was lost, or the server dropped the channel: nothing follows on it.
    Unsubscribed(Unsubscribed),
    /// The token ends soon.
    Expiring {
        /// How soon.
        within: Duration,
    },
}

/// The state of the connection behind a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// An attempt over this transport begins.
    Connecting(Transport),
    /// The server answered over this transport; what it sends from here on is live or being caught up with.
    Open(Transport),
    /// The connection ended or did not come about; the next attempt follows after the delay.
    Waiting {
        /// Why, for a person.
        reason: String,
        /// How long until the next attempt.
        delay: Duration,
    },
    /// Another transport is used from here on.
    Moved {
        /// The one that is left.
        from: Transport,
        /// The one that is tried next or, where it is a better one, works already.
        to: Transport,
        /// Why.
        reason: MoveReason,
    },
}

/// The server's greeting.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Hello {
    /// The public id of this client.
    pub client: Option<String>,
    /// The secret that carries the id over to another connection. Not for logs.
    pub session: Option<String>,
    /// The user, where the server knows one.
    pub user: Option<String>,
    /// The transport as the server sees it.
    pub transport: Option<String>,
    /// After this silence the server sends a sign of life.
    pub heartbeat: Duration,
    /// The largest message that may be published, in bytes.
    pub max_message: Option<u64>,
    /// Where the reading of each channel starts.
    pub channels: BTreeMap<String, Resumed>,
}

/// Where the reading of one channel starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The place after which it starts.
    pub position: Position,
    /// Whether it goes on without loss; `false` announces a [`Gap`].
    pub recovered: bool,
}

/// A channel was added to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The channel.
    pub channel: String,
    /// Where its reading starts.
    pub resumed: Resumed,
}

/// What a message carries. On the wire a text and a JSON string are the same; both are a [`Payload::Text`].
#[derive(Clone, Debug)]
pub enum Payload {
    /// JSON as it was published: numbers keep their digits.
    Json(Box<RawValue>),
    /// Text, or a JSON string without its quotes.
    Text(String),
    /// Bytes.
    Bytes(Bytes),
}

/// Two payloads are equal if they are of one kind and carry the same bytes.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Json(a), Self::Json(b)) => a.get() == b.get(),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            _ => false,
        }
    }
}

impl Payload {
    /// The payload's own bytes: the JSON text, the text in UTF-8, or the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(json) => json.get().as_bytes(),
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// One message of a channel.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Message {
    /// The channel.
    pub channel: String,
    /// Its place; none for an ephemeral message.
    pub position: Option<Position>,
    /// The event name it was published under.
    pub event: Option<String>,
    /// The payload.
    pub data: Payload,
    /// Who published it, stamped by the server.
    pub from: Option<Sender>,
    /// When the server took it, in Unix milliseconds.
    pub time: u64,
    /// The envelope as it came, JSON. A payload that came in a binary frame is not in it.
    pub raw: Box<str>,
}

/// Who published a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[non_exhaustive]
pub struct Sender {
    /// The public id of the client.
    pub client: Option<String>,
    /// The user.
    pub user: Option<String>,
}

/// Messages that were lost to this reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The channel.
    pub channel: String,
    /// The epoch in which the reading goes on.
    pub epoch: String,
    /// The first lost offset, where it is known.
    pub from: Option<u64>,
    /// The offset before the next message.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

/// Why messages were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// The history no longer retains them.
    Expired,
    /// The log was lost.
    EpochChanged,
    /// The server forgot the idle channel.
    Forgotten,
    /// The cursor was not understood.
    UnknownCursor,
    /// This reader was too far behind.
    TooSlow,
    /// The broker lost them.
    BrokerLoss,
    /// Found by this client: the offsets jumped and the server did not say why.
    Untold,
    /// A reason that this version does not know.
    Other(String),
}

impl GapReason {
    /// The word of the protocol.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Expired => "expired",
            Self::EpochChanged => "epoch_changed",
            Self::Forgotten => "forgotten",
            Self::UnknownCursor => "unknown_cursor",
            Self::TooSlow => "too_slow",
            Self::BrokerLoss => "broker_loss",
            Self::Untold => "unknown",
            Self::Other(reason) => reason,
        }
    }

    pub(crate) fn from_wire(reason: String) -> Self {
        match reason.as_str() {
            "expired" => Self::Expired,
            "epoch_changed" => Self::EpochChanged,
            "forgotten" => Self::Forgotten,
            "unknown_cursor" => Self::UnknownCursor,
            "too_slow" => Self::TooSlow,
            "broker_loss" => Self::BrokerLoss,
            _ => Self::Other(reason),
        }
    }
}

/// Offsets that were not meant for this reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skip {
    /// The channel.
    pub channel: String,
    /// The epoch.
    pub epoch: String,
    /// The first of them.
    pub from: u64,
    /// The last of them.
    pub to: u64,
    /// Why: `own`, `conflated`.
    pub reason: String,
}

/// The end of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The channel.
    pub channel: String,
    /// The place of the end, where it was told.
    pub position: Option<Position>,
}

/// The end of a channel for this reader.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsubscribed {
    /// The channel.
    pub channel: String,
    /// Why, as far as the server says.
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_what_it_writes() {
        let position = Position {
            epoch: "k3f9".into(),
            offset: 42,
        };
        assert_eq!(position.to_string(), "k3f9-42");
        assert_eq!("k3f9-42".parse(), Ok(position));
        for wrong in [
            "",
            "k3f9",
            "-1",
            "k3f9-",
            "K3-1",
            "k3-+1",
            "k-9007199254740992",
            "k-1-2",
            "키-1",
        ] {
            assert_eq!(wrong.parse::<Position>(), Err(NotAPosition), "{wrong}");
        }
    }

    #[test]
    fn transports_have_names() {
        for name in ["auto", "websocket", "sse", "sse-post", "long-poll", "poll"] {
            assert_eq!(name.parse::<Transport>().map(Transport::as_str), Ok(name));
        }
        assert!("carrier-pigeon".parse::<Transport>().is_err());
    }
}

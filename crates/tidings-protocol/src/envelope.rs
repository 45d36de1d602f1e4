//! The envelope: the same JSON on every transport.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use tidings_core::{
    ChannelName, ClientId, Epoch, Framing, Gap, Limits, Message, PayloadKind, Position, Sender,
    SkipReason,
};

use crate::codes::Problem;
use crate::websocket::{self, DEFLATE_FROM, Deflate, MessageKind};

/// What the server says besides messages. Each is one JSON object, on every transport.
#[derive(Clone, Debug)]
pub enum Notice<'a> {
    /// The first of a stream.
    Hello(Hello<'a>),
    /// A channel is read from here on.
    Subscribed {
        /// The command's id.
        id: Option<&'a RawValue>,
        /// Which channel.
        channel: &'a ChannelName,
        /// Its place.
        place: Place,
    },
    /// A channel is read no more.
    Unsubscribed {
        /// The command's id.
        id: Option<&'a RawValue>,
        /// Which channel.
        channel: &'a ChannelName,
        /// The place after what was read.
        position: Position,
        /// Why, where nobody asked for it.
        reason: Option<&'a str>,
    },
    /// Messages are lost to this reader.
    Gap(&'a ChannelName, Gap),
    /// Offsets that are not meant for this reader.
    Skip {
        /// Of which channel.
        channel: &'a ChannelName,
        /// The epoch of both offsets.
        epoch: Epoch,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// Why.
        reason: SkipReason,
    },
    /// The channel has ended.
    Closed(&'a ChannelName, Position),
    /// Come back after so many milliseconds.
    Reconnect {
        /// Dealt out, so that not all come at once.
        after_ms: u64,
    },
    /// The token ends in so many milliseconds.
    Expiring {
        /// Until then another one is to be sent.
        in_ms: u64,
    },
    /// A sign of life.
    Ping,
    /// The answer to a ping.
    Pong {
        /// The command's id.
        id: Option<&'a RawValue>,
        /// What the client sent as its time.
        time: Option<&'a RawValue>,
        /// Unix milliseconds.
        server_time: u64,
    },
    /// The answer to a publish.
    Ack {
        /// The command's id.
        id: Option<&'a RawValue>,
        /// Where the message went.
        receipt: Receipt<'a>,
    },
    /// The answer to `auth`.
    Identified {
        /// The command's id.
        id: Option<&'a RawValue>,
        /// Who it is from now on.
        identity: Identity<'a>,
    },
    /// A refusal.
    Error {
        /// The command's id.
        id: Option<&'a RawValue>,
        /// What and why.
        problem: &'a Problem,
        /// When to try again.
        retry_ms: Option<u64>,
    },
}

/// Who a client is.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Its public id.
    pub client: ClientId,
    /// What it comes back with as the same client: a secret.
    pub session: &'a str,
    /// Its user, where one is known.
    pub user: Option<&'a str>,
    /// Unix time in seconds at which its token ends.
    pub expires: Option<u64>,
}

/// The first words of a stream.
#[derive(Clone, Debug)]
pub struct Hello<'a> {
    /// Who the reader is.
    pub identity: Identity<'a>,
    /// `sse` or `websocket`.
    pub transport: &'static str,
    /// The limits in force.
    pub limits: &'a Limits,
    /// The channels and their places.
    pub channels: Vec<(&'a ChannelName, Place)>,
}

/// The place after which a reading starts.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Epoch and offset.
    pub at: Position,
    /// False: a gap follows.
    pub recovered: bool,
}

/// Where a published message went.
#[derive(Clone, Copy, Debug)]
pub struct Receipt<'a> {
    /// Its channel.
    pub channel: &'a ChannelName,
    /// What the broker said.
    pub receipt: tidings_core::Receipt,
}

impl Notice<'_> {
    /// Its type, as `type` says it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Subscribed { .. } => "subscribed",
            Self::Unsubscribed { .. } => "unsubscribed",
            Self::Gap(..) => "gap",
            Self::Skip { .. } => "skip",
            Self::Closed(..) => "closed",
            Self::Reconnect { .. } => "reconnect",
            Self::Expiring { .. } => "expiring",
            Self::Ping => "ping",
            Self::Pong { .. } => "pong",
            Self::Ack { .. } | Self::Identified { .. } => "ack",
            Self::Error { .. } => "error",
        }
    }

    /// The object.
    pub fn to_json(&self) -> String {
        let mut json = Object::new(self.kind());
        match self {
            Self::Hello(hello) => hello.write(&mut json),
            Self::Subscribed { id, channel, place } => {
                json.id(*id).channel(channel).position(place.at);
                json.raw("recovered", place.recovered);
            }
            Self::Unsubscribed {
                id,
                channel,
                position,
                reason,
            } => {
                json.id(*id).channel(channel).position(*position);
                if let Some(reason) = reason {
                    json.string("reason", reason);
                }
            }
            Self::Gap(channel, gap) => {
                json.channel(channel).string("epoch", gap.epoch.as_str());
                match gap.from {
                    Some(from) => json.raw("from", from),
                    None => json.raw("from", "null"),
                };
                json.raw("to", gap.to).string("reason", gap.reason.as_str());
            }
            Self::Skip {
                channel,
                epoch,
                from,
                to,
                reason,
            } => {
                json.channel(channel).string("epoch", epoch.as_str());
                json.raw("from", from).raw("to", to);
                json.string("reason", reason.as_str());
            }
            Self::Closed(channel, position) => {
                json.channel(channel).position(*position);
            }
            Self::Reconnect { after_ms } => {
                json.raw("after_ms", after_ms);
            }
            Self::Expiring { in_ms } => {
                json.raw("in_ms", in_ms);
            }
            Self::Ping => {}
            Self::Pong {
                id,
                time,
                server_time,
            } => {
                json.id(*id);
                if let Some(time) = time {
                    json.raw("time", time.get());
                }
                json.raw("server_time", server_time);
            }
            Self::Ack { id, receipt } => {
                json.id(*id);
                receipt.write(&mut json);
            }
            Self::Identified { id, identity } => {
                json.id(*id);
                identity.write(&mut json);
            }
            Self::Error {
                id,
                problem,
                retry_ms,
            } => {
                json.id(*id).string("code", problem.code.as_str());
                json.string("message", &problem.detail)
                    .raw("temporary", problem.code.temporary());
                if let Some(ms) = retry_ms {
                    json.raw("retry_ms", ms);
                }
            }
        }
        json.end()
    }
}

impl Identity<'_> {
    /// The object that answers a request for a session.
    pub fn to_json(&self) -> String {
        let mut json = Object::bare();
        self.write(&mut json);
        json.end()
    }

    fn write(&self, json: &mut Object) {
        json.string("client", &self.client.to_string())
            .string("session", self.session);
        if let Some(user) = self.user {
            json.string("user", user);
        }
        if let Some(expires) = self.expires {
            json.raw("expires", expires);
        }
    }
}

impl Hello<'_> {
    fn write(&self, json: &mut Object) {
        self.identity.write(json);
        json.string("transport", self.transport);
        json.raw("heartbeat", self.limits.heartbeat.as_secs_f64());
        json.raw("max_message", self.limits.message_bytes);
        let mut channels = Object::bare();
        for (channel, place) in &self.channels {
            let mut entry = Object::bare();
            entry.position(place.at).raw("recovered", place.recovered);
            channels.raw(channel.as_str(), entry.end());
        }
        json.raw("channels", channels.end());
    }
}

impl Receipt<'_> {
    /// The object that answers a publish over HTTP.
    pub fn to_json(&self) -> String {
        let mut json = Object::bare();
        self.write(&mut json);
        json.end()
    }

    fn write(&self, json: &mut Object) {
        json.channel(self.channel);
        if let Some(position) = self.receipt.position {
            json.position(position);
        }
        json.raw("subscribers", self.receipt.subscribers);
        if self.receipt.duplicate {
            json.raw("duplicate", true);
        }
        if self.receipt.closed {
            json.raw("closed", true);
        }
    }
}

/// The envelope of `message` as a WebSocket text frame, shared by all readers.
pub fn text_frame(message: &Message) -> &Bytes {
    message.frame(Framing::Text, |message| {
        websocket::text_frame(envelope(message, true).as_bytes())
    })
}

/// The envelope of `message` as it stands in a poll's list.
pub fn list_entry(message: &Message) -> Bytes {
    let frame = text_frame(message);
    // RFC 6455 section 5.2: the second byte says how long the length is.
    let head = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    frame.slice(head..)
}

/// `message` as a frame for a WebSocket reader; with `raw` its payload alone. Deflated if that pays
/// and `deflate` has it that the reader can inflate it, else plain.
pub fn websocket_frame(message: &Message, raw: bool, deflate: Option<Deflate>) -> &Bytes {
    deflate
        .and_then(|deflate| deflated_frame(message, raw, deflate))
        .unwrap_or_else(|| plain_frame(message, raw))
}

/// The plain frame of `message`: with `raw` of its payload alone, else of its envelope, where a
/// binary payload makes a binary frame: two bytes of the header's length, big-endian, the envelope
/// without `data`, the bytes.
fn plain_frame(message: &Message, raw: bool) -> &Bytes {
    let framing = match (raw, message.payload.kind) {
        (true, _) => Framing::RawFrame,
        (false, PayloadKind::Binary) => Framing::Binary,
        (false, _) => return text_frame(message),
    };
    message.frame(framing, |message| {
        in_parts(message, raw, websocket::message_frame)
    })
}

/// The same deflated, without making the plain one on the way, unless a small window asks for its
/// length. `None`: plain it is.
fn deflated_frame(message: &Message, raw: bool, deflate: Deflate) -> Option<&Bytes> {
    // An envelope is longer, but what surrounds a short payload would not pay either.
    if message.payload.written < DEFLATE_FROM {
        return None;
    }
    if !deflate.inflates_all() && !deflate.inflates(plain_frame(message, raw).len()) {
        return None;
    }
    let framing = if raw {
        Framing::RawDeflated
    } else {
        Framing::Deflated
    };
    let frame = message.frame(framing, |message| {
        in_parts(message, raw, websocket::deflated_frame).unwrap_or_default()
    });
    (!frame.is_empty()).then_some(frame)
}

/// Writes the payload of a WebSocket frame.
fn in_parts<T>(message: &Message, raw: bool, write: impl FnOnce(MessageKind, &[&[u8]]) -> T) -> T {
    let bytes = &message.payload.bytes;
    match (raw, message.payload.kind) {
        (true, PayloadKind::Binary) => return write(MessageKind::Binary, &[bytes]),
        (true, _) => return write(MessageKind::Text, &[bytes]),
        (false, PayloadKind::Binary) => {
            let header = envelope(message, false);
            // A name that fills 64 KiB: the text form says it, too.
            if let Ok(len) = u16::try_from(header.len()) {
                let parts = [&len.to_be_bytes()[..], header.as_bytes(), bytes];
                return write(MessageKind::Binary, &parts);
            }
        }
        (false, _) => {}
    }
    write(MessageKind::Text, &[envelope(message, true).as_bytes()])
}

/// The envelope; without `data` and its encoding where the bytes follow it.
pub fn envelope(message: &Message, with_data: bool) -> String {
    let mut json = Object::new("message");
    json.channel(&message.channel);
    if let Some(position) = message.position {
        json.position(position);
    }
    if let Some(event) = &message.event {
        json.string("event", event.as_str());
    }
    if with_data {
        json.payload(message);
    }
    json.sender(&message.from).raw("time", message.time);
    json.end()
}

/// A member of a channel as others see it: `info` is valid JSON.
pub fn member(client: ClientId, user: Option<&str>, info: Option<&str>) -> String {
    let mut json = Object::bare();
    json.string("client", &client.to_string());
    if let Some(user) = user {
        json.string("user", user);
    }
    if let Some(info) = info {
        json.raw("info", info);
    }
    json.end()
}

/// A JSON object that is being written, in the order of the contract.
struct Object {
    /// Valid UTF-8: JSON strings, numbers, and texts that were checked.
    json: Vec<u8>,
}

impl Object {
    fn new(kind: &str) -> Self {
        let mut object = Self::bare();
        object.string("type", kind);
        object
    }

    fn bare() -> Self {
        Self {
            json: b"{".to_vec(),
        }
    }

    fn key(&mut self, key: &str) {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        write_string(&mut self.json, key);
        self.json.push(b':');
    }

    fn string(&mut self, key: &str, value: &str) -> &mut Self {
        self.key(key);
        write_string(&mut self.json, value);
        self
    }

    /// A value that is JSON as it displays itself.
    fn raw(&mut self, key: &str, value: impl std::fmt::Display) -> &mut Self {
        self.key(key);
        // Writing to memory does not fail.
        let _ = write!(self.json, "{value}");
        self
    }

    fn id(&mut self, id: Option<&RawValue>) -> &mut Self {
        if let Some(id) = id {
            self.raw("id", id.get());
        }
        self
    }

    fn channel(&mut self, channel: &ChannelName) -> &mut Self {
        self.string("channel", channel.as_str())
    }

    fn position(&mut self, position: Position) -> &mut Self {
        self.string("epoch", position.epoch.as_str())
            .raw("offset", position.offset)
    }

    fn sender(&mut self, from: &Sender) -> &mut Self {
        if from.client.is_none() && from.user.is_none() {
            return self;
        }
        let mut sender = Self::bare();
        if let Some(client) = from.client {
            sender.string("client", &client.to_string());
        }
        if let Some(user) = &from.user {
            sender.string("user", user);
        }
        let sender = sender.end();
        self.raw("from", sender)
    }

    fn payload(&mut self, message: &Message) {
        let bytes = &message.payload.bytes;
        match message.payload.kind {
            PayloadKind::Json => {
                self.key("data");
                self.json.extend_from_slice(bytes);
            }
            PayloadKind::Text => {
                let text =
                    std::str::from_utf8(bytes).expect("a text payload was checked to be UTF-8");
                self.string("data", text);
            }
            PayloadKind::Binary => {
                self.string("encoding", "base64")
                    .string("data", &STANDARD.encode(bytes));
            }
        }
    }

    fn end(mut self) -> String {
        self.json.push(b'}');
        String::from_utf8(self.json).expect("all that was written is UTF-8")
    }
}

/// Writes a JSON string (RFC 8259 section 7).
fn write_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string serialises into memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_says_why() {
        let channel = ChannelName::parse("시세").expect("a name");
        for (reason, says) in [
            (SkipReason::Own, "own"),
            (SkipReason::Conflated, "conflated"),
        ] {
            let notice = Notice::Skip {
                channel: &channel,
                epoch: Epoch::from_number(7),
                from: 3,
                to: 9,
                reason,
            };
            let json = format!(
                r#"{{"type":"skip","channel":"시세","epoch":"7","from":3,"to":9,"reason":"{says}"}}"#
            );
            assert_eq!(notice.to_json(), json);
        }
    }
}

//! The envelope: bytes of the wire ↔ [`Frame`]. One JSON object, or on WebSocket a binary frame of header and
//! payload. Unknown fields and unknown types are no errors, so that a newer server can be read. It knows nothing
//! of transports, order or duplicates.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::{
    Closed, Gap, GapReason, Hello, Message, Payload, Position, Resumed, Sender, Skip, Subscribed,
    Unsubscribed,
};

/// The heartbeat that is assumed where the greeting names none.
pub(crate) const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(25);

/// The heartbeat above which a greeting is not believed: silence has to be noticed some day.
const MAX_HEARTBEAT_SECONDS: f64 = 3_600.0;

/// One thing that the server said.
#[derive(Debug)]
pub(crate) enum Frame {
    Hello(Hello),
    Subscribed(Option<u64>, Subscribed),
    Unsubscribed(Unsubscribed),
    Message(Message),
    Gap(Gap),
    Skip(Skip),
    Closed(Closed),
    Reconnect(Duration),
    Expiring(Duration),
    Error(WireError),
    /// `ping`, `pong`, `ack` and types that this version does not know: signs of life.
    Other,
}

/// An `error` of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WireError {
    /// The command that it answers.
    pub(crate) id: Option<u64>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) temporary: Option<bool>,
    pub(crate) retry: Option<Duration>,
}

/// The union of the fields of all types.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: String,
    /// A number where the command was this client's.
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    channel: Option<String>,
    epoch: Option<String>,
    offset: Option<u64>,
    recovered: Option<bool>,
    event: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    encoding: Option<String>,
    /// An object in a message, an offset or null in a gap or skip.
    #[serde(borrow)]
    from: Option<&'a RawValue>,
    to: Option<u64>,
    time: Option<u64>,
    reason: Option<String>,
    client: Option<String>,
    session: Option<String>,
    user: Option<String>,
    transport: Option<String>,
    heartbeat: Option<f64>,
    max_message: Option<u64>,
    #[serde(default)]
    channels: BTreeMap<String, WirePlace>,
    after_ms: Option<u64>,
    in_ms: Option<u64>,
    code: Option<String>,
    message: Option<String>,
    temporary: Option<bool>,
    retry_ms: Option<u64>,
}

#[derive(Deserialize)]
struct WirePlace {
    epoch: String,
    offset: u64,
    recovered: Option<bool>,
}

/// Reads an envelope in JSON.
///
/// # Errors
///
/// A sentence that says what is wrong with it.
pub(crate) fn parse_text(text: &str) -> Result<Frame, String> {
    parse(text, None)
}

/// Reads a binary frame: 2 bytes big-endian header length, the envelope without `data`, the payload.
///
/// # Errors
///
/// A sentence that says what is wrong with it.
pub(crate) fn parse_binary(frame: &Bytes) -> Result<Frame, String> {
    let length = frame
        .first_chunk()
        .map(|length| usize::from(u16::from_be_bytes(*length)));
    let (Some(length), Some(rest)) = (length, frame.get(2..)) else {
        return Err("binary frame without a header length".into());
    };
    let header = rest
        .get(..length)
        .ok_or("binary frame shorter than its header")?;
    let header =
        std::str::from_utf8(header).map_err(|_| "binary frame whose header is not UTF-8")?;
    parse(header, Some(frame.slice(2 + length..)))
}

fn parse(text: &str, payload: Option<Bytes>) -> Result<Frame, String> {
    let wire: Wire<'_> =
        serde_json::from_str(text).map_err(|error| format!("bad envelope: {error}"))?;
    let kind = wire.kind.clone();
    wire.into_frame(text, payload)
        .map_err(|missing| format!("bad envelope: `{kind}` with a bad or no `{missing}`"))
}

/// The name of a field that is missing or wrong.
type Missing = &'static str;

impl Wire<'_> {
    fn into_frame(self, text: &str, payload: Option<Bytes>) -> Result<Frame, Missing> {
        Ok(match self.kind.as_str() {
            "hello" => Frame::Hello(self.into_hello()),
            "message" => Frame::Message(self.into_message(text, payload)?),
            "gap" => Frame::Gap(self.into_gap()?),
            "skip" => Frame::Skip(self.into_skip()?),
            "closed" => {
                let position = self.position()?;
                Frame::Closed(Closed {
                    channel: self.channel.ok_or("channel")?,
                    position,
                })
            }
            "subscribed" => {
                let recovered = self.recovered.unwrap_or(true);
                let position = self.position()?.ok_or("offset")?;
                let resumed = Resumed {
                    position,
                    recovered,
                };
                Frame::Subscribed(
                    self.id(),
                    Subscribed {
                        channel: self.channel.ok_or("channel")?,
                        resumed,
                    },
                )
            }
            "unsubscribed" => Frame::Unsubscribed(Unsubscribed {
                channel: self.channel.ok_or("channel")?,
                reason: self.reason,
            }),
            "reconnect" => Frame::Reconnect(Duration::from_millis(self.after_ms.unwrap_or(0))),
            "expiring" => Frame::Expiring(Duration::from_millis(self.in_ms.unwrap_or(0))),
            "error" => Frame::Error(WireError {
                id: self.id(),
                code: self.code,
                message: self.message,
                temporary: self.temporary,
                retry: self.retry_ms.map(Duration::from_millis),
            }),
            _ => Frame::Other,
        })
    }

    fn id(&self) -> Option<u64> {
        self.id.and_then(|id| serde_json::from_str(id.get()).ok())
    }

    /// The place, if there is one: both halves or none.
    fn position(&self) -> Result<Option<Position>, Missing> {
        match (&self.epoch, self.offset) {
            (Some(epoch), Some(offset)) => Ok(Some(Position {
                epoch: epoch.clone(),
                offset,
            })),
            (None, None) => Ok(None),
            (None, Some(_)) => Err("epoch"),
            (Some(_), None) => Err("offset"),
        }
    }

    fn into_hello(self) -> Hello {
        let resumed = |place: WirePlace| Resumed {
            position: Position {
                epoch: place.epoch,
                offset: place.offset,
            },
            recovered: place.recovered.unwrap_or(true),
        };
        Hello {
            client: self.client,
            session: self.session,
            user: self.user,
            transport: self.transport,
            heartbeat: heartbeat(self.heartbeat),
            max_message: self.max_message,
            channels: self
                .channels
                .into_iter()
                .map(|(name, place)| (name, resumed(place)))
                .collect(),
        }
    }

    fn into_message(self, text: &str, payload: Option<Bytes>) -> Result<Message, Missing> {
        let position = self.position()?;
        let data = match payload {
            Some(bytes) => Payload::Bytes(bytes),
            None => decode_payload(self.data, self.encoding.as_deref())?,
        };
        let from = self
            .from
            .map(|from| serde_json::from_str::<Sender>(from.get()).map_err(|_| "from"));
        Ok(Message {
            channel: self.channel.ok_or("channel")?,
            position,
            event: self.event,
            data,
            from: from.transpose()?,
            time: self.time.unwrap_or(0),
            raw: text.into(),
        })
    }

    fn into_gap(self) -> Result<Gap, Missing> {
        let from = self.first_offset()?;
        Ok(Gap {
            channel: self.channel.ok_or("channel")?,
            epoch: self.epoch.ok_or("epoch")?,
            from,
            to: self.to.ok_or("to")?,
            reason: GapReason::from_wire(self.reason.unwrap_or_default()),
        })
    }

    fn into_skip(self) -> Result<Skip, Missing> {
        let from = self.first_offset()?.ok_or("from")?;
        Ok(Skip {
            channel: self.channel.ok_or("channel")?,
            epoch: self.epoch.ok_or("epoch")?,
            from,
            to: self.to.ok_or("to")?,
            reason: self.reason.unwrap_or_default(),
        })
    }

    fn first_offset(&self) -> Result<Option<u64>, Missing> {
        let Some(from) = self.from else {
            return Ok(None);
        };
        serde_json::from_str(from.get()).map_err(|_| "from")
    }
}

fn heartbeat(seconds: Option<f64>) -> Duration {
    match seconds {
        Some(seconds) if seconds > 0.0 => {
            Duration::from_secs_f64(seconds.min(MAX_HEARTBEAT_SECONDS))
        }
        _ => DEFAULT_HEARTBEAT,
    }
}

fn decode_payload(data: Option<&RawValue>, encoding: Option<&str>) -> Result<Payload, Missing> {
    let data = data.unwrap_or(RawValue::NULL);
    if encoding == Some("base64") {
        let text: String = serde_json::from_str(data.get()).map_err(|_| "data")?;
        let bytes = STANDARD.decode(text).map_err(|_| "data")?;
        return Ok(Payload::Bytes(bytes.into()));
    }
    if data.get().starts_with('"') {
        return serde_json::from_str(data.get())
            .map(Payload::Text)
            .map_err(|_| "data");
    }
    Ok(Payload::Json(data.to_owned()))
}

#[cfg(test)]
mod tests;

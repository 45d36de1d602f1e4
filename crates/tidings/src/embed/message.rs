//! Messages on their way from Rust code into a channel, and what became of them.

use bytes::Bytes;
use serde::Serialize;
use tidings_core::{ChannelName, Draft, EventName, Limits, Payload, PayloadKind, Receipt};
use tidings_protocol::{Problem, payload};
use tidings_server::{idempotency_key, topic};

/// A message to publish.
#[derive(Clone, Debug)]
pub struct Message {
    payload: Option<Payload>,
    event: Option<String>,
    key: Option<String>,
    topic: Option<String>,
    ephemeral: bool,
    close: bool,
}

impl Message {
    /// `value` as JSON.
    ///
    /// # Errors
    /// It does not serialise, or is nested deeper than 64.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Problem> {
        let text = serde_json::to_vec(value).map_err(payload::unserialisable)?;
        payload::json(&text).map(Self::new)
    }

    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        let bytes = Bytes::from(text.into());
        Self::new(payload::payload(PayloadKind::Text, bytes))
    }

    /// Bytes of any kind.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(payload::payload(PayloadKind::Binary, bytes.into()))
    }

    /// No message: it only ends its channel.
    pub fn end() -> Self {
        Self {
            payload: None,
            event: None,
            key: None,
            topic: None,
            ephemeral: false,
            close: true,
        }
    }

    fn new(payload: Payload) -> Self {
        Self {
            payload: Some(payload),
            close: false,
            ..Self::end()
        }
    }

    /// Its event name, by which readers tell kinds of messages apart.
    #[must_use]
    pub fn event(mut self, name: impl Into<String>) -> Self {
        self.event = Some(name.into());
        self
    }

    /// An idempotency key: published again under it, the message is not taken twice.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// What it is about: where the channel's rules are `lag.policy = latest_by`, a reader that comes late gets the
    /// newest message about each topic.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Only for the readers of this moment: it has no offset and is not retained.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// The channel ends with it.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }

    pub(super) fn into_draft(
        self,
        channel: ChannelName,
        limits: &Limits,
    ) -> Result<Draft, Problem> {
        let event = self.event.as_deref();
        let event = event.map(|name| EventName::parse(name, limits.event_bytes));
        Ok(Draft {
            event: event.transpose()?,
            payload: self.payload,
            ephemeral: self.ephemeral,
            close: self.close,
            key: self.key.as_deref().map(idempotency_key).transpose()?,
            topic: self.topic.as_deref().map(topic).transpose()?,
            ..Draft::new(channel, Payload::empty())
        })
    }
}

/// Where a message stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The epoch of its channel; `None` for an ephemeral one.
    pub epoch: Option<String>,
    /// Its offset; with [`Message::close`] that of the end.
    pub offset: Option<u64>,
    /// Readers of the channel known now: an estimate.
    pub subscribers: usize,
    /// It had been taken before under the same key.
    pub duplicate: bool,
}

impl From<Receipt> for Published {
    fn from(receipt: Receipt) -> Self {
        Self {
            epoch: receipt.position.map(|at| at.epoch.to_string()),
            offset: receipt.position.map(|at| at.offset),
            subscribers: receipt.subscribers,
            duplicate: receipt.duplicate,
        }
    }
}

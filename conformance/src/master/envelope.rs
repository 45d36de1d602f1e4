//! What the server says, as the wandering reader reads it: with nothing but the wire contract.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::Content;
use crate::checker::{Gap, Item, Place};

/// What the server sends, as far as a reader needs it.
#[derive(Deserialize)]
pub struct Envelope<'a> {
    /// `message`, `gap`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Whose it is.
    pub channel: Option<String>,
    /// The epoch of all offsets here.
    pub epoch: Option<String>,
    /// The message's place.
    pub offset: Option<u64>,
    /// The event name.
    pub event: Option<String>,
    /// The payload.
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
    /// `base64` for bytes.
    pub encoding: Option<String>,
    /// The first offset that is lost or skipped.
    pub from: Option<serde_json::Value>,
    /// The last one.
    pub to: Option<u64>,
    /// Why.
    pub reason: Option<String>,
    /// The places of `hello`.
    #[serde(borrow)]
    pub channels: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Parses one.
    ///
    /// # Errors
    /// The text, and what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("no envelope ({error}): {text}"))
    }

    /// Whether it says `content`; `behind` are the bytes that follow it in a binary frame.
    pub fn says(&self, content: &Content, behind: Option<&[u8]>) -> bool {
        let string = || serde_json::from_str::<String>(self.data?.get()).ok();
        match (content, self.encoding.as_deref(), behind) {
            (Content::Text(text), None, None) => string().as_ref() == Some(text),
            (Content::Json(json), None, None) => self.data.is_some_and(|data| data.get() == json),
            (Content::Bytes(bytes), Some("base64"), None) => {
                string()
                    .and_then(|text| STANDARD.decode(text).ok())
                    .as_ref()
                    == Some(bytes)
            }
            (Content::Bytes(bytes), None, Some(behind)) => self.data.is_none() && behind == bytes,
            _ => false,
        }
    }

    /// What it is to a reader; `None` for what says nothing of a channel's messages.
    pub fn item(&self) -> Option<Item> {
        let epoch = self.epoch.clone()?;
        let from = self.from.as_ref().and_then(serde_json::Value::as_u64);
        match self.kind.as_str() {
            "message" => Some(Item::Message(Place {
                epoch,
                offset: self.offset?,
            })),
            "gap" => Some(Item::Gap(Gap {
                epoch,
                from,
                to: self.to?,
                reason: self.reason.clone()?,
            })),
            "skip" => Some(Item::Skip(epoch, from?, self.to?)),
            _ => None,
        }
    }
}

/// A channel in `hello`.
#[derive(Deserialize)]
pub struct HelloPlace {
    /// The epoch.
    pub epoch: String,
    /// After which the reading starts.
    pub offset: u64,
    /// False: a gap follows.
    pub recovered: bool,
}

/// A poll's answer.
#[derive(Deserialize)]
pub struct Page<'a> {
    /// What came, each as it stands there.
    #[serde(borrow)]
    pub messages: Vec<&'a RawValue>,
    /// Where to go on.
    pub cursor: String,
    /// There is more.
    pub more: bool,
}

//! What a message says: a function of its channel and place, so that whoever reads it can verify it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::checker::Place;

/// A payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// `text/plain`.
    Text(String),
    /// JSON as it stands on the wire.
    Json(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

const SAMPLES: [&str; 6] = [
    "안녕하세요",
    "🎉👩‍👩‍👧‍👦",
    "plain words",
    "한글 and English",
    "\"quoted\" \\ \u{1}",
    "끝\r\n다음 줄\ttab",
];

/// What the message at `place` of `channel` says.
pub fn content(channel: &str, place: &Place) -> Content {
    let n = place.offset;
    let sample = SAMPLES[(n / 3 % SAMPLES.len() as u64) as usize];
    let stem = format!("{channel} {place} {sample}");
    let padding = padding(n);
    match n % 4 {
        2 => Content::Json(json(&stem, n, padding)),
        3 => Content::Bytes(bytes(&stem, n, padding)),
        _ => Content::Text(format!("{stem}{}", "가".repeat(padding / 3))),
    }
}

/// The event name of the message at `place`.
pub fn event(place: &Place) -> Option<String> {
    (place.offset % 5 == 0).then(|| format!("가격-{}", place.offset % 3))
}

/// Short ones, some behind a length of 126, few behind one of 65,536: the borders of framing.
fn padding(n: u64) -> usize {
    let size = match n {
        _ if n % 997 == 500 => 60_000,
        _ if n % 97 == 50 => 5_000,
        _ => n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58,
    };
    usize::try_from(size).expect("a small number")
}

/// Numbers that no float holds, and white space that a re-serialiser would lose.
fn json(stem: &str, n: u64, padding: usize) -> String {
    let stem = serde_json::to_string(stem).expect("a string serialises");
    format!(
        "{{ \"n\" : {n}.500,\n\t\"big\":12345678901234567890{n}, \"small\":-0.10e-{n} ,\"s\":{stem}, \"list\":[1 ,2{}] }}",
        " ".repeat(padding)
    )
}

/// Bytes that are no UTF-8.
fn bytes(stem: &str, n: u64, padding: usize) -> Vec<u8> {
    let noise =
        (0..padding as u64 + 2).map(|i| (n.wrapping_mul(31).wrapping_add(i * 7) % 256) as u8);
    [0xff, 0x00]
        .into_iter()
        .chain(stem.bytes())
        .chain(noise)
        .collect()
}

impl Content {
    /// The content type and body of a `POST`.
    pub fn body(&self) -> (&'static str, &[u8]) {
        match self {
            Self::Text(text) => ("text/plain", text.as_bytes()),
            Self::Json(json) => ("application/json", json.as_bytes()),
            Self::Bytes(bytes) => ("application/octet-stream", bytes),
        }
    }

    /// The fields of a command or batch.
    pub fn fields(&self) -> String {
        let string = |text: &str| serde_json::to_string(text).expect("a string serialises");
        match self {
            Self::Text(text) => format!("\"encoding\":\"text\",\"data\":{}", string(text)),
            Self::Json(json) => format!("\"data\":{json}"),
            Self::Bytes(bytes) => format!(
                "\"encoding\":\"base64\",\"data\":\"{}\"",
                STANDARD.encode(bytes)
            ),
        }
    }
}

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
}

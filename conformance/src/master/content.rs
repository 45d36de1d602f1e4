//! What a message says: a function of its channel and place, so that whoever reads it can verify it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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
    place
        .offset
        .is_multiple_of(5)
        .then(|| format!("가격-{}", place.offset % 3))
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

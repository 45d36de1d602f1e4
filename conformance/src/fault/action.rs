//! What can go wrong, and how it is written in JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The page of a proxy that has something against a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// 200–599.
    pub status: u16,
    /// The body.
    pub body: String,
    /// Its type.
    pub content_type: String,
}

impl Page {
    /// A small page of HTML with this status.
    pub fn of(status: u16) -> Self {
        Self {
            status,
            body: format!(
                "<!doctype html><title>{status}</title><h1>{status}</h1><p>A proxy answered.</p>\n"
            ),
            content_type: "text/html; charset=utf-8".into(),
        }
    }

    /// The answer to a request of this method.
    pub(super) fn answer(&self, method: &str) -> String {
        let Self {
            status,
            body,
            content_type,
        } = self;
        let length = body.len();
        let body = if method == "HEAD" { "" } else { body };
        format!(
            "HTTP/1.1 {status} Faulty\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
    }
}

/// What happens to a request or its answer. Bytes of an answer are those of its body on the wire, chunk
/// framing included; of a WebSocket those behind the 101. Times are milliseconds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "Written", into = "Value")]
pub enum Action {
    /// The proxy answers itself, and the server is not asked. The connection closes behind it.
    Status(Page),
    /// The request goes on without `Upgrade` and `Connection`. Concerns WebSockets only.
    StripUpgrade,
    /// The answer is held back, with its head, until it has ended.
    Buffer,
    /// The answer is handed on whenever so many bytes, head included, have gathered, and at its end.
    BufferBytes(u64),
    /// Both sides are reset after so many bytes of the answer.
    CutBytes(u64),
    /// Both sides are reset so long after the answer's head.
    CutMs(u64),
    /// Both sides are reset after so many bytes of the request, head included; behind a WebSocket's 101
    /// the frames of the client count on.
    CutRequestBytes(u64),
    /// Nothing is forwarded; the connection stays open.
    Stall,
    /// Silence both ways after so many bytes of the answer.
    StallBytes(u64),
    /// Silence both ways so long after the answer's head.
    StallMs(u64),
    /// The server answers, the client gets nothing of it, and both sides are reset.
    DropResponse,
    /// The answer comes with so many bytes per second, head included.
    Throttle(u64),
    /// The request goes on so much later, also when the client has left meanwhile: what is under way on a
    /// network arrives.
    DelayMs(u64),
    /// The request goes on later, by a random time up to this.
    JitterMs(u64),
    /// The connection is reset instead of an answer.
    Refuse,
}

/// The names that [`Action`] has in JSON.
pub const NAMES: [&str; 15] = [
    "status",
    "strip_upgrade",
    "buffer",
    "buffer_bytes",
    "cut_bytes",
    "cut_ms",
    "cut_request_bytes",
    "stall",
    "stall_bytes",
    "stall_ms",
    "drop_response",
    "throttle",
    "delay_ms",
    "jitter_ms",
    "refuse",
];

/// An action as it stands in JSON: one name and its value, beside `status` what the page says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    status: Option<u16>,
    body: Option<String>,
    content_type: Option<String>,
    #[serde(default)]
    strip_upgrade: bool,
    #[serde(default)]
    buffer: bool,
    buffer_bytes: Option<u64>,
    cut_bytes: Option<u64>,
    cut_ms: Option<u64>,
    cut_request_bytes: Option<u64>,
    #[serde(default)]
    stall: bool,
    stall_bytes: Option<u64>,
    stall_ms: Option<u64>,
    #[serde(default)]
    drop_response: bool,
    throttle: Option<u64>,
    delay_ms: Option<u64>,
    jitter_ms: Option<u64>,
    #[serde(default)]
    refuse: bool,
}

impl TryFrom<Written> for Action {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let is_page = written.body.is_some() || written.content_type.is_some();
        let set = [
            written.status.map(|status| {
                let page = Page::of(status);
                Self::Status(Page {
                    status,
                    body: written.body.unwrap_or(page.body),
                    content_type: written.content_type.unwrap_or(page.content_type),
                })
            }),
            written.strip_upgrade.then_some(Self::StripUpgrade),
            written.buffer.then_some(Self::Buffer),
            written.buffer_bytes.map(Self::BufferBytes),
            written.cut_bytes.map(Self::CutBytes),
            written.cut_ms.map(Self::CutMs),
            written.cut_request_bytes.map(Self::CutRequestBytes),
            written.stall.then_some(Self::Stall),
            written.stall_bytes.map(Self::StallBytes),
            written.stall_ms.map(Self::StallMs),
            written.drop_response.then_some(Self::DropResponse),
            written.throttle.map(Self::Throttle),
            written.delay_ms.map(Self::DelayMs),
            written.jitter_ms.map(Self::JitterMs),
            written.refuse.then_some(Self::Refuse),
        ];
        let mut set = set.into_iter().flatten();
        let (Some(action), None) = (set.next(), set.next()) else {
            return Err(format!("a fault is one of {}", NAMES.join(", ")));
        };
        if is_page && !matches!(action, Self::Status(_)) {
            return Err("body and content_type stand beside status only".into());
        }
        action.check()
    }
}

impl Action {
    fn check(self) -> Result<Self, String> {
        match &self {
            Self::Status(page) if !(200..600).contains(&page.status) => {
                Err("status: 200 to 599".into())
            }
            Self::Status(page) if page.content_type.contains(['\r', '\n']) => {
                Err("content_type: one line".into())
            }
            Self::Throttle(0) | Self::BufferBytes(0) => {
                Err("throttle, buffer_bytes: 1 or more; stall forwards nothing".into())
            }
            _ => Ok(self),
        }
    }
}

impl From<Action> for Value {
    fn from(action: Action) -> Self {
        match action {
            Action::Status(page) => json!({ "status": page.status }),
            Action::StripUpgrade => json!({ "strip_upgrade": true }),
            Action::Buffer => json!({ "buffer": true }),
            Action::BufferBytes(bytes) => json!({ "buffer_bytes": bytes }),
            Action::CutBytes(bytes) => json!({ "cut_bytes": bytes }),
            Action::CutMs(time) => json!({ "cut_ms": time }),
            Action::CutRequestBytes(bytes) => json!({ "cut_request_bytes": bytes }),
            Action::Stall => json!({ "stall": true }),
            Action::StallBytes(bytes) => json!({ "stall_bytes": bytes }),
            Action::StallMs(time) => json!({ "stall_ms": time }),
            Action::DropResponse => json!({ "drop_response": true }),
            Action::Throttle(bytes) => json!({ "throttle": bytes }),
            Action::DelayMs(time) => json!({ "delay_ms": time }),
            Action::JitterMs(time) => json!({ "jitter_ms": time }),
            Action::Refuse => json!({ "refuse": true }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_written() {
        for name in NAMES {
            let value = match name {
                "status" => json!(403),
                "strip_upgrade" | "buffer" | "stall" | "drop_response" | "refuse" => json!(true),
                _ => json!(7),
            };
            let written = json!({ name: value });
            let action: Action = serde_json::from_value(written.clone()).expect(name);
            assert_eq!(serde_json::to_value(action).expect("JSON"), written);
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (written, told) in [
            (json!({}), "a fault is one of status, strip_upgrade"),
            (json!({"stall": false}), "a fault is one of"),
            (json!({"stall": true, "cut_ms": 1}), "a fault is one of"),
            (json!({"stall": true, "body": "x"}), "beside status only"),
            (json!({"status": 99}), "200 to 599"),
            (
                json!({"status": 200, "content_type": "a\r\nb: c"}),
                "one line",
            ),
            (json!({"throttle": 0}), "1 or more"),
            (
                json!({"explode": true}),
                "unknown field `explode`, expected one of `status`",
            ),
        ] {
            let refusal = serde_json::from_value::<Action>(written.clone()).expect_err("wrong");
            assert!(refusal.to_string().contains(told), "{written}: {refusal}");
        }
    }
}

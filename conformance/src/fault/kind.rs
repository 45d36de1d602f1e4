//! What a request is, seen from the network: by which of the ways of PROTOCOL.md section 2 it reads, or
//! that it publishes.
//!
//! It judges nothing: a request that the server refuses has a kind all the same.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::head::Head;

/// What faults, cuts and the log tell apart.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A WebSocket handshake, and the frames behind it.
    Websocket,
    /// `GET` of an event stream.
    Sse,
    /// The same as the answer to `POST /read`.
    SsePost,
    /// A poll that waits.
    LongPoll,
    /// A poll that does not.
    Poll,
    /// Messages, one or several.
    Publish,
    /// Everything else: `/healthz`, `/session`, the page, and what is no HTTP/1.
    Other,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Websocket,
        Self::Sse,
        Self::SsePost,
        Self::LongPoll,
        Self::Poll,
        Self::Publish,
        Self::Other,
    ];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Websocket => "websocket",
            Self::Sse => "sse",
            Self::SsePost => "sse-post",
            Self::LongPoll => "long-poll",
            Self::Poll => "poll",
            Self::Publish => "publish",
            Self::Other => "other",
        }
    }

    /// The kind of a request. `body` counts where [`asks_in_its_body`] says so.
    pub(super) fn of(head: &Head, body: &[u8]) -> Self {
        let [method, target, _] = head.start();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let channels = path == "/channels" || is_channel(path);
        if head.lists("upgrade", "websocket") {
            return Self::Websocket;
        }
        match (method, path) {
            ("GET" | "HEAD", _) if channels => reading(head, &Asked::by_query(query), Self::Sse),
            ("POST", "/read") => reading(head, &Asked::by_body(body), Self::SsePost),
            ("POST", "/publish") => Self::Publish,
            ("POST", _) if channels => Self::Publish,
            _ => Self::Other,
        }
    }
}

/// Whether the kind of a request stands in its body.
pub(super) fn asks_in_its_body(head: &Head) -> bool {
    let [method, target, _] = head.start();
    let path = target.split('?').next();
    // Who expects to be asked for the body has not sent it: then the head has to do.
    method == "POST" && path == Some("/read") && !head.lists("expect", "100-continue")
}

/// A channel's name is one segment: what stands below it is no reading.
fn is_channel(path: &str) -> bool {
    let name = path.strip_prefix("/channels/");
    name.is_some_and(|name| !name.contains('/'))
}

fn reading(head: &Head, asked: &Asked, stream: Kind) -> Kind {
    let streams = match asked.transport.as_deref() {
        Some(transport) => transport == "sse",
        None => head.mentions("accept", "text/event-stream"),
    };
    match (streams, asked.waits) {
        (true, _) => stream,
        (false, true) => Kind::LongPoll,
        (false, false) => Kind::Poll,
    }
}

/// What decides how a reading is answered.
#[derive(Default)]
struct Asked {
    transport: Option<String>,
    waits: bool,
}

impl Asked {
    fn by_query(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "transport" => asked.transport = Some(value.to_owned()),
                "wait" => asked.waits = value.parse::<f64>().is_ok_and(|seconds| seconds > 0.0),
                _ => {}
            }
        }
        asked
    }

    fn by_body(body: &[u8]) -> Self {
        // What is no JSON asks for nothing; the server says so.
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        Self {
            transport: body["transport"].as_str().map(str::to_owned),
            waits: body["wait"].as_f64().is_some_and(|seconds| seconds > 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
        let stream = "Accept: application/json, text/event-stream;q=0.9\r\n";
        for (line, fields, body, kind) in [
            ("GET /channels/x", upgrade, "", Kind::Websocket),
            ("GET /channels?name=x", stream, "", Kind::Sse),
            ("GET /channels/x?transport=sse", "", "", Kind::Sse),
            ("GET /channels/x?transport=poll", stream, "", Kind::Poll),
            ("GET /channels/x?wait=0", "", "", Kind::Poll),
            ("GET /channels/x?after=now&wait=0.5", "", "", Kind::LongPoll),
            ("HEAD /channels/x", "", "", Kind::Poll),
            ("GET /channels/x/presence", stream, "", Kind::Other),
            ("POST /read", "", r#"{"transport":"sse"}"#, Kind::SsePost),
            ("POST /read", stream, r#"{"wait":30}"#, Kind::SsePost),
            ("POST /read?_moved=a", "", r#"{"wait":30}"#, Kind::LongPoll),
            ("POST /read", "", "{", Kind::Poll),
            ("POST /publish", "", "[]", Kind::Publish),
            ("POST /channels/x", "", "text", Kind::Publish),
            ("POST /channels?name=x", "", "text", Kind::Publish),
            ("DELETE /channels/x", "", "", Kind::Other),
            ("GET /healthz", "", "", Kind::Other),
        ] {
            let head = format!("{line} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
            let head = Head::take(&mut head.as_bytes().into()).expect("a head");
            assert_eq!(Kind::of(&head, body.as_bytes()), kind, "{line} {body}");
        }
    }
}

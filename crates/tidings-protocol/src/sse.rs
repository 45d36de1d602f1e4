//! Server-Sent Events as bytes (HTML Living Standard, section 9.2).
//!
//! The `id:` line stands first, so that all after it is one for all readers. An event that is
//! shared begins with the id of a reader of this one channel; a reader of several puts its own
//! before the rest.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tidings_core::{Framing, Message, PayloadKind, Position};

use crate::envelope::{self, Notice};

/// The end of a channel in raw format.
pub const RAW_END: &str = "data: [DONE]\n\n";

/// A message as an event; with `raw` its payload alone. Begins with the `id:` line of a reader of
/// this channel alone, if the message has a position.
pub fn event(message: &Message, raw: bool) -> &Bytes {
    if raw {
        message.frame(Framing::RawEvent, |message| {
            write_event(message, &raw_data(message))
        })
    } else {
        message.frame(Framing::Event, |message| {
            write_event(message, &envelope::envelope(message, true))
        })
    }
}

/// What follows the `id:` line of a shared event.
pub fn after_id(event: &Bytes) -> Bytes {
    if !event.starts_with(b"id:") {
        return event.clone();
    }
    let line = event
        .iter()
        .position(|&b| b == b'\n')
        .map_or(0, |end| end + 1);
    event.slice(line..)
}

/// The `id:` line of a cursor.
pub fn id_line(cursor: &str) -> String {
    format!("id: {cursor}\n")
}

/// A notice as an event named `$…`, after its `id:` line where it has one.
pub fn notice(id: Option<&str>, retry_ms: Option<u64>, notice: &Notice<'_>) -> String {
    let mut out = String::new();
    if let Some(id) = id {
        out.push_str(&id_line(id));
    }
    if let Some(ms) = retry_ms {
        // Writing to a String does not fail.
        let _ = writeln!(out, "retry: {ms}");
    }
    let _ = writeln!(out, "event: ${}", notice.kind());
    write_data(&notice.to_json(), &mut out);
    out.push('\n');
    out
}

fn write_event(message: &Message, data: &str) -> Bytes {
    let mut out = String::with_capacity(data.len() + 96);
    if let Some(position) = message.position {
        write_id(position, &mut out);
    }
    if let Some(event) = &message.event {
        let _ = writeln!(out, "event: {}", event.as_str());
    }
    write_data(data, &mut out);
    out.push('\n');
    Bytes::from(out)
}

fn write_id(position: Position, out: &mut String) {
    let _ = writeln!(out, "id: {position}");
}

fn raw_data(message: &Message) -> String {
    match message.payload.kind {
        PayloadKind::Binary => STANDARD.encode(&message.payload.bytes),
        PayloadKind::Json | PayloadKind::Text => std::str::from_utf8(&message.payload.bytes)
            .expect("a JSON or text payload was checked to be UTF-8")
            .to_owned(),
    }
}

/// Writes `data:` lines: CR, LF and CRLF each end one, since a reader takes any of them for the end
/// of a line, and what stands behind it for a field.
fn write_data(mut data: &str, out: &mut String) {
    loop {
        out.push_str("data: ");
        let Some(end) = data.find(['\r', '\n']) else {
            out.push_str(data);
            out.push('\n');
            return;
        };
        out.push_str(&data[..end]);
        out.push('\n');
        let skip = if data[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        data = &data[end + skip..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::{ChannelName, Draft, EventName};

    fn message(kind: PayloadKind, bytes: &[u8], event: Option<&str>, offset: u64) -> Message {
        let mut draft = Draft::new(
            ChannelName::parse("방:7").unwrap(),
            crate::payload::payload(kind, Bytes::copy_from_slice(bytes)),
        );
        draft.event = event.map(|e| EventName::parse(e, 99).unwrap());
        let position = (offset > 0).then(|| Position {
            epoch: "k3f9".parse().unwrap(),
            offset,
        });
        Message::new(draft, position, 5)
    }

    #[test]
    fn a_message_is_an_event() {
        let m = message(PayloadKind::Json, br#"{"a":1.0}"#, Some("price-update"), 42);
        assert_eq!(
            event(&m, false),
            "id: k3f9-42\nevent: price-update\ndata: {\"type\":\"message\",\"channel\":\"방:7\",\"epoch\":\"k3f9\",\
             \"offset\":42,\"event\":\"price-update\",\"data\":{\"a\":1.0},\"time\":5}\n\n"
        );
        assert_eq!(
            event(&m, true),
            "id: k3f9-42\nevent: price-update\ndata: {\"a\":1.0}\n\n"
        );
        assert!(after_id(event(&m, true)).starts_with(b"event: "));
    }

    #[test]
    fn an_ephemeral_one_has_no_id() {
        let m = message(PayloadKind::Text, "입력 중".as_bytes(), Some("typing"), 0);
        assert_eq!(event(&m, true), "event: typing\ndata: 입력 중\n\n");
        assert_eq!(&after_id(event(&m, true)), event(&m, true));
    }

    #[test]
    fn no_line_end_in_a_payload_can_end_the_event() {
        let m = message(PayloadKind::Text, b"a\rb\nc\r\nd\r\n\nid: 9\n", None, 1);
        assert_eq!(
            event(&m, true),
            "id: k3f9-1\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \ndata: id: 9\ndata: \n\n"
        );
        // The envelope keeps them.
        assert_eq!(event(&m, false).iter().filter(|&&b| b == b'\n').count(), 3);
        let pretty = message(PayloadKind::Json, b"{\n \"a\":\r\n1}", None, 1);
        assert!(
            event(&pretty, false)
                .windows(15)
                .any(|w| w == b"\ndata:  \"a\":\nda")
        );
    }

    #[test]
    fn bytes_are_base64() {
        let m = message(PayloadKind::Binary, &[0, 255, 10], None, 1);
        assert_eq!(event(&m, true), "id: k3f9-1\ndata: AP8K\n\n");
    }
}

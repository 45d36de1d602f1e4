//! What the body of a publish is: the first line is its `Content-Type`, the rest the body.
//!
//! What is called JSON or text is that, the bytes are the sender's, and `written` is what the payload
//! takes in an envelope, to the byte.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use tidings_core::{ChannelName, Draft, Limits, Message, Payload, PayloadKind};
use tidings_protocol::{envelope, payload};

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let (kind, body) = input.split_at(end);
    let body = body.strip_prefix(b"\n").unwrap_or(body);
    let kind = std::str::from_utf8(kind)
        .ok()
        .filter(|kind| !kind.is_empty());
    if let Ok(payload) = payload::from_body(kind, Bytes::copy_from_slice(body)) {
        check(body, payload);
    }
    check(body, payload::guess(Bytes::copy_from_slice(body)));
    from_data(body);
});

fn check(body: &[u8], payload: Payload) {
    match payload.kind {
        PayloadKind::Json => {
            assert_eq!(&payload.bytes[..], body.trim_ascii());
            let text = std::str::from_utf8(body).expect("JSON is UTF-8");
            serde_json::from_str::<&RawValue>(text).expect("valid JSON");
            assert!(depth(text) <= Limits::JSON_DEPTH);
        }
        PayloadKind::Text => assert!(payload.bytes == body && std::str::from_utf8(body).is_ok()),
        PayloadKind::Binary => assert_eq!(payload.bytes, body),
    }
    let written = payload.written;
    let channel = ChannelName::parse("x").expect("a name");
    let message = Message::new(Draft::new(channel, payload), None, 0);
    let data = envelope::envelope(&message, true).len() - envelope::envelope(&message, false).len();
    assert_eq!(data, written + r#","data":"#.len());
}

/// The deepest nesting, by way of the parser instead of by counting brackets.
fn depth(text: &str) -> usize {
    let inner = |parts: Vec<&RawValue>| parts.iter().map(|part| depth(part.get())).max();
    if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(text) {
        return 1 + inner(list).unwrap_or(0);
    }
    if let Ok(object) = serde_json::from_str::<std::collections::HashMap<String, &RawValue>>(text) {
        return 1 + inner(object.into_values().collect()).unwrap_or(0);
    }
    0
}

/// The same bytes as `data` of a command.
fn from_data(body: &[u8]) {
    let Ok(raw) = serde_json::from_slice::<&RawValue>(body) else {
        return;
    };
    for encoding in [None, Some("text"), Some("base64"), Some("hex")] {
        let Ok(payload) = payload::from_data(Some(raw), encoding) else {
            continue;
        };
        match encoding {
            None => assert_eq!(&payload.bytes[..], raw.get().as_bytes()),
            Some("text") => assert_eq!(
                serde_json::from_str::<String>(raw.get()).unwrap(),
                payload.bytes
            ),
            Some("base64") => assert_eq!(payload.kind, PayloadKind::Binary),
            _ => panic!("there is no such encoding"),
        }
    }
}

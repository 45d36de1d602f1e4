//! The envelope of any message is valid JSON with the fields that the message has, and the same bytes
//! in every frame that holds it, deflated or not.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use miniz_oxide::inflate::decompress_to_vec;
use serde_json::Value;
use serde_json::value::RawValue;
use tidings_core::{Message, PayloadKind};
use tidings_fuzz::message::Made;
use tidings_protocol::envelope::{envelope, list_entry, text_frame, websocket_frame};
use tidings_protocol::websocket::Deflate;

fuzz_target!(|made: Made| {
    let message = made.0;
    let json = envelope(&message, true);
    // A Value cannot hold every number of a payload; its text is compared instead.
    let fields: std::collections::HashMap<&str, &RawValue> =
        serde_json::from_str(&json).expect("JSON");
    let field = |name: &str| fields.get(name).map(|raw| value(raw));
    assert_eq!(field("type"), Some("message".into()));
    assert_eq!(field("channel"), Some(message.channel.as_str().into()));
    assert_eq!(
        field("epoch"),
        message.position.map(|at| at.epoch.as_str().into())
    );
    assert_eq!(field("offset"), message.position.map(|at| at.offset.into()));
    assert_eq!(
        field("event"),
        message.event.as_ref().map(|event| event.as_str().into())
    );
    assert_eq!(field("time"), Some(message.time.into()));
    let from = field("from").unwrap_or_default();
    assert_eq!(from["user"].as_str(), message.from.user.as_deref());
    assert_eq!(
        from["client"].as_str(),
        message.from.client.map(|id| id.to_string()).as_deref()
    );
    data(&message, fields["data"], field("encoding"));
    frames(&message, &json);
});

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

fn data(message: &Message, data: &RawValue, encoding: Option<Value>) {
    let bytes = &message.payload.bytes[..];
    match message.payload.kind {
        PayloadKind::Json => assert_eq!(data.get().as_bytes(), bytes),
        PayloadKind::Text => assert_eq!(value(data).as_str().map(str::as_bytes), Some(bytes)),
        PayloadKind::Binary => {
            let text = value(data);
            assert_eq!(
                STANDARD
                    .decode(text.as_str().expect("base64"))
                    .expect("base64"),
                bytes
            );
        }
    }
    let is_binary = message.payload.kind == PayloadKind::Binary;
    assert_eq!(encoding, is_binary.then(|| "base64".into()));
}

fn frames(message: &Message, json: &str) {
    assert_eq!(payload_of(text_frame(message), 1), json.as_bytes());
    assert_eq!(list_entry(message), json.as_bytes());
    let bytes = &message.payload.bytes[..];
    let is_binary = message.payload.kind == PayloadKind::Binary;
    let raw = websocket_frame(message, true, None);
    assert_eq!(payload_of(raw, if is_binary { 2 } else { 1 }), bytes);
    for raw in [false, true] {
        deflated(message, raw);
    }
    if is_binary && envelope(message, false).len() <= usize::from(u16::MAX) {
        let payload = payload_of(websocket_frame(message, false, None), 2);
        let (len, rest) = payload.split_first_chunk::<2>().expect("a length");
        let (header, rest) = rest.split_at(u16::from_be_bytes(*len).into());
        assert_eq!(header, envelope(message, false).as_bytes());
        assert_eq!(rest, bytes);
    }
}

/// What is deflated is the payload of the plain frame (RFC 7692 section 7.2.2), and shorter.
fn deflated(message: &Message, raw: bool) {
    const COMPRESSED: u8 = 0x40;
    const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];
    let plain = websocket_frame(message, raw, None);
    let frame = websocket_frame(message, raw, Deflate::new(15));
    if frame[0] & COMPRESSED == 0 {
        assert_eq!(frame, plain);
        return;
    }
    assert!(frame.len() < plain.len());
    let opcode = frame[0] & 0x0f;
    let payload = payload_of(frame, COMPRESSED | opcode);
    let inflated = decompress_to_vec(&[payload, &END].concat()).expect("it inflates");
    assert_eq!(inflated, payload_of(plain, opcode));
}

/// The payload of one whole unmasked frame with this opcode (RFC 6455 section 5.2).
fn payload_of(frame: &[u8], opcode: u8) -> &[u8] {
    assert_eq!(frame[0], 0x80 | opcode);
    let (len, head) = match frame[1] {
        126 => (u64::from(u16::from_be_bytes([frame[2], frame[3]])), 4),
        127 => (
            u64::from_be_bytes(*frame[2..].first_chunk().expect("8 bytes")),
            10,
        ),
        short => (u64::from(short), 2),
    };
    assert_eq!(len, frame.len() as u64 - head as u64);
    &frame[head..]
}

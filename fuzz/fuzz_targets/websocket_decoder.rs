//! Client bytes to WebSocket events: the first byte says how the rest is cut.
//!
//! The same events and the same end, however the bytes are cut; memory as promised; no message over
//! the limit, and no text that is not UTF-8.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_fuzz::decoding::{LIMIT, cut, hear};
use tidings_protocol::websocket::{Event, MessageKind};

fuzz_target!(|input: &[u8]| {
    let Some((seed, bytes)) = input.split_first() else {
        return;
    };
    let whole = hear([bytes], None);
    assert_eq!(whole, hear(cut(bytes, *seed), None));
    assert_eq!(whole, hear(bytes.chunks(1), None));
    for event in &whole.events {
        match event {
            Event::Message { kind, data } => {
                assert!(data.len() <= LIMIT);
                assert!(*kind == MessageKind::Binary || std::str::from_utf8(data).is_ok());
            }
            Event::Ping(payload) | Event::Pong(payload) => assert!(payload.as_bytes().len() <= 125),
            Event::Close(_) => {}
        }
    }
});

//! Cursors as text: whatever a client sends, and whatever a server writes.
//!
//! Never a panic; a position has one spelling; a token that was read is written and read as the same;
//! what is written is safe in URLs and headers.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use tidings_core::{ChannelName, MAX_OFFSET, Position};
use tidings_protocol::cursor::{Cursor, NameHash, write};

fuzz_target!(|input: &[u8]| {
    if let Ok(text) = std::str::from_utf8(input) {
        reads(text);
    }
    if let Ok(places) = Vec::<(String, [u8; 4], u64)>::arbitrary(&mut Unstructured::new(input)) {
        writes(places);
    }
});

fn reads(text: &str) {
    match Cursor::parse(text) {
        Cursor::One(position) => assert_eq!(position.to_string(), text),
        Cursor::Many(entries) => {
            assert!(entries.is_sorted_by(|a, b| a.0 < b.0));
            let again = written(&entries);
            if entries.len() != 1 {
                assert_eq!(Cursor::parse(&again), Cursor::Many(entries));
            }
        }
        Cursor::Garbage => {
            assert_eq!(
                Cursor::Garbage.position_of(&ChannelName::parse("x").unwrap()),
                None
            );
        }
    }
}

fn writes(places: Vec<(String, [u8; 4], u64)>) {
    let mut named: Vec<(ChannelName, Position)> = Vec::new();
    for (name, epoch, offset) in places {
        let Ok(name) = ChannelName::parse(&name) else {
            continue;
        };
        let epoch = epoch.map(|byte| {
            char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::from(byte) % 36])
        });
        let epoch = String::from_iter(epoch).parse().expect("of the alphabet");
        let offset = offset % (MAX_OFFSET + 1);
        if named.iter().all(|(known, _)| *known != name) {
            named.push((name, Position { epoch, offset }));
        }
    }
    let entries: Vec<_> = named
        .iter()
        .map(|(name, at)| (NameHash::of(name), *at))
        .collect();
    let cursor = Cursor::parse(&written(&entries));
    for (name, position) in &named {
        assert_eq!(cursor.position_of(name), Some(*position));
    }
}

fn written(entries: &[(NameHash, Position)]) -> String {
    let mut text = String::new();
    write(entries, &mut text);
    assert!(
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')),
        "{text}"
    );
    text
}

//! Cursors as text: one position, or a token over many channels.
//!
//! A token is `C` and base64url of, for each channel: 8 bytes of a hash of its name, the epoch with
//! its length before it, the offset as a varint. Positions begin with `a-z0-9`, so the two cannot be
//! confused. A token is bound to names and not to their order, carries no rights, and is untrusted
//! input: whatever does not parse is [`Cursor::Garbage`], which a reading tells as a gap.

use std::fmt::Write as _;
use std::hash::Hasher;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip::SipHasher24;
use tidings_core::{ChannelName, Epoch, MAX_OFFSET, Position};

const MARK: char = 'C';

/// What a client gave as its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// A position in one channel.
    One(Position),
    /// Positions by channel.
    Many(Vec<(NameHash, Position)>),
    /// Nothing that a server gave.
    Garbage,
}

/// What a token knows of a channel's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameHash(u64);

impl NameHash {
    /// The hash of a name: the same on every node and in every version.
    pub fn of(name: &ChannelName) -> Self {
        let mut hasher = SipHasher24::new_with_keys(0x7469_6469_6e67_7320, 0x6375_7273_6f72_2031);
        hasher.write(name.as_str().as_bytes());
        Self(hasher.finish())
    }
}

impl Cursor {
    /// Parses what a client sent. Never fails: see [`Cursor::Garbage`].
    pub fn parse(text: &str) -> Self {
        if let Ok(position) = text.parse() {
            return Self::One(position);
        }
        text.strip_prefix(MARK)
            .and_then(|token| URL_SAFE_NO_PAD.decode(token).ok())
            .and_then(|bytes| decode(&bytes))
            .map_or(Self::Garbage, Self::Many)
    }

    /// The position for `name`, if it holds one. A single position holds for any name.
    pub fn position_of(&self, name: &ChannelName) -> Option<Position> {
        match self {
            Self::One(position) => Some(*position),
            Self::Many(entries) => {
                let hash = NameHash::of(name);
                let index = entries.binary_search_by_key(&hash, |entry| entry.0).ok()?;
                Some(entries[index].1)
            }
            Self::Garbage => None,
        }
    }
}

/// Writes the cursor of `positions` to `out`: a position when there is one, else a token.
pub fn write(positions: &[(NameHash, Position)], out: &mut String) {
    if let [(_, position)] = positions {
        // Writing to a String does not fail.
        let _ = write!(out, "{position}");
        return;
    }
    let mut bytes = Vec::with_capacity(positions.len() * 24);
    for (hash, position) in positions {
        let epoch = position.epoch.as_str().as_bytes();
        bytes.extend_from_slice(&hash.0.to_be_bytes());
        bytes.push(epoch.len() as u8);
        bytes.extend_from_slice(epoch);
        write_varint(position.offset, &mut bytes);
    }
    out.push(MARK);
    URL_SAFE_NO_PAD.encode_string(&bytes, out);
}

fn decode(mut bytes: &[u8]) -> Option<Vec<(NameHash, Position)>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (hash, rest) = bytes.split_first_chunk::<8>()?;
        let (&len, rest) = rest.split_first()?;
        let (epoch, rest) = rest.split_at_checked(len.into())?;
        let epoch: Epoch = std::str::from_utf8(epoch).ok()?.parse().ok()?;
        let (offset, rest) = read_varint(rest)?;
        entries.push((
            NameHash(u64::from_be_bytes(*hash)),
            Position { epoch, offset },
        ));
        bytes = rest;
    }
    entries.sort_unstable_by_key(|entry| entry.0);
    let unique = entries.windows(2).all(|pair| pair[0].0 != pair[1].0);
    unique.then_some(entries)
}

fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(8) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return (number <= MAX_OFFSET).then_some((number, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> ChannelName {
        ChannelName::parse(text).unwrap()
    }

    fn positions() -> impl Strategy<Value = Vec<(String, Position)>> {
        let position = ("[a-z0-9]{1,16}", 0..=MAX_OFFSET).prop_map(|(epoch, offset)| Position {
            epoch: epoch.parse().unwrap(),
            offset,
        });
        let named = ("[가-힣a-z:/🎉]{1,20}", position);
        prop::collection::vec(named, 0..40).prop_map(|mut all| {
            all.sort_by(|a, b| a.0.cmp(&b.0));
            all.dedup_by(|a, b| a.0 == b.0);
            all
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(all in positions()) {
            let hashed: Vec<_> = all.iter().map(|(n, p)| (NameHash::of(&name(n)), *p)).collect();
            let mut text = String::new();
            write(&hashed, &mut text);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            let cursor = Cursor::parse(&text);
            for (n, position) in &all {
                prop_assert_eq!(cursor.position_of(&name(n)), Some(*position));
            }
            if all.len() != 1 {
                prop_assert_eq!(cursor.position_of(&name("not-among-them")), None);
            }
        }

        #[test]
        fn garbage_is_garbage(text in "\\PC{0,60}") {
            // Never a panic; what parses is written back as it was.
            if let Cursor::Many(entries) = Cursor::parse(&text) {
                let mut again = String::new();
                write(&entries, &mut again);
                prop_assert_eq!(Cursor::parse(&again), Cursor::Many(entries));
            }
        }

        #[test]
        fn bytes_behind_the_mark(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            Cursor::parse(&format!("C{}", URL_SAFE_NO_PAD.encode(bytes)));
        }
    }

    #[test]
    fn an_entry_twice_is_garbage() {
        let entry = (NameHash::of(&name("a")), "k3f9-1".parse().unwrap());
        let mut text = String::new();
        write(&[entry, entry], &mut text);
        assert_eq!(Cursor::parse(&text), Cursor::Garbage);
    }

    #[test]
    fn the_hash_of_a_name_never_changes() {
        assert_eq!(NameHash::of(&name("room:7")).0, NAME_HASH_OF_ROOM_7);
    }
    const NAME_HASH_OF_ROOM_7: u64 = 2350454636546810498;
}

//! The payload of a measured message: its sequence number in its channel and when it was written.
//!
//! It is JSON of a chosen length, with digits in fixed places, so that a reader finds it in any
//! framing without parsing JSON. What stands around it is not looked at here.

use memchr::memmem::Finder;
use memchr::memrchr;

const MARK: &[u8] = b"{\"bench\":\"";
const NUMBER: usize = 10;
const TIME: usize = 18;
const STAMPED: usize = MARK.len() + NUMBER + 1 + TIME;
const END: &[u8] = b"\"}";

/// The shortest payload in bytes.
pub const LEAST: usize = STAMPED + END.len();

/// What a payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The message's number in its channel, from 0.
    pub number: u32,
    /// When it was written: nanoseconds on the load's clock.
    pub at: u64,
}

/// Appends a payload of `length` bytes, at least [`LEAST`].
pub fn write(out: &mut Vec<u8>, stamp: Stamp, length: usize) {
    let begin = out.len();
    out.extend_from_slice(MARK);
    digits(out, u64::from(stamp.number), NUMBER);
    out.push(b'-');
    digits(out, stamp.at, TIME);
    out.resize(begin + length - END.len(), b'.');
    out.extend_from_slice(END);
}

fn digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let begin = out.len();
    out.resize(begin + width, b'0');
    for digit in out[begin..].iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Finds stamps in a stream of bytes that comes in any pieces.
pub struct Scanner {
    /// The beginning of a stamp whose rest has not come.
    carried: [u8; STAMPED],
    length: u8,
}

/// Searches for the mark; made once, it is shared by all scanners.
pub struct Mark(Finder<'static>);

impl Default for Mark {
    fn default() -> Self {
        Self(Finder::new(MARK))
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            carried: [0; STAMPED],
            length: 0,
        }
    }
}

impl Scanner {
    /// Shows every stamp that is complete with these bytes.
    pub fn take(&mut self, mark: &Mark, mut bytes: &[u8], mut see: impl FnMut(Stamp)) {
        if self.length > 0 {
            bytes = self.complete(bytes, &mut see);
            if self.length > 0 {
                return;
            }
        }
        while let Some(at) = mark.0.find(bytes) {
            let Some((stamped, rest)) = bytes[at..].split_at_checked(STAMPED) else {
                return self.carry(&bytes[at..]);
            };
            see(read(stamped));
            bytes = rest;
        }
        self.carry(&bytes[bytes.len() - begun(bytes)..]);
    }

    fn carry(&mut self, bytes: &[u8]) {
        self.carried[..bytes.len()].copy_from_slice(bytes);
        self.length = bytes.len() as u8;
    }

    /// Adds to what is carried until it is a stamp or turns out to be none; gives the bytes after.
    fn complete<'a>(&mut self, mut bytes: &'a [u8], see: &mut impl FnMut(Stamp)) -> &'a [u8] {
        while let Some((&next, rest)) = bytes.split_first() {
            let length = usize::from(self.length);
            if length < MARK.len() && next != MARK[length] {
                // The mark's first byte stands nowhere else in it, so nothing else begins within.
                self.length = 0;
                return bytes;
            }
            self.carried[length] = next;
            self.length += 1;
            bytes = rest;
            if length + 1 == STAMPED {
                self.length = 0;
                see(read(&self.carried));
                break;
            }
        }
        bytes
    }
}

/// How many of the last bytes may be the beginning of a mark. Its first byte stands nowhere else in
/// it, so only the last such byte can be one.
fn begun(bytes: &[u8]) -> usize {
    let last = &bytes[bytes.len().saturating_sub(MARK.len() - 1)..];
    memrchr(MARK[0], last).map_or(0, |at| {
        let begun = &last[at..];
        if MARK.starts_with(begun) {
            begun.len()
        } else {
            0
        }
    })
}

fn read(stamped: &[u8]) -> Stamp {
    let value = |digits: &[u8]| {
        digits
            .iter()
            .fold(0, |n, digit| n * 10 + u64::from(digit.wrapping_sub(b'0')))
    };
    let number = &stamped[MARK.len()..][..NUMBER];
    Stamp {
        number: value(number) as u32,
        at: value(&stamped[STAMPED - TIME..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> (Vec<u8>, Vec<Stamp>) {
        let stamps: Vec<Stamp> = (0..5)
            .map(|n| Stamp {
                number: n * 1_000_003,
                at: u64::from(n) * 123_456_789_012_345_678 / 4,
            })
            .collect();
        let mut bytes = b"{\"be{\"bench".to_vec();
        for (index, stamp) in stamps.iter().enumerate() {
            bytes.extend_from_slice(b",\"data\":");
            write(&mut bytes, *stamp, LEAST + index * 30);
        }
        bytes.extend_from_slice(b"{\"bench\":\"000");
        (bytes, stamps)
    }

    #[test]
    fn stamps_are_found_in_any_pieces() {
        let (bytes, stamps) = stream();
        let mark = Mark::default();
        for size in 1..=bytes.len() {
            let mut scanner = Scanner::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(size) {
                scanner.take(&mark, piece, |stamp| seen.push(stamp));
            }
            assert_eq!(seen, stamps, "in pieces of {size}");
        }
    }

    #[test]
    fn a_payload_is_json_of_the_length_asked_for() {
        for length in [LEAST, 128, 4096] {
            let mut bytes = Vec::new();
            let stamp = Stamp {
                number: u32::MAX,
                at: 999_999_999_999_999_999,
            };
            write(&mut bytes, stamp, length);
            assert_eq!(bytes.len(), length);
            serde_json::from_slice::<serde_json::Value>(&bytes).expect("JSON");
        }
    }
}

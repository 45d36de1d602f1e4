//! What an HTTP/2 peer may say besides its requests: a budget over the frames of one connection.
//!
//! Pings, settings, resets, empty frames and the like cost their sender a few bytes and the server
//! some work each; a flood of them is an attack that no limit of requests sees (rapid reset,
//! CVE-2023-44487, and its kin). The meter reads frame headers (RFC 9113 section 4.1) as the bytes
//! go by; it judges no frame, keeps no payload, and knows nothing of streams.

use crate::allowance::{Allowance, Spent};

/// The client's preface, before the first frame (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const HEADER: usize = 9;
const END_STREAM: u8 = 1;

/// The frame types that are told apart (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;

/// Frames that ask for nothing: so many at once, besides those that end all streams that there may
/// be …
const AT_ONCE: u32 = 200;
/// … and in a second, for long.
const PER_SECOND: u32 = 20;
/// Window updates that were not earned: so many at once …
const ANSWERS: u32 = 6_400;
/// … and in a second, for long.
const ANSWERS_PER_SECOND: u32 = 640;
/// So many bytes sent earn one more: a reader answers what is sent to it.
const BYTES_PER_ANSWER: usize = 8;

/// Watches one direction of one connection: what its client says.
#[derive(Debug)]
pub struct FrameMeter {
    header: [u8; HEADER],
    /// Bytes of the header that have come.
    have: usize,
    /// Bytes that belong to the preface or to a payload.
    skip: usize,
    /// For what asks for nothing.
    idle: Allowance,
    /// For answers to what was sent: window updates.
    answers: Allowance,
}

impl FrameMeter {
    /// A meter before the preface, at `now` in milliseconds of any clock that does not go back, for
    /// a client that may have so many `streams` at once, and take them all back at once.
    #[must_use]
    pub fn new(streams: u32, now: u64) -> Self {
        Self {
            header: [0; HEADER],
            have: 0,
            skip: PREFACE.len(),
            idle: Allowance::new(AT_ONCE.saturating_add(streams), PER_SECOND, now),
            answers: Allowance::new(ANSWERS, ANSWERS_PER_SECOND, now),
        }
    }

    /// Takes note of bytes from the client.
    ///
    /// # Errors
    /// When the budget is spent. The connection is to be ended with `ENHANCE_YOUR_CALM`.
    pub fn read(&mut self, mut bytes: &[u8], now: u64) -> Result<(), Spent> {
        self.idle.refill(now);
        self.answers.refill(now);
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER {
                self.have = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    /// Takes note of bytes sent to the client.
    pub fn wrote(&mut self, count: usize) {
        self.answers.earn((count / BYTES_PER_ANSWER) as u64);
    }

    fn frame(&mut self) -> Result<(), Spent> {
        let [a, b, c, kind, flags, ..] = self.header;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.skip = length as usize;
        match kind {
            DATA if length > 0 || flags & END_STREAM != 0 => Ok(()),
            HEADERS => Ok(()),
            WINDOW_UPDATE => self.answers.spend(1),
            _ => self.idle.spend(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn started() -> FrameMeter {
        let mut meter = FrameMeter::new(0, 0);
        meter.read(PREFACE, 0).unwrap();
        meter
    }

    #[test]
    fn two_hundred_idle_frames_at_once_and_twenty_a_second() {
        for (name, kind, flags, payload) in [
            ("empty DATA", 0, 0, &b""[..]),
            ("PRIORITY", 2, 0, b"12345"),
            ("RST_STREAM", 3, 0, b"1234"),
            ("SETTINGS", 4, 0, b""),
            ("PING", 6, 0, b"12345678"),
            ("PING answered", 6, 1, b"12345678"),
            ("CONTINUATION", 9, 0, b"x"),
            ("unknown", 200, 0, b"anything"),
        ] {
            let frame = frame(kind, flags, payload);
            let count = |now| {
                let mut meter = started();
                let all = frame.repeat(200);
                assert_eq!(meter.read(&all, 0), Ok(()), "{name}");
                (0..)
                    .take_while(|_| meter.read(&frame, now).is_ok())
                    .count()
            };
            assert_eq!(count(10), 0, "{name}");
            assert_eq!(count(1010), 20, "{name}");
            assert_eq!(count(1_000_000), 200, "{name}");
        }
    }

    #[test]
    fn requests_and_their_bodies_cost_nothing() {
        let mut meter = started();
        for _ in 0..100_000 {
            meter.read(&frame(1, 4, b"head"), 0).unwrap();
            meter.read(&frame(0, 0, b"some"), 0).unwrap();
            meter.read(&frame(0, 1, b""), 0).unwrap();
        }
    }

    #[test]
    fn a_reader_may_answer_what_it_gets() {
        let mut meter = started();
        for _ in 0..100_000 {
            meter.wrote(100);
            meter.read(&frame(8, 0, b"1234"), 0).unwrap();
            meter.read(&frame(8, 0, b"1234"), 0).unwrap();
        }
        let flood = (0..7_000).try_for_each(|_| meter.read(&frame(8, 0, b"1234"), 0));
        assert_eq!(flood, Err(Spent));
    }

    #[test]
    fn what_was_sent_pays_for_no_reset() {
        let mut meter = started();
        let resets = frame(3, 0, b"1234").repeat(200);
        meter.read(&resets, 0).unwrap();
        meter.wrote(1 << 20);
        assert_eq!(meter.read(&frame(3, 0, b"1234"), 0), Err(Spent));
    }

    #[test]
    fn any_cut_counts_the_same() {
        let pings = frame(6, 0, b"12345678").repeat(200);
        for cut in 1..40 {
            let mut meter = started();
            for piece in pings.chunks(cut) {
                meter.read(piece, 0).unwrap();
            }
            assert_eq!(meter.read(&frame(6, 0, b"12345678"), 0), Err(Spent));
        }
    }
}

//! How far a body reaches (RFC 9112 section 6). Payload is passed over in one step, not byte by byte.

use super::head::Head;

/// What is left of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunks),
    /// Everything until the connection ends.
    Endless,
}

/// Where in a chunked body its reader is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// In the line that says the length of a chunk: its digits so far, and whether they have ended.
    Size(u64, bool),
    /// Within a chunk: bytes that are left of it.
    Data(u64),
    /// In the line end behind a chunk.
    DataEnd,
    /// In the trailer: bytes of its line so far, without CR.
    Trailer(u64),
    /// Behind the body.
    Over,
}

impl Framing {
    const NONE: Self = Self::Length(0);

    /// The body of a request; `None` where it can be read in two ways.
    pub fn of_request(head: &Head) -> Option<Self> {
        let lengths: Vec<_> = head.values("content-length").collect();
        let chunked = head.lists("transfer-encoding", "chunked");
        match (&lengths[..], chunked) {
            ([], true) => Some(Self::Chunked(Chunks::Size(0, false))),
            ([], false) => Some(Self::NONE),
            ([length], false) => length.parse().ok().map(Self::Length),
            _ => None,
        }
    }

    /// The body of an answer to a request of this method.
    pub fn of_answer(head: &Head, method: &str) -> Self {
        let [_, status, _] = head.start();
        let bodiless = matches!(status, "204" | "304") || status.starts_with('1');
        if status == "101" {
            Self::Endless
        } else if bodiless || method == "HEAD" {
            Self::NONE
        } else if head.lists("transfer-encoding", "chunked") {
            Self::Chunked(Chunks::Size(0, false))
        } else {
            let length = head.values("content-length").next();
            let length = length.and_then(|length| length.parse().ok());
            length.map_or(Self::Endless, Self::Length)
        }
    }

    /// How many of these bytes belong to the body. They are counted as passed, and their payload is
    /// added to `payload`.
    pub fn pass(&mut self, bytes: &[u8], mut payload: Option<&mut Vec<u8>>) -> usize {
        let mut passed = 0;
        while passed < bytes.len() && !self.is_over() {
            let rest = &bytes[passed..];
            let (length, is_payload) = self.step(rest);
            if let Some(payload) = payload.as_deref_mut().filter(|_| is_payload) {
                payload.extend_from_slice(&rest[..length]);
            }
            passed += length;
        }
        passed
    }

    /// Nothing more belongs to it.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunks::Over))
    }

    /// How many bytes are of one piece with the first, and whether they are payload.
    fn step(&mut self, bytes: &[u8]) -> (usize, bool) {
        let (left, next) = match self {
            Self::Endless => return (bytes.len(), true),
            Self::Length(left) => (left, None),
            Self::Chunked(Chunks::Data(left)) => (left, Some(Chunks::DataEnd)),
            Self::Chunked(chunks) => {
                match chunks.line(bytes[0]) {
                    Some(chunks) => *self = Self::Chunked(chunks),
                    // No chunk: what this is, the receiver says.
                    None => *self = Self::Endless,
                }
                return (1, false);
            }
        };
        let length = bytes
            .len()
            .min(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= length as u64;
        if let (0, Some(next)) = (*left, next) {
            *self = Self::Chunked(next);
        }
        (length, true)
    }
}

impl Chunks {
    /// What follows a byte of a line; `None` where it cannot stand there.
    fn line(&self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Size(0, _), b'\n') => Self::Trailer(0),
            (Self::Size(length, _), b'\n') => Self::Data(*length),
            (Self::Size(length, true), _) => Self::Size(*length, true),
            (Self::Size(length, false), b'\r' | b';' | b' ' | b'\t') => Self::Size(*length, true),
            (Self::Size(length, false), digit) => {
                let digit = char::from(digit).to_digit(16)?;
                Self::Size(
                    length.checked_mul(16)?.checked_add(u64::from(digit))?,
                    false,
                )
            }
            (Self::DataEnd, b'\n') => Self::Size(0, false),
            (Self::Trailer(0), b'\n') => Self::Over,
            (Self::Trailer(_), b'\n') => Self::Trailer(0),
            (Self::Trailer(length), b'\r') => Self::Trailer(*length),
            (Self::Trailer(length), _) => Self::Trailer(length + 1),
            (other, _) => other.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &[u8] =
        b"5;ext=1\r\nhello\r\nA \r\n, \xec\x84\xb8\xea\xb3\x84\r\n\r\n0\r\nDigest: x\r\n\r\n";

    #[test]
    fn chunks_end_where_they_end_however_they_come() {
        let both = [CHUNKED, b"GET "].concat();
        for step in 1..=both.len() {
            let mut framing = Framing::Chunked(Chunks::Size(0, false));
            let (mut passed, mut payload) = (0, Vec::new());
            for part in both.chunks(step) {
                passed += framing.pass(part, Some(&mut payload));
            }
            assert_eq!(passed, CHUNKED.len(), "in steps of {step}");
            assert!(framing.is_over());
            assert_eq!(payload, "hello, 세계\r\n".as_bytes());
        }
    }

    #[test]
    fn what_is_no_chunk_is_endless() {
        for wrong in [&b"x\r\n"[..], b"-1\r\n", b"fffffffffffffffff\r\n"] {
            let mut framing = Framing::Chunked(Chunks::Size(0, false));
            assert_eq!(framing.pass(wrong, None), wrong.len());
            assert_eq!(framing, Framing::Endless);
        }
    }

    #[test]
    fn a_length_counts_down() {
        let mut framing = Framing::Length(5);
        assert_eq!(framing.pass(b"abc", None), 3);
        assert_eq!(framing.pass(b"defg", None), 2);
        assert!(framing.is_over());
        assert_eq!(framing.pass(b"fg", None), 0);
    }
}

//! The head of a request or an answer: the bytes as they came, and what is said in them.
//!
//! It takes what is meant to be HTTP/1 and leaves judgement to the server: what cannot be read is not
//! refused, but carried without being understood.

use bytes::{Bytes, BytesMut};

/// Heads up to here are read.
pub const HEAD_BYTES: usize = 64 << 10;

/// A head.
#[derive(Debug)]
pub struct Head {
    /// All of it, with the empty line.
    pub raw: Bytes,
    text: String,
}

impl Head {
    /// Takes one off the front of what has come; `None` until it is whole.
    pub fn take(buffer: &mut BytesMut) -> Option<Self> {
        let end = end_of(buffer)?;
        let raw = buffer.split_to(end).freeze();
        let text = String::from_utf8_lossy(&raw).into_owned();
        Some(Self { raw, text })
    }

    /// The three parts of the first line; empty ones where there are fewer.
    pub fn start(&self) -> [&str; 3] {
        let mut parts = self.text.lines().next().unwrap_or_default().splitn(3, ' ');
        [(); 3].map(|()| parts.next().unwrap_or_default())
    }

    /// The values of a field, by its name in lower case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.text.lines().skip(1);
        fields
            .filter_map(|line| line.split_once(':'))
            .filter(move |field| field.0.eq_ignore_ascii_case(name))
            .map(|field| field.1.trim())
    }

    /// Whether a field, which is a list, has this element.
    pub fn lists(&self, name: &str, element: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|found| found.trim().eq_ignore_ascii_case(element))
    }

    /// Whether this text stands anywhere in a field.
    pub fn mentions(&self, name: &str, text: &str) -> bool {
        self.values(name).any(|value| value.contains(text))
    }

    /// Whether the connection ends behind what this head begins (RFC 9112 section 9.3).
    pub fn closes(&self) -> bool {
        let old = self.start().contains(&"HTTP/1.0");
        self.lists("connection", "close") || (old && !self.lists("connection", "keep-alive"))
    }

    /// The same bytes without the lines of these fields.
    pub fn without(&self, names: &[&str]) -> Bytes {
        let is_kept = |line: &&[u8]| {
            let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
            !names
                .iter()
                .any(|left_out| name.eq_ignore_ascii_case(left_out.as_bytes()))
        };
        let lines = self.raw.split_inclusive(|&byte| byte == b'\n');
        lines.filter(is_kept).collect::<Vec<_>>().concat().into()
    }
}

/// Where the body begins. Lines may end with LF alone (RFC 9112 section 2.2).
fn end_of(bytes: &[u8]) -> Option<usize> {
    let ends = |at: usize| match &bytes[at..] {
        [b'\n', b'\n', ..] => Some(at + 2),
        [b'\n', b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    };
    (0..bytes.len().min(HEAD_BYTES)).find_map(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_taken_whole_and_can_be_read() {
        let mut buffer = BytesMut::from("GET / HTTP/1.1\r\nConnection: a, Close\r\n\r");
        assert!(Head::take(&mut buffer).is_none());
        buffer.extend_from_slice(b"\nbody");
        let head = Head::take(&mut buffer).expect("a head");
        assert_eq!(head.start(), ["GET", "/", "HTTP/1.1"]);
        assert!(head.closes());
        assert_eq!(&buffer[..], b"body");
        assert_eq!(head.without(&["connection"]), "GET / HTTP/1.1\r\n\r\n");
        let old = Head::take(&mut BytesMut::from("HTTP/1.0 200 OK\n\n")).expect("a head");
        assert!(old.closes());
    }
}

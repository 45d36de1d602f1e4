//! The head of an HTTP response.

use anyhow::{Context, Result, bail};
use memchr::memmem;

/// A longer head is not one.
const LONGEST: usize = 16 << 10;

/// Collects a head that comes in pieces.
#[derive(Default)]
pub struct Head {
    partial: Vec<u8>,
}

/// What a head says that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The body's length, if it is said.
    pub length: Option<u64>,
    /// The body comes in chunks.
    pub chunked: bool,
}

impl Head {
    /// The head, once it is whole, and the bytes after it.
    ///
    /// # Errors
    ///
    /// It is none, or its status is not `wanted`: the error has what the server said.
    pub fn take<'a>(&mut self, bytes: &'a [u8], wanted: u16) -> Result<Option<(Facts, &'a [u8])>> {
        if self.partial.is_empty()
            && let Some(end) = end_of(bytes)
        {
            let rest = &bytes[end..];
            return Ok(Some((facts(&bytes[..end], rest, wanted)?, rest)));
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(bytes);
        let Some(end) = end_of(&self.partial) else {
            if self.partial.len() > LONGEST {
                bail!("the server's answer has no end of its head");
            }
            return Ok(None);
        };
        let rest = &bytes[end - before..];
        let facts = facts(&self.partial[..end], rest, wanted)?;
        self.partial = Vec::new();
        Ok(Some((facts, rest)))
    }
}

fn end_of(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

fn facts(head: &[u8], rest: &[u8], wanted: u16) -> Result<Facts> {
    let head = std::str::from_utf8(head).context("the server's answer is no HTTP")?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    if !line.starts_with("HTTP/1.") || status != Some(wanted) {
        let said = String::from_utf8_lossy(&rest[..rest.len().min(1_000)]);
        bail!("the server answered \"{line}\" where {wanted} was expected: {said}");
    }
    let mut facts = Facts {
        length: None,
        chunked: false,
    };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            facts.length = Some(value.trim().parse().context("a length that is none")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            facts.chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    Ok(facts)
}

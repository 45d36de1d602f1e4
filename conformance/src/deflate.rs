//! permessage-deflate (RFC 7692) as a client needs it: what it offers, what was agreed on, and both
//! directions. It keeps no context from one message to the next, and holds the server to the same.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::http::Answer;

/// The header of an offer, and of what was agreed on.
pub const HEADER: &str = "sec-websocket-extensions";

/// The end of an empty block, which is left out on the wire (section 7.2.1).
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

/// What was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Bytes that the client can look back.
    window: usize,
}

/// Any lawful offer that a server without context has to take.
pub fn any_offer(rng: &mut fastrand::Rng) -> String {
    let bits = rng.u8(9..=15);
    match rng.u8(..6) {
        0 => "permessage-deflate".into(),
        1 => "permessage-deflate; client_max_window_bits".into(),
        2 => format!("permessage-deflate; server_max_window_bits={bits}"),
        3 => format!(
            "permessage-deflate; server_max_window_bits=\"{bits}\"; client_max_window_bits={bits}"
        ),
        4 => "permessage-deflate; server_no_context_takeover; client_no_context_takeover".into(),
        _ => format!(
            "x-unknown; a=b, permessage-deflate; server_max_window_bits=77, permessage-deflate; server_max_window_bits={bits}"
        ),
    }
}

impl Agreed {
    /// What the answer to a handshake says.
    ///
    /// # Panics
    /// It agrees to something that was not offered or that nobody can keep.
    pub fn of(answer: &Answer) -> Option<Self> {
        let mut words = answer.header(HEADER)?.split(';').map(str::trim);
        assert_eq!(words.next(), Some("permessage-deflate"));
        let mut bits = 15;
        let mut without_context = 0;
        for word in words {
            match word.split_once('=') {
                Some(("server_max_window_bits", value)) => {
                    bits = value.parse().expect("a number of bits");
                }
                None if word.ends_with("_no_context_takeover") => without_context += 1,
                _ => panic!("what is {word}?"),
            }
        }
        assert_eq!(without_context, 2, "both sides forget");
        Some(Self { window: 1 << bits })
    }

    /// A message from the server.
    ///
    /// # Errors
    /// It is not deflated, or its client could not look back so far.
    pub fn inflate(self, payload: &[u8]) -> Result<Vec<u8>, String> {
        let whole = inflate(payload)?;
        // What this server says of itself: a reference never goes back behind its message.
        match whole.len() <= self.window || self.window == 1 << 15 {
            true => Ok(whole),
            false => Err(format!(
                "{} bytes are deflated for a window of {}",
                whole.len(),
                self.window
            )),
        }
    }
}

/// A message's payload, deflated.
pub fn deflate(payload: &[u8]) -> Vec<u8> {
    let mut deflater = Compress::new(Compression::fast(), false);
    let mut out = Vec::with_capacity(payload.len() + payload.len() / 1_000 + 64);
    deflater
        .compress_vec(payload, &mut out, FlushCompress::Sync)
        .expect("there is room");
    assert_eq!(deflater.total_in(), payload.len() as u64);
    assert!(out.ends_with(&FLUSHED));
    out.truncate(out.len() - FLUSHED.len());
    out
}

fn inflate(payload: &[u8]) -> Result<Vec<u8>, String> {
    let input = [payload, &FLUSHED].concat();
    let mut inflater = Decompress::new(false);
    let mut out = Vec::with_capacity(4 * input.len() + 64);
    loop {
        let rest = &input[inflater.total_in() as usize..];
        let status = inflater
            .decompress_vec(rest, &mut out, FlushDecompress::Sync)
            .map_err(|error| format!("not deflated: {error}"))?;
        let is_full = out.len() == out.capacity();
        match status {
            Status::StreamEnd => return Err(
                "a final block: RFC 7692 section 7.2.3.4 lets a peer do so, this server does not"
                    .into(),
            ),
            _ if is_full => out.reserve(out.len()),
            _ if inflater.total_in() as usize == input.len() => return Ok(out),
            _ => return Err("it ends within a block".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deflated_comes_back() {
        for length in [0, 1, 500, 70_000] {
            let text = "안녕 🎉 ".repeat(length);
            assert_eq!(inflate(&deflate(text.as_bytes())), Ok(text.into_bytes()));
        }
        assert!(inflate(b"no such thing").is_err());
    }

    #[test]
    fn a_window_is_kept() {
        let payload = deflate(&[7; 600]);
        assert!(Agreed { window: 1 << 9 }.inflate(&payload).is_err());
        assert!(Agreed { window: 1 << 10 }.inflate(&payload).is_ok());
    }
}

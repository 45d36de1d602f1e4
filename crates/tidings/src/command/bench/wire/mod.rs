//! What comes from the server, taken apart just far enough to count: HTTP heads and bodies, chunks
//! and WebSocket frames, in any cut, without keeping more than a head that is not whole.
//!
//! Nothing is judged here but the framing itself; what is in it goes on as [`Piece`]s.

mod answer;
mod chunks;
mod frames;
mod head;

pub use answer::Answer;
pub use chunks::Chunks;
pub use frames::Frames;

use anyhow::Result;

/// A piece of what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of a message, an event or an answer's body.
    Data(&'a [u8]),
    /// The frame, the chunk or the answer is whole.
    End,
    /// The server asks for a sign of life.
    Ping,
}

/// The framing of one connection.
pub enum Wire {
    /// RFC 6455, after its handshake.
    WebSocket(Frames),
    /// A response without an end.
    Sse(Chunks),
    /// One answer after the other.
    LongPoll(Answer),
}

impl Wire {
    /// Takes the next bytes and shows what they hold.
    ///
    /// # Errors
    ///
    /// The server refused, closed, or broke the framing.
    pub fn take(&mut self, bytes: &[u8], see: &mut impl FnMut(Piece<'_>)) -> Result<()> {
        match self {
            Self::WebSocket(frames) => frames.take(bytes, see),
            Self::Sse(chunks) => chunks.take(bytes, see),
            Self::LongPoll(answer) => answer.take(bytes, see),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen, with data that belongs together put together.
    fn seen(mut wire: Wire, bytes: &[u8], size: usize) -> Vec<String> {
        let mut all = Vec::new();
        let mut data = Vec::new();
        for piece in bytes.chunks(size) {
            wire.take(piece, &mut |piece| match piece {
                Piece::Data(bytes) => data.extend_from_slice(bytes),
                Piece::End => all.push(String::from_utf8(std::mem::take(&mut data)).unwrap()),
                Piece::Ping => all.push("ping".into()),
            })
            .unwrap();
        }
        all
    }

    fn check(wire: impl Fn() -> Wire, bytes: &[u8], expected: &[&str]) {
        for size in 1..=bytes.len() {
            assert_eq!(seen(wire(), bytes, size), expected, "in pieces of {size}");
        }
    }

    fn refusal(mut wire: Wire, bytes: &[u8]) -> String {
        let error = wire.take(bytes, &mut |_| ()).unwrap_err();
        format!("{error:#}")
    }

    #[test]
    fn frames_of_all_lengths_in_any_cut() {
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n\x81\x02hi\x89\x01x\x81\x00".to_vec();
        let long = "a".repeat(300);
        bytes.extend_from_slice(&[0x81, 126, 1, 44]);
        bytes.extend_from_slice(long.as_bytes());
        bytes.extend_from_slice(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0, 1, b'b']);
        let expected = ["hi", "ping", "", &long, "b"];
        check(|| Wire::WebSocket(Frames::default()), &bytes, &expected);
    }

    #[test]
    fn a_closed_websocket_says_why() {
        let bytes = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x88\x05\x04\x08bye";
        let text = refusal(Wire::WebSocket(Frames::default()), bytes);
        assert!(text.contains("1032") && text.contains("bye"), "{text}");
    }

    #[test]
    fn chunks_in_any_cut() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nB;x=y\r\n, you there\r\n";
        check(
            || Wire::Sse(Chunks::default()),
            bytes,
            &["hello", ", you there"],
        );
    }

    #[test]
    fn answers_one_after_the_other_in_any_cut() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length:0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nd";
        check(
            || Wire::LongPoll(Answer::default()),
            bytes,
            &["abc", "", "d"],
        );
    }

    #[test]
    fn a_refusal_is_told_with_its_words() {
        let bytes = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nfull";
        for wire in [
            Wire::WebSocket(Frames::default()),
            Wire::Sse(Chunks::default()),
            Wire::LongPoll(Answer::default()),
        ] {
            let text = refusal(wire, bytes);
            assert!(text.contains("503") && text.contains("full"), "{text}");
        }
    }
}

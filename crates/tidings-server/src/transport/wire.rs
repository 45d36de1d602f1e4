//! What carries a session's bytes: a socket after the head of its request, or one stream of an
//! HTTP/2 connection. It knows nothing of what the bytes say.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Outbox;

/// Both directions of one session.
pub trait Wire {
    /// Puts around one fill of the outbox what the carrier needs; whether nothing follows it.
    fn frame(&mut self, _: &mut Outbox, _: bool) {}

    /// Takes bytes from the front of `out`; gives how many.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>>;

    /// Ready when nothing that was taken is held back.
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Whether it is this wire's peer that takes nothing, where nothing is taken.
    fn is_stuck(&self) -> bool {
        true
    }

    /// Reads what the peer says; nothing read is its end.
    fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut ReadBuf<'_>) -> Poll<io::Result<()>>;

    /// Ends our side.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// How a socket carries the body of an HTTP/1 answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As it is, to the end of the connection.
    Bare,
    /// In chunks (RFC 9112 section 7.1).
    Chunked,
    /// Behind a `Content-Length`: the head waits for the one fill that there is.
    Counted,
}

/// A socket of its own.
pub struct Socket<'a, IO> {
    io: &'a mut IO,
    /// The head of the answer, until it is written; without its blank line where it is counted.
    head: Option<Bytes>,
    framing: Framing,
}

impl<'a, IO> Socket<'a, IO> {
    /// A socket on which `head` has still to be written.
    pub fn new(io: &'a mut IO, head: Bytes, framing: Framing) -> Self {
        Self {
            io,
            head: Some(head),
            framing,
        }
    }

    /// A socket that carries a session and nothing else.
    pub fn bare(io: &'a mut IO) -> Self {
        Self {
            io,
            head: None,
            framing: Framing::Bare,
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Wire for Socket<'_, IO> {
    fn frame(&mut self, out: &mut Outbox, last: bool) {
        match self.framing {
            Framing::Bare => {}
            Framing::Chunked => {
                out.wrap_chunk();
                if last {
                    out.push(Bytes::from_static(b"0\r\n\r\n"));
                }
            }
            Framing::Counted if out.is_empty() => return,
            Framing::Counted => {
                out.push_front(format!("content-length: {}\r\n\r\n", out.len()).into());
            }
        }
        if let Some(head) = self.head.take() {
            out.push_front(head);
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        let io = Pin::new(&mut *self.io);
        let written = match out.only() {
            // Mostly one message: a plain write costs the kernel less.
            Some(part) => io.poll_write(cx, part),
            None => {
                let mut slices = Outbox::no_slices();
                let count = out.slices(&mut slices);
                io.poll_write_vectored(cx, &slices[..count])
            }
        };
        if let Poll::Ready(Ok(written)) = written {
            out.advance(written);
        }
        written
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(cx, bytes)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }
}

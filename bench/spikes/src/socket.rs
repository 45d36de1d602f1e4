//! The IO that hyper drives: a socket, bytes read too early, and the slot of a hijack.

use std::io::{Error, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What the connection shall go on with once hyper has let go of it.
pub enum Takeover {
    /// An endless event stream.
    Stream,
    /// One answer as soon as there is something from this position on.
    LongPoll(u64),
}

/// Where the service leaves a takeover for the driver of its connection.
#[derive(Default)]
pub struct Slot {
    takeover: Mutex<Option<Takeover>>,
    flushed: AtomicBool,
}

impl Slot {
    /// Called by the service, which must then stay pending for ever.
    pub fn fill(&self, takeover: Takeover) {
        self.flushed.store(false, Ordering::Relaxed);
        *self.takeover.lock().expect("no holder panics") = Some(takeover);
    }

    /// Whether a takeover waits.
    pub fn is_filled(&self) -> bool {
        self.takeover.lock().expect("no holder panics").is_some()
    }

    /// The takeover, once hyper has flushed *after* it was left: hyper flushes the IO only when
    /// its own buffer is empty, and it encodes nothing while the service is pending.
    pub fn take_if_flushed(&self) -> Option<Takeover> {
        if !self.flushed.load(Ordering::Relaxed) {
            return None;
        }
        self.takeover.lock().expect("no holder panics").take()
    }
}

/// The IO under hyper.
pub struct Socket {
    io: TokioIo<TcpStream>,
    leftover: Bytes,
    slot: Arc<Slot>,
}

impl Socket {
    /// `leftover` is read before the socket is.
    pub fn new(stream: TcpStream, leftover: Bytes, slot: Arc<Slot>) -> Self {
        Self {
            io: TokioIo::new(stream),
            leftover,
            slot,
        }
    }

    /// The socket and what was never handed to hyper.
    pub fn into_parts(self) -> (TcpStream, Bytes) {
        (self.io.into_inner(), self.leftover)
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<Result<(), Error>> {
        if self.leftover.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let length = self.leftover.len().min(buf.remaining());
        buf.put_slice(&self.leftover[..length]);
        self.leftover.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl Write for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        std::task::ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.slot.flushed.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}

//! The socket as the HTTP/2 library sees it: what was read before comes first, what the client says
//! is metered, and what the socket takes is noted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tidings_protocol::http2::FrameMeter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::write_deadline::Progress;

/// What the connection has to know of its socket, which the library holds.
#[derive(Default)]
pub struct Watch {
    pub progress: Progress,
    flooded: AtomicBool,
}

impl Watch {
    /// The budget of the peer is spent; nothing more is read.
    pub fn is_flooded(&self) -> bool {
        self.flooded.load(Ordering::Relaxed)
    }
}

/// A socket that is watched.
pub struct Watched<'a, IO> {
    io: &'a mut IO,
    before: Bytes,
    meter: FrameMeter,
    began: Instant,
    watch: Arc<Watch>,
}

impl<'a, IO> Watched<'a, IO> {
    /// A socket behind the bytes `before`, of a client that may have so many streams at once.
    pub fn new(io: &'a mut IO, before: Bytes, streams: u32, watch: Arc<Watch>) -> Self {
        Self {
            io,
            before,
            meter: FrameMeter::new(streams, 0),
            began: Instant::now(),
            watch,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<'_, IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.watch.is_flooded() {
            // The connection is about to be ended, by whoever polls the library.
            return Poll::Pending;
        }
        let filled = out.filled().len();
        if self.before.is_empty() {
            ready!(Pin::new(&mut *self.io).poll_read(cx, out))?;
        } else {
            let count = self.before.len().min(out.remaining());
            out.put_slice(&self.before[..count]);
            self.before.advance(count);
        }
        let now = self.began.elapsed().as_millis() as u64;
        if self.meter.read(&out.filled()[filled..], now).is_err() {
            self.watch.flooded.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> Watched<'_, IO> {
    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = written {
            self.meter.wrote(count);
        }
        self.watch.progress.wrote(written)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<'_, IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.io).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.io).poll_write_vectored(cx, bytes);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut *self.io).poll_flush(cx);
        self.watch.progress.flushed(&flushed);
        flushed
    }

    /// The connection ends its socket itself, when it has read what is still on its way.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

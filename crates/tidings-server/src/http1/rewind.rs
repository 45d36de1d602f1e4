//! The socket as the HTTP library sees it: with bytes that were read from it before, and with an eye
//! on what the library still owes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Leaving;
use crate::write_deadline::Progress;

/// Where a request leaves the stream that it became, for the connection to find.
#[derive(Default)]
pub struct Exit {
    leaving: Mutex<Option<Box<Leaving>>>,
    /// The library's last word to the socket was a flush: it owes nothing.
    flushed: AtomicBool,
    /// Something of a request was read that is not answered.
    partial: AtomicBool,
    /// What the socket takes.
    pub progress: Progress,
}

impl Exit {
    /// Leaves a stream; the library must flush once more before it is taken.
    pub fn leave(&self, leaving: Box<Leaving>) {
        self.flushed.store(false, Ordering::Relaxed);
        *self.lock() = Some(leaving);
    }

    /// The stream that was left.
    pub fn take(&self) -> Option<Box<Leaving>> {
        self.lock().take()
    }

    /// A stream was left, and the library owes the client nothing.
    pub fn is_open(&self) -> bool {
        self.flushed.load(Ordering::Relaxed) && self.lock().is_some()
    }

    /// Whether something of a request was read that is not answered.
    pub fn is_partial(&self) -> bool {
        self.partial.load(Ordering::Relaxed)
    }

    /// The request is answered.
    pub fn answered(&self) {
        self.partial.store(false, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Leaving>>> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrote<T>(&self, written: Poll<T>) -> Poll<T> {
        self.flushed.store(false, Ordering::Relaxed);
        self.progress.wrote(written)
    }
}

/// A socket with bytes that were read from it before.
pub struct Rewind<IO> {
    pub io: IO,
    pub before: Bytes,
    pub exit: Arc<Exit>,
}

impl<IO> Rewind<IO> {
    /// A socket behind the bytes `before`.
    pub fn new(io: IO, before: Bytes) -> Self {
        Self {
            io,
            before,
            exit: Arc::default(),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Rewind<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = out.filled().len();
        let read = if self.before.is_empty() {
            Pin::new(&mut self.io).poll_read(cx, out)
        } else {
            let count = self.before.len().min(out.remaining());
            out.put_slice(&self.before[..count]);
            self.before.advance(count);
            Poll::Ready(Ok(()))
        };
        if out.filled().len() > filled {
            self.exit.partial.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Rewind<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.exit.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.exit.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Called by the library when it has handed over all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.exit.progress.flushed(&flushed);
        self.exit
            .flushed
            .store(flushed.is_ready(), Ordering::Relaxed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

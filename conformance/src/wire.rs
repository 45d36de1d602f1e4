//! A connection that can be cut at a byte: what a reader sees of one that dies under it.
//!
//! It knows no protocol, and it delays nothing: bytes behind the cut are simply never read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::carrier::Endpoint;

/// Bytes both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection that ends after so many bytes from the server.
pub struct Wire {
    io: Box<dyn Io>,
    left: u64,
    fate: Fate,
}

/// What becomes of a connection, also for who has it no more.
#[derive(Clone)]
pub struct Fate {
    cut: Arc<AtomicBool>,
    /// The connection below, which it shares, was cut.
    severed: Option<Arc<AtomicBool>>,
}

impl Fate {
    /// Whether the end that was seen is the cut, and not the server's.
    pub fn is_cut(&self) -> bool {
        let is_set = |flag: &Arc<AtomicBool>| flag.load(Ordering::SeqCst);
        is_set(&self.cut) || self.severed.as_ref().is_some_and(is_set)
    }
}

impl Wire {
    /// Connects; the stream ends after `bytes` were read from it.
    pub async fn connect(to: &Endpoint, bytes: Option<u64>) -> io::Result<Self> {
        let (io, severed) = to.open().await?;
        Ok(Self {
            io,
            left: bytes.unwrap_or(u64::MAX),
            fate: Fate {
                cut: Arc::default(),
                severed,
            },
        })
    }

    /// What becomes of it.
    pub fn fate(&self) -> &Fate {
        &self.fate
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room =
            usize::try_from(self.left).map_or(out.remaining(), |left| left.min(out.remaining()));
        if room == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut part = ReadBuf::new(out.initialize_unfilled_to(room));
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut part);
        let read = part.filled().len();
        out.advance(read);
        self.left -= read as u64;
        if self.left == 0 {
            self.fate.cut.store(true, Ordering::SeqCst);
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

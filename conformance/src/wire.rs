//! A socket that can be cut at a byte: what a reader sees of a connection that dies under it.
//!
//! It knows no protocol, and it delays nothing: bytes behind the cut are simply never read.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection that ends after so many bytes from the server.
pub struct Wire {
    tcp: TcpStream,
    left: u64,
}

impl Wire {
    /// Connects; the stream ends after `bytes` were read from it.
    pub async fn connect(addr: SocketAddr, bytes: Option<u64>) -> io::Result<Self> {
        let tcp = TcpStream::connect(addr).await?;
        tcp.set_nodelay(true)?;
        Ok(Self {
            tcp,
            left: bytes.unwrap_or(u64::MAX),
        })
    }

    /// Whether the end that was seen is the cut, and not the server's.
    pub fn is_cut(&self) -> bool {
        self.left == 0
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
        let polled = Pin::new(&mut self.tcp).poll_read(cx, &mut part);
        let read = part.filled().len();
        out.advance(read);
        self.left -= read as u64;
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

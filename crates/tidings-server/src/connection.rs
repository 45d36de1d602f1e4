//! One connection: which protocol it speaks, and then that.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tidings_protocol::http2::PREFACE;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::app::App;
use crate::via::Via;
use crate::{http1, http2};

/// Bytes of the first read: the head of most requests.
const FIRST_READ: usize = 2 << 10;

/// Serves a connection to its end.
pub async fn serve(app: Arc<App>, socket: TcpStream, via: Via, stop: watch::Receiver<bool>) {
    clear(app, socket, via, stop).await;
}

/// In clear the client's first bytes say whether it speaks HTTP/2 (RFC 9113 section 3.3).
async fn clear<IO>(app: Arc<App>, mut io: IO, via: Via, stop: watch::Receiver<bool>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // In boxes, here and below: what is needed at first, or by some, is not every connection's memory.
    let first = Box::pin(timeout(app.limits().head_time, first_bytes(&mut io)));
    let Ok(Ok(before)) = first.await else {
        return;
    };
    if before.starts_with(PREFACE) {
        Box::pin(http2::serve(app, io, before, via, stop)).await;
    } else {
        http1::serve(app, io, before, via, stop).await;
    }
}

/// Reads until the bytes are the whole preface or cannot become it.
async fn first_bytes<IO: AsyncRead + Unpin>(io: &mut IO) -> io::Result<Bytes> {
    let mut bytes = [MaybeUninit::uninit(); FIRST_READ];
    let mut buffer = ReadBuf::uninit(&mut bytes);
    loop {
        let had = buffer.filled().len();
        poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, &mut buffer)).await?;
        let filled = buffer.filled();
        if filled.len() == had || !PREFACE.starts_with(filled) || filled.len() >= PREFACE.len() {
            return Ok(Bytes::copy_from_slice(filled));
        }
    }
}

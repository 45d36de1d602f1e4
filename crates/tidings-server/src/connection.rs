//! One connection: which protocol it speaks, and then that.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use tidings_protocol::http2::PREFACE;
use tidings_protocol::{Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use crate::app::App;
use crate::tls::{TlsKeys, TlsSlot};
use crate::transport::pump;
use crate::transport::wire::Socket;
use crate::visit::Visit;
use crate::{http1, http2};

/// Bytes of the first read: the head of most requests.
const FIRST_READ: usize = 2 << 10;

/// Serves a connection to its end.
pub async fn serve(visit: Arc<Visit>, socket: TcpStream) {
    match visit.door.tls().map(TlsSlot::keys) {
        None => clear(visit, socket).await,
        // In boxes, here and below: what is needed at first, or by some, is not every connection's
        // memory.
        Some(keys) => Box::pin(secure(visit, socket, keys)).await,
    }
}

/// With TLS the two have agreed on a protocol (ALPN, RFC 7301).
async fn secure(visit: Arc<Visit>, socket: TcpStream, keys: TlsKeys) {
    let app = visit.app();
    let handshake = handshake(app, socket, &keys);
    let handshake = Box::pin(timeout(app.limits().head_time, handshake));
    let io = tokio::select! {
        handshake = handshake => match handshake {
            Ok(Some(io)) => io,
            _ => {
                app.stats.tls_errors.add(1);
                return;
            }
        },
        () = visit.door.stopping() => return,
    };
    if io.get_ref().1.alpn_protocol() == Some(b"h2") {
        Box::pin(http2::serve(visit, io, Bytes::new())).await;
    } else {
        http1::serve(visit, io, Bytes::new()).await;
    }
}

/// `None`: there is no connection, for whatever reason. It is boxed, being moved and not small.
async fn handshake(
    app: &App,
    mut socket: TcpStream,
    keys: &TlsKeys,
) -> Option<Box<TlsStream<TcpStream>>> {
    let mut first = [0];
    socket.peek(&mut first).await.ok()?;
    if first[0].is_ascii_uppercase() {
        // The name of a method. Who speaks to the wrong port sees why.
        let problem = Problem::new(Code::BadRequest, "this port speaks TLS: write https://");
        app.stats.refused(&problem);
        let words = http1::last_words(&problem);
        socket.write_all(&words).await.ok()?;
        pump::linger(&mut Socket::bare(&mut socket)).await;
        return None;
    }
    match keys.accept(socket).await {
        Ok(io) => Some(Box::new(io)),
        Err(error) => {
            tracing::debug!(%error, "no TLS connection");
            None
        }
    }
}

/// In clear the client's first bytes say whether it speaks HTTP/2 (RFC 9113 section 3.3).
async fn clear<IO>(visit: Arc<Visit>, mut io: IO)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let app = visit.app();
    let first = Box::pin(timeout(app.limits().head_time, first_bytes(&mut io)));
    let before = tokio::select! {
        first = first => match first {
            Ok(Ok(before)) => before,
            Ok(Err(_)) => return,
            Err(_) => {
                app.stats.idle_timeouts.add(1);
                return;
            }
        },
        // Nothing was asked yet.
        () = visit.door.stopping() => return,
    };
    if before.starts_with(PREFACE) && visit.door.redirects_to().is_none() {
        Box::pin(http2::serve(visit, io, before)).await;
    } else {
        http1::serve(visit, io, before).await;
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

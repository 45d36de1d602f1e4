//! Opens connections for HTTP: TCP, and TLS over it where the URL says so, within one time for all of it. What is
//! sent over them it does not know, and it keeps none.

use std::{
    future::Future,
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{
    Uri,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::{
    client::legacy::connect::{Connected, Connection, HttpConnector},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::{Error, http::chain, tls};

/// Opens connections.
#[derive(Clone)]
pub(crate) struct Dialer {
    tcp: HttpConnector,
    tls: Option<TlsConnector>,
    within: Duration,
}

impl Dialer {
    /// With `tls` every connection is one; `within` is for the name, TCP and the handshake together.
    pub(crate) fn new(tls: Option<TlsConnector>, within: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Several addresses of one name share it.
        tcp.set_connect_timeout(Some(within));
        Self { tcp, tls, within }
    }

    async fn dial(mut self, uri: Uri) -> Result<Socket, Error> {
        let by = Instant::now() + self.within;
        let late = |what| Error::Unreachable(format!("{what} within {:?}", self.within));
        let tcp = timeout_at(by, self.tcp.call(uri.clone()))
            .await
            .map_err(|_| late("no connection"))?
            .map_err(|error| Error::Unreachable(chain(&error)))?
            .into_inner();
        let Some(tls) = self.tls else {
            return Ok(Socket::new(tcp));
        };
        let name = tls::name(uri.host().unwrap_or_default())?;
        let tls = timeout_at(by, tls.connect(name, tcp))
            .await
            .map_err(|_| late("no TLS handshake"))?
            .map_err(|error| tls::failed(&error))?;
        Ok(Socket::new(tls))
    }
}

impl Service<Uri> for Dialer {
    type Response = Socket;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Socket, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection, of whichever kind.
pub(crate) struct Socket(TokioIo<Box<dyn Bytes>>);

impl Socket {
    fn new(io: impl Bytes + 'static) -> Self {
        Self(TokioIo::new(Box::new(io)))
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut TokioIo<Box<dyn Bytes>>> {
        Pin::new(&mut self.get_mut().0)
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.inner().poll_read(cx, buffer)
    }
}

impl Write for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.inner().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.inner().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.inner().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        self.inner().poll_write_vectored(cx, bytes)
    }
}

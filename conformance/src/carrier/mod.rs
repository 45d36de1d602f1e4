//! What carries the bytes between a client and a server, below everything that a client says.
//!
//! Every client here speaks HTTP/1.1. Over HTTP/2 each of its exchanges is translated into a stream of
//! a connection, so that one client, one transcript and one reader serve all carriers.

mod exchange;
mod link;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::wire::Io;
use link::Pool;

/// A way to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// HTTP/1.1 in clear.
    Http1,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 in clear, with prior knowledge.
    Http2,
    /// HTTP/2 over TLS.
    Http2Tls,
    /// HTTP/1.1 to an axum application that embeds the server.
    Embedded,
    /// HTTP/2 in clear to the same.
    EmbeddedHttp2,
}

impl Carrier {
    /// All of them, each at its own place as a number.
    pub const ALL: [Self; 6] = [
        Self::Http1,
        Self::Tls,
        Self::Http2,
        Self::Http2Tls,
        Self::Embedded,
        Self::EmbeddedHttp2,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Tls => "tls",
            Self::Http2 => "h2",
            Self::Http2Tls => "h2-tls",
            Self::Embedded => "embedded",
            Self::EmbeddedHttp2 => "embedded-h2",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|carrier| carrier.name() == name)
    }

    /// Whether connections share one below them.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls | Self::EmbeddedHttp2)
    }
}

/// Where and how a server is reached. Over HTTP/2 its clones share one connection.
#[derive(Clone)]
pub struct Endpoint {
    /// The server's address.
    pub addr: SocketAddr,
    /// How it is reached.
    pub carrier: Carrier,
    tls: Option<TlsConnector>,
    pool: Arc<Pool>,
}

impl From<SocketAddr> for Endpoint {
    fn from(addr: SocketAddr) -> Self {
        Self::clear(addr, Carrier::Http1)
    }
}

impl From<&Endpoint> for Endpoint {
    fn from(endpoint: &Endpoint) -> Self {
        endpoint.clone()
    }
}

/// What was opened, and the flag that says when its connection was severed.
pub(crate) type Opened = (Box<dyn Io>, Option<Arc<AtomicBool>>);

impl Endpoint {
    /// A server that is reached without TLS.
    pub fn clear(addr: SocketAddr, carrier: Carrier) -> Self {
        Self::new(addr, carrier, None)
    }

    /// A server that is reached by TLS; the connector offers the protocol of the carrier.
    pub fn secure(addr: SocketAddr, carrier: Carrier, tls: TlsConnector) -> Self {
        Self::new(addr, carrier, Some(tls))
    }

    fn new(addr: SocketAddr, carrier: Carrier, tls: Option<TlsConnector>) -> Self {
        Self {
            addr,
            carrier,
            tls,
            pool: Arc::default(),
        }
    }

    /// The same server, by connections that nobody else has.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self::new(self.addr, self.carrier, self.tls.clone())
    }

    /// Cuts the connection that is shared, with all that it carries. False where there is none.
    pub async fn sever(&self) -> bool {
        self.pool.sever().await
    }

    /// Opens what a client speaks HTTP/1.1 on.
    pub(crate) async fn open(&self) -> io::Result<Opened> {
        if self.carrier.is_http2() {
            let link = self.pool.link(self).await?;
            let severed = link.severed.clone();
            return Ok((exchange::translate(link), Some(severed)));
        }
        Ok((self.connect().await?, None))
    }

    /// A connection of its own.
    async fn connect(&self) -> io::Result<Box<dyn Io>> {
        let tcp = TcpStream::connect(self.addr).await?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(tcp));
        };
        let name = ServerName::from(self.addr.ip());
        Ok(Box::new(tls.connect(name, tcp).await?))
    }

    fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }
}

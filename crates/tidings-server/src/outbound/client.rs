//! One request on a connection of its own, over TLS where the URL says so, within one time for all
//! of it.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HOST, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::{Place, PlaceError, Streamed};

/// The largest answer that is read, in bytes.
const BODY: usize = 256 << 10;

/// The largest head of an answer in bytes.
const HEAD: usize = 64 << 10;

/// Why there is no answer. It names no header and no part of a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The URL.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Nobody to trust.
    #[error("{0}")]
    Authorities(String),
    /// No connection, or one that broke.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// No trust, or no TLS.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// Too slow.
    #[error("it did not answer within {0:?}")]
    Timeout(Duration),
    /// Too much.
    #[error("its answer has more than 256 KiB")]
    TooLarge,
    /// It points elsewhere.
    #[error("it answers with a redirect, which is not followed: configure the URL it leads to")]
    Redirect,
    /// No HTTP.
    #[error("its answer is no HTTP: {0}")]
    Http(String),
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The fields of its head.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Makes requests. Cheap to clone.
#[derive(Clone)]
pub struct Outbound {
    tls: Result<TlsConnector, OutboundError>,
    plain: bool,
}

impl Outbound {
    /// Trusts the authorities of this machine, and those in `authorities`, PEM. With `plain`, `http://`
    /// goes to other machines, too.
    ///
    /// # Errors
    ///
    /// [`OutboundError::Authorities`] if `authorities` cannot be read.
    pub fn new(authorities: Option<&[u8]>, plain: bool) -> Result<Self, OutboundError> {
        let mut roots = RootCertStore::empty();
        if let Some(pem) = authorities {
            add(&mut roots, pem)?;
        }
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Ok(Self {
            tls: connector(roots),
            plain,
        })
    }

    /// Checks a URL to which requests are to go.
    ///
    /// # Errors
    ///
    /// [`OutboundError::Place`], and [`OutboundError::Authorities`] if it is `https://` and nobody is
    /// trusted.
    pub fn place(&self, url: &str) -> Result<Place, OutboundError> {
        let place = Place::parse(url, self.plain)?;
        if let (Some(_), Err(error)) = (&place.tls, &self.tls) {
            return Err(error.clone());
        }
        Ok(place)
    }

    /// Sends a request and reads the whole answer. The time is for all of it, from the name on.
    ///
    /// # Errors
    ///
    /// [`OutboundError`].
    pub async fn exchange(
        &self,
        place: &Place,
        request: Request<Full<Bytes>>,
        within: Duration,
    ) -> Result<Answer, OutboundError> {
        tokio::time::timeout(within, self.exchange_slowly(place, request))
            .await
            .unwrap_or(Err(OutboundError::Timeout(within)))
    }

    async fn exchange_slowly(
        &self,
        place: &Place,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answer, OutboundError> {
        address(&mut request, place)?;
        converse(self.connect(place).await?, request).await
    }

    /// Sends a request and reads the head of its answer; the body comes as it is asked for. The time is
    /// up to the head, from the name on.
    ///
    /// # Errors
    ///
    /// [`OutboundError`].
    pub async fn stream(
        &self,
        place: &Place,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Streamed, OutboundError> {
        let begin = async {
            let mut request = request.map(Full::new);
            address(&mut request, place)?;
            Streamed::begin(self.connect(place).await?, request).await
        };
        tokio::time::timeout(within, begin)
            .await
            .unwrap_or(Err(OutboundError::Timeout(within)))
    }

    async fn connect(&self, place: &Place) -> Result<Box<dyn Io>, OutboundError> {
        let tcp = dial(place).await?;
        let Some(name) = &place.tls else {
            return Ok(Box::new(tcp));
        };
        let tls = self.tls.as_ref().map_err(Clone::clone)?;
        let tls = tls.connect(name.clone(), tcp).await;
        let tls = tls.map_err(|error| OutboundError::Tls(error.to_string()))?;
        Ok(Box::new(tls))
    }
}

/// A connection, with TLS or without.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), OutboundError> {
    let bad = |why: String| OutboundError::Authorities(why);
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| bad(format!("no PEM: {error}")))?;
        let added = roots.add(certificate);
        added.map_err(|error| bad(format!("a certificate cannot be read: {error}")))?;
    }
    match roots.is_empty() {
        true => Err(bad(
            "there is no certificate (-----BEGIN CERTIFICATE-----) in it".into(),
        )),
        false => Ok(()),
    }
}

fn connector(roots: RootCertStore) -> Result<TlsConnector, OutboundError> {
    if roots.is_empty() {
        let why = "this machine trusts no authority: install its package ca-certificates, or give a file of authorities";
        return Err(OutboundError::Authorities(why.into()));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the provider has suites of both versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Completes the head. `Accept-Encoding`: what comes back is read as it is.
fn address(request: &mut Request<Full<Bytes>>, place: &Place) -> Result<(), OutboundError> {
    let no_url = |_| PlaceError::NoUrl;
    *request.uri_mut() = place.path.parse().map_err(|_| PlaceError::NoUrl)?;
    let host = HeaderValue::from_str(&place.authority).map_err(no_url)?;
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static("tidings"));
    Ok(())
}

async fn dial(place: &Place) -> Result<TcpStream, OutboundError> {
    let unreachable = |error: io::Error| OutboundError::Unreachable(error.to_string());
    let found = lookup_host((place.host.as_str(), place.port)).await;
    let mut last = io::Error::other("its name has no address that may be used");
    for address in found
        .map_err(unreachable)?
        .filter(|address| place.admits(address))
    {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(unreachable(last))
}

/// The connection lives as long as this future: when it is dropped, the socket is closed.
async fn converse(io: Box<dyn Io>, request: Request<Full<Bytes>>) -> Result<Answer, OutboundError> {
    let (mut sender, connection) = shake_hands(io).await?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async {
        let (head, body) = sender
            .send_request(request)
            .await
            .map_err(|error| http(&error))?
            .into_parts();
        if head.status.is_redirection() {
            return Err(OutboundError::Redirect);
        }
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: read(body).await?,
        })
    });
    tokio::select! {
        answer = &mut answer => answer,
        // What came before its end is still to be read.
        _ = &mut connection => answer.await,
    }
}

type Connection = http1::Connection<TokioIo<Box<dyn Io>>, Full<Bytes>>;

/// A connection for one request.
pub(super) async fn shake_hands(
    io: Box<dyn Io>,
) -> Result<(http1::SendRequest<Full<Bytes>>, Connection), OutboundError> {
    let mut builder = http1::Builder::new();
    let ready = builder.max_buf_size(HEAD).handshake(TokioIo::new(io)).await;
    ready.map_err(|error| http(&error))
}

async fn read(body: Incoming) -> Result<Bytes, OutboundError> {
    match Limited::new(body, BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(OutboundError::TooLarge),
        Err(error) => Err(OutboundError::Unreachable(error.to_string())),
    }
}

pub(super) fn http(error: &hyper::Error) -> OutboundError {
    match error.is_parse() || error.is_parse_too_large() {
        true => OutboundError::Http(error.to_string()),
        false => OutboundError::Unreachable(error.to_string()),
    }
}

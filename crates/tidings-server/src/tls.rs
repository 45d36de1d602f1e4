//! The server's certificate and key, made ready for TLS: versions, ALPN, resumption and buffers.
//!
//! It reads no file, logs nothing, and asks nobody for a passphrase. Whether a certificate is still
//! valid is not looked at: clients say so, and an expired one must not keep a server from starting.

mod error;
mod pem;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::aws_lc_rs::{Ticketer, default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{InconsistentKeys, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{Accept, TlsAcceptor};

pub use error::{PemFile, TlsError};

/// What is offered by ALPN (RFC 7301), the first that the client knows, too, is taken. A client
/// that offers other protocols only is refused; one that offers none speaks HTTP/1.1.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Bytes of records that one connection holds for a socket that takes nothing. One record is
/// enough: what a slow reader has not read stands in the log.
const WRITE_BUFFER: usize = 16 * 1024;

/// What can be chosen besides the certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Clients that know only older versions are refused.
    pub min_version: TlsVersion,
}

/// A version of TLS that is spoken here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl TlsVersion {
    fn and_later(self) -> &'static [&'static SupportedProtocolVersion] {
        static ALL: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::V1_2 => &ALL,
            Self::V1_3 => &ALL[..1],
        }
    }
}

/// The keys that new connections are served with, for a server and for who replaces them while it
/// runs: clones are one slot. Connections that are open go on with the keys they began with.
#[derive(Clone, Debug)]
pub struct TlsSlot(Arc<RwLock<TlsKeys>>);

impl TlsSlot {
    /// A slot with these keys in it.
    pub fn new(keys: TlsKeys) -> Self {
        Self(Arc::new(RwLock::new(keys)))
    }

    /// Serves the next connections with other keys. A session of before is not resumed with them.
    pub fn replace(&self, keys: TlsKeys) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Those of a connection that begins now.
    pub(crate) fn keys(&self) -> TlsKeys {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A certificate with its chain and its private key, ready to accept TLS 1.3 and, unless it is too
/// old by choice, 1.2. Cheap to clone; what it holds does not grow with the connections.
#[derive(Clone)]
pub struct TlsKeys {
    acceptor: TlsAcceptor,
}

impl TlsKeys {
    /// Takes the text of two PEM files (RFC 7468), which may be one and the same: the certificates,
    /// the server's own first and those of its issuers after it, and one private key in the clear
    /// (PKCS#8, PKCS#1 or SEC1; RSA from 2048 bits, ECDSA on P-256, P-384, P-521, or Ed25519).
    ///
    /// # Errors
    ///
    /// What is wrong with which file, and what to do.
    pub fn from_pem(chain: &[u8], key: &[u8], options: TlsOptions) -> Result<Self, TlsError> {
        let chain = pem::certificates(chain)?;
        for (at, certificate) in chain.iter().enumerate() {
            readable(at + 1, certificate)?;
        }
        let certified = certify(chain, &pem::private_key(key)?)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config(certified, options)?)),
        })
    }

    /// The handshake on a connection that was just accepted. It has no deadline of its own.
    pub fn accept<IO>(&self, io: IO) -> Accept<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor
            .accept_with(io, |tls| tls.set_buffer_limit(Some(WRITE_BUFFER)))
    }
}

/// Nothing of a key is ever shown.
impl fmt::Debug for TlsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsKeys")
    }
}

/// TLS itself looks at the first certificate alone: a broken one behind it would be sent as it is.
fn readable(number: usize, certificate: &CertificateDer<'_>) -> Result<(), TlsError> {
    ParsedCertificate::try_from(certificate)
        .map(|_| ())
        .map_err(|error| TlsError::BadCertificate {
            number,
            why: error.to_string(),
        })
}

/// The key with the chain, if they belong together.
fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'_>,
) -> Result<CertifiedKey, TlsError> {
    let key = any_supported_type(key).map_err(|_| TlsError::UnsupportedKey)?;
    match chain.iter().position(|one| belongs(one, &key)) {
        Some(0) => Ok(CertifiedKey::new(chain, key)),
        Some(at) => Err(TlsError::LeafNotFirst { number: at + 1 }),
        None => Err(TlsError::KeyMismatch),
    }
}

fn belongs(certificate: &CertificateDer<'static>, key: &Arc<dyn SigningKey>) -> bool {
    let alone = CertifiedKey::new(vec![certificate.clone()], key.clone());
    matches!(
        alone.keys_match(),
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown))
    )
}

fn config(certified: CertifiedKey, options: TlsOptions) -> Result<ServerConfig, TlsError> {
    let broken = |error: rustls::Error| TlsError::Cryptography(error.to_string());
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(options.min_version.and_later())
        .map_err(broken)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    // A client keeps its session itself, as a ticket under keys that change every some hours: a
    // crowd that comes back is resumed without a memory that would have to be as large as it.
    config.ticketer = Ticketer::new().map_err(broken)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // What comes as 0-RTT may be replayed by anybody: a publish would happen twice.
    config.max_early_data_size = 0;
    Ok(config)
}

#[cfg(test)]
mod tests;

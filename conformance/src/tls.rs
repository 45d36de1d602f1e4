//! TLS for tests: authorities, certificates of every kind that a client has to judge, and a
//! terminator in front of a server that speaks plain HTTP.
//!
//! It shares nothing with the server's own TLS, so that a client is judged by something else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// The protocol that is let through.
const HTTP_1: &[u8] = b"http/1.1";

/// Somebody who issues certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, as PEM.
pub struct Certified {
    /// The certificate.
    pub chain: String,
    /// Its key.
    pub key: String,
}

/// How a certificate is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// It is one of an authority.
    OfAnAuthority,
}

impl Certified {
    /// A certificate for these names that no authority stands behind.
    pub fn self_signed(names: &[&str]) -> Self {
        let key = key();
        let certificate = params(names).self_signed(&key).expect("a certificate");
        Self {
            chain: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Authority {
    /// An authority that nobody knows.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("a certificate"))
    }

    /// What a client has to know to trust it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A good certificate for these names and addresses.
    pub fn issue(&self, names: &[&str]) -> Certified {
        self.sign(names, |_| ())
    }

    /// A certificate with one thing wrong.
    pub fn issue_wrong(&self, names: &[&str], flaw: Flaw) -> Certified {
        self.sign(names, |params| match flaw {
            Flaw::Expired => params.not_after = date_time_ymd(2001, 2, 3),
            Flaw::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
            Flaw::OfAnAuthority => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        })
    }

    fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let mut params = params(names);
        change(&mut params);
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Certified {
            chain: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).expect("names")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

/// What a client connects with that trusts this authority (PEM) and speaks this protocol (ALPN).
pub fn connector(authority: &str, protocol: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM");
    roots.add(root).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("suites of all versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// Speaks TLS on a port and hands what is in it to a server, as a proxy does. A connection that
/// agreed on another protocol than HTTP/1.1 is cut. Dropping it cuts all.
pub struct Terminator {
    /// Where it listens.
    pub addr: SocketAddr,
    accepted: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Terminator {
    /// On a free port, in front of `server`.
    pub async fn start(server: SocketAddr, certified: &Certified) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), server, certified).await
    }

    /// The same on this address.
    pub async fn start_at(address: SocketAddr, server: SocketAddr, certified: &Certified) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let accepted = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(serve(
            listener,
            acceptor(certified),
            server,
            accepted.clone(),
        ));
        Self {
            addr,
            accepted,
            task: task.abort_handle(),
        }
    }

    /// How many connections came.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn acceptor(certified: &Certified) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(certified.chain.as_bytes())
        .collect::<Result<_, _>>()
        .expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).expect("PEM");
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("suites of all versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), HTTP_1.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    server: SocketAddr,
    accepted: Arc<AtomicUsize>,
) {
    // Ends with this task.
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.expect("a connection");
        accepted.fetch_add(1, Ordering::Relaxed);
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            // A client that refuses the certificate is what some tests are about.
            let mut near = acceptor.accept(near).await?;
            if near.get_ref().1.alpn_protocol() == Some(HTTP_1) {
                let mut far = TcpStream::connect(server).await?;
                copy_bidirectional(&mut near, &mut far).await?;
            }
            std::io::Result::Ok(())
        });
    }
}

//! Whom a client trusts, and what a failed handshake means. The authorities are those of the machine, in its own
//! store, and those that the caller adds. There is no way to trust everybody, and no client certificate.

use std::{io, sync::Arc};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsConnector;

use crate::{Error, error::BadCertificate};

/// What is spoken inside (RFC 7301): WebSocket and all else here is HTTP/1.1.
const PROTOCOL: &[u8] = b"http/1.1";

/// The certificates of a PEM file; at least one.
///
/// # Errors
///
/// [`Error::Authorities`].
pub(crate) fn authorities(pem: &[u8]) -> Result<RootCertStore, Error> {
    let bad = |why: &str| Error::Authorities(why.to_owned());
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate
            .map_err(|_| bad("a PEM section has no end or is not base64; copy the file again"))?;
        store.add(certificate).map_err(|error| {
            Error::Authorities(format!(
                "certificate {} cannot be read: {error}",
                store.len() + 1
            ))
        })?;
    }
    if !store.is_empty() {
        return Ok(store);
    }
    // The first byte of a DER sequence (X.690 section 8.9).
    Err(match pem.first() {
        Some(0x30) => bad(
            "they are binary and not PEM; convert them, as with `openssl x509 -inform der -in FILE -out PEM-FILE`",
        ),
        _ => bad("there is no PEM certificate (`-----BEGIN CERTIFICATE-----`) in them"),
    })
}

/// What shakes hands, trusting the machine's authorities and `added`. It reads the store of the machine.
///
/// # Errors
///
/// [`Error::Authorities`] if there is nobody to trust.
pub(crate) fn connector(mut added: RootCertStore) -> Result<TlsConnector, Error> {
    let machine = rustls_native_certs::load_native_certs();
    added.add_parsable_certificates(machine.certs);
    if added.is_empty() {
        let why: Vec<String> = machine
            .errors
            .iter()
            .map(|error| format!("; {error}"))
            .collect();
        return Err(Error::Authorities(format!(
            "this machine has none (package ca-certificates) and none were given{}",
            why.concat()
        )));
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("the provider has suites of both versions")
        .with_root_certificates(added)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that a certificate has to be for, from the host of a URL: a DNS name or an address.
///
/// # Errors
///
/// [`Error::Url`].
pub(crate) fn name(host: &str) -> Result<ServerName<'static>, Error> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned())
        .map_err(|_| Error::Url(format!("no certificate can be for the host {host:?}")))
}

/// Why a handshake failed.
pub(crate) fn failed(error: &io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(error)) => Error::Certificate(bad(error)),
        Some(rustls::Error::InvalidMessage(_)) => Error::Tls(
            "what came back is no TLS; if the port is for plain HTTP, write http://".into(),
        ),
        // It may go better with the next one.
        Some(rustls::Error::AlertReceived(AlertDescription::InternalError)) | None => {
            Error::Unreachable(format!("the TLS handshake was not finished: {error}"))
        }
        Some(error) => Error::Tls(error.to_string()),
    }
}

fn bad(error: &CertificateError) -> BadCertificate {
    use CertificateError as E;
    match error {
        // The latter: an authority of this name is known, and it has another key.
        E::UnknownIssuer | E::BadSignature => BadCertificate::Untrusted,
        E::Expired | E::ExpiredContext { .. } => BadCertificate::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => BadCertificate::NotYetValid,
        E::NotValidForNameContext {
            expected,
            presented,
        } => BadCertificate::WrongName {
            asked: expected.to_str().into_owned(),
            names: presented.iter().map(|name| bare(name).to_owned()).collect(),
        },
        // The type of the inner error is not one of the library's interface.
        E::Other(error) if error.to_string() == "CaUsedAsEndEntity" => BadCertificate::OfAuthority,
        E::Other(error) => BadCertificate::Other(error.to_string()),
        error => BadCertificate::Other(error.to_string()),
    }
}

/// The name in `DnsName("rt.example.com")` and the like.
fn bare(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

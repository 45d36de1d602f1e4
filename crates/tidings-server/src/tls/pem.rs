//! The sections of a PEM file that TLS needs. It does not look into them.

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::{PemFile, TlsError};

type Section = (SectionKind, Vec<u8>);

/// All certificates, in their order; at least one.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let sections = sections(text, PemFile::Certificate)?;
    let has_key = sections.iter().any(is_key) || is_encrypted(text);
    let chain: Vec<_> = sections
        .into_iter()
        .filter_map(|(kind, der)| CertificateDer::from_pem(kind, der))
        .collect();
    match chain.is_empty() {
        true => Err(TlsError::NoCertificate { has_key }),
        false => Ok(chain),
    }
}

/// The one private key.
pub fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    // Its sections are none that could be read: with a header, or of a label of their own.
    if is_encrypted(text) {
        return Err(TlsError::EncryptedKey);
    }
    let sections = sections(text, PemFile::Key)?;
    let has_certificate = sections
        .iter()
        .any(|(kind, _)| *kind == SectionKind::Certificate);
    let mut keys: Vec<_> = sections
        .into_iter()
        .filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der))
        .collect();
    match (keys.pop(), keys.len()) {
        (Some(key), 0) => Ok(key),
        (Some(_), others) => Err(TlsError::SeveralKeys(others + 1)),
        (None, _) => Err(TlsError::NoKey { has_certificate }),
    }
}

fn sections(text: &[u8], file: PemFile) -> Result<Vec<Section>, TlsError> {
    if !holds(text, b"-----BEGIN ") {
        // The first byte of a DER sequence, which all of these are (X.690 section 8.9).
        let binary = text.first() == Some(&0x30);
        return Err(match binary {
            true => TlsError::Binary(file),
            false => TlsError::NotPem(file),
        });
    }
    // The library's error may quote a line, which may be one of a key.
    Section::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Damaged(file))
}

/// A key under a passphrase, in PKCS#8 (RFC 7468 section 11) or in the older form (RFC 1421).
fn is_encrypted(text: &[u8]) -> bool {
    holds(text, b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds(text, b"Proc-Type: 4,ENCRYPTED")
}

fn is_key((kind, _): &Section) -> bool {
    matches!(
        kind,
        SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
    )
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

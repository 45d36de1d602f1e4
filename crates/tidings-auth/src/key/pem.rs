//! PEM files with one key (RFC 7468).

use aws_lc_rs::rsa;
use rustls_pki_types::pem::{PemObject, SectionKind};

use super::KeyError;

/// The first section, if it can be read.
pub fn section(pem: &[u8]) -> Option<(SectionKind, Vec<u8>)> {
    PemObject::from_pem_slice(pem).ok()
}

/// The SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) in a file.
pub fn public_key(pem: &[u8]) -> Result<Vec<u8>, KeyError> {
    let (kind, der) = section(pem).ok_or(KeyError::NoPem)?;
    match kind {
        SectionKind::PublicKey => Ok(der),
        SectionKind::RsaPrivateKey | SectionKind::PrivateKey | SectionKind::EcPrivateKey => {
            Err(KeyError::Private)
        }
        SectionKind::Certificate => Err(KeyError::Certificate),
        _ => Err(KeyError::NoPem),
    }
}

/// Whether it is of 2048 to 8192 bits: with any other, no signature would ever be right.
pub fn rsa_size_is_right(der: &[u8]) -> bool {
    rsa::PublicKey::from_der(der).is_ok_and(|key| (256..=1024).contains(&key.modulus_len()))
}

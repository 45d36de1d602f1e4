//! What can be wrong with the files for TLS, each told with what to do. It holds nothing that stood
//! in a file.

use std::fmt;

/// One of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemFile {
    /// The one with the certificates.
    Certificate,
    /// The one with the private key.
    Key,
}

/// Why a certificate and a key cannot be served with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// Binary, as DER and PKCS#12 are.
    #[error("{0} is binary and not PEM: convert it, as with `openssl {command} -inform der -in FILE -out PEM-FILE`", command = .0.command())]
    Binary(PemFile),
    /// Empty, or without any PEM section.
    #[error("{0} is not PEM: it has no line that begins with `-----BEGIN`")]
    NotPem(PemFile),
    /// A section without its end, or with what is no base64.
    #[error("{0} is damaged: a PEM section in it has no end or is not base64; copy it again")]
    Damaged(PemFile),
    /// PEM, but no certificate in it.
    #[error("{file} holds no certificate{hint}", file = PemFile::Certificate, hint = swapped(*.has_key, "a private key"))]
    NoCertificate {
        /// It holds a private key.
        has_key: bool,
    },
    /// A certificate that cannot be read.
    #[error("certificate {number} in {file} cannot be read: {why}; X.509 version 3 is needed", file = PemFile::Certificate)]
    BadCertificate {
        /// The how many-eth it is, from 1.
        number: usize,
        /// What the library says.
        why: String,
    },
    /// PEM, but no private key in it.
    #[error("{file} holds no private key{hint}", file = PemFile::Key, hint = swapped(*.has_certificate, "a certificate"))]
    NoKey {
        /// It holds a certificate.
        has_certificate: bool,
    },
    /// A key under a passphrase.
    #[error(
        "the private key is encrypted and nobody is asked for its passphrase: decrypt it, as with `openssl pkey -in FILE -out PLAIN-FILE`, and let the server alone read it"
    )]
    EncryptedKey,
    /// More than one key.
    #[error("{file} holds {0} private keys: leave only that of the certificate in it", file = PemFile::Key)]
    SeveralKeys(usize),
    /// A key of a kind or size that is not used with TLS here.
    #[error(
        "the private key cannot be used: it has to be RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519"
    )]
    UnsupportedKey,
    /// The key is that of a later certificate in the chain.
    #[error("the private key belongs to certificate {number} in {file}: the server's own certificate has to stand first, those of its issuers after it", file = PemFile::Certificate)]
    LeafNotFirst {
        /// The how many-eth it is, from 1.
        number: usize,
    },
    /// The key is that of another certificate.
    #[error(
        "the private key does not belong to the certificate: give the key that this certificate was made for"
    )]
    KeyMismatch,
    /// The cryptographic library does not work on this machine.
    #[error("TLS cannot be set up: {0}")]
    Cryptography(String),
}

impl TlsError {
    /// The file that is to be mended; none if it is the two together or the machine.
    pub fn file(&self) -> Option<PemFile> {
        match self {
            Self::Binary(file) | Self::NotPem(file) | Self::Damaged(file) => Some(*file),
            Self::NoCertificate { .. }
            | Self::BadCertificate { .. }
            | Self::LeafNotFirst { .. } => Some(PemFile::Certificate),
            Self::NoKey { .. }
            | Self::EncryptedKey
            | Self::SeveralKeys(_)
            | Self::UnsupportedKey => Some(PemFile::Key),
            Self::KeyMismatch | Self::Cryptography(_) => None,
        }
    }
}

impl PemFile {
    /// The subcommand of openssl for what the file holds.
    fn command(self) -> &'static str {
        match self {
            Self::Certificate => "x509",
            Self::Key => "pkey",
        }
    }
}

impl fmt::Display for PemFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "the certificate file",
            Self::Key => "the key file",
        })
    }
}

fn swapped(holds_the_other: bool, other: &str) -> String {
    match holds_the_other {
        true => format!(", but {other}: are the two files swapped?"),
        false => String::new(),
    }
}

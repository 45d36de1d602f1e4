//! Keys that signatures are verified with. Each is for one algorithm, fixed when it is configured:
//! what a token says of its algorithm only ever excludes keys.

mod jwk;
mod pem;

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use jsonwebtoken::DecodingKey;

pub use jwk::{JwksError, read_set};
pub use pem::section as pem_section;

/// The shortest secret in bytes (RFC 7518 section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// How a token is signed (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256: one secret signs and verifies.
    Hs256,
    /// RSA, PKCS #1 version 1.5, with SHA-256; 2048 to 8192 bits.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All.
    pub const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in a token's header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name, which is case-sensitive.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }

    const fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

/// Why something is no key to verify with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret is too short; the number is its length in bytes.
    #[error(
        "a secret for HS256 has at least {SECRET_BYTES_MIN} bytes and this one has {0}: make one with `openssl rand -base64 48`"
    )]
    ShortSecret(usize),
    /// A private key where a public one belongs.
    #[error(
        "this is a private key, which the server must not have: give the public one, as of `openssl pkey -in KEY.pem -pubout`"
    )]
    Private,
    /// A certificate where a public key belongs.
    #[error(
        "this is a certificate: give its public key, as of `openssl x509 -in CERT.pem -noout -pubkey`"
    )]
    Certificate,
    /// No PEM, or none with a public key.
    #[error("this is no public key in PEM form (-----BEGIN PUBLIC KEY-----)")]
    NoPem,
    /// A key of another kind.
    #[error("this is no RSA key of 2048 to 8192 bits, no key on P-256 and no Ed25519 key")]
    Unsupported,
    /// A JWK that is none.
    #[error("this is no JSON Web Key of kty RSA, EC (P-256) or OKP (Ed25519)")]
    NoJwk,
    /// A JWK for another purpose or algorithm.
    #[error("this JSON Web Key is for another purpose (`use`, `key_ops`) or algorithm (`alg`)")]
    Purpose,
}

/// A key, and the one algorithm that it is for.
#[derive(Clone)]
pub struct VerificationKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerificationKey {
    /// A secret for HS256, as bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::ShortSecret`].
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(KeyError::ShortSecret(secret.len()));
        }
        Ok(Self {
            id: None,
            algorithm: Algorithm::Hs256,
            key: DecodingKey::from_secret(secret),
        })
    }

    /// A public key in PEM form (RFC 7468 section 13). Its kind says for which algorithm it is.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let der = pem::public_key(pem)?;
        let is = |algorithm| ParsedPublicKey::new(algorithm, &der).is_ok();
        let (algorithm, key) = if is(&ED25519 as &'static dyn VerificationAlgorithm) {
            (Algorithm::EdDsa, DecodingKey::from_ed_der(&der))
        } else if is(&ECDSA_P256_SHA256_FIXED) {
            (Algorithm::Es256, DecodingKey::from_ec_der(&der))
        } else if is(&RSA_PKCS1_2048_8192_SHA256) && pem::rsa_size_is_right(&der) {
            (Algorithm::Rs256, DecodingKey::from_rsa_der(&der))
        } else {
            return Err(KeyError::Unsupported);
        };
        Ok(Self {
            id: None,
            algorithm,
            key,
        })
    }

    /// A public key as JSON Web Key (RFC 7517). Its `alg`, or else its kind, says for which
    /// algorithm it is.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn from_jwk(json: &[u8]) -> Result<Self, KeyError> {
        let members = crate::json::parse_object(json).map_err(|_| KeyError::NoJwk)?;
        jwk::read(&members)
    }

    /// The same key under an id: a token that names another is not verified with it.
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self {
            id: Some(id.into()),
            ..self
        }
    }

    /// Its id (`kid`).
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the signature, as base64url, is of this message and key.
    pub(crate) fn verifies(&self, message: &str, signature: &str) -> bool {
        let algorithm = self.algorithm.of_library();
        jsonwebtoken::crypto::verify(signature, message.as_bytes(), &self.key, algorithm)
            .unwrap_or(false)
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, algorithm, .. } = self;
        write!(f, "VerificationKey({} {id:?})", algorithm.as_str())
    }
}

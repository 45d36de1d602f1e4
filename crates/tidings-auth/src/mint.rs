//! Signing of tokens, for the command line and for tests: a server only verifies.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
};
use base64::Engine;
use rustls_pki_types::pem::SectionKind;
use serde_json::{Map, Value, json};

use crate::key::{Algorithm, KeyError, SECRET_BYTES_MIN, pem_section};

/// Why nothing can be signed with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintError {
    /// A secret that is too short.
    #[error(transparent)]
    Secret(KeyError),
    /// A public key.
    #[error("this is a public key: tokens are signed with the private one")]
    Public,
    /// A key that only a password opens.
    #[error(
        "this key is encrypted: open it first, as with `openssl pkey -in KEY.pem -out OPEN.pem`"
    )]
    Encrypted,
    /// No PEM, or none with a private key.
    #[error("this is no private key in PEM form (-----BEGIN PRIVATE KEY-----)")]
    NoPem,
    /// A key of another kind.
    #[error("this is no private key of RSA (2048 to 8192 bits), P-256 or Ed25519")]
    Unsupported,
    /// The library refuses, as for want of random numbers.
    #[error("the signature could not be made")]
    Failed,
}

/// A key that signs tokens with the one algorithm that it is for.
pub struct SigningKey(Kind);

enum Kind {
    Secret(Box<hmac::Key>),
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// A secret for HS256, as bytes.
    ///
    /// # Errors
    ///
    /// [`MintError::Secret`].
    pub fn from_secret(secret: &[u8]) -> Result<Self, MintError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(MintError::Secret(KeyError::ShortSecret(secret.len())));
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Ok(Self(Kind::Secret(key.into())))
    }

    /// A private key in PEM form: PKCS #8, or as older tools write it, PKCS #1 and SEC 1.
    ///
    /// # Errors
    ///
    /// [`MintError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, MintError> {
        let (kind, der) = pem_section(pem).ok_or_else(|| no_section(pem))?;
        match kind {
            SectionKind::PrivateKey => from_pkcs8(&der),
            SectionKind::RsaPrivateKey => RsaKeyPair::from_der(&der).ok().and_then(rsa),
            SectionKind::EcPrivateKey => {
                EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der)
                    .ok()
                    .map(Kind::P256)
            }
            SectionKind::PublicKey => return Err(MintError::Public),
            _ => return Err(MintError::NoPem),
        }
        .map(Self)
        .ok_or(MintError::Unsupported)
    }

    /// What it is for.
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Kind::Secret(_) => Algorithm::Hs256,
            Kind::Rsa(_) => Algorithm::Rs256,
            Kind::P256(_) => Algorithm::Es256,
            Kind::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// A token with these claims, whatever they are, under the id of the key where it has one.
    ///
    /// # Errors
    ///
    /// [`MintError::Failed`].
    pub fn mint(
        &self,
        key_id: Option<&str>,
        claims: &Map<String, Value>,
    ) -> Result<String, MintError> {
        let mut header = json!({ "alg": self.algorithm().as_str(), "typ": "JWT" });
        if let Some(id) = key_id {
            header["kid"] = id.into();
        }
        let part = |json: String| crate::BASE64.encode(json);
        let claims = part(serde_json::to_string(claims).map_err(|_| MintError::Failed)?);
        let message = format!("{}.{claims}", part(header.to_string()));
        let signature = crate::BASE64.encode(self.signature(message.as_bytes())?);
        Ok(format!("{message}.{signature}"))
    }

    /// The signature of bytes.
    ///
    /// # Errors
    ///
    /// [`MintError::Failed`].
    pub fn signature(&self, message: &[u8]) -> Result<Vec<u8>, MintError> {
        let failed = |_| MintError::Failed;
        let random = SystemRandom::new();
        Ok(match &self.0 {
            Kind::Secret(key) => hmac::sign(key, message).as_ref().to_vec(),
            Kind::P256(key) => key
                .sign(&random, message)
                .map_err(failed)?
                .as_ref()
                .to_vec(),
            Kind::Ed25519(key) => key.try_sign(message).map_err(failed)?.as_ref().to_vec(),
            Kind::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(failed)?;
                signature
            }
        })
    }
}

fn no_section(pem: &[u8]) -> MintError {
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    match pem.windows(encrypted.len()).any(|part| part == encrypted) {
        true => MintError::Encrypted,
        false => MintError::NoPem,
    }
}

fn from_pkcs8(der: &[u8]) -> Option<Kind> {
    let ed25519 = || {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(der)
            .ok()
            .map(Kind::Ed25519)
    };
    let p256 = || {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .ok()
            .map(Kind::P256)
    };
    let of_rsa = || RsaKeyPair::from_pkcs8(der).ok().and_then(rsa);
    ed25519().or_else(p256).or_else(of_rsa)
}

fn rsa(pair: RsaKeyPair) -> Option<Kind> {
    let right = (256..=1024).contains(&pair.public_modulus_len());
    right.then(|| Kind::Rsa(Box::new(pair)))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm().as_str())
    }
}

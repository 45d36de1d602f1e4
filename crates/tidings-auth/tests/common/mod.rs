//! Keys of every algorithm, and tokens signed with them, good or not.

// Every test file uses some of it.
#![allow(dead_code)]

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tidings_auth::{Issuer, KeySource, SigningKey, VerificationKey, Verifier};

pub const BASE64: base64::engine::GeneralPurpose = URL_SAFE_NO_PAD;

/// When all is verified.
pub const NOW: u64 = 1_800_000_000;

/// A key in all its forms.
pub struct Key {
    pub signing: SigningKey,
    pub verifying: VerificationKey,
    /// The public key; for HMAC the secret.
    pub pem: String,
    pub der: Vec<u8>,
    pub jwk: Vec<u8>,
    /// The private key.
    pub private_pem: String,
}

/// One of each algorithm: HS256, RS256, ES256, EdDSA.
pub fn keys() -> &'static [Key; 4] {
    static KEYS: OnceLock<[Key; 4]> = OnceLock::new();
    KEYS.get_or_init(|| [secret(1), rsa(), p256(), ed25519()])
}

/// Others.
pub fn more_keys() -> &'static [Key; 4] {
    static KEYS: OnceLock<[Key; 4]> = OnceLock::new();
    KEYS.get_or_init(|| [secret(2), rsa(), p256(), ed25519()])
}

fn secret(byte: u8) -> Key {
    let secret = [byte; 32];
    Key {
        signing: SigningKey::from_secret(&secret).unwrap(),
        verifying: VerificationKey::from_secret(&secret).unwrap(),
        pem: String::new(),
        der: Vec::new(),
        jwk: Vec::new(),
        private_pem: String::new(),
    }
}

pub fn rsa() -> Key {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key();
    let number = |bytes: &[u8]| BASE64.encode(bytes);
    let jwk = json!({
        "kty": "RSA",
        "n": number(public.modulus().big_endian_without_leading_zero()),
        "e": number(public.exponent().big_endian_without_leading_zero()),
    });
    let private: Pkcs8V1Der = pair.as_der().unwrap();
    of_pair(private.as_ref(), public.as_der().unwrap(), jwk)
}

pub fn p256() -> Key {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = pair.public_key().as_ref();
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": BASE64.encode(&point[1..33]), "y": BASE64.encode(&point[33..]),
    });
    let private = pair.to_pkcs8v1().unwrap();
    of_pair(private.as_ref(), pair.public_key().as_der().unwrap(), jwk)
}

pub fn ed25519() -> Key {
    let pair = Ed25519KeyPair::generate().unwrap();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": BASE64.encode(pair.public_key()) });
    let private = pair.to_pkcs8v1().unwrap();
    of_pair(private.as_ref(), pair.public_key().as_der().unwrap(), jwk)
}

fn of_pair(private: &[u8], public: PublicKeyX509Der, jwk: Value) -> Key {
    let private_pem = pem("PRIVATE KEY", private);
    let public_pem = pem("PUBLIC KEY", public.as_ref());
    Key {
        signing: SigningKey::from_pem(private_pem.as_bytes()).unwrap(),
        verifying: VerificationKey::from_pem(public_pem.as_bytes()).unwrap(),
        pem: public_pem,
        der: public.as_ref().to_vec(),
        jwk: jwk.to_string().into_bytes(),
        private_pem,
    }
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// What a good token says.
pub fn claims() -> Value {
    json!({ "sub": "alice", "exp": NOW + 60 })
}

pub fn token(key: &SigningKey, header: Value, claims: Value) -> String {
    raw_token(key, &header.to_string(), &claims.to_string())
}

pub fn raw_token(key: &SigningKey, header: &str, payload: &str) -> String {
    raw_token_bytes(key, header, payload.as_bytes())
}

pub fn raw_token_bytes(key: &SigningKey, header: &str, payload: &[u8]) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(payload));
    let signature = key.signature(message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64.encode(signature))
}

pub fn issuer(name: &str, iss: Option<&str>, keys: Vec<VerificationKey>) -> Issuer {
    Issuer {
        name: name.into(),
        issuer: iss.map(str::to_owned),
        audience: None,
        keys: KeySource::Static(keys),
    }
}

pub fn verifier(issuers: Vec<Issuer>) -> Verifier {
    Verifier::new(issuers).unwrap()
}

pub fn verifier_of(keys: Vec<VerificationKey>) -> Verifier {
    verifier(vec![issuer("main", None, keys)])
}

//! Who somebody is, as functions of bytes and time: tokens, keys of backends, sessions, tickets.
//!
//! A [`Verifier`] and [`ApiKeys`] make [`Claims`](tidings_core::Claims) of what a request brought;
//! what those allow is decided in `tidings-core`. Deliberately absent: I/O, a clock, randomness,
//! HTTP. Time is Unix time in seconds that the caller gives, random bytes come in likewise, and
//! nothing in a token ever leads to a request.
//!
//! No error here shows any part of a secret or of a token's text.
//!
//! Read [`Verifier`] and [`read_claims`] first.

mod api_keys;
mod claims;
mod explain;
mod json;
mod jwks_schedule;
mod key;
mod mint;
mod session;
mod ticket;
mod token;
mod verifier;

pub use api_keys::{
    ApiKey, ApiKeys, ApiKeysError, HashError, KeyNameError, KeyText, hash_text, parse_hash,
};
pub use claims::{ClaimError, LATEST, read_claims};
pub use explain::explain;
pub use json::{JsonError, parse_object};
pub use jwks_schedule::JwksSchedule;
pub use key::{Algorithm, JwksError, KeyError, SECRET_BYTES_MIN, VerificationKey};
pub use mint::{MintError, SigningKey};
pub use session::{SessionError, Sessions, ShortSecret};
pub use ticket::{digest as ticket_digest, generate as ticket};
pub use token::TOKEN_BYTES_MAX;
pub use verifier::{Issuer, IssuersError, KeySource, TokenError, Verifier};

use aws_lc_rs::digest::{SHA256, digest};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How bytes are written in everything here (RFC 4648 section 5): without padding, and in one way.
const BASE64: base64::engine::GeneralPurpose = URL_SAFE_NO_PAD;

/// The SHA-256 of bytes: what stands for a secret where it is looked up or remembered.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

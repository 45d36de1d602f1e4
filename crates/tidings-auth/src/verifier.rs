//! Tokens (JSON Web Tokens, RFC 7519) to [`Claims`].
//!
//! **Which issuer.** The token's `iss`, unverified as it is, only selects among those that are
//! configured: the issuer with exactly that `iss`, else the one that is configured without. So
//! there is one at most, and its keys alone are tried. **Which key.** One of the token's algorithm
//! and `kid`; where the token or the key has no `kid`, of its algorithm. Keys are held per issuer,
//! so equal ids of two issuers never meet.
//!
//! Nothing here fetches: keys of a remote issuer are handed in, see [`Verifier::install`].

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tidings_core::Claims;

use crate::claims::{ClaimError, read_claims};
use crate::json::JsonError;
use crate::key::{Algorithm, JwksError, VerificationKey, read_set};
use crate::token::{self, Token};

/// Keys with which one signature is verified at most.
const TRIES: usize = 8;

/// Who signs tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its name in the configuration; a backend with a token without `sub` is called so.
    pub name: String,
    /// Its tokens carry exactly this `iss`; `None`: it signs those that no other issuer does.
    pub issuer: Option<String>,
    /// Its tokens are for this `aud`; `None`: they carry none.
    pub audience: Option<String>,
    /// Where its keys are from.
    pub keys: KeySource,
}

/// Where the keys of an issuer are from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// They are configured.
    Static(Vec<VerificationKey>),
    /// They are fetched by somebody else and handed in; until then there are none.
    Remote {
        /// From here.
        url: String,
        /// Keys of this algorithm alone are taken; `None`: each of its own, as the set says it.
        algorithm: Option<Algorithm>,
    },
}

/// Why issuers do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuersError {
    /// Two of one name.
    #[error("two issuers are called {0:?}")]
    SameName(String),
    /// Two with one `iss`, or without.
    #[error(
        "the issuers {0:?} and another have the same `issuer`, or none: of its tokens nobody could say whose they are"
    )]
    SameIssuer(String),
    /// No keys.
    #[error("the issuer {0:?} has no key")]
    NoKeys(String),
}

/// Why a token is not believed. No variant holds a part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Too long.
    #[error("the token has more than {} bytes", token::TOKEN_BYTES_MAX)]
    TooLong,
    /// No token.
    #[error("this is no token (JWT): {0}")]
    Malformed(&'static str),
    /// A part of it cannot be read.
    #[error("this is no token (JWT): of {0}, {1}")]
    NoObject(&'static str, JsonError),
    /// What it asks for is not done here.
    #[error("tokens of this kind are not taken: {0}")]
    Unsupported(&'static str),
    /// Its `alg` is none of those known, or of no key of its issuer.
    #[error("the token's `alg` is not one that its issuer signs with here")]
    Algorithm,
    /// Its `iss` is of nobody.
    #[error("the token's `iss` is of no configured issuer")]
    UnknownIssuer,
    /// Its issuer has no key of this id, now: newer keys may have it.
    #[error("the token is signed with a key that is not known of its issuer (`kid`)")]
    UnknownKey {
        /// Which of the issuers, in their order.
        issuer: usize,
    },
    /// Another key signed it, or something else.
    #[error("the token's signature is wrong")]
    Signature,
    /// It is for somebody else.
    #[error("the token is not for this server: its `aud` and the configured `audience` differ")]
    Audience,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the token is not valid yet (`nbf`); compare the clocks")]
    NotYetValid,
    /// A claim is not what it should be.
    #[error("a claim of the token is wrong: {0}")]
    Claim(ClaimError),
}

impl From<ClaimError> for TokenError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::Expired => Self::Expired,
            ClaimError::NotYetValid => Self::NotYetValid,
            other => Self::Claim(other),
        }
    }
}

/// Verifies tokens of some issuers.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<Held>,
    leeway: u64,
}

/// An issuer with its keys of now.
#[derive(Debug)]
struct Held {
    issuer: Issuer,
    keys: ArcSwap<Vec<VerificationKey>>,
}

impl Verifier {
    /// Seconds by which the clocks of an issuer and this machine may differ.
    pub const LEEWAY: u64 = 5;

    /// For these issuers.
    ///
    /// # Errors
    ///
    /// [`IssuersError`].
    pub fn new(issuers: Vec<Issuer>) -> Result<Self, IssuersError> {
        let (mut names, mut ids) = (HashSet::new(), HashSet::new());
        for issuer in &issuers {
            let name = || issuer.name.clone();
            if !names.insert(&issuer.name) {
                return Err(IssuersError::SameName(name()));
            }
            if !ids.insert(issuer.issuer.as_deref()) {
                return Err(IssuersError::SameIssuer(name()));
            }
            if matches!(&issuer.keys, KeySource::Static(keys) if keys.is_empty()) {
                return Err(IssuersError::NoKeys(name()));
            }
        }
        Ok(Self {
            issuers: issuers.into_iter().map(Held::new).collect(),
            leeway: Self::LEEWAY,
        })
    }

    /// The same with other seconds of leeway, at most 300.
    pub fn with_leeway(self, seconds: u64) -> Self {
        Self {
            leeway: seconds.min(300),
            ..self
        }
    }

    /// Whether there is nobody whose tokens are believed.
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// The issuers whose keys are fetched: their index and URL.
    pub fn remotes(&self) -> impl Iterator<Item = (usize, &str)> {
        self.issuers
            .iter()
            .enumerate()
            .filter_map(|(at, held)| match &held.issuer.keys {
                KeySource::Remote { url, .. } => Some((at, url.as_str())),
                KeySource::Static(_) => None,
            })
    }

    /// What a token says, if it is right: signed by one of the issuers, for this server, and valid at
    /// `now`, in Unix seconds.
    ///
    /// # Errors
    ///
    /// [`TokenError`].
    pub fn verify(&self, text: &str, now: u64) -> Result<Claims, TokenError> {
        let token = token::split(text)?;
        let (at, held) = self.issuer_of(&token.payload)?;
        held.check_signature(at, &token)?;
        held.check_audience(&token.payload)?;
        Ok(read_claims(
            &token.payload,
            &held.issuer.name,
            now,
            self.leeway,
        )?)
    }

    /// Takes the keys of a remote issuer from its set (JWKS), and says how many can be used. After an
    /// error the keys are those of before.
    ///
    /// # Errors
    ///
    /// [`JwksError`].
    pub fn install(&self, issuer: usize, jwks: &[u8]) -> Result<usize, JwksError> {
        let held = self.issuers.get(issuer).ok_or(JwksError::NotRemote)?;
        let KeySource::Remote { algorithm, .. } = held.issuer.keys else {
            return Err(JwksError::NotRemote);
        };
        let mut keys = read_set(jwks)?;
        keys.retain(|key| algorithm.is_none_or(|only| key.algorithm() == only));
        if keys.is_empty() {
            return Err(JwksError::NoKeys);
        }
        let count = keys.len();
        held.keys.store(Arc::new(keys));
        Ok(count)
    }

    /// Takes the keys that another verifier has fetched for the same issuers from the same places:
    /// nobody has to wait until they are fetched anew.
    pub fn keep_keys_of(&self, other: &Self) {
        for held in &self.issuers {
            let same = |known: &&Held| known.issuer.is_fetched_like(&held.issuer);
            if let Some(known) = other.issuers.iter().find(same) {
                held.keys.store(known.keys.load_full());
            }
        }
    }

    fn issuer_of(&self, payload: &Map<String, Value>) -> Result<(usize, &Held), TokenError> {
        let named = match payload.get("iss") {
            None => None,
            Some(Value::String(iss)) => Some(iss.as_str()),
            Some(_) => return Err(TokenError::Claim(ClaimError::Kind("iss", "a text"))),
        };
        let of = |id: Option<&str>| {
            let mut all = self.issuers.iter().enumerate();
            all.find(|(_, held)| held.issuer.issuer.as_deref() == id)
        };
        of(named)
            .or_else(|| of(None))
            .ok_or(TokenError::UnknownIssuer)
    }
}

impl Issuer {
    fn is_fetched_like(&self, other: &Self) -> bool {
        let remote = |issuer: &Self| match &issuer.keys {
            KeySource::Remote { url, algorithm } => Some((url.clone(), *algorithm)),
            KeySource::Static(_) => None,
        };
        self.issuer == other.issuer && remote(self).is_some() && remote(self) == remote(other)
    }
}

impl Held {
    fn new(issuer: Issuer) -> Self {
        let keys = match &issuer.keys {
            KeySource::Static(keys) => keys.clone(),
            KeySource::Remote { .. } => Vec::new(),
        };
        Self {
            issuer,
            keys: ArcSwap::from_pointee(keys),
        }
    }

    fn check_signature(&self, at: usize, token: &Token) -> Result<(), TokenError> {
        let keys = self.keys.load();
        let named = |key: &&VerificationKey| match (&token.key_id, key.id()) {
            (Some(asked), Some(id)) => asked == id,
            _ => true,
        };
        let mut fitting = keys.iter().filter(named).peekable();
        if fitting.peek().is_none() {
            return Err(TokenError::UnknownKey { issuer: at });
        }
        let mut tried = fitting
            .filter(|key| key.algorithm() == token.algorithm)
            .take(TRIES)
            .peekable();
        if tried.peek().is_none() {
            return Err(TokenError::Algorithm);
        }
        match tried.any(|key| key.verifies(token.message, token.signature)) {
            true => Ok(()),
            false => Err(TokenError::Signature),
        }
    }

    /// RFC 7519 section 4.1.3: who is not named by an `aud` must not take the token.
    fn check_audience(&self, payload: &Map<String, Value>) -> Result<(), TokenError> {
        let wanted = self.issuer.audience.as_deref();
        let is_ours = match payload.get("aud") {
            None => wanted.is_none(),
            Some(Value::String(one)) => wanted == Some(one),
            Some(Value::Array(list)) if list.iter().all(Value::is_string) => {
                wanted.is_some_and(|wanted| list.iter().any(|one| one == wanted))
            }
            Some(_) => {
                return Err(TokenError::Claim(ClaimError::Kind(
                    "aud",
                    "a text or a list of texts",
                )));
            }
        };
        match is_ours {
            true => Ok(()),
            false => Err(TokenError::Audience),
        }
    }
}

//! Tokens of all issuers, with the task that keeps the keys of remote ones fresh.

use std::sync::Arc;
use std::time::Duration;

use tidings_auth::{TokenError, Verifier};
use tidings_core::Claims;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::outbound::{Jwks, Outbound, OutboundError};

/// How long a token waits for the key that it names, if that is being fetched.
const FETCH: Duration = Duration::from_secs(2);

/// Verifies tokens. Dropped, it fetches no longer.
pub struct Tokens {
    verifier: Arc<Verifier>,
    remote: Option<(Jwks, AbortHandle)>,
}

impl Tokens {
    /// Of no issuer.
    pub fn none() -> Self {
        let verifier = Verifier::new(Vec::new()).expect("no issuers are in nobody's way");
        Self {
            verifier: Arc::new(verifier),
            remote: None,
        }
    }

    /// Of these issuers. Keys of remote ones are fetched from now on, so a Tokio runtime must be
    /// there.
    ///
    /// # Errors
    /// The URL of an issuer is none to fetch from.
    pub fn new(verifier: Verifier, outbound: Outbound) -> Result<Self, OutboundError> {
        let verifier = Arc::new(verifier);
        if verifier.remotes().next().is_none() {
            return Ok(Self {
                verifier,
                remote: None,
            });
        }
        let jwks = Jwks::new(verifier.clone(), outbound)?;
        let task = tokio::spawn(jwks.clone().run()).abort_handle();
        Ok(Self {
            verifier,
            remote: Some((jwks, task)),
        })
    }

    /// Takes over the keys that others have fetched.
    pub fn keep_keys_of(&self, other: &Self) {
        self.verifier.keep_keys_of(&other.verifier);
    }

    /// Whether there is no issuer.
    pub fn is_empty(&self) -> bool {
        self.verifier.is_empty()
    }

    /// What a token says. One that names a key which its issuer is not known to have makes the keys
    /// be fetched, and waits for them a moment.
    pub async fn verify(&self, token: &str, now_s: u64) -> Result<Claims, TokenError> {
        let first = self.verifier.verify(token, now_s);
        let (Err(TokenError::UnknownKey { issuer }), Some((jwks, _))) = (&first, &self.remote)
        else {
            return first;
        };
        let Some(mut fetches) = jwks.fetches(*issuer) else {
            return first;
        };
        jwks.unknown_key(*issuer);
        // In vain where the keys were fetched just now: the key does not exist.
        let _ = timeout(FETCH, fetches.changed()).await;
        self.verifier.verify(token, now_s)
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.remote {
            task.abort();
        }
    }
}

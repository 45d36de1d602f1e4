//! What one client is entitled to now, shared by all its streams.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_core::Claims;
use tidings_protocol::Problem;

/// The claims of one client. They change when it shows a newer token, and end when it is revoked;
/// its streams see that by the version.
#[derive(Debug)]
pub struct Standing {
    state: Mutex<State>,
    version: AtomicU32,
}

#[derive(Debug)]
struct State {
    claims: Arc<Claims>,
    ended: Option<Box<Problem>>,
}

impl Standing {
    /// Of a client that has just come.
    pub fn new(claims: Arc<Claims>) -> Self {
        Self {
            state: Mutex::new(State {
                claims,
                ended: None,
            }),
            version: AtomicU32::new(0),
        }
    }

    /// What is known of it now.
    pub fn claims(&self) -> Arc<Claims> {
        self.lock().claims.clone()
    }

    /// Takes what a token says that came now. One that was issued before the one that is known
    /// changes nothing: the refresh of one stream is not undone by the reconnect of another. True:
    /// it was taken.
    pub fn renew(&self, claims: &Arc<Claims>, now_s: u64) -> bool {
        let mut state = self.lock();
        let older =
            matches!((claims.issued, state.claims.issued), (Some(new), Some(known)) if new < known);
        let holds = state.claims.expires.is_none_or(|expires| now_s < expires);
        if older && holds || state.claims == *claims {
            return false;
        }
        state.claims = claims.clone();
        self.version.fetch_add(1, Ordering::Release);
        true
    }

    /// Ends it: all streams end with this.
    pub fn end(&self, problem: Problem) {
        self.lock().ended = Some(Box::new(problem));
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Why it ended.
    pub fn ended(&self) -> Option<Problem> {
        self.lock().ended.as_deref().cloned()
    }

    /// Changes with everything that happens to it.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

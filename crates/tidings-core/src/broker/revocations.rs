//! Revocations: whose tokens are refused although nothing is wrong with them.
//!
//! Each node holds all of them, so that asking costs nothing; a broker brings them there.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::BrokerError;
use crate::message::ClientId;
use crate::rights::Claims;

/// Whom or what a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// All tokens of a user that were issued up to then, and those that do not say when.
    User(Arc<str>),
    /// A client, whatever its token.
    Client(ClientId),
    /// One token, by its id (`jti`, RFC 7519 section 4.1.7).
    Token(Arc<str>),
}

/// A revocation. Times are Unix seconds, as in tokens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revocation {
    /// Whom or what it is about.
    pub subject: Subject,
    /// Tokens of a user are refused that were issued then or before.
    pub at: u64,
    /// Afterwards it is forgotten: no token that it is about is valid any longer.
    pub until: u64,
}

/// Somebody is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this token, its user or its client was revoked; sign in again to get another token")]
pub struct Revoked;

/// The revocations that hold.
#[derive(Debug)]
pub struct Revocations {
    /// Only ever read to see whether it has changed.
    generation: AtomicU64,
    held: AtomicUsize,
    lists: RwLock<Lists>,
    count_max: usize,
}

#[derive(Debug, Default)]
struct Lists {
    users: HashMap<Arc<str>, Times>,
    clients: HashMap<ClientId, Times>,
    tokens: HashMap<Arc<str>, Times>,
    /// No revocation ends before: until then there is nothing to sweep.
    soonest: u64,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    at: u64,
    until: u64,
}

impl Revocations {
    /// None, and room for so many.
    pub fn new(count_max: usize) -> Self {
        Self {
            generation: AtomicU64::new(0),
            held: AtomicUsize::new(0),
            lists: RwLock::default(),
            count_max,
        }
    }

    /// Whether somebody is refused at this Unix second. Costs one load while there are none.
    pub fn check(
        &self,
        claims: &Claims,
        client: Option<ClientId>,
        now: u64,
    ) -> Result<(), Revoked> {
        if self.held.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        let holds = |times: &Times| now <= times.until;
        let user = claims.user.as_ref().and_then(|user| lists.users.get(user));
        let client = client.and_then(|client| lists.clients.get(&client));
        let token = claims.id.as_ref().and_then(|id| lists.tokens.get(id));
        let user = user.filter(|times| claims.issued.is_none_or(|issued| issued <= times.at));
        match [user, client, token].into_iter().flatten().any(holds) {
            true => Err(Revoked),
            false => Ok(()),
        }
    }

    /// A number that changes with every revocation. Whoever asks again only when it has changed reads
    /// it *before* [`check`](Self::check), so that none slips in between.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// All that hold at this Unix second, in order.
    pub fn list(&self, now: u64) -> Vec<Revocation> {
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        let text = |(name, times): (&Arc<str>, &Times)| (name.clone(), *times);
        let users = lists.users.iter().map(text);
        let tokens = lists.tokens.iter().map(text);
        let clients = lists.clients.iter();
        let mut all: Vec<_> = users
            .map(|(user, times)| (Subject::User(user), times))
            .chain(clients.map(|(&client, &times)| (Subject::Client(client), times)))
            .chain(tokens.map(|(id, times)| (Subject::Token(id), times)))
            .filter(|(_, times)| now <= times.until)
            .map(|(subject, Times { at, until })| Revocation { subject, at, until })
            .collect();
        drop(lists);
        all.sort_unstable();
        all
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes one, for the broker that brings it. Another about the same never makes it weaker.
    pub fn add(&self, revocation: Revocation, now: u64) -> Result<(), BrokerError> {
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        if lists.len() >= self.count_max && !lists.holds(&revocation.subject) {
            lists.sweep(now);
            if lists.len() >= self.count_max {
                self.held.store(lists.len(), Ordering::Release);
                return Err(BrokerError::TooManyRevocations);
            }
        }
        lists.add(revocation);
        self.held.store(lists.len(), Ordering::Release);
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Forgets those that were over before this Unix second.
    pub fn sweep(&self, now: u64) {
        if self.is_empty() {
            return;
        }
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        lists.sweep(now);
        self.held.store(lists.len(), Ordering::Release);
    }
}

impl Lists {
    fn len(&self) -> usize {
        self.users.len() + self.clients.len() + self.tokens.len()
    }

    fn holds(&self, subject: &Subject) -> bool {
        match subject {
            Subject::User(user) => self.users.contains_key(user),
            Subject::Client(client) => self.clients.contains_key(client),
            Subject::Token(id) => self.tokens.contains_key(id),
        }
    }

    fn add(&mut self, Revocation { subject, at, until }: Revocation) {
        self.soonest = match self.len() {
            0 => until,
            _ => self.soonest.min(until),
        };
        let times = Times { at, until };
        match subject {
            Subject::User(user) => merge(&mut self.users, user, times),
            Subject::Client(client) => merge(&mut self.clients, client, times),
            Subject::Token(id) => merge(&mut self.tokens, id, times),
        }
    }

    fn sweep(&mut self, now: u64) {
        if self.soonest >= now {
            return;
        }
        let mut soonest = u64::MAX;
        let mut keep = |times: &Times| {
            let kept = now <= times.until;
            if kept {
                soonest = soonest.min(times.until);
            }
            kept
        };
        self.users.retain(|_, times| keep(times));
        self.clients.retain(|_, times| keep(times));
        self.tokens.retain(|_, times| keep(times));
        self.soonest = soonest;
        if self.len() == 0 {
            *self = Self::default();
        }
    }
}

fn merge<K: Eq + Hash>(list: &mut HashMap<K, Times>, key: K, times: Times) {
    let held = list.entry(key).or_insert(times);
    held.at = held.at.max(times.at);
    held.until = held.until.max(times.until);
}

#[cfg(test)]
mod tests;

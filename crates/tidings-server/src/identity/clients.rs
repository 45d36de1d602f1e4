//! The clients that have streams open here, and the stay of one stream among them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_core::{Claims, ClientId, Limits, Signal};
use tidings_protocol::{Code, Problem};
use tokio::time::Instant;

use super::{Standing, Who};
use crate::app::App;

const SHARDS: usize = 16;

/// The key by which a stream is woken for another reason than a message.
const NO_CHANNEL: u32 = u32::MAX;

/// A token that ends later than this ends then: so far no timer reaches.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// All clients with open streams.
#[derive(Default)]
pub struct Clients {
    shards: [Mutex<HashMap<ClientId, Client>>; SHARDS],
    /// Streams of each user that has some.
    users: Mutex<HashMap<Arc<str>, usize>>,
}

struct Client {
    standing: Arc<Standing>,
    signals: Vec<Arc<Signal>>,
}

impl Clients {
    /// Whether a client may open one more stream. Those that ask at the same moment may all be let
    /// in: it bounds, and does not count to the last one.
    pub fn have_room(
        &self,
        client: ClientId,
        claims: &Claims,
        limits: &Limits,
    ) -> Result<(), Problem> {
        let of_client = self
            .shard(client)
            .get(&client)
            .map_or(0, |c| c.signals.len());
        let user = claims.user.as_ref();
        let of_user = user.map_or(0, |user| lock(&self.users).get(user).copied().unwrap_or(0));
        let (whose, max) = match () {
            () if of_client >= limits.streams_per_client => ("client", limits.streams_per_client),
            () if of_user >= limits.streams_per_user => ("user", limits.streams_per_user),
            () => return Ok(()),
        };
        let detail = format!("one {whose} has at most {max} streams at once; end one first");
        Err(Problem::new(Code::TooManyRequests, detail))
    }

    /// Lets a client show a newer token, and wakes its streams; gives the claims that are in force.
    pub fn renew(&self, client: ClientId, claims: &Arc<Claims>) -> Arc<Claims> {
        let shard = self.shard(client);
        let Some(client) = shard.get(&client) else {
            return claims.clone();
        };
        if client.standing.renew(claims) {
            client.wake();
        }
        client.standing.claims()
    }

    /// Ends the standing of every client for which `why` knows a reason; gives how many.
    pub fn end(&self, why: impl Fn(ClientId, &Claims) -> Option<Problem>) -> usize {
        let mut ended = 0;
        for shard in &self.shards {
            for (id, client) in lock(shard).iter() {
                if let Some(problem) = why(*id, &client.standing.claims()) {
                    client.standing.end(problem);
                    client.wake();
                    ended += 1;
                }
            }
        }
        ended
    }

    /// Wakes all streams.
    pub fn wake_all(&self) {
        for shard in &self.shards {
            lock(shard).values().for_each(Client::wake);
        }
    }

    /// A stream begins: of a client that is here already, or not yet.
    fn enter(&self, id: ClientId, claims: &Arc<Claims>, signal: &Arc<Signal>) -> Arc<Standing> {
        let mut shard = self.shard(id);
        let client = match shard.entry(id) {
            Entry::Occupied(entry) => {
                let client = entry.into_mut();
                if client.standing.ended().is_some() {
                    // Those that were ended still have it; who comes now was let in anew.
                    client.standing = Arc::new(Standing::new(claims.clone()));
                } else if client.standing.renew(claims) {
                    client.wake();
                }
                client
            }
            Entry::Vacant(entry) => entry.insert(Client {
                standing: Arc::new(Standing::new(claims.clone())),
                signals: Vec::with_capacity(1),
            }),
        };
        client.signals.push(signal.clone());
        if let Some(user) = &claims.user {
            *lock(&self.users).entry(user.clone()).or_default() += 1;
        }
        client.standing.clone()
    }

    fn leave(&self, id: ClientId, user: Option<&Arc<str>>, signal: &Arc<Signal>) {
        if let Some(user) = user {
            let mut users = lock(&self.users);
            if let Some(streams) = users.get_mut(user) {
                *streams -= 1;
                if *streams == 0 {
                    users.remove(user);
                }
            }
        }
        let mut shard = self.shard(id);
        if let Entry::Occupied(mut entry) = shard.entry(id) {
            let signals = &mut entry.get_mut().signals;
            signals.retain(|known| !Arc::ptr_eq(known, signal));
            if signals.is_empty() {
                entry.remove();
            }
        }
    }

    fn shard(&self, client: ClientId) -> MutexGuard<'_, HashMap<ClientId, Client>> {
        // An id is random.
        lock(&self.shards[client.0 as usize % SHARDS])
    }
}

impl Client {
    fn wake(&self) {
        for signal in &self.signals {
            signal.ring(NO_CHANNEL);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream's stay: what it must know of its client while it is open.
pub struct Stay {
    app: Arc<App>,
    client: ClientId,
    /// The user that it counts for.
    user: Option<Arc<str>>,
    standing: Arc<Standing>,
    signal: Arc<Signal>,
    /// The versions of the standing and of the rules that it has seen; `None`: none since it came.
    seen: Option<(u32, u32)>,
    expires: Option<Instant>,
    warned: bool,
}

/// What a stream has to act on.
#[derive(Debug)]
pub enum News {
    /// It ends, for this.
    Ended(Problem),
    /// What it may has to be looked at again.
    Rights,
    /// Its token ends in so many milliseconds.
    Expiring(u64),
}

impl Stay {
    /// Begins with claims that were checked a moment ago.
    pub fn new(app: &Arc<App>, client: ClientId, who: &Who, signal: &Arc<Signal>) -> Self {
        let claims = &who.claims;
        let standing = app.clients.enter(client, claims, signal);
        let mut stay = Self {
            app: app.clone(),
            client,
            user: claims.user.clone(),
            seen: None,
            standing,
            signal: signal.clone(),
            expires: None,
            warned: false,
        };
        stay.look_again();
        if app.stopping() {
            signal.ring(NO_CHANNEL);
        }
        stay
    }

    /// The client.
    pub fn client(&self) -> ClientId {
        self.client
    }

    /// What is known of it now.
    pub fn claims(&self) -> Arc<Claims> {
        self.standing.claims()
    }

    /// The stream is another client's from now on.
    pub fn change(&mut self, client: ClientId, claims: &Arc<Claims>) {
        if client == self.client {
            self.app.clients.renew(client, claims);
        } else {
            let standing = self.app.clients.enter(client, claims, &self.signal);
            self.app
                .clients
                .leave(self.client, self.user.as_ref(), &self.signal);
            self.user = claims.user.clone();
            (self.client, self.standing) = (client, standing);
        }
        self.look_again();
        self.signal.ring(NO_CHANNEL);
    }

    /// What happened between the check of its token and its entry was told to nobody here, and the
    /// client may have shown a newer token than this one: all is looked at once more.
    fn look_again(&mut self) {
        let revoked = self
            .app
            .check_revoked(&self.standing.claims(), Some(self.client));
        if let Err(problem) = revoked {
            self.standing.end(problem);
        }
        self.seen = None;
        self.look_at_the_clock();
    }

    /// What has happened since it was last asked, one thing at a time.
    pub fn news(&mut self) -> Option<News> {
        let seen = Some((self.standing.version(), self.app.generation()));
        if seen != self.seen {
            self.seen = seen;
            if let Some(problem) = self.standing.ended().or_else(|| self.key_is_gone()) {
                return Some(News::Ended(problem));
            }
            self.look_at_the_clock();
            return Some(News::Rights);
        }
        let left = self.expires?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let detail = "the token has ended: come back with a new one";
            return Some(News::Ended(Problem::new(Code::TokenExpired, detail)));
        }
        if left > Limits::EXPIRING || std::mem::replace(&mut self.warned, true) {
            return None;
        }
        Some(News::Expiring(left.as_millis() as u64))
    }

    /// When there will be news without anybody's doing.
    pub fn deadline(&self) -> Option<Instant> {
        let expires = self.expires?;
        match self.warned {
            true => Some(expires),
            false => Some(expires.checked_sub(Limits::EXPIRING).unwrap_or(expires)),
        }
    }

    /// A key has no end of its own: it ends when it is taken out of the configuration.
    fn key_is_gone(&self) -> Option<Problem> {
        let claims = self.standing.claims();
        let by_key = claims.is_backend() && claims.expires.is_none();
        let gone = by_key && !self.app.policy().auth.keys.hold(&claims);
        gone.then(|| Problem::new(Code::Revoked, "the key is not one of the server's any more"))
    }

    fn look_at_the_clock(&mut self) {
        let now_ms = self.app.now().unix;
        self.warned = false;
        self.expires = self.standing.claims().expires.map(|expires| {
            let left = expires.saturating_mul(1000).saturating_sub(now_ms);
            Instant::now() + Duration::from_millis(left).min(FAR)
        });
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.app
            .clients
            .leave(self.client, self.user.as_ref(), &self.signal);
    }
}

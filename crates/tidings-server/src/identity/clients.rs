//! The clients that have streams open here, and the stay of one stream among them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_core::{Claims, ClientId, Limits, Signal};
use tidings_protocol::{Code, Problem};
use tokio::time::Instant;

use super::{Standing, Who};
use crate::address::AddressKey;
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
    /// Streams of each user and each address that has some.
    owners: Mutex<HashMap<Owner, usize>>,
}

/// For whom streams are counted, besides their client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Owner {
    User(Arc<str>),
    Address(AddressKey),
}

fn owners(user: Option<&Arc<str>>, address: Option<AddressKey>) -> impl Iterator<Item = Owner> {
    let user = user.cloned().map(Owner::User);
    user.into_iter().chain(address.map(Owner::Address))
}

struct Client {
    standing: Arc<Standing>,
    signals: Vec<Arc<Signal>>,
}

impl Clients {
    /// Whether a client may open one more stream. Those that ask at the same moment may all be let
    /// in: it bounds, and does not count to the last one. A backend is bound by nothing of this.
    pub fn have_room(
        &self,
        client: ClientId,
        claims: &Claims,
        address: Option<AddressKey>,
        limits: &Limits,
    ) -> Result<(), Problem> {
        if claims.is_backend() {
            return Ok(());
        }
        let of_client = self
            .shard(client)
            .get(&client)
            .map_or(0, |c| c.signals.len());
        let mut full = (of_client >= limits.streams_per_client)
            .then_some(("client", limits.streams_per_client));
        let counted = lock(&self.owners);
        for owner in owners(claims.user.as_ref(), address) {
            let (whose, max) = match &owner {
                Owner::User(_) => ("user", limits.streams_per_user),
                Owner::Address(_) => ("address", limits.streams_per_address),
            };
            if counted.get(&owner).is_some_and(|streams| *streams >= max) {
                full = Some((whose, max));
            }
        }
        let Some((whose, max)) = full else {
            return Ok(());
        };
        let detail = format!("one {whose} has at most {max} streams at once; end one first");
        Err(Problem::new(Code::TooManyRequests, detail))
    }

    /// Lets a client show a newer token, and wakes its streams; gives the claims that are in force.
    pub fn renew(&self, client: ClientId, claims: &Arc<Claims>, now_s: u64) -> Arc<Claims> {
        let shard = self.shard(client);
        let Some(client) = shard.get(&client) else {
            return claims.clone();
        };
        if client.standing.renew(claims, now_s) {
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
    fn enter(
        &self,
        id: ClientId,
        claims: &Arc<Claims>,
        address: Option<AddressKey>,
        signal: &Arc<Signal>,
        now_s: u64,
    ) -> Arc<Standing> {
        let mut shard = self.shard(id);
        let client = match shard.entry(id) {
            Entry::Occupied(entry) => {
                let client = entry.into_mut();
                if client.standing.ended().is_some() {
                    // Those that were ended still have it; who comes now was let in anew.
                    client.standing = Arc::new(Standing::new(claims.clone()));
                } else if client.standing.renew(claims, now_s) {
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
        let mut counted = lock(&self.owners);
        for owner in owners(claims.user.as_ref(), address) {
            *counted.entry(owner).or_default() += 1;
        }
        client.standing.clone()
    }

    fn leave(
        &self,
        id: ClientId,
        user: Option<&Arc<str>>,
        address: Option<AddressKey>,
        signal: &Arc<Signal>,
    ) {
        let mut counted = lock(&self.owners);
        for owner in owners(user, address) {
            if let Some(streams) = counted.get_mut(&owner) {
                *streams -= 1;
                if *streams == 0 {
                    counted.remove(&owner);
                }
            }
        }
        drop(counted);
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
    /// The user and the address that it counts for.
    user: Option<Arc<str>>,
    address: Option<AddressKey>,
    standing: Arc<Standing>,
    signal: Arc<Signal>,
    /// The versions of the standing and of the rules that it has seen; `None`: none since it came.
    seen: Option<(u32, u32)>,
    expires: Option<Instant>,
    /// The end that it was warned of.
    warned: Option<u64>,
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
        let standing =
            app.clients
                .enter(client, claims, who.address, signal, app.now().unix / 1000);
        let mut stay = Self {
            app: app.clone(),
            client,
            user: claims.user.clone(),
            address: who.address,
            seen: None,
            standing,
            signal: signal.clone(),
            expires: None,
            warned: None,
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
        let now_s = self.app.now().unix / 1000;
        if client == self.client {
            self.app.clients.renew(client, claims, now_s);
        } else {
            let clients = &self.app.clients;
            let standing = clients.enter(client, claims, self.address, &self.signal, now_s);
            self.app
                .clients
                .leave(self.client, self.user.as_ref(), self.address, &self.signal);
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

    /// Whether it has ended, told or not.
    pub fn is_over(&self) -> bool {
        self.standing.ended().is_some() || self.expires.is_some_and(|at| Instant::now() >= at)
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
        let end = self.standing.claims().expires;
        if left > Limits::EXPIRING || self.warned == end {
            return None;
        }
        self.warned = end;
        Some(News::Expiring(left.as_millis() as u64))
    }

    /// When there will be news without anybody's doing.
    pub fn deadline(&self) -> Option<Instant> {
        let expires = self.expires?;
        match self.warned == self.standing.claims().expires {
            true => Some(expires),
            false => Some(expires.checked_sub(Limits::EXPIRING).unwrap_or(expires)),
        }
    }

    /// What has no end of its own, a key or what an open server believes, ends when that is so no
    /// longer.
    fn key_is_gone(&self) -> Option<Problem> {
        let claims = self.standing.claims();
        let policy = self.app.policy();
        let endless = claims.expires.is_none() && !claims.is_anonymous() && !policy.auth.open;
        let gone = endless && !policy.auth.keys.hold(&claims);
        let detail = "the key is not one of the server's any more, or it now asks who comes";
        gone.then(|| Problem::new(Code::Revoked, detail))
    }

    fn look_at_the_clock(&mut self) {
        let now_ms = self.app.now().unix;
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
            .leave(self.client, self.user.as_ref(), self.address, &self.signal);
    }
}

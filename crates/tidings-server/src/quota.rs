//! What a client, a user, an address or a channel may do in a second, for long: one bucket for each.
//!
//! It decides and remembers; it has no clock, counts nothing and refuses nobody itself. Who is exempt
//! is the caller's to say, by not asking.

mod rate;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_core::{ChannelName, ClientId, Limits, Millis};

use crate::address::AddressKey;
use rate::{Bucket, Rate};

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quota {
    /// Failures to say who one is.
    AuthFailures,
    /// Messages published.
    Publishes,
    /// Bytes of payload published.
    PublishBytes,
    /// Messages to readers: one publish is as many as the channel has readers.
    Deliveries,
    /// Channels begun to read.
    Subscribes,
}

/// Who is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// A connection's client.
    Client(ClientId),
    /// A user.
    User(&'a str),
    /// An address.
    Address(AddressKey),
    /// A channel, whoever does it.
    Channel(&'a ChannelName),
}

/// All buckets. One takes up to some 40 bytes; full ones are swept, and of more than
/// [`Limits::QUOTAS`] those that would be full soonest are forgotten. Keys are not kept but hashed
/// with a seed: that two share a bucket happens once in 2⁶⁴ pairs, and to nobody's plan.
pub struct Quotas {
    rates: Rates,
    seed: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

const SHARDS: usize = 16;
const SHARD_BUCKETS: usize = Limits::QUOTAS / SHARDS;

type Shard = HashMap<u64, Bucket, BuildHasherDefault<Hashed>>;

impl Quotas {
    /// Full buckets of the sizes that the limits say.
    pub fn new(limits: &Limits) -> Self {
        Self {
            rates: Rates::new(limits),
            seed: RandomState::new(),
            shards: Default::default(),
        }
    }

    /// Takes `cost` from the bucket of `key`. A cost beyond what the bucket ever holds needs a full
    /// one and is paid for afterwards: it is slow, and not impossible. Nothing is taken from any other
    /// key's bucket.
    ///
    /// # Errors
    ///
    /// There is not as much in it; nothing is taken. So much later there is, if nobody else takes it.
    pub fn take(&self, quota: Quota, key: Key, cost: u32, now: Millis) -> Result<(), Duration> {
        let Some(rate) = self.rates.of(quota, key) else {
            return Ok(());
        };
        let hash = self.seed.hash_one((quota, key));
        self.put(hash, now, |bucket| rate.take(bucket, cost, now))
    }

    /// Whether [`take`](Self::take) would take it. So one asks, before work that may fail, whether one
    /// more failure is allowed.
    ///
    /// # Errors
    ///
    /// As with `take`.
    pub fn check(&self, quota: Quota, key: Key, cost: u32, now: Millis) -> Result<(), Duration> {
        let Some(rate) = self.rates.of(quota, key) else {
            return Ok(());
        };
        let hash = self.seed.hash_one((quota, key));
        let bucket = self.shard(hash).get(&hash).copied().unwrap_or_default();
        rate.take(bucket, cost, now).map(drop)
    }

    /// Takes `cost` from the bucket of `key`, whatever is in it: it was known too late to be refused,
    /// and what comes next waits for it.
    pub fn spend(&self, quota: Quota, key: Key, cost: u32, now: Millis) {
        if let Some(rate) = self.rates.of(quota, key) {
            let hash = self.seed.hash_one((quota, key));
            // Never refused: it takes whatever there is.
            let _ = self.put(hash, now, |bucket| Ok(rate.spend(bucket, cost, now)));
        }
    }

    /// Takes messages from the bucket of a channel that takes `per_second` of them; 0: as many as
    /// come.
    ///
    /// # Errors
    ///
    /// As with [`take`](Self::take).
    pub fn take_from_channel(
        &self,
        channel: &ChannelName,
        per_second: u32,
        messages: u32,
        now: Millis,
    ) -> Result<(), Duration> {
        let second = Duration::from_secs(1);
        let Some(rate) = Rate::new(per_second as usize, second, second) else {
            return Ok(());
        };
        let key = Key::Channel(channel);
        let hash = self.seed.hash_one((Quota::Publishes, key, per_second));
        self.put(hash, now, |bucket| rate.take(bucket, messages, now))
    }

    fn put(
        &self,
        hash: u64,
        now: Millis,
        take: impl FnOnce(Bucket) -> Result<Bucket, Duration>,
    ) -> Result<(), Duration> {
        let mut shard = self.shard(hash);
        let bucket = take(shard.get(&hash).copied().unwrap_or_default())?;
        if shard.len() >= SHARD_BUCKETS && !shard.contains_key(&hash) {
            make_room(&mut shard, now);
        }
        shard.insert(hash, bucket);
        Ok(())
    }

    /// Forgets buckets that are full again: who has none has a full one. It is worth calling every
    /// few seconds.
    pub fn sweep(&self, now: Millis) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.retain(|_, bucket| !bucket.is_full(now));
            if shard.capacity() > 4 * shard.len().max(64) {
                let len = shard.len();
                shard.shrink_to(2 * len);
            }
        }
    }

    /// How many buckets are not known to be full.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Whether all are full.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard> {
        // Other bits than those by which the map places it.
        lock(&self.shards[(hash >> 32) as usize % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Drops what is full. If that is little, the half of the rest that would be full soonest, too: so it
/// is not looked for again at each of the next.
fn make_room(shard: &mut Shard, now: Millis) {
    shard.retain(|_, bucket| !bucket.is_full(now));
    if shard.len() > SHARD_BUCKETS / 4 * 3 {
        let mut all: Vec<Bucket> = shard.values().copied().collect();
        let half = all.len() / 2;
        let (_, middle, _) = all.select_nth_unstable(half);
        let middle = *middle;
        shard.retain(|_, bucket| *bucket > middle);
    }
}

/// The rates of [`Limits`]; where there is none, nothing is bounded.
struct Rates {
    auth_failures_per_address: Option<Rate>,
    publishes: PerKey,
    publish_bytes: PerKey,
    deliveries: PerKey,
    subscribes: PerKey,
}

#[derive(Default)]
struct PerKey {
    client: Option<Rate>,
    user: Option<Rate>,
    address: Option<Rate>,
    channel: Option<Rate>,
}

impl Rates {
    fn new(limits: &Limits) -> Self {
        let minute = Duration::from_secs(60);
        let rate = |per_second| Rate::new(per_second, Duration::from_secs(1), limits.burst);
        Self {
            auth_failures_per_address: Rate::new(limits.auth_failures_per_address, minute, minute),
            publishes: PerKey {
                client: rate(limits.publishes_per_client),
                user: rate(limits.publishes_per_user),
                address: rate(limits.publishes_per_address),
                channel: None,
            },
            publish_bytes: PerKey {
                client: rate(limits.publish_bytes_per_client),
                user: rate(limits.publish_bytes_per_user),
                address: rate(limits.publish_bytes_per_address),
                channel: None,
            },
            deliveries: PerKey {
                user: rate(limits.deliveries_per_user),
                address: rate(limits.deliveries_per_address),
                ..PerKey::default()
            },
            subscribes: PerKey {
                address: rate(limits.subscribes_per_address),
                ..PerKey::default()
            },
        }
    }

    fn of(&self, quota: Quota, key: Key) -> Option<Rate> {
        let rates = match (quota, key) {
            (Quota::AuthFailures, Key::Address(_)) => return self.auth_failures_per_address,
            (Quota::AuthFailures, _) => return None,
            (Quota::Publishes, _) => &self.publishes,
            (Quota::PublishBytes, _) => &self.publish_bytes,
            (Quota::Deliveries, _) => &self.deliveries,
            (Quota::Subscribes, _) => &self.subscribes,
        };
        match key {
            Key::Client(_) => rates.client,
            Key::User(_) => rates.user,
            Key::Address(_) => rates.address,
            Key::Channel(_) => rates.channel,
        }
    }
}

/// A hash that is one already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only whole hashes are keys");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

//! The embedded broker: the logs of this process are the history. A restart loses them, and says so
//! by new epochs.

mod attendance;
mod leases;
mod listing;
mod names;
mod presence;
mod room;
mod shared_terms;
mod tickets;
mod traffic;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use siphasher::sip::SipHasher24;
use tidings_log::{Epoch, GapReason, Log, Meter, Millis, Position, Writer};

use super::idempotency::{Keys, Lookup};
use super::{
    Arrival, BoxFuture, Broker, BrokerError, ChannelPage, ChannelQuery, Digest, Holdings, Joined,
    Presence, Publication, PublishError, Receipt, Redeemed, Release, Revocation, Revocations,
    Ticket, TicketError,
};
use crate::Now;
use crate::channel::{ChannelName, Realm};
use crate::lag::LagPolicy;
use crate::limits::Limits;
use crate::message::{ClientId, Draft, Message};
use crate::rules::{Rulebook, Rules};
use attendance::Attendance;
use names::EpochNames;
use room::Room;
use shared_terms::SharedTerms;
use tickets::Tickets;
use traffic::Traffic;

const SHARDS: usize = 16;

/// Channels in memory, of one process.
pub struct MemoryBroker {
    shards: [Mutex<HashMap<ChannelName, Slot>>; SHARDS],
    names: EpochNames,
    terms: SharedTerms,
    /// Logs whose readers wait for a tick, each once.
    due: Mutex<Vec<Arc<Log<Message>>>>,
    /// Clears so far: no two get the same epoch.
    renewals: AtomicU64,
    channels: std::sync::atomic::AtomicUsize,
    channels_max: usize,
    /// What all logs hold.
    meter: Arc<Meter>,
    history_max: usize,
    key_age: Millis,
    keys_max: usize,
    forget: Millis,
    attendance: Attendance,
    tickets: Mutex<Tickets>,
    revocations: Revocations,
}

/// What is known of a channel.
enum Slot {
    /// It has a log: messages, readers, or both.
    Live(Arc<Channel>),
    /// Idle and empty; its position is remembered until `forget` after the time.
    Remembered {
        head: Position,
        ended: bool,
        since: Millis,
    },
}

struct Channel {
    log: Arc<Log<Message>>,
    /// Also the order of publishes: a key is looked up and remembered in one step with the append.
    keys: Mutex<Option<Box<Keys>>>,
    /// When it was last seen in use.
    used: AtomicU64,
    traffic: Traffic,
    /// Who is there, if this is a presence channel to which somebody came. Its lock is also the order
    /// of what is told there: the members change in one step with the log.
    room: OnceLock<Box<Mutex<Room>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryBroker {
    /// An empty broker. `incarnation` must be fresh randomness at each start of the process: epochs
    /// are derived from it, and two incarnations never share one.
    pub fn new(incarnation: [u64; 2], limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            shards: Default::default(),
            names: EpochNames::new(incarnation),
            terms: SharedTerms::default(),
            due: Mutex::default(),
            renewals: AtomicU64::new(0),
            channels: Default::default(),
            channels_max: limits.channels,
            meter: Arc::default(),
            history_max: limits.history_bytes,
            key_age: limits.key_time.as_millis() as Millis,
            keys_max: limits.keys_per_channel,
            forget: limits.forget.as_millis() as Millis,
            attendance: Attendance::new(limits),
            tickets: Mutex::new(Tickets::new(limits.tickets)),
            revocations: Revocations::new(limits.revocations),
        })
    }

    fn shard(&self, channel: &ChannelName) -> MutexGuard<'_, HashMap<ChannelName, Slot>> {
        let mut hasher = SipHasher24::new();
        channel.hash(&mut hasher);
        lock(&self.shards[hasher.finish() as usize % SHARDS])
    }

    /// The live channel, brought back or made where there is none.
    fn channel(
        &self,
        name: &ChannelName,
        rules: &Rules,
        now: Now,
    ) -> Result<Arc<Channel>, BrokerError> {
        let mut shard = self.shard(name);
        let (head, ended) = match shard.get(name) {
            Some(Slot::Live(channel)) => return Ok(channel.clone()),
            Some(Slot::Remembered { head, ended, .. }) => (*head, *ended),
            None => {
                let full = self.channels.load(Ordering::Relaxed) >= self.channels_max;
                // The server's own channels are few, and needed to see what is wrong.
                if full && !name.is_server_channel() {
                    return Err(BrokerError::TooManyChannels);
                }
                self.channels.fetch_add(1, Ordering::Relaxed);
                let epoch = self.names.unwritten(name);
                (Position { epoch, offset: 0 }, false)
            }
        };
        let channel = Arc::new(Channel {
            log: Log::new(
                head,
                ended,
                self.terms.share(rules.terms()),
                self.meter.clone(),
            ),
            keys: Mutex::new(None),
            used: AtomicU64::new(now.monotonic),
            traffic: Traffic::default(),
            room: OnceLock::new(),
        });
        shard.insert(name.clone(), Slot::Live(channel.clone()));
        Ok(channel)
    }

    fn publish_now(&self, publication: Publication<'_>, now: Now) -> Result<Receipt, PublishError> {
        let Publication { mut draft, rules } = publication;
        let channel = self.channel(&draft.channel, rules, now)?;
        channel.used.store(now.monotonic, Ordering::Relaxed);
        let key = draft.key.take().map(|key| scoped_key(&key, &draft));
        let mut keys = lock(&channel.keys);
        let Some(key) = key else {
            // Held all the same: publishes of a channel go in one at a time.
            return self.append(&channel, draft, rules, now);
        };
        let fingerprint = fingerprint(&draft);
        let keys = keys.get_or_insert_default();
        keys.sweep(now.monotonic.saturating_sub(self.key_age));
        match keys.look_up(&key, fingerprint) {
            Lookup::Reused => Err(PublishError::KeyReused),
            Lookup::Repeat(receipt) => Ok(Receipt {
                duplicate: true,
                subscribers: channel.log.readers(),
                ..receipt
            }),
            Lookup::New => {
                let receipt = self.append(&channel, draft, rules, now)?;
                keys.remember(key, fingerprint, receipt, now.monotonic, self.keys_max);
                Ok(receipt)
            }
        }
    }

    fn append(
        &self,
        channel: &Channel,
        mut draft: Draft,
        rules: &Rules,
        now: Now,
    ) -> Result<Receipt, PublishError> {
        let kept = !draft.ephemeral && draft.channel.realm() != Realm::Server;
        if kept && self.meter.bytes() >= self.history_max {
            return Err(BrokerError::TooMuchHistory.into());
        }
        let messages = u64::from(draft.payload.is_some());
        let topic = self.topic(&mut draft, rules);
        let (receipt, wants_tick) = channel.log.write(now.monotonic, |log| {
            let terms = rules.terms();
            if **log.terms() != terms {
                log.agree(self.terms.share(terms));
            }
            let receipt = channel.append(log, draft, topic, now);
            (receipt, log.wants_tick())
        });
        if wants_tick {
            lock(&self.due).push(channel.log.clone());
        }
        let receipt = receipt?;
        channel.traffic.count(messages, now.monotonic);
        Ok(receipt)
    }

    /// What a message is about, as the log wants it.
    fn topic(&self, draft: &mut Draft, rules: &Rules) -> Option<u64> {
        match rules.lag.policy {
            LagPolicy::Keep | LagPolicy::Disconnect => None,
            LagPolicy::Latest => Some(0),
            LagPolicy::LatestBy => Some(self.names.topic(&draft.topic.take()?)),
        }
    }

    fn clear_now(
        &self,
        name: &ChannelName,
        rules: &Rules,
        now: Now,
    ) -> Result<Position, BrokerError> {
        let channel = self.channel(name, rules, now)?;
        channel.used.store(now.monotonic, Ordering::Relaxed);
        let renewal = self.renewals.fetch_add(1, Ordering::Relaxed);
        let mut keys = lock(&channel.keys);
        *keys = None;
        Ok(channel.log.write(now.monotonic, |log| {
            log.restart(self.names.renewed(name, renewal));
            log.head()
        }))
    }

    /// What becomes of a slot that may be idle.
    fn settle(&self, name: &ChannelName, slot: &Slot, now: Millis) -> Settled {
        match slot {
            Slot::Remembered { head, since, .. }
                if since.saturating_add(self.forget) < now || self.is_crowded() =>
            {
                Settled::Forget(head.epoch)
            }
            Slot::Remembered { .. } => Settled::Keep,
            Slot::Live(channel) => {
                let snapshot = channel.log.sweep(now);
                if channel.in_use(now, self.key_age) {
                    channel.used.store(now, Ordering::Relaxed);
                    return Settled::Keep;
                }
                let empty = snapshot.oldest > snapshot.head.offset;
                let held = Arc::strong_count(channel) > 1 || Arc::strong_count(&channel.log) > 1;
                if !empty || held {
                    return Settled::Keep;
                }
                let unwritten =
                    snapshot.head.offset == 0 && snapshot.head.epoch == self.names.unwritten(name);
                if unwritten {
                    return Settled::Drop;
                }
                Settled::Remember(Slot::Remembered {
                    head: snapshot.head,
                    ended: snapshot.ended,
                    since: channel.used.load(Ordering::Relaxed),
                })
            }
        }
    }

    /// Whether the limit of channels is near: then idle ones are forgotten before their time, which
    /// their readers are told, rather than new ones refused.
    fn is_crowded(&self) -> bool {
        self.channels.load(Ordering::Relaxed) > self.channels_max / 8 * 7
    }

    fn sweep_shard(&self, shard: &mut HashMap<ChannelName, Slot>, now: Millis) {
        shard.retain(|name, slot| {
            match self.settle(name, slot, now) {
                Settled::Keep => return true,
                Settled::Remember(remembered) => {
                    *slot = remembered;
                    return true;
                }
                Settled::Forget(epoch) => self.names.forget(name, epoch),
                Settled::Drop => {}
            }
            self.channels.fetch_sub(1, Ordering::Relaxed);
            false
        });
        if shard.capacity() > 64 && shard.capacity() > 4 * shard.len() {
            shard.shrink_to_fit();
        }
    }
}

enum Settled {
    Keep,
    Remember(Slot),
    Forget(Epoch),
    /// Never written: nothing to remember.
    Drop,
}

impl Channel {
    fn in_use(&self, now: Millis, key_age: Millis) -> bool {
        let mut keys = lock(&self.keys);
        if keys
            .as_mut()
            .is_some_and(|keys| keys.sweep(now.saturating_sub(key_age)))
        {
            *keys = None;
        }
        self.log.readers() > 0 || keys.is_some() || self.members() > 0
    }

    fn append(
        &self,
        log: &mut Writer<'_, Message>,
        draft: Draft,
        topic: Option<u64>,
        now: Now,
    ) -> Result<Receipt, PublishError> {
        if log.ended() {
            let only_closes = draft.close && draft.payload.is_none();
            return if only_closes {
                Ok(self.receipt(Some(log.head()), true))
            } else {
                Err(PublishError::Closed(log.head()))
            };
        }
        let close = draft.close.then(|| draft.channel.clone());
        let mut position = None;
        if draft.ephemeral {
            log.whisper(draft.size(), Message::new(draft, None, now.unix));
        } else if draft.payload.is_some() {
            let size = draft.size();
            let make = |at| Message::new(draft, Some(at), now.unix);
            position = Some(log.append(size, topic, make));
        }
        if let Some(channel) = &close {
            position = Some(end(log, channel, now));
        }
        Ok(self.receipt(position, close.is_some()))
    }

    fn receipt(&self, position: Option<Position>, closed: bool) -> Receipt {
        Receipt {
            position,
            subscribers: self.log.readers(),
            duplicate: false,
            closed,
        }
    }
}

fn end(log: &mut Writer<'_, Message>, channel: &ChannelName, now: Now) -> Position {
    let at = log.append(0, None, |at| Message::end(channel.clone(), at, now.unix));
    log.end();
    at
}

/// Keys are one publisher's own: two users may use the same one.
fn scoped_key(key: &str, draft: &Draft) -> Box<str> {
    // Neither part holds a line feed, so they cannot run into each other.
    match &draft.party {
        Some(party) => format!("{party}\n{key}").into(),
        None => key.into(),
    }
}

/// Tells whether a repeat is the same message.
fn fingerprint(draft: &Draft) -> u64 {
    let mut hasher = SipHasher24::new();
    draft.event.as_ref().map(|e| e.as_str()).hash(&mut hasher);
    draft
        .payload
        .as_ref()
        .map(|p| (p.kind as u8, &p.bytes))
        .hash(&mut hasher);
    (draft.ephemeral, draft.close, &draft.topic).hash(&mut hasher);
    hasher.finish()
}

impl Broker for MemoryBroker {
    fn open<'a>(
        &'a self,
        channel: &'a ChannelName,
        rules: &'a Rules,
        now: Now,
    ) -> BoxFuture<'a, Result<Arc<Log<Message>>, BrokerError>> {
        let opened = self.channel(channel, rules, now).map(|channel| {
            channel.used.store(now.monotonic, Ordering::Relaxed);
            channel.log.clone()
        });
        Box::pin(std::future::ready(opened))
    }

    fn publish<'a>(
        &'a self,
        publication: Publication<'a>,
        now: Now,
    ) -> BoxFuture<'a, Result<Receipt, PublishError>> {
        Box::pin(std::future::ready(self.publish_now(publication, now)))
    }

    fn clear<'a>(
        &'a self,
        channel: &'a ChannelName,
        rules: &'a Rules,
        now: Now,
    ) -> BoxFuture<'a, Result<Position, BrokerError>> {
        Box::pin(std::future::ready(self.clear_now(channel, rules, now)))
    }

    fn why_lost(&self, channel: &ChannelName, epoch: Epoch) -> GapReason {
        if self.names.was_forgotten(channel, epoch) {
            GapReason::Forgotten
        } else {
            GapReason::EpochChanged
        }
    }

    fn apply(&self, rules: &Rulebook, now: Now) {
        for shard in &self.shards {
            for (name, slot) in lock(shard).iter() {
                if let Slot::Live(channel) = slot {
                    let terms = self.terms.share(rules.of(name).terms());
                    channel.log.agree(terms, now.monotonic);
                }
            }
        }
        // Where there are no ticks any more, none comes that would take these off the list.
        self.tick(now);
    }

    fn readers(&self, channel: &ChannelName) -> usize {
        self.live(channel)
            .map_or(0, |channel| channel.log.readers())
    }

    fn tick(&self, now: Now) -> bool {
        let mut due = lock(&self.due);
        due.retain(|log| log.tick(now.monotonic));
        !due.is_empty()
    }

    fn join<'a>(
        &'a self,
        arrival: Arrival<'a>,
        now: Now,
    ) -> BoxFuture<'a, Result<Joined, BrokerError>> {
        Box::pin(std::future::ready(self.join_now(arrival, now)))
    }

    fn release<'a>(
        &'a self,
        channel: &'a ChannelName,
        client: ClientId,
        release: Release,
        now: Now,
    ) -> BoxFuture<'a, Result<bool, BrokerError>> {
        let left = self.release_now(channel, client, release, now);
        Box::pin(std::future::ready(Ok(left)))
    }

    fn presence<'a>(
        &'a self,
        channel: &'a ChannelName,
        limit: usize,
    ) -> BoxFuture<'a, Result<Presence, BrokerError>> {
        Box::pin(std::future::ready(Ok(self.presence_now(channel, limit))))
    }

    fn expire(&self, now: Now) -> usize {
        self.expire_now(now)
    }

    fn issue(&self, ticket: Ticket, now: Now) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(std::future::ready(lock(&self.tickets).issue(ticket, now)))
    }

    fn redeem<'a>(
        &'a self,
        digest: &'a Digest,
        origin: Option<&'a str>,
        now: Now,
    ) -> BoxFuture<'a, Result<Redeemed, TicketError>> {
        let redeemed = lock(&self.tickets).redeem(digest, origin, now);
        Box::pin(std::future::ready(redeemed))
    }

    fn revoke(&self, revocation: Revocation, now: Now) -> BoxFuture<'_, Result<(), BrokerError>> {
        let revoked = self.revocations.add(revocation, now.unix / 1_000);
        Box::pin(std::future::ready(revoked))
    }

    fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    fn channels(&self, query: ChannelQuery<'_>, now: Now) -> ChannelPage {
        self.channels_now(query, now.monotonic)
    }

    fn sweep(&self, now: Now) {
        // A publish that met other rules on its way may have left a log that nobody else looks after.
        self.tick(now);
        for shard in &self.shards {
            self.sweep_shard(&mut lock(shard), now.monotonic);
        }
        lock(&self.tickets).sweep(now);
        self.revocations.sweep(now.unix / 1_000);
    }

    fn holdings(&self) -> Holdings {
        let mut sum = Holdings {
            members: self.attendance.members(),
            tickets: lock(&self.tickets).len(),
            revocations: self.revocations.len(),
            ..Holdings::default()
        };
        for shard in &self.shards {
            for slot in lock(shard).values() {
                match slot {
                    Slot::Remembered { .. } => sum.remembered += 1,
                    Slot::Live(channel) => {
                        let snapshot = channel.log.snapshot();
                        sum.channels += 1;
                        sum.bytes += snapshot.bytes;
                        sum.messages += (snapshot.head.offset + 1 - snapshot.oldest) as usize;
                    }
                }
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests;

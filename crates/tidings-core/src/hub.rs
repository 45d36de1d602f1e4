//! The hub: what may be read and written, and the way there.

mod shared;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tidings_log::{Cursor, Opened, Position, Start};

use crate::Now;
use crate::broker::{Broker, BrokerError, Publication, PublishError, Receipt};
use crate::channel::{ChannelName, Realm};
use crate::limits::Limits;
use crate::message::{ClientId, Draft, Message};
use crate::rights::{Action, Claims, Denied, decide};
use crate::rules::{Rulebook, Rules};
use crate::stats::HubStats;

/// Channels with their rules, over a broker.
pub struct Hub {
    broker: Arc<dyn Broker>,
    rules: ArcSwap<Rulebook>,
    limits: Limits,
    stats: HubStats,
}

impl Hub {
    /// A hub over `broker`.
    pub fn new(broker: Arc<dyn Broker>, rules: Rulebook, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            broker,
            rules: ArcSwap::from_pointee(rules),
            limits,
            stats: HubStats::default(),
        })
    }

    /// All limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What it has counted.
    pub fn stats(&self) -> &HubStats {
        &self.stats
    }

    /// Where messages are kept.
    pub fn broker(&self) -> &dyn Broker {
        &*self.broker
    }

    /// The rules of a channel.
    pub fn rules(&self, channel: &ChannelName) -> Arc<Rules> {
        self.rules.load().of(channel).clone()
    }

    /// Puts other rules in the place of those that hold.
    pub fn set_rules(&self, rules: Rulebook, now: Now) {
        self.broker.apply(&rules, now);
        self.rules.store(Arc::new(rules));
    }

    /// Whether somebody may do something with a channel now.
    pub fn may(
        &self,
        action: Action,
        channel: &ChannelName,
        claims: &Claims,
        me: Option<ClientId>,
    ) -> Result<(), Denied> {
        let book = self.rules.load();
        let about = channel.presence_of();
        let rules = book.of(about.as_ref().unwrap_or(channel));
        let presence = action == Action::Presence || about.is_some();
        decide(action, channel, &rules.may, claims, me)?;
        match presence && !rules.presence {
            true => Err(Denied::NoPresence),
            false => Ok(()),
        }
    }

    /// Publishes. Rights and sizes were checked by who calls.
    pub async fn publish(&self, draft: Draft, now: Now) -> Result<Receipt, PublishError> {
        let rules = self.rules(&draft.channel);
        let bytes = draft.payload.as_ref().map(|payload| payload.bytes.len());
        let ephemeral = draft.ephemeral;
        let publication = Publication {
            draft,
            rules: &rules,
        };
        // The server's own figures are no news of what its users do.
        let counts = publication.draft.channel.realm() != Realm::Server;
        let receipt = self.broker.publish(publication, now).await?;
        if counts {
            self.count(&receipt, bytes, ephemeral);
        }
        Ok(receipt)
    }

    fn count(&self, receipt: &Receipt, bytes: Option<usize>, ephemeral: bool) {
        if receipt.duplicate {
            self.stats.duplicates.add(1);
            return;
        }
        if let Some(bytes) = bytes {
            let kind = if ephemeral {
                &self.stats.ephemeral
            } else {
                &self.stats.published
            };
            kind.add(1);
            self.stats.published_bytes.add(bytes as u64);
        }
        if receipt.closed {
            self.stats.closed.add(1);
        }
    }

    /// Opens a cursor on a channel. Rights were checked by who calls: without that to its `history`,
    /// a reading finds nothing retained.
    pub async fn open(
        &self,
        channel: &ChannelName,
        start: Start,
        history: bool,
        now: Now,
    ) -> Result<(Cursor<Message>, Opened), BrokerError> {
        let rules = self.rules(channel);
        let log = self.broker.open(channel, &rules, now).await?;
        if matches!(start, Start::At(_)) {
            self.stats.resumed.add(1);
        }
        let why = |epoch| self.broker.why_lost(channel, epoch);
        let start = if history {
            start
        } else {
            without_history(start)
        };
        Ok(Cursor::open(&log, start, why, now.monotonic))
    }

    /// Empties a channel.
    pub async fn clear(&self, channel: &ChannelName, now: Now) -> Result<Position, BrokerError> {
        let rules = self.rules(channel);
        let cleared = self.broker.clear(channel, &rules, now).await?;
        self.stats.cleared.add(1);
        Ok(cleared)
    }

    /// Readers of a channel known now: an estimate.
    pub fn readers(&self, channel: &ChannelName) -> usize {
        self.broker.readers(channel)
    }

    /// Whether some channels wake their readers by ticks: then [`tick`](Self::tick) is called often.
    pub fn ticks(&self) -> bool {
        self.rules.load().ticks()
    }

    /// Wakes readers for whom it is time; true while others wait.
    pub fn tick(&self, now: Now) -> bool {
        self.broker.tick(now)
    }

    /// Lets go of what is idle.
    pub fn sweep(&self, now: Now) {
        self.expire(now);
        self.broker.sweep(now);
    }
}

/// The same for a reader for whom nothing is retained.
fn without_history(start: Start) -> Start {
    match start {
        Start::Now | Start::Earliest | Start::Last(_) => Start::Now,
        Start::At(at) | Start::Blind(at) => Start::Blind(at),
        Start::Unknown => Start::Blind(Position::UNKNOWN),
    }
}

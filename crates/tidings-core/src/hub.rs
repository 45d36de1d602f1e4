//! The hub: what may be read and written, and the way there.

use std::sync::Arc;

use tidings_log::{Cursor, Opened, Position, Start};

use crate::Now;
use crate::broker::{Broker, BrokerError, Publication, PublishError, Receipt};
use crate::channel::{ChannelName, Realm};
use crate::limits::Limits;
use crate::message::{Draft, Message};
use crate::rules::{Rulebook, Rules};
use crate::stats::HubStats;

/// The channels that exist on every server.
const SERVER_CHANNELS: [&str; 2] = ["$stats", "$probe"];

/// Channels with their rules, over a broker.
pub struct Hub {
    broker: Arc<dyn Broker>,
    rules: Rulebook,
    limits: Limits,
    stats: HubStats,
}

/// Why a channel may not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Access {
    /// Names with `@` and `~` are inboxes.
    #[error(
        "names that begin with @ or ~ are inboxes, which this server does not have; use another name"
    )]
    Inbox,
    /// Only the server publishes there.
    #[error("names that begin with $ are the server's own; publish to another name")]
    ServerOnly,
    /// No such server channel.
    #[error("there is no such server channel; there is $stats")]
    Unknown,
}

impl Hub {
    /// A hub over `broker`.
    pub fn new(broker: Arc<dyn Broker>, rules: Rulebook, limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            broker,
            rules,
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
    pub fn rules(&self, channel: &ChannelName) -> &Rules {
        self.rules.of(channel)
    }

    /// Whether clients may read the channel.
    pub fn may_read(&self, channel: &ChannelName) -> Result<(), Access> {
        match channel.realm() {
            Realm::Application => Ok(()),
            Realm::Inbox => Err(Access::Inbox),
            Realm::Server if SERVER_CHANNELS.contains(&channel.as_str()) => Ok(()),
            Realm::Server => Err(Access::Unknown),
        }
    }

    /// Whether clients may publish to the channel.
    pub fn may_publish(&self, channel: &ChannelName) -> Result<(), Access> {
        match channel.realm() {
            Realm::Application => Ok(()),
            Realm::Inbox => Err(Access::Inbox),
            Realm::Server => Err(Access::ServerOnly),
        }
    }

    /// Publishes. Rights and sizes were checked by who calls.
    pub async fn publish(&self, draft: Draft, now: Now) -> Result<Receipt, PublishError> {
        let rules = *self.rules(&draft.channel);
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

    /// Opens a cursor on a channel. Rights were checked by who calls.
    pub async fn open(
        &self,
        channel: &ChannelName,
        start: Start,
        now: Now,
    ) -> Result<(Cursor<Message>, Opened), BrokerError> {
        let log = self.broker.open(channel, self.rules(channel), now).await?;
        if matches!(start, Start::At(_)) {
            self.stats.resumed.add(1);
        }
        let why = |epoch| self.broker.why_lost(channel, epoch);
        Ok(Cursor::open(&log, start, why, now.monotonic))
    }

    /// Empties a channel.
    pub async fn clear(&self, channel: &ChannelName, now: Now) -> Result<Position, BrokerError> {
        let cleared = self.broker.clear(channel, self.rules(channel), now).await?;
        self.stats.cleared.add(1);
        Ok(cleared)
    }

    /// Lets go of what is idle.
    pub fn sweep(&self, now: Now) {
        self.broker.sweep(now);
    }
}

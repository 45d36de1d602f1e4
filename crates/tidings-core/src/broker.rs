//! The seam between this node and where messages are kept.
//!
//! Only a broker assigns offsets. It hands out the [`Log`] of a channel, contiguous within an epoch
//! and live: the memory broker's log is the history itself; a broker over a network fills a node's
//! log as a cache. Readers, on every transport, know logs only.

mod idempotency;
pub mod memory;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tidings_log::{Epoch, GapReason, Log, Position};

use crate::Now;
use crate::channel::ChannelName;
use crate::message::{Draft, Message};
use crate::rules::{Rulebook, Rules};

/// A boxed future: the trait is used as an object, so that only the program knows which broker runs.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps messages, numbers them and brings them to this node's logs.
pub trait Broker: Send + Sync + 'static {
    /// The channel's log on this node. Opening one creates nothing that lasts.
    fn open<'a>(
        &'a self,
        channel: &'a ChannelName,
        rules: &'a Rules,
        now: Now,
    ) -> BoxFuture<'a, Result<Arc<Log<Message>>, BrokerError>>;

    /// Takes a message, or none of it. When the answer is there, the message is held.
    fn publish<'a>(
        &'a self,
        publication: Publication<'a>,
        now: Now,
    ) -> BoxFuture<'a, Result<Receipt, PublishError>>;

    /// Empties a channel: it goes on in a new epoch, open.
    fn clear<'a>(
        &'a self,
        channel: &'a ChannelName,
        rules: &'a Rules,
        now: Now,
    ) -> BoxFuture<'a, Result<Position, BrokerError>>;

    /// Why a position of `epoch` cannot be honoured although it is not the channel's epoch now.
    fn why_lost(&self, channel: &ChannelName, epoch: Epoch) -> GapReason;

    /// Other rules hold from now on: for the channels that it holds, too.
    fn apply(&self, rules: &Rulebook, now: Now);

    /// Lets go of what is idle. Called every now and then.
    fn sweep(&self, now: Now);

    /// What it holds.
    fn holdings(&self) -> Holdings;
}

/// A message on its way into a log.
pub struct Publication<'a> {
    /// The message.
    pub draft: Draft,
    /// The rules of its channel.
    pub rules: &'a Rules,
}

/// Where a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its position; with `close` the position of the end; `None` for an ephemeral one.
    pub position: Option<Position>,
    /// Readers of the channel known now: an estimate.
    pub subscribers: usize,
    /// The same message had been taken before under the same key.
    pub duplicate: bool,
    /// The channel has ended.
    pub closed: bool,
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The channel has ended at this position.
    #[error("the channel has ended; DELETE it to begin anew")]
    Closed(Position),
    /// The key was used for another message.
    #[error("this idempotency key was used for another message; use a new key for a new message")]
    KeyReused,
    /// The broker could not.
    #[error(transparent)]
    Broker(#[from] BrokerError),
}

/// Why a broker could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The limit of channels is reached.
    #[error(
        "the server holds as many channels as it may; DELETE does not free them, raise limits.channels or shorten the history's age"
    )]
    TooManyChannels,
    /// The limit of retained bytes is reached.
    #[error(
        "the server retains as many bytes as it may; raise limits.history_bytes or retain less of each channel"
    )]
    TooMuchHistory,
    /// It cannot be reached just now.
    #[error("the broker does not answer")]
    Unavailable,
}

/// What a broker holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Channels with a log in memory.
    pub channels: usize,
    /// Idle channels of which the position is remembered.
    pub remembered: usize,
    /// Retained messages.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
}

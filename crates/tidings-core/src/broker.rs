//! The seam between this node and where messages are kept.
//!
//! Only a broker assigns offsets. It hands out the [`Log`] of a channel, contiguous within an epoch
//! and live: the memory broker's log is the history itself; a broker over a network fills a node's
//! log as a cache. Readers, on every transport, know logs only.

mod idempotency;
mod listing;
pub mod memory;
mod presence;
mod revocations;
mod tickets;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tidings_log::{Epoch, GapReason, Log, Position};

use crate::Now;
use crate::channel::ChannelName;
use crate::message::{ClientId, Draft, Message};
use crate::rules::{Rulebook, Rules};

pub use listing::{ChannelInfo, ChannelPage, ChannelQuery};
pub use presence::{Arrival, Hold, Joined, Member, Presence, Release};
pub use revocations::{Revocation, Revocations, Revoked, Subject};
pub use tickets::{Digest, Redeemed, Ticket, TicketError};

/// A boxed future: the trait is used as an object, so that only the program knows which broker runs.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Keeps messages, numbers them and brings them to this node's logs; and keeps what all nodes must
/// know besides: who is where, which tickets are out, and what is revoked.
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

    /// A client comes to a channel, or has one more reason to be there. Told as `join` if it had not
    /// been there or shows something else. A new one is refused over `presence_members`, and while
    /// logs and members hold as many bytes as they may.
    fn join<'a>(
        &'a self,
        arrival: Arrival<'a>,
        now: Now,
    ) -> BoxFuture<'a, Result<Joined, BrokerError>>;

    /// A hold of a client on the presence channel `channel` ends. True if it was the last: then it
    /// has left, and `leave` is told. Of one that is not there, nothing.
    fn release<'a>(
        &'a self,
        channel: &'a ChannelName,
        client: ClientId,
        release: Release,
        now: Now,
    ) -> BoxFuture<'a, Result<bool, BrokerError>>;

    /// Who is there, of the presence channel `channel`. Creates nothing.
    fn presence<'a>(
        &'a self,
        channel: &'a ChannelName,
        limit: usize,
    ) -> BoxFuture<'a, Result<Presence, BrokerError>>;

    /// Members leave that nothing holds any longer; how many. To be called at least once a second:
    /// that is how late a `leave` may be.
    fn expire(&self, now: Now) -> usize;

    /// Takes a ticket. One of the same digest takes the place of the other.
    fn issue(&self, ticket: Ticket, now: Now) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Uses a ticket, in one step. The first use binds it to its origin (`None` is one, too) and has
    /// [`Redeemed::first`]. For a second after it every other is refused: of requests that race for a
    /// ticket one wins. Later ones of that origin are taken until the ticket ends.
    fn redeem<'a>(
        &'a self,
        digest: &'a Digest,
        origin: Option<&'a str>,
        now: Now,
    ) -> BoxFuture<'a, Result<Redeemed, TicketError>>;

    /// Takes a revocation. When the answer is there, [`revocations`](Self::revocations) knows it.
    fn revoke(&self, revocation: Revocation, now: Now) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// What is revoked, as this node knows it.
    fn revocations(&self) -> &Revocations;

    /// Channels that this node holds or remembers.
    fn channels(&self, query: ChannelQuery<'_>, now: Now) -> ChannelPage;

    /// Readers of a channel known now: an estimate.
    fn readers(&self, channel: &ChannelName) -> usize;

    /// Wakes the readers of those logs whose [tick](Log::tick) it is; true while others wait for
    /// theirs. Called often while some rules wake readers by ticks.
    fn tick(&self, now: Now) -> bool;

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
    /// The limit of members of one channel is reached.
    #[error(
        "the channel has as many members as it may; raise limits.presence_members or read it without join"
    )]
    TooManyMembers,
    /// The limit of tickets is reached.
    #[error(
        "as many tickets are out as there may be; try again when some have ended, or raise limits.tickets"
    )]
    TooManyTickets,
    /// The limit of revocations is reached.
    #[error(
        "as many revocations are held as there may be; raise limits.revocations, or let tokens and so revocations end sooner"
    )]
    TooManyRevocations,
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
    /// Members of all channels: one client in two channels counts twice.
    pub members: usize,
    /// Tickets that can still be used.
    pub tickets: usize,
    /// Revocations that hold.
    pub revocations: usize,
}

//! The rules of Tidings: what a channel is, how a message gets into its log, and how a session
//! reads many logs at once.
//!
//! Deliberately absent: sockets, HTTP, JSON, tasks, and a clock of its own. Time comes in as
//! [`Now`], randomness as the broker's incarnation, so the same calls give the same results.
//!
//! Read [`Hub`], [`Feed`] and [`Broker`] first.

pub mod broker;
mod channel;
mod feed;
mod framing;
mod hub;
mod lag;
mod limits;
mod message;
mod rights;
mod rules;
mod stats;

pub use broker::{
    Arrival, Broker, BrokerError, ChannelInfo, ChannelPage, ChannelQuery, Digest, Hold, Joined,
    Member, Presence, Publication, PublishError, Receipt, Redeemed, Release, Revocation,
    Revocations, Revoked, Subject, Ticket, TicketError,
};
pub use channel::{ChannelName, NameError, Realm};
pub use feed::{Delivery, Feed, FeedStatus, Key, SkipReason};
pub use framing::Framing;
pub use hub::Hub;
pub use lag::{Lag, LagPolicy};
pub use limits::Limits;
pub use message::{
    ClientId, Draft, EventName, EventNameError, Kind, Message, Payload, PayloadKind, Sender,
};
pub use rights::{
    Action, Audience, Claims, Denied, Grants, May, PatternError, Patterns, Role, decide,
};
pub use rules::{History, Rulebook, Rules};
pub use stats::{Counter, Gauge, HubStats};
pub use tidings_log::{
    Budget, Cursor, Epoch, Gap, GapReason, Log, MAX_OFFSET, Meter, Millis, Opened, Position,
    Retention, Signal, Start, Status, Terms, Tower,
};

/// The moment of a call, given by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic milliseconds: retention, lag, idempotency, leases, forgetting.
    pub monotonic: Millis,
    /// Unix milliseconds: shown to people, and reckoned with only where a token says until when:
    /// tickets and revocations.
    pub unix: u64,
}

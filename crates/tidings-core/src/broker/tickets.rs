//! Tickets: short-lived stand-ins for a token where only a URL can carry it.
//!
//! Deliberately absent: the ticket itself. Only its digest comes here, so that nobody who sees what a
//! broker holds can use it.

use bytes::Bytes;

use tidings_log::Millis;

/// What a ticket is known by: a digest of it.
pub type Digest = [u8; 32];

/// A ticket, when it is issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its digest.
    pub digest: Digest,
    /// What it stands for, in whatever form its issuer reads again.
    pub holder: Bytes,
    /// Unix milliseconds by which it must have been used.
    pub first_use_by: u64,
    /// Unix milliseconds until which it can be used again.
    pub until: u64,
}

/// What a ticket was good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// What it stands for.
    pub holder: Bytes,
    /// It had not been used. Of any number of parallel uses one is the first.
    pub first: bool,
}

/// Why a ticket is good for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// There is none, or it was over long ago.
    #[error("there is no such ticket, or its time is over; get another one from POST /tickets")]
    Unknown,
    /// It was not used in time, or is over.
    #[error("the ticket's time is over; get another one from POST /tickets")]
    TooLate,
    /// Its first use came from elsewhere.
    #[error("the ticket was used from another origin; get another one from POST /tickets")]
    OtherOrigin,
    /// Its first use was only just now: this one is not a client that comes back, but a second one.
    #[error(
        "the ticket is in use since less than a second; get one for each client from POST /tickets"
    )]
    InUse,
    /// The broker could not.
    #[error(transparent)]
    Broker(#[from] super::BrokerError),
}

/// Time after the first use of a ticket in which no other is taken, in milliseconds. Two requests that
/// race for one ticket come within it; an `EventSource` that comes back waits longer.
pub const EXCLUSIVE: Millis = 1_000;

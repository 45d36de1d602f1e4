//! Who is in a channel: what is asked of a broker, and what it answers.
//!
//! Presence is told on a channel of its own, `$presence:NAME`: a member that comes is an event `join`
//! there, one that goes an event `leave`. Every method takes the name of that channel. What a member
//! shows is made by who calls; nothing here reads JSON.

use std::sync::Arc;

use bytes::Bytes;
use tidings_log::{Millis, Position};

use crate::channel::ChannelName;
use crate::message::ClientId;
use crate::rules::Rules;

/// Somebody who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The client.
    pub client: ClientId,
    /// Its user, where one is known.
    pub user: Option<Arc<str>>,
    /// What others see of it, one valid JSON text: the payload of both its events.
    pub shown: Bytes,
}

/// What makes a client a member for as long as it has at least one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// An open stream. Each counts. It takes the place of streams that were lost, so their time of
    /// grace is over.
    Stream,
    /// A lease until this time. Another one extends it, and never shortens it.
    Until(Millis),
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// A stream ended without a word: the client may come back within this time as if nothing had
    /// been.
    Lost {
        /// In milliseconds.
        grace: Millis,
    },
    /// A stream ended and said so.
    Stream,
    /// The lease is given back.
    Lease,
}

/// A client that wants to be a member.
#[derive(Clone, Debug)]
pub struct Arrival<'a> {
    /// The presence channel.
    pub channel: &'a ChannelName,
    /// Its rules.
    pub rules: &'a Rules,
    /// Who comes.
    pub member: Member,
    /// By what.
    pub hold: Hold,
}

/// What became of an [`Arrival`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// It had not been there.
    pub new: bool,
    /// Where its `join` stands; `None` if there was nothing to tell: it was there and shows the same.
    pub position: Option<Position>,
}

/// Who is there at one position of the presence channel: whoever reads on from it learns of exactly
/// the changes since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The members, by client; at most as many as were asked for and the limit allows.
    pub members: Vec<Arc<Member>>,
    /// How many there are.
    pub count: usize,
    /// The place after the last event that they are made of.
    pub position: Position,
}

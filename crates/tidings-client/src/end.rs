//! How connections end. The words are those of the table in `docs/clients.md`; what follows from each is decided by
//! the connector.

use std::{fmt, time::Duration};

use crate::Error;

/// The ends of the table, and the good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every channel has ended.
    Closed,
    Final,
    Asked,
    AtOnce,
    Passing,
    Unreachable,
    Lost,
    Blocked,
    Broken,
    Mute,
    Cut,
    Silent,
}

impl End {
    /// Why a rung is left for this, if it speaks against it while the server is well.
    pub(crate) fn blames(self) -> Option<MoveReason> {
        match self {
            Self::Blocked => Some(MoveReason::Blocked),
            Self::Broken => Some(MoveReason::Broken),
            Self::Mute => Some(MoveReason::Mute),
            Self::Cut => Some(MoveReason::Cut),
            Self::Silent => Some(MoveReason::Silent),
            _ => None,
        }
    }
}

/// Why a subscription went over to another transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MoveReason {
    /// What answered was not the server, or the WebSocket was refused.
    Blocked,
    /// Accepted, and broken before the server's first frame.
    Broken,
    /// No first frame came in time, while the server answered otherwise.
    Mute,
    /// It worked, and broke too soon, again and again.
    Cut,
    /// It worked, and then nothing came any more, again and again.
    Silent,
    /// A better transport works now.
    Climbed,
}

impl MoveReason {
    /// The word of `docs/clients.md`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Broken => "broken",
            Self::Mute => "mute",
            Self::Cut => "cut",
            Self::Silent => "silent",
            Self::Climbed => "climbed",
        }
    }
}

impl fmt::Display for MoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An end with what is known of it.
#[derive(Debug)]
pub(crate) enum Cause {
    Closed,
    Final(Error),
    /// The server asked to come back after this time, which it dealt out itself.
    Asked(Duration),
    AtOnce(Error),
    Passing(Error),
    Unreachable(Error),
    Lost(Error),
    Blocked(Error),
    Broken(Error),
    Mute(Error),
    Cut(Error),
    Silent(Error),
}

impl Cause {
    pub(crate) fn end(&self) -> End {
        match self {
            Self::Closed => End::Closed,
            Self::Final(_) => End::Final,
            Self::Asked(_) => End::Asked,
            Self::AtOnce(_) => End::AtOnce,
            Self::Passing(_) => End::Passing,
            Self::Unreachable(_) => End::Unreachable,
            Self::Lost(_) => End::Lost,
            Self::Blocked(_) => End::Blocked,
            Self::Broken(_) => End::Broken,
            Self::Mute(_) => End::Mute,
            Self::Cut(_) => End::Cut,
            Self::Silent(_) => End::Silent,
        }
    }

    /// The error behind it, where there is one.
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Self::Closed | Self::Asked(_) => None,
            Self::Final(error)
            | Self::AtOnce(error)
            | Self::Passing(error)
            | Self::Unreachable(error)
            | Self::Lost(error)
            | Self::Blocked(error)
            | Self::Broken(error)
            | Self::Mute(error)
            | Self::Cut(error)
            | Self::Silent(error) => Some(error),
        }
    }

    /// Why, for a person.
    pub(crate) fn reason(&self) -> String {
        match self.error() {
            Some(error) => error.to_string(),
            None => "the server asked to reconnect".to_owned(),
        }
    }
}

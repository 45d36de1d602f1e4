//! Where a reading starts: the rule of the wire contract, for one channel and for several.

use tidings_core::{ChannelName, Start};

use crate::cursor::Cursor;

/// One `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// With the oldest retained message.
    Earliest,
    /// With what comes.
    Now,
    /// After a cursor.
    Cursor(Cursor),
}

impl After {
    /// Parses `earliest`, `now` or a cursor. Never fails: see [`Cursor::Garbage`].
    pub fn parse(text: &str) -> Self {
        match text {
            "earliest" => Self::Earliest,
            "now" => Self::Now,
            cursor => Self::Cursor(Cursor::parse(cursor)),
        }
    }

    /// Where `name` starts; `None` where a cursor does not hold it.
    fn start_of(&self, name: &ChannelName) -> Option<Start> {
        match self {
            Self::Earliest => Some(Start::Earliest),
            Self::Now => Some(Start::Now),
            Self::Cursor(Cursor::Garbage) => Some(Start::Unknown),
            Self::Cursor(cursor) => cursor.position_of(name).map(Start::At),
        }
    }
}

/// Everything that a request said about where to start. The first that says something about a
/// channel decides for it.
#[derive(Clone, Debug, Default)]
pub struct StartRule {
    /// The header `Last-Event-ID`.
    pub last_event_id: Option<Cursor>,
    /// `after` for the channels without one of their own.
    pub after: Option<After>,
    /// `last` for the channels without one of their own.
    pub last: Option<usize>,
}

impl StartRule {
    /// Where `name` starts, given what was said for it alone, and where nothing was said.
    pub fn resolve(
        &self,
        name: &ChannelName,
        after: Option<&After>,
        last: Option<usize>,
        otherwise: Start,
    ) -> Start {
        let native = match &self.last_event_id {
            Some(Cursor::Garbage) => Some(Start::Unknown),
            Some(cursor) => cursor.position_of(name).map(Start::At),
            None => None,
        };
        native
            .or_else(|| after?.start_of(name))
            .or_else(|| self.after.as_ref()?.start_of(name))
            .or_else(|| last.or(self.last).map(Start::Last))
            .unwrap_or(otherwise)
    }
}

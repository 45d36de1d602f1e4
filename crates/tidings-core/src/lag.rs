//! What a channel does for readers that cannot keep up.

use std::sync::Arc;
use std::time::Duration;

use tidings_log::{Behind, LagRule};

/// How a namespace treats readers that lag, and how often it wakes any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lag {
    /// What a reader gets that comes late to several messages.
    pub policy: LagPolicy,
    /// For [`LagPolicy::LatestBy`]: the JSON pointer (RFC 6901) to what a message is about; `None`: the publisher
    /// says it.
    pub by: Option<Arc<str>>,
    /// Readers are woken at most this often, all at once; zero: at every message.
    pub every: Duration,
    /// Bytes that a live reader may lag behind. More: a gap of reason `too_slow`, or its end. Without
    /// meaning where only the newest counts: a gap would take that, too.
    pub bytes: u64,
    /// Age of the oldest unread message of a live reader. More: the same.
    pub time: Duration,
}

impl Lag {
    /// Where messages say what they are about, by a JSON pointer into them.
    pub fn pointer(&self) -> Option<&str> {
        match self.policy {
            LagPolicy::LatestBy => self.by.as_deref(),
            _ => None,
        }
    }

    /// The rule as the log wants it.
    pub(crate) fn rule(&self) -> LagRule {
        LagRule {
            behind: match self.policy {
                LagPolicy::Keep => Behind::Gap,
                LagPolicy::Latest | LagPolicy::LatestBy => Behind::Conflate,
                LagPolicy::Disconnect => Behind::End,
            },
            bytes: self.bytes,
            age: self.time.as_millis() as u64,
            every: self.every.as_millis() as u64,
        }
    }
}

/// What a reader gets that comes late to several messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LagPolicy {
    /// All of them, up to the limits of lag and retention.
    Keep,
    /// The newest; the others are told as skipped.
    Latest,
    /// The newest about each thing; the others are told as skipped.
    LatestBy,
    /// All of them, and its connection ends where a gap would be.
    Disconnect,
}

impl LagPolicy {
    /// All by name.
    pub const ALL: &[(&str, Self)] = &[
        ("keep", Self::Keep),
        ("latest", Self::Latest),
        ("latest_by", Self::LatestBy),
        ("disconnect", Self::Disconnect),
    ];
}

impl Default for Lag {
    fn default() -> Self {
        Self {
            policy: LagPolicy::Keep,
            by: None,
            every: Duration::ZERO,
            bytes: 16 << 20,
            time: Duration::from_secs(60),
        }
    }
}

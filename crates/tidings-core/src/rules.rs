//! What holds for the channels of a namespace.

use std::collections::HashMap;
use std::time::Duration;

use tidings_log::Retention;

use crate::channel::ChannelName;
use crate::limits::Limits;

/// What a channel retains. All three bounds hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Messages, at least 1.
    pub count: usize,
    /// Bytes of payloads and names.
    pub bytes: usize,
    /// Age of a message.
    pub age: Duration,
}

impl Default for History {
    fn default() -> Self {
        Self {
            count: 1_000,
            bytes: 1 << 20,
            age: Duration::from_secs(3600),
        }
    }
}

/// The rules of one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What its channels retain.
    pub history: History,
    /// The largest payload in bytes.
    pub message_bytes: usize,
    /// Ephemeral messages that wait for busy readers.
    pub ephemeral_messages: usize,
}

impl Rules {
    /// The rules as the log wants them.
    pub fn retention(&self) -> Retention {
        Retention {
            count: self.history.count,
            bytes: self.history.bytes,
            age: self.history.age.as_millis() as u64,
            ephemeral_count: self.ephemeral_messages.try_into().unwrap_or(u32::MAX),
            ephemeral_age: Limits::EPHEMERAL_TIME.as_millis() as u32,
        }
    }
}

/// The rules of all namespaces.
#[derive(Clone, Debug)]
pub struct Rulebook {
    default: Rules,
    namespaces: HashMap<String, Rules>,
}

impl Rulebook {
    /// The same rules for every channel: `history` and the limits.
    pub fn new(history: History, limits: &Limits) -> Self {
        Self {
            default: Rules {
                history,
                message_bytes: limits.message_bytes,
                ephemeral_messages: limits.ephemeral_messages,
            },
            namespaces: HashMap::new(),
        }
    }

    /// Other rules for one namespace: what is `None` is as everywhere.
    pub fn set(&mut self, namespace: &str, history: Option<History>, message_bytes: Option<usize>) {
        let rules = Rules {
            history: history.unwrap_or(self.default.history),
            message_bytes: message_bytes.unwrap_or(self.default.message_bytes),
            ..self.default
        };
        self.namespaces.insert(namespace.to_owned(), rules);
    }

    /// The rules of a channel.
    pub fn of(&self, channel: &ChannelName) -> &Rules {
        channel
            .namespace()
            .and_then(|namespace| self.namespaces.get(namespace))
            .unwrap_or(&self.default)
    }
}

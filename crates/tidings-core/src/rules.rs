//! What holds for the channels of a namespace.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_log::{Retention, Terms};

use crate::channel::{ChannelName, Realm};
use crate::lag::Lag;
use crate::limits::Limits;
use crate::rights::May;

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

impl History {
    /// Of a presence channel: enough to read on from a snapshot that was just taken.
    pub const OF_PRESENCE: Self = Self {
        count: 1_000,
        bytes: 256 << 10,
        age: Duration::from_secs(300),
    };
}

/// The rules of one namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Whom it lets do what.
    pub may: May,
    /// What its channels retain.
    pub history: History,
    /// What happens to readers that lag.
    pub lag: Lag,
    /// Who reads its channels can be told.
    pub presence: bool,
    /// All its messages are ephemeral.
    pub ephemeral: bool,
    /// The largest payload in bytes.
    pub message_bytes: usize,
    /// Messages that one of its channels takes in a second, for long; 0: as many as come.
    pub publish_rate: u32,
    /// Ephemeral messages that wait for busy readers.
    pub ephemeral_messages: usize,
}

impl Rules {
    /// The rules of an open server with these limits.
    pub fn open(history: History, limits: &Limits) -> Self {
        Self {
            may: May::OPEN,
            history,
            lag: Lag {
                bytes: limits.lag_bytes,
                time: limits.lag_time,
                ..Lag::default()
            },
            presence: true,
            ephemeral: false,
            message_bytes: limits.message_bytes,
            publish_rate: 0,
            ephemeral_messages: limits.ephemeral_messages,
        }
    }

    /// The rules as the log wants them.
    pub fn terms(&self) -> Terms {
        Terms {
            retention: Retention {
                count: self.history.count,
                bytes: self.history.bytes,
                age: self.history.age.as_millis() as u64,
                ephemeral_count: self.ephemeral_messages.try_into().unwrap_or(u32::MAX),
                ephemeral_age: Limits::EPHEMERAL_TIME.as_millis() as u32,
            },
            lag: self.lag.rule(),
        }
    }
}

/// The rules of all namespaces.
#[derive(Clone, Debug)]
pub struct Rulebook {
    default: Arc<Rules>,
    namespaces: HashMap<String, Arc<Rules>>,
    presence: Arc<Rules>,
    /// Of the server's own channels: how readers are spared is not for these, whose delay would say
    /// that the server is not ready.
    own: Arc<Rules>,
}

impl Rulebook {
    /// The same rules for every channel.
    pub fn new(default: Rules) -> Self {
        let presence = Rules {
            history: History::OF_PRESENCE,
            lag: Lag::default(),
            ..default.clone()
        };
        let own = Rules {
            lag: Lag::default(),
            ..default.clone()
        };
        Self {
            default: default.into(),
            namespaces: HashMap::new(),
            presence: presence.into(),
            own: own.into(),
        }
    }

    /// Other rules for one namespace.
    pub fn set(&mut self, namespace: &str, rules: Rules) {
        if namespace == "$" {
            let lag = Lag::default();
            self.own = Rules { lag, ..rules }.into();
            return;
        }
        self.namespaces.insert(namespace.to_owned(), rules.into());
    }

    /// The rules of every other namespace.
    pub fn default(&self) -> &Arc<Rules> {
        &self.default
    }

    /// Whether some channels wake their readers by ticks.
    pub fn ticks(&self) -> bool {
        let mut all = self.namespaces.values().chain([&self.default]);
        all.any(|rules| !rules.lag.every.is_zero())
    }

    /// The rules of a channel. What a presence channel is about has its own.
    pub fn of(&self, channel: &ChannelName) -> &Arc<Rules> {
        if channel.realm() == Realm::Server {
            return match channel.is_server_channel() {
                true => &self.own,
                false => &self.presence,
            };
        }
        channel
            .namespace()
            .and_then(|namespace| self.namespaces.get(namespace))
            .unwrap_or(&self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Audience;

    #[test]
    fn the_servers_channels_have_a_namespace_and_are_not_delayed() {
        let open = Rules::open(History::default(), &Limits::default());
        let mut book = Rulebook::new(open.clone());
        let mut closed = open.clone();
        closed.may.subscribe = Audience::Backend;
        closed.lag.every = Duration::from_secs(60);
        book.set("$", closed);
        let rules = |name: &str| book.of(&ChannelName::parse(name).unwrap()).clone();
        assert_eq!(rules("$stats").may.subscribe, Audience::Backend);
        assert_eq!(rules("$stats").lag, Lag::default());
        assert!(!book.ticks());
        for other in ["a", "room:1", "@alice", "$presence:a"] {
            assert_eq!(rules(other).may.subscribe, Audience::Anyone, "{other}");
        }
    }
}

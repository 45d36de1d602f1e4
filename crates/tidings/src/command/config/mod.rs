//! The configuration: what may be set, how the layers (defaults, file, environment, flags) make one
//! [`Config`], and what is said when one of them is wrong. It starts nothing and reads no file but
//! the one it is given.

mod check;
mod demo;
mod edge;
mod fault;
mod identity;
mod keys;
mod load;
mod lookup;
mod named;
mod print;
mod reload;
mod schema;
mod sections;
mod suggest;
mod texts;
mod units;
mod value;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use tidings_core::{History, Lag, Limits, May, Rulebook, Rules};

pub use check::is_loopback;
pub use fault::{Fault, Faults, Place, Spot, Wrong};
pub use load::{Flag, Inputs, Loaded, load};
pub use print::print;
pub use reload::{Changes, compare};
pub use schema::schema;
pub use sections::{
    Admin, Algorithm, ApiKey, Auth, Channels, Demo, LagRules, Log, LogFormat, LogLevel, Network,
    Proxy, Secret, Tls, TlsVersion, TokenSource,
};
pub use value::Value;

/// The beginning of the names of environment variables.
pub const PREFIX: &str = "TIDINGS_";

/// The variable of the token that `pub` and `sub` show.
pub const TOKEN_VARIABLE: &str = "TIDINGS_TOKEN";

/// Variables with the prefix that are not keys: they stand for flags, or for what no flag takes.
pub const FLAG_VARIABLES: [&str; 5] = [
    "TIDINGS_CACERT",
    "TIDINGS_CONFIG",
    TOKEN_VARIABLE,
    "TIDINGS_URL",
    "TIDINGS_USER",
];

/// All that is configurable, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Threads that serve connections; 0: one for each processor.
    pub workers: usize,
    /// Any address may be listened on.
    pub insecure: bool,
    /// Origins besides the server's own, `scheme://host[:port]`.
    pub origins: Vec<String>,
    /// Host names besides those of loopback, without port.
    pub hosts: Vec<String>,
    /// WebSocket messages are compressed for clients that offer it.
    pub compression: bool,
    /// The files and the versions of TLS.
    pub tls: Tls,
    /// What stands before the server.
    pub proxy: Proxy,
    /// Administration and metrics.
    pub admin: Admin,
    /// What is logged and how.
    pub log: Log,
    /// How those who come say who they are.
    pub auth: Auth,
    /// Whom channels let do what.
    pub may: May,
    /// What channels can do.
    pub channels: Channels,
    /// What a channel retains.
    pub history: History,
    /// What happens to readers that lag.
    pub lag: LagRules,
    /// The pages that show what it can do.
    pub demo: Demo,
    /// Every number that bounds something.
    pub limits: Limits,
    /// What holds in some namespaces, whole: what was not set there is as everywhere.
    pub namespaces: BTreeMap<String, Rules>,
    /// Who issues tokens.
    pub tokens: BTreeMap<String, TokenSource>,
    /// The keys of parts of the application.
    pub keys: BTreeMap<String, ApiKey>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8000).into(),
            workers: 0,
            insecure: false,
            origins: Vec::new(),
            hosts: Vec::new(),
            compression: true,
            tls: Tls::default(),
            proxy: Proxy::default(),
            admin: Admin::default(),
            log: Log::default(),
            auth: Auth::default(),
            may: May::OPEN,
            channels: Channels::default(),
            history: History::default(),
            lag: LagRules::default(),
            demo: Demo::default(),
            limits: Limits::default(),
            namespaces: BTreeMap::new(),
            tokens: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Whether nobody is asked who they are: neither tokens nor keys, and no one else to ask.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty() && self.keys.is_empty() && self.auth.authorize.is_none()
    }

    /// The rules of all channels.
    pub fn rulebook(&self) -> Rulebook {
        let mut rules = Rulebook::new(self.everywhere());
        if !self.is_open() {
            // The figures of the server are nobody's business whose token does not name them, however
            // open its channels are.
            let own = Rules {
                may: May::BY_TOKEN,
                ..self.everywhere()
            };
            rules.set("$", own);
        }
        if self.demo.on {
            for (name, lag) in demo::lags() {
                let lag = Lag {
                    bytes: self.limits.lag_bytes,
                    time: self.limits.lag_time,
                    ..lag
                };
                let namespace = Rules {
                    lag,
                    ..self.everywhere()
                };
                rules.set(name, namespace);
            }
        }
        for (name, namespace) in &self.namespaces {
            rules.set(name, namespace.clone());
        }
        rules
    }

    /// What holds in a namespace that says nothing of its own.
    fn everywhere(&self) -> Rules {
        Rules {
            may: self.may,
            history: self.history,
            lag: Lag {
                policy: self.lag.policy,
                by: self.lag.by.clone(),
                every: self.lag.every,
                bytes: self.limits.lag_bytes,
                time: self.limits.lag_time,
            },
            presence: self.channels.presence,
            ephemeral: self.channels.ephemeral,
            message_bytes: self.limits.message_bytes,
            publish_rate: self.channels.publish_rate,
            ephemeral_messages: self.limits.ephemeral_messages,
        }
    }

    /// A configuration with a namespace's rules in the place of the general ones and nothing else,
    /// so that one table of keys reads and prints both.
    fn within(rules: &Rules) -> Self {
        let limits = Limits {
            lag_bytes: rules.lag.bytes,
            lag_time: rules.lag.time,
            message_bytes: rules.message_bytes,
            ephemeral_messages: rules.ephemeral_messages,
            ..Limits::default()
        };
        Self {
            may: rules.may,
            history: rules.history,
            lag: LagRules {
                policy: rules.lag.policy,
                by: rules.lag.by.clone(),
                every: rules.lag.every,
            },
            channels: Channels {
                presence: rules.presence,
                ephemeral: rules.ephemeral,
                publish_rate: rules.publish_rate,
            },
            limits,
            ..Self::default()
        }
    }
}

//! The configuration: what may be set, how the layers (defaults, file, environment, flags) make one
//! [`Config`], and what is said when one of them is wrong. It starts nothing and reads no file but
//! the one it is given.

mod check;
mod fault;
mod keys;
mod load;
mod print;
mod suggest;
mod units;
mod value;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tidings_core::{History, Limits, Rulebook, Rules};

pub use check::is_loopback;
pub use fault::{Fault, Faults, Place, Spot, Wrong};
pub use load::{Flag, Inputs, Loaded, load};
pub use print::print;
pub use value::Value;

/// The beginning of the names of environment variables.
pub const PREFIX: &str = "TIDINGS_";

/// Variables with the prefix that are not keys: they stand for flags.
pub const FLAG_VARIABLES: [&str; 4] = [
    "TIDINGS_CACERT",
    "TIDINGS_CONFIG",
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
    /// The files of TLS.
    pub tls: Tls,
    /// What is logged and how.
    pub log: Log,
    /// What a channel retains.
    pub history: History,
    /// Every number that bounds something.
    pub limits: Limits,
    /// What is other in some namespaces.
    pub namespaces: BTreeMap<String, Namespace>,
}

/// What holds in one namespace, whole: what was not set there is as everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    /// What its channels retain.
    pub history: History,
    /// Bytes of a message's payload.
    pub message_bytes: usize,
}

/// The files of TLS: both, or none for plain HTTP.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// The certificate with its chain.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// And what may become a failure.
    Warn,
    /// And what an operator wants to know.
    Info,
    /// And what helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// In which form it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogLevel {
    /// The levels by name.
    pub const ALL: &[(&str, Self)] = &[
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

impl LogFormat {
    /// The forms by name.
    pub const ALL: &[(&str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
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
            log: Log {
                level: LogLevel::Info,
                format: LogFormat::Text,
            },
            history: History::default(),
            limits: Limits::default(),
            namespaces: BTreeMap::new(),
        }
    }
}

impl Config {
    /// The rules of all channels.
    pub fn rulebook(&self) -> Rulebook {
        let rules_of = |namespace: &Namespace| Rules {
            message_bytes: namespace.message_bytes,
            ..Rules::open(namespace.history, &self.limits)
        };
        let mut rules = Rulebook::new(rules_of(&self.everywhere()));
        for (name, namespace) in &self.namespaces {
            rules.set(name, rules_of(namespace));
        }
        rules
    }

    /// What holds in a namespace that says nothing of its own.
    fn everywhere(&self) -> Namespace {
        Namespace {
            history: self.history,
            message_bytes: self.limits.message_bytes,
        }
    }

    /// The same configuration with a namespace's values in the place of the general ones, so that
    /// one table of keys reads and prints both.
    fn within(&self, namespace: &Namespace) -> Self {
        let mut scope = self.clone();
        scope.history = namespace.history;
        scope.limits.message_bytes = namespace.message_bytes;
        scope
    }
}

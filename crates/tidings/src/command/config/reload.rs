//! What differs between two configurations, and which of it a running server cannot take. Reading the
//! new one and putting it in force is the business of whoever serves.

use std::collections::BTreeSet;

use super::Config;
use super::keys::{KEYS, Key};
use super::lookup::join;
use super::named::NAMED;

/// What differs between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Keys that a running server can take; named tables as a whole, as `keys.app`.
    pub live: Vec<String>,
    /// Keys that need a restart.
    pub restart: Vec<&'static str>,
}

/// Limits that are rules of channels, which can be exchanged.
const RULES: [&str; 4] = [
    "limits.message_bytes",
    "limits.lag_bytes",
    "limits.lag_time",
    "limits.ephemeral_messages",
];

/// What differs.
pub fn compare(old: &Config, new: &Config) -> Changes {
    let mut changes = Changes::default();
    // TLS itself is there from the start or not; which certificate it has can be exchanged.
    let other_tls = old.tls.cert.is_some() != new.tls.cert.is_some();
    for key in KEYS.iter().filter(|key| !(key.same)(old, new)) {
        match needs_restart(key) || (other_tls && key.table() == "tls") {
            true => changes.restart.push(key.path),
            false => changes.live.push(key.path.to_owned()),
        }
    }
    for named in NAMED.iter() {
        let names = |config| (named.names)(config).into_iter();
        let all: BTreeSet<&String> = names(old).chain(names(new)).collect();
        let other = all.into_iter().filter(|name| !(named.same)(old, new, name));
        let paths = other.map(|name| join(&[named.root.to_owned(), name.clone()]));
        changes.live.extend(paths);
    }
    changes
}

fn needs_restart(key: &Key) -> bool {
    match key.path {
        "listen" | "workers" | "compression" | "log.format" | "admin.listen" | "tls.redirect" => {
            true
        }
        rule if RULES.contains(&rule) => false,
        _ => matches!(key.table(), "demo" | "limits" | "proxy"),
    }
}

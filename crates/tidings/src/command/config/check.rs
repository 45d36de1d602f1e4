//! Checks beyond the bounds of a single number: the form of names, and values that must fit each
//! other. It knows no file and no flag, only where a value came from.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use tidings_core::{ChannelName, Lag, LagPolicy};

use super::Config;
use super::fault::{Fault, Place, Wrong};
use super::lookup::join;
use super::units::{Bytes, Count, Time, Unit};
use super::{demo, edge, identity};

/// Where each value that is no default came from, by the whole name of its key.
pub type Sources = BTreeMap<String, Place>;

/// The form of an origin: `scheme://host[:port]`.
pub fn origin(text: &str) -> Result<(), Wrong> {
    let wrong = |what: &str, fix: String| Err(Wrong::new(format!("{text:?} {what}"), fix));
    let example = || "write scheme://host or scheme://host:port, as a browser sends it".to_owned();
    if text == "*" {
        let fix = "list each origin; without a list only the server's own pages may use it";
        return wrong("would let every web page in", fix.into());
    }
    let Some((scheme, authority)) = text.split_once("://") else {
        return wrong("is not an origin", example());
    };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    if !scheme_ok {
        return wrong(
            "has no valid scheme (lower case letters, as http)",
            example(),
        );
    }
    if let Some(end) = authority.find(['/', '?', '#']) {
        let fix = format!("write {scheme}://{}", &authority[..end]);
        return wrong("has a path, an origin has none", fix);
    }
    let (name, port) = split_port(authority);
    if !is_host(name) || port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return wrong("has no valid host and port", example());
    }
    Ok(())
}

/// The form of a host name: without scheme, port and path.
pub fn host(text: &str) -> Result<(), Wrong> {
    let wrong = |what: &str, fix: String| Err(Wrong::new(format!("{text:?} {what}"), fix));
    if let Some((_, rest)) = text.split_once("://") {
        let name = rest.split(['/', '?', '#']).next().unwrap_or_default();
        return wrong(
            "has a scheme, a host has none",
            format!("write {}", split_port(name).0),
        );
    }
    let (name, port) = split_port(text);
    if is_host(name) && port.is_some() {
        return wrong(
            "has a port, all ports of a host are meant",
            format!("write {name}"),
        );
    }
    if !is_host(text) {
        let fix =
            "write a name such as rt.example.com, or an address such as 192.0.2.1 or [2001:db8::1]";
        return wrong("is not a host", fix.into());
    }
    Ok(())
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (authority, None),
    }
}

fn is_host(name: &str) -> bool {
    if let Some(address) = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
    {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    name.strip_suffix('.').unwrap_or(name).split('.').all(label)
}

/// The form of a namespace: what can stand before the first `:` of a channel's name.
pub fn namespace(name: &str) -> Result<(), Wrong> {
    let wrong = |what: String, fix: &str| Err(Wrong::new(what, fix.into()));
    let fix =
        "write what stands before the first : in the names of its channels, as room for room:7";
    if name.contains(':') {
        return wrong("a namespace holds no `:`".into(), fix);
    }
    match ChannelName::parse(&format!("{name}:")) {
        Ok(_) if name.is_empty() => wrong("the name of a namespace is empty".into(), fix),
        Ok(channel) if channel.namespace() != Some(name) && name.chars().count() > 1 => {
            let sign = &name[..1];
            let what = format!("names that begin with {sign} are all in the namespace {sign}");
            let fix = format!("write namespaces.\"{sign}\"");
            Err(Wrong::new(what, fix))
        }
        Ok(_) => Ok(()),
        Err(error) => wrong(error.to_string(), fix),
    }
}

/// Whether the host of a URL is this machine by its name or address.
pub fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().map(|ip: IpAddr| is_loopback((ip, 0).into()));
    address.unwrap_or_else(|_| host.eq_ignore_ascii_case("localhost"))
}

/// Whether an address is reached from this machine only.
pub fn is_loopback(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    }
}

/// A value that must not be above another.
struct Order {
    small: String,
    small_shown: String,
    large: String,
    large_shown: String,
    holds: bool,
    why: &'static str,
}

fn bytes(value: usize) -> String {
    Bytes(0..=0).show(&value)
}

fn orders(config: &Config) -> Vec<Order> {
    let limits = &config.limits;
    let mut orders = vec![
        Order {
            small: "limits.poll_messages_default".into(),
            small_shown: Count(0..=0).show(&limits.poll_messages_default),
            large: "limits.poll_messages".into(),
            large_shown: Count(0..=0).show(&limits.poll_messages),
            holds: limits.poll_messages_default <= limits.poll_messages,
            why: "an answer would hold more messages than it may",
        },
        Order {
            small: "limits.sweep".into(),
            small_shown: Time(0..=0).show(&limits.sweep),
            large: "limits.forget".into(),
            large_shown: Time(0..=0).show(&limits.forget),
            holds: limits.sweep <= limits.forget,
            why: "channels would be forgotten later than it says",
        },
    ];
    orders.extend(lags(config));
    let general = ("limits.message_bytes".to_owned(), limits.message_bytes);
    let special = config.namespaces.iter().map(|(name, namespace)| {
        let path = [
            "namespaces".to_owned(),
            name.clone(),
            "message_bytes".to_owned(),
        ];
        (join(&path), namespace.message_bytes)
    });
    for (key, size) in std::iter::once(general).chain(special) {
        for (large, bound, why) in [
            (
                "limits.body_bytes",
                limits.body_bytes,
                "such a message could not be published over HTTP",
            ),
            (
                "limits.command_bytes",
                limits.command_bytes,
                "such a message could not be published over WebSocket",
            ),
        ] {
            orders.push(Order {
                small: key.clone(),
                small_shown: bytes(size),
                large: large.into(),
                large_shown: bytes(bound),
                holds: size <= bound,
                why,
            });
        }
    }
    orders
}

/// Readers that are woken more seldom than they may lag would lag always.
fn lags(config: &Config) -> Vec<Order> {
    let order = |every: String, time: String, lag: &Lag| Order {
        small: every,
        small_shown: Time(0..=0).show(&lag.every),
        large: time,
        large_shown: Time(0..=0).show(&lag.time),
        holds: lag.every <= lag.time,
        why: "every reader would be too slow",
    };
    let general = order(
        "lag.every".into(),
        "limits.lag_time".into(),
        &config.everywhere().lag,
    );
    let special = config.namespaces.iter().map(|(name, rules)| {
        let key = |key: &str| in_namespace(name, key);
        order(key("lag.every"), key("lag.time"), &rules.lag)
    });
    std::iter::once(general).chain(special).collect()
}

fn in_namespace(name: &str, key: &str) -> String {
    let table = join(&["namespaces".to_owned(), name.to_owned()]);
    format!("{table}.{key}")
}

/// What the checks of values that must fit each other need to know.
pub struct Whole<'a> {
    pub config: &'a Config,
    sources: &'a Sources,
    told: &'a [Fault],
    faults: Vec<Fault>,
}

impl Whole<'_> {
    /// Whether somebody set it.
    pub fn is_set(&self, key: &str) -> bool {
        self.sources.contains_key(key)
    }

    /// Whether the key is wrong by itself.
    pub fn is_told(&self, key: &str) -> bool {
        self.told
            .iter()
            .any(|fault| fault.key.as_deref() == Some(key))
    }

    /// Complains about a key.
    pub fn fault(&mut self, key: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.faults.push(Fault {
            place: self.sources.get(key).cloned().unwrap_or(Place::Default),
            key: Some(key.to_owned()),
            wrong: Wrong::new(what.into(), fix.into()),
        });
    }
}

/// What is wrong although each value alone is right. Keys that are wrong by themselves are left out.
pub fn whole(config: &Config, sources: &Sources, told: &[Fault]) -> Vec<Fault> {
    let mut whole = Whole {
        config,
        sources,
        told,
        faults: Vec::new(),
    };
    identity::check(&mut whole);
    edge::check(&mut whole);
    demo::check(&mut whole);
    pointers(&mut whole);
    for order in orders(config) {
        whole.order(&order);
    }
    whole.faults
}

/// What may be meant so, and may be a mistake.
pub fn doubts(config: &Config, sources: &Sources) -> Vec<Fault> {
    let mut whole = Whole {
        config,
        sources,
        told: &[],
        faults: Vec::new(),
    };
    edge::doubt(&mut whole);
    whole.faults
}

impl Whole<'_> {
    fn order(&mut self, order: &Order) {
        let (small, large) = (&order.small, &order.large);
        // A namespace without a value of its own is told by the general key.
        let own = self.is_set(small) || (large.starts_with("namespaces.") && self.is_set(large));
        let inherited = small.starts_with("namespaces.") && !own;
        if order.holds || inherited || self.is_told(small) || self.is_told(large) {
            return;
        }
        // The key that somebody set is the one to be shown.
        let blame_large = !self.is_set(small) && self.is_set(large);
        let key = if blame_large { large } else { small };
        let what = format!(
            "{small} = {} is more than {large} = {}: {}",
            order.small_shown, order.large_shown, order.why
        );
        let fix = format!(
            "write {small} = {} or less, or {large} = {} or more",
            order.large_shown, order.small_shown
        );
        self.fault(key, what, fix);
    }
}

/// `lag.by` is for one policy only: whoever wrote it without that wants something that does not happen.
fn pointers(whole: &mut Whole<'_>) {
    let config = whole.config;
    let chosen = |lag: &Lag| lag.policy == LagPolicy::LatestBy;
    let general = config.everywhere().lag;
    let used = chosen(&general) || config.namespaces.values().any(|rules| chosen(&rules.lag));
    let mut unused = Vec::new();
    if general.by.is_some() && !used {
        unused.push(("lag.by".to_owned(), "lag.policy".to_owned()));
    }
    for (name, rules) in &config.namespaces {
        let key = in_namespace(name, "lag.by");
        if rules.lag.by.is_some() && !chosen(&rules.lag) && whole.is_set(&key) {
            unused.push((key, in_namespace(name, "lag.policy")));
        }
    }
    unused.retain(|(_, policy)| !whole.is_told(policy));
    for (by, policy) in unused {
        let what = format!("{by} is set and {policy} is not \"latest_by\": it would do nothing");
        let fix = format!("write {policy} = \"latest_by\", or leave {by} out");
        whole.fault(&by, what, fix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for good in [
            "https://app.example.com",
            "http://localhost:3000",
            "http://[::1]:80",
            "tauri://localhost",
        ] {
            assert_eq!(origin(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "*",
            "app.example.com",
            "https://a/",
            "https://a/b",
            "HTTPS://a",
            "https://",
            "https://a:x",
            "https://a b",
            "null",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert_eq!(
            origin("https://a.example:1/").unwrap_err().fix,
            "write https://a.example:1"
        );
    }

    #[test]
    fn hosts() {
        for good in [
            "rt.example.com",
            "rt.example.com.",
            "my_host",
            "10.0.0.1",
            "[2001:db8::1]",
        ] {
            assert_eq!(host(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "a:80", "https://a", "a/b", "*", "::1", "한글.kr"] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert_eq!(host("rt.example:80").unwrap_err().fix, "write rt.example");
        assert_eq!(
            host("https://rt.example:80/x").unwrap_err().fix,
            "write rt.example"
        );
    }

    #[test]
    fn namespaces() {
        for good in ["room", "방", "$", "@", "a.b"] {
            assert_eq!(namespace(good), Ok(()), "{good}");
        }
        for bad in ["", "a:b", "a b", "$stats", "@alice"] {
            assert!(namespace(bad).is_err(), "{bad}");
        }
        assert!(namespace(&"가".repeat(86)).is_err());
    }
}

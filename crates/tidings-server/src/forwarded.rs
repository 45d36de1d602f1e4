//! Whose a request is, behind proxies: what they say of it, believed as far as they are trusted.
//!
//! Everybody can send these fields. So they are read from the right, where the nearest proxy wrote,
//! and only while the one who wrote is trusted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use http::header::FORWARDED;

use crate::address::Network;

/// Proxies whose word is taken for whom they speak for. By default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Where they are.
    pub networks: Vec<Network>,
    /// In which field they say it.
    pub field: ForwardedField,
}

/// The field in which proxies say whom they speak for. One alone is read: the other is what a client
/// sent, where the proxies know nothing of it and pass it on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedField {
    /// `X-Forwarded-For`: addresses, the nearest last.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): the `for` of its elements, the nearest last.
    Forwarded,
}

impl TrustedProxies {
    /// Whether the proxy at this address is trusted.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }
}

impl ForwardedField {
    fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => FORWARDED.as_str(),
        }
    }

    fn address(self, hop: &[u8]) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(hop),
            Self::Forwarded => element(hop),
        }
    }
}

/// The client that a request comes from, over a connection from `peer`: the first address from the
/// right that is not a trusted proxy's. Where a proxy does not name an address (`unknown`, a hidden
/// name, garbage), it is the proxy itself. IPv4 mapped into IPv6 comes as IPv4.
pub fn client_address(peer: IpAddr, trusted: &TrustedProxies, headers: &HeaderMap) -> IpAddr {
    let mut client = peer.to_canonical();
    if !trusted.contains(client) {
        return client;
    }
    let lines = headers.get_all(trusted.field.name()).iter().rev();
    for hop in lines.flat_map(|line| Hops(Some(line.as_bytes()))) {
        let Some(address) = trusted.field.address(hop) else {
            break;
        };
        client = address;
        if !trusted.contains(client) {
            break;
        }
    }
    client
}

/// The elements of a list, from the right: a quote that a client left open to the left of what
/// proxies wrote does not swallow it.
struct Hops<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Hops<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let left = self.0.take()?;
        let mut quoted = false;
        let comma = left.iter().rposition(|&byte| {
            quoted ^= byte == b'"';
            byte == b',' && !quoted
        });
        let hop = match comma {
            Some(at) => {
                self.0 = Some(&left[..at]);
                &left[at + 1..]
            }
            None => left,
        };
        Some(hop.trim_ascii())
    }
}

/// The address in the one `for` of an element (RFC 7239 section 4).
fn element(hop: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for pair in hop.split(|&byte| byte == b';') {
        let at = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (&pair[..at], &pair[at + 1..]);
        if name.trim_ascii().eq_ignore_ascii_case(b"for") {
            let value = unquoted(value.trim_ascii())?;
            if found.replace(node(value)?).is_some() {
                return None;
            }
        }
    }
    found
}

fn unquoted(value: &[u8]) -> Option<&[u8]> {
    match value.strip_prefix(b"\"") {
        Some(rest) => rest.strip_suffix(b"\""),
        None => Some(value),
    }
}

/// An address, with or without a port; IPv6 with a port is in brackets (RFC 7239 section 6).
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bracketed = || {
        let inside = text.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let address: Option<IpAddr> = text.parse().ok();
    let address = address.or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests;

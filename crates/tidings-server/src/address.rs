//! Addresses of clients: by what they are counted, and the networks whose word about others is
//! taken. Nothing is looked up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// What limits per address are counted by: an IPv4 address as it is, also where it comes as a mapped
/// IPv6 address, and of an IPv6 address the first 64 bits, which is what one customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressKey(u64);

/// Where IPv4 stands among the prefixes of IPv6: within multicast (ff00::/8), from which nothing
/// comes. So a key is eight bytes.
const V4: u64 = 0xffff_ffff_0000_0000;

impl AddressKey {
    /// The key of this address.
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => V4 | u64::from(v4.to_bits()),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
        })
    }
}

/// Addresses that begin with the same bits (RFC 4632, RFC 4291 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// No address.
    #[error("{0:?} is no address or network: write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32")]
    NotAnAddress(String),
    /// No length of a prefix.
    #[error("{0:?} is no length of a prefix: write 0 to 32 with IPv4, 0 to 128 with IPv6")]
    NotAPrefix(String),
    /// Bits are set behind the prefix: one of the two is a mistake.
    #[error("there are bits behind the prefix: write {0}, or the address alone")]
    BitsBehind(Network),
    /// IPv4 within IPv6.
    #[error("write IPv4 addresses as such: {0}")]
    Mapped(Ipv4Addr),
}

impl Network {
    /// Whether it holds this address. An IPv4 address that is mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                address.to_bits() & mask_v4(self.prefix) == first.to_bits()
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                address.to_bits() & mask_v6(self.prefix) == first.to_bits()
            }
            _ => false,
        }
    }

    fn around(address: IpAddr, prefix: u8) -> Self {
        let first = match address {
            IpAddr::V4(v4) => Ipv4Addr::from_bits(v4.to_bits() & mask_v4(prefix)).into(),
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & mask_v6(prefix)).into(),
        };
        Self { first, prefix }
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(u32::BITS - u32::from(prefix))
        .unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX
        .checked_shl(u128::BITS - u32::from(prefix))
        .unwrap_or(0)
}

impl FromStr for Network {
    type Err = NetworkError;

    /// `ADDRESS/PREFIX`, or an address, which is a network of its own.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| NetworkError::NotAnAddress(text.to_owned()))?;
        let longest = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => return Err(NetworkError::Mapped(v4)),
                None => 128,
            },
        };
        let prefix = prefix.map_or(Ok(longest), |prefix| length(prefix, longest))?;
        let network = Self::around(address, prefix);
        match network.first == address {
            true => Ok(network),
            false => Err(NetworkError::BitsBehind(network)),
        }
    }
}

fn length(text: &str, longest: u8) -> Result<u8, NetworkError> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = is_number.then(|| text.parse().ok()).flatten();
    number
        .filter(|&length| length <= longest)
        .ok_or_else(|| NetworkError::NotAPrefix(text.to_owned()))
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> AddressKey {
        AddressKey::of(address.parse().unwrap())
    }

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_counted_as_one() {
        for (one, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1"),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        for (one, other) in [
            ("192.0.2.1", "192.0.2.2"),
            ("2001:db8:1:2::1", "2001:db8:1:3::1"),
            ("0.0.0.1", "::1"),
            ("0.0.0.0", "::"),
        ] {
            assert_ne!(key(one), key(other), "{one} {other}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.8/31", "::ffff:192.0.2.9", "192.0.2.10"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("::1", "::1", "::2"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"),
        ] {
            assert!(network(text).contains(inside.parse().unwrap()), "{text}");
            assert!(!network(text).contains(outside.parse().unwrap()), "{text}");
        }
        assert_eq!(network("192.0.2.7").to_string(), "192.0.2.7/32");
    }

    #[test]
    fn what_is_no_network_says_what_to_write() {
        for (text, hint) in [
            ("", "192.0.2.7"),
            ("localhost", "192.0.2.7"),
            ("10.0.0/8", "192.0.2.7"),
            ("[::1]", "2001:db8::/32"),
            ("10.0.0.0/", "0 to 32"),
            ("10.0.0.0/33", "0 to 32"),
            ("10.0.0.0/+8", "0 to 32"),
            ("::/129", "0 to 128"),
            ("10.0.0.1/8", "write 10.0.0.0/8"),
            ("2001:db8::1/32", "write 2001:db8::/32"),
            ("::ffff:10.0.0.0/104", "as such: 10.0.0.0"),
        ] {
            let error = text.parse::<Network>().expect_err(text).to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}

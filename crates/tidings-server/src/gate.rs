//! How many connections there are: in all, by address, and of those from which no whole request came
//! yet. It counts and judges; it holds no socket and knows no time.
//!
//! Administration has places of its own, so that a crowd elsewhere never keeps it out.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_core::Limits;

use crate::address::AddressKey;
use crate::via::Full;

/// The counts of one server.
pub struct Gate {
    bounds: Bounds,
    counts: Mutex<Counts>,
}

/// What [`Limits`] says of connections.
struct Bounds {
    connections: usize,
    handshakes: usize,
    connections_per_address: usize,
    handshakes_per_address: usize,
}

#[derive(Default)]
struct Counts {
    admin: usize,
    open: usize,
    /// Of these, without a whole request yet.
    handshakes: usize,
    /// Of these, to be told that their address has too many.
    told: usize,
    addresses: HashMap<AddressKey, OfAddress>,
}

#[derive(Default)]
struct OfAddress {
    open: u32,
    handshakes: u32,
}

/// Why a connection is closed without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There are too many connections, and enough that are told so.
    Connections,
    /// Too many say nothing.
    Handshakes,
}

impl Gate {
    pub fn new(limits: &Limits) -> Self {
        Self {
            bounds: Bounds {
                connections: limits.connections,
                handshakes: limits.handshakes,
                connections_per_address: limits.connections_per_address,
                handshakes_per_address: limits.handshakes_per_address,
            },
            counts: Mutex::default(),
        }
    }

    /// A connection of administration comes.
    pub fn enter_admin(&self) -> Result<(), Refused> {
        let mut counts = self.lock();
        if counts.admin >= Limits::ADMIN_CONNECTIONS {
            return Err(Refused::Connections);
        }
        counts.admin += 1;
        Ok(())
    }

    /// A connection comes, of whoever. If it may, it is in its handshake.
    pub fn enter(&self) -> Result<Option<Full>, Refused> {
        let (mut counts, bounds) = (self.lock(), &self.bounds);
        if counts.open >= bounds.connections + Limits::TOLD_FULL {
            return Err(Refused::Connections);
        }
        if counts.handshakes >= bounds.handshakes {
            return Err(Refused::Handshakes);
        }
        let is_full = counts.open >= bounds.connections;
        counts.open += 1;
        counts.handshakes += 1;
        Ok(is_full.then_some(Full::Server))
    }

    /// The address of a connection in its handshake becomes known. If it may not stay it is not
    /// counted by it.
    pub fn know(&self, address: AddressKey, full: Option<Full>) -> Result<Option<Full>, Refused> {
        let (mut counts, bounds) = (self.lock(), &self.bounds);
        let counts = &mut *counts;
        let entry = counts.addresses.entry(address);
        let (open, handshakes) = match &entry {
            Entry::Occupied(of) => (of.get().open as usize, of.get().handshakes as usize),
            Entry::Vacant(_) => (0, 0),
        };
        if handshakes >= bounds.handshakes_per_address {
            return Err(Refused::Handshakes);
        }
        let crowded = full.is_none() && open >= bounds.connections_per_address;
        if crowded {
            if counts.told >= Limits::TOLD_FULL {
                return Err(Refused::Connections);
            }
            counts.told += 1;
        }
        let of = entry.or_default();
        of.open += 1;
        of.handshakes += 1;
        Ok(full.or(crowded.then_some(Full::Address)))
    }

    /// A whole request came from a connection, the first.
    pub fn arrived(&self, address: Option<AddressKey>) {
        self.lock().arrived(address);
    }

    /// A connection of administration ends.
    pub fn leave_admin(&self) {
        self.lock().admin -= 1;
    }

    /// A connection ends that was counted by this address, if any.
    pub fn leave(&self, address: Option<AddressKey>, full: Option<Full>, arrived: bool) {
        let mut counts = self.lock();
        if !arrived {
            counts.arrived(address);
        }
        counts.open -= 1;
        if full == Some(Full::Address) {
            counts.told -= 1;
        }
        if let Some(address) = address
            && let Entry::Occupied(mut of) = counts.addresses.entry(address)
        {
            of.get_mut().open -= 1;
            if of.get().open == 0 {
                of.remove();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn arrived(&mut self, address: Option<AddressKey>) {
        self.handshakes -= 1;
        if let Some(of) = address.and_then(|address| self.addresses.get_mut(&address)) {
            of.handshakes -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(change: impl FnOnce(&mut Limits)) -> Gate {
        let mut limits = Limits::default();
        change(&mut limits);
        Gate::new(&limits)
    }

    fn key(address: &str) -> AddressKey {
        AddressKey::of(address.parse().unwrap())
    }

    #[test]
    fn a_full_server_tells_some_and_then_nobody() {
        let gate = gate(|limits| limits.connections = 2);
        let entered: Vec<_> = (0..3 + Limits::TOLD_FULL).map(|_| gate.enter()).collect();
        assert_eq!(entered[..2], [Ok(None), Ok(None)]);
        assert!(
            entered[2..][..Limits::TOLD_FULL]
                .iter()
                .all(|e| *e == Ok(Some(Full::Server)))
        );
        assert_eq!(entered.last(), Some(&Err(Refused::Connections)));
        gate.leave(None, None, false);
        assert_eq!(gate.enter(), Ok(Some(Full::Server)));
    }

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let gate = gate(|limits| limits.connections_per_address = 1);
        let (one, other) = (key("2001:db8::1"), key("2001:db8:0:1::1"));
        let come = |address| gate.enter().and_then(|full| gate.know(address, full));
        assert_eq!((come(one), come(other)), (Ok(None), Ok(None)));
        let neighbour = key("2001:db8::2");
        for _ in 0..Limits::TOLD_FULL {
            assert_eq!(come(neighbour), Ok(Some(Full::Address)));
        }
        assert_eq!(come(neighbour), Err(Refused::Connections));
        gate.leave(None, None, false);
        for _ in 0..Limits::TOLD_FULL {
            gate.leave(Some(neighbour), Some(Full::Address), false);
        }
        gate.leave(Some(one), None, false);
        assert_eq!(come(one), Ok(None));
    }

    #[test]
    fn who_says_nothing_is_bounded_until_it_does() {
        let gate = gate(|limits| {
            limits.handshakes = 3;
            limits.handshakes_per_address = 2;
        });
        let one = key("192.0.2.1");
        let come = || gate.enter().and_then(|full| gate.know(one, full));
        assert_eq!((come(), come()), (Ok(None), Ok(None)));
        assert_eq!(come(), Err(Refused::Handshakes));
        assert_eq!(
            gate.enter(),
            Err(Refused::Handshakes),
            "the third is not gone yet"
        );
        gate.leave(None, None, false);
        gate.arrived(Some(one));
        assert_eq!(come(), Ok(None));
        gate.leave(Some(one), None, true);
        assert_eq!(come(), Err(Refused::Handshakes));
    }

    #[test]
    fn what_is_gone_leaves_nothing() {
        let gate = gate(|_| ());
        let one = key("192.0.2.1");
        for arrived in [false, true] {
            let full = gate.enter().unwrap();
            gate.know(one, full).unwrap();
            if arrived {
                gate.arrived(Some(one));
            }
            gate.leave(Some(one), None, arrived);
        }
        let counts = gate.lock();
        assert_eq!((counts.open, counts.handshakes, counts.told), (0, 0, 0));
        assert!(counts.addresses.is_empty());
    }

    #[test]
    fn administration_has_its_own_places() {
        let gate = gate(|limits| limits.connections = 1);
        while gate.enter().is_ok() {}
        for _ in 0..Limits::ADMIN_CONNECTIONS {
            assert_eq!(gate.enter_admin(), Ok(()));
        }
        assert_eq!(gate.enter_admin(), Err(Refused::Connections));
        gate.leave_admin();
        assert_eq!(gate.enter_admin(), Ok(()));
    }
}

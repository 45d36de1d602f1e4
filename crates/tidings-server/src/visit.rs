//! One connection as the server's door knows it: by which listener it came, who is at the other end,
//! and the place that it takes up until it is gone.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::address::AddressKey;
use crate::app::App;
use crate::forwarded::{TrustedProxies, client_address};
use crate::gate::{Gate, Refused};
use crate::listener::Kind;
use crate::proxy_protocol::{self, ProxyError};
use crate::seldom::Seldom;
use crate::tls::TlsSlot;
use crate::via::{Full, Via};

/// What all connections of a listener are served with.
pub struct Door {
    pub app: Arc<App>,
    pub kind: Kind,
    pub trusted: Arc<TrustedProxies>,
    pub gate: Arc<Gate>,
    pub stop: watch::Receiver<bool>,
}

impl Door {
    /// What TLS begins with, where connections are TLS.
    pub fn tls(&self) -> Option<&TlsSlot> {
        match &self.kind {
            Kind::Public { tls, .. } | Kind::Admin { tls } => tls.as_ref(),
            Kind::Redirect { .. } => None,
        }
    }

    /// The port of HTTPS, where requests are only sent there.
    pub fn redirects_to(&self) -> Option<u16> {
        match self.kind {
            Kind::Redirect { port, .. } => Some(port),
            Kind::Public { .. } | Kind::Admin { .. } => None,
        }
    }

    fn is_admin(&self) -> bool {
        matches!(self.kind, Kind::Admin { .. })
    }

    fn wants_proxy_header(&self) -> bool {
        match self.kind {
            Kind::Public { proxy_protocol, .. } | Kind::Redirect { proxy_protocol, .. } => {
                proxy_protocol
            }
            Kind::Admin { .. } => false,
        }
    }

    /// Waits until the server goes away.
    pub async fn stopping(&self) {
        // Without a sender the server is gone.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

/// A connection. Its place is free when this goes.
pub struct Visit {
    pub door: Arc<Door>,
    /// The other end, or whom its PROXY header names.
    peer: IpAddr,
    pub full: Option<Full>,
    /// It is counted by the address of `peer`.
    by_address: bool,
    /// A whole request came.
    arrived: AtomicBool,
}

impl Visit {
    /// Takes a place for a connection from `peer`; none if it is to be closed without a word, which is
    /// counted.
    pub fn enter(door: &Arc<Door>, peer: IpAddr) -> Option<Self> {
        let peer = peer.to_canonical();
        let stats = &door.app.stats;
        if door.is_admin() {
            if door.gate.enter_admin().is_err() {
                stats.admin_turned_away.add(1);
                return None;
            }
            return Some(Self::new(door, peer, None));
        }
        if door.wants_proxy_header() && !door.trusted.contains(peer) {
            not_a_proxy(door, peer);
            return None;
        }
        let full = match door.gate.enter() {
            Ok(full) => full,
            Err(refused) => {
                door.count(refused, false);
                return None;
            }
        };
        if full.is_some() {
            stats.turned_away.add(1);
        }
        stats.handshakes.add(1);
        let mut visit = Self::new(door, peer, full);
        (door.wants_proxy_header() || visit.count_by_address()).then_some(visit)
    }

    fn new(door: &Arc<Door>, peer: IpAddr, full: Option<Full>) -> Self {
        Self {
            door: door.clone(),
            peer,
            full,
            by_address: false,
            arrived: AtomicBool::new(false),
        }
    }

    pub fn app(&self) -> &Arc<App> {
        &self.door.app
    }

    /// Whether a PROXY header has to be read before anything else.
    pub fn wants_proxy_header(&self) -> bool {
        self.door.wants_proxy_header()
    }

    /// Reads the PROXY header, and knows from it whose connection it is. False: it is to be closed,
    /// which is counted.
    pub async fn read_proxy_header(&mut self, socket: &mut TcpStream) -> bool {
        let app = self.door.app.clone();
        let header = timeout(app.limits().head_time, proxy_protocol::read(socket));
        let header = tokio::select! {
            header = header => header,
            () = self.door.stopping() => return false,
        };
        match header {
            Ok(Ok(None)) => true,
            Ok(Ok(Some(client))) => {
                self.peer = client;
                self.count_by_address()
            }
            Ok(Err(ProxyError::Silent)) => false,
            Ok(Err(error)) => {
                app.stats.proxy_errors.add(1);
                bad_header(self.peer, &error);
                false
            }
            Err(_) => {
                app.stats.proxy_errors.add(1);
                tracing::debug!(proxy = %self.peer, "no PROXY header came in time");
                false
            }
        }
    }

    /// Counts it by its address; trusted proxies come for many and are not. False: it is to be
    /// closed.
    fn count_by_address(&mut self) -> bool {
        if self.door.trusted.contains(self.peer) {
            return true;
        }
        match self.door.gate.know(AddressKey::of(self.peer), self.full) {
            Ok(full) => {
                self.by_address = true;
                if full != self.full {
                    self.door.app.stats.crowded.add(1);
                }
                self.full = full;
                true
            }
            Err(refused) => {
                self.door.count(refused, true);
                false
            }
        }
    }

    /// A whole request came: it is no longer one of those that say nothing.
    pub fn arrived(&self) {
        if !self.door.is_admin() && !self.arrived.swap(true, Ordering::Relaxed) {
            self.door.app.stats.handshakes.add(-1);
            self.door.gate.arrived(self.key());
        }
    }

    /// How a request with these header fields came.
    pub fn via(&self, headers: &HeaderMap) -> Via {
        Via {
            full: self.full,
            secure: self.door.tls().is_some(),
            admin: self.door.is_admin(),
            client: Some(client_address(self.peer, &self.door.trusted, headers)),
            ..Via::default()
        }
    }

    fn key(&self) -> Option<AddressKey> {
        self.by_address.then(|| AddressKey::of(self.peer))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let gate = &self.door.gate;
        if self.door.is_admin() {
            return gate.leave_admin();
        }
        let arrived = *self.arrived.get_mut();
        if !arrived {
            self.door.app.stats.handshakes.add(-1);
        }
        gate.leave(self.key(), self.full, arrived);
    }
}

impl Door {
    fn count(&self, refused: Refused, of_address: bool) {
        let stats = &self.app.stats;
        match (refused, of_address) {
            (Refused::Handshakes, _) => stats.handshakes_refused.add(1),
            (Refused::Connections, true) => stats.crowded.add(1),
            (Refused::Connections, false) => stats.turned_away.add(1),
        }
    }
}

fn not_a_proxy(door: &Door, peer: IpAddr) {
    static TOLD: Seldom = Seldom::new();
    door.app.stats.proxy_errors.add(1);
    if TOLD.is_due(Instant::now()) {
        tracing::warn!(%peer, "a connection was closed: only trusted proxies may connect to a listener that takes PROXY headers");
    }
}

fn bad_header(proxy: IpAddr, error: &ProxyError) {
    static TOLD: Seldom = Seldom::new();
    if TOLD.is_due(Instant::now()) {
        tracing::warn!(%proxy, %error, "a connection was closed");
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use tidings_core::broker::memory::MemoryBroker;
    use tidings_core::{History, Hub, Limits, Rulebook, Rules};

    use super::*;

    fn door(kind: Kind) -> Arc<Door> {
        let limits = Limits {
            handshakes_per_address: 1,
            ..Limits::default()
        };
        let rules = Rulebook::new(Rules::open(History::default(), &limits));
        let hub = Hub::new(MemoryBroker::new([1, 2], &limits), rules, limits.clone());
        let trusted = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap()],
            ..TrustedProxies::default()
        };
        Arc::new(Door {
            app: App::new(hub, crate::Options::default()),
            kind,
            trusted: Arc::new(trusted),
            gate: Arc::new(Gate::new(&limits)),
            stop: watch::channel(false).1,
        })
    }

    fn enter(door: &Arc<Door>, peer: &str) -> Option<Visit> {
        Visit::enter(door, peer.parse().unwrap())
    }

    #[test]
    fn a_request_knows_whose_it_is_and_by_which_listener_it_came() {
        let public = door(Kind::Public {
            tls: None,
            proxy_protocol: false,
        });
        let admin = door(Kind::Admin { tls: None });
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
        for (door, peer, client) in [
            (&public, "10.0.0.1", "192.0.2.1"),
            (&public, "::ffff:10.0.0.1", "192.0.2.1"),
            (&public, "::ffff:203.0.113.9", "203.0.113.9"),
            (&admin, "203.0.113.9", "203.0.113.9"),
        ] {
            let expected = Via {
                admin: door.is_admin(),
                client: Some(client.parse().unwrap()),
                ..Via::default()
            };
            assert_eq!(enter(door, peer).unwrap().via(&headers), expected);
        }
    }

    #[test]
    fn what_a_visit_takes_is_free_after_it() {
        let public = door(Kind::Public {
            tls: None,
            proxy_protocol: false,
        });
        let stats = &public.app.stats;
        for arrives in [false, true] {
            let visit = enter(&public, "192.0.2.1").unwrap();
            assert!(enter(&public, "192.0.2.1").is_none());
            assert_eq!(stats.handshakes.get(), 1);
            if arrives {
                visit.arrived();
                visit.arrived();
                assert_eq!(stats.handshakes.get(), 0);
                assert!(enter(&public, "192.0.2.1").is_some());
            }
        }
        let proxied = [enter(&public, "10.0.0.1"), enter(&public, "10.0.0.1")];
        assert!(proxied.iter().all(Option::is_some), "trusted");
        drop(proxied);
        assert_eq!(
            (stats.handshakes.get(), stats.handshakes_refused.get()),
            (0, 2)
        );
    }
}

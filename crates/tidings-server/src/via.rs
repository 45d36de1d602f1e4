//! How a request came, as far as its answer depends on it.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, request};

/// What the carrier of a request knows and its head does not say. A request without it came over a
/// carrier that knows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Via {
    /// There is no room for the connection: it is told so.
    pub full: Option<Full>,
    /// It came over TLS that ends here, so the scheme of the server's own pages is known.
    pub secure: bool,
    /// It asks for a WebSocket by extended CONNECT (RFC 8441), without an upgrade.
    pub tunnel: bool,
    /// It came through an application that embeds the server: who asks is that application's to say.
    pub guest: bool,
    /// It came by a listener for administration.
    pub admin: bool,
    /// Whose it is: the other end of the connection, or whom trusted proxies name. IPv4 never comes
    /// mapped into IPv6. None where the carrier does not know it.
    pub client: Option<IpAddr>,
}

/// What there is too much of, so that a connection has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Connections.
    Server,
    /// Connections of this address.
    Address,
}

/// Who asks, as the embedding application knows it: put into a request's extensions, it is the user
/// of what the request reads and publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User(pub Arc<str>);

impl Via {
    /// Puts it into the request's head. What is there without it needs no memory.
    pub fn note(self, head: &mut request::Parts) {
        if self != Self::default() {
            head.extensions.insert(self);
        }
    }
}

/// Whether it asks for a WebSocket by extended CONNECT, of which this is the `:protocol` (RFC 8441
/// section 4). It is a GET from then on, as it would be with an upgrade.
pub fn take_tunnel(head: &mut request::Parts, protocol: Option<&str>) -> bool {
    let tunnel = head.method == Method::CONNECT && protocol == Some("websocket");
    if tunnel {
        head.method = Method::GET;
    }
    tunnel
}

/// How this request came.
pub fn via(head: &request::Parts) -> Via {
    head.extensions.get().copied().unwrap_or_default()
}

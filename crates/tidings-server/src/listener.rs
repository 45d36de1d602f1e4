//! The listeners of a server: where, for whom, and the loop that accepts on each.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tidings_core::Limits;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use crate::seldom::Seldom;
use crate::tls::TlsSlot;
use crate::visit::{Door, Visit};
use crate::workers::{Accepted, Workers};

/// One address to listen on.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Where; port 0 takes a free one.
    pub address: SocketAddr,
    /// For whom.
    pub kind: Kind,
}

/// For whom a listener is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// For readers and publishers.
    Public {
        /// Connections are TLS.
        tls: Option<TlsSlot>,
        /// Connections begin with a PROXY header of version 2. They are taken from trusted proxies
        /// only.
        proxy_protocol: bool,
    },
    /// For administration: with places of its own, so that it answers when the others are full.
    Admin {
        /// Connections are TLS.
        tls: Option<TlsSlot>,
    },
    /// In clear, for who did not write `https`: every request is sent there, and nothing else.
    Redirect {
        /// The port that HTTPS is reached at, which may be another than is listened on.
        port: u16,
        /// As with `Public`.
        proxy_protocol: bool,
    },
}

impl Listener {
    /// For readers and publishers who connect themselves.
    pub fn public(address: SocketAddr, tls: Option<TlsSlot>) -> Self {
        let kind = Kind::Public {
            tls,
            proxy_protocol: false,
        };
        Self { address, kind }
    }
}

/// Accepts for ever.
pub async fn accept(listener: TcpListener, door: Arc<Door>, workers: Arc<Workers>) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => admit(&door, socket, peer, &workers),
            Err(error) => rest(&door, &error).await,
        }
    }
}

fn admit(door: &Arc<Door>, socket: TcpStream, peer: SocketAddr, workers: &Workers) {
    door.app.stats.accepted.add(1);
    let Some(visit) = Visit::enter(door, peer.ip()) else {
        return;
    };
    let prepared = prepare(&socket, door.app.limits());
    match prepared.and_then(|()| socket.into_std()) {
        Ok(socket) => workers.take(Accepted { socket, visit }),
        Err(error) => tracing::debug!(%error, "a socket was gone before it was served"),
    }
}

/// Accepting failed: mostly for want of file descriptors. Not to spin, it waits a little; what is
/// logged once a minute is counted every time. Other listeners go on meanwhile.
async fn rest(door: &Door, error: &std::io::Error) {
    static TOLD: Seldom = Seldom::new();
    door.app.stats.accept_errors.add(1);
    if TOLD.is_due(Instant::now()) {
        tracing::warn!(%error, "connections cannot be accepted; `ulimit -n` may be too small");
    }
    sleep(Duration::from_millis(100)).await;
}

/// Small writes leave at once; a peer that is gone is noticed, on every transport.
fn prepare(socket: &TcpStream, limits: &Limits) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    let probe = limits.heartbeat.max(Duration::from_secs(1));
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(probe)
            .with_interval(probe)
            .with_retries(1),
    )?;
    // The kernel's own limit also counts a peer that is there and takes nothing: whose time is longer.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(
        (2 * probe).max(limits.write_time + Duration::from_secs(5)),
    ))?;
    Ok(())
}

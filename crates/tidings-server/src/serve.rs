//! The accept loop, the housekeeping beside it, and the orderly end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tidings_core::Limits;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::housekeeping;
use crate::tls::TlsKeys;
use crate::workers::{Accepted, Workers};

/// A server that listens.
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    workers: usize,
    tls: Option<TlsKeys>,
}

/// Listens on `address`; connections are shared out among `workers` threads. With keys all of them
/// are TLS.
pub async fn bind(
    address: SocketAddr,
    workers: usize,
    app: Arc<App>,
    tls: Option<TlsKeys>,
) -> std::io::Result<Server> {
    Ok(Server {
        app,
        listener: TcpListener::bind(address).await?,
        workers: workers.max(1),
        tls,
    })
}

impl Server {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener
            .local_addr()
            .expect("a bound listener has an address")
    }

    /// Serves until `shutdown`, then ends: no new connections, each stream is told to come back,
    /// and what is not gone after the time to drain is cut.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let connections = TaskTracker::new();
        let workers = Workers::start(
            self.workers,
            &self.app,
            self.tls.as_ref(),
            &connections,
            &stopped,
        )?;
        let housekeeping = tokio::spawn(housekeeping::run(self.app.clone()));
        let mut shutdown = pin!(shutdown);
        let mut told = None;
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, _)) => self.admit(socket, workers.load(), &workers),
                    Err(error) => self.rest(&error, &mut told).await,
                },
            }
        }
        drop(self.listener);
        tracing::info!(connections = connections.len(), "stopping");
        self.app.stop();
        let _ = stop.send(true);
        connections.close();
        if timeout(self.app.limits().drain, connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = connections.len(),
                "connections cut: they did not end in time"
            );
        }
        housekeeping.abort();
        workers.stop().await;
        Ok(())
    }

    fn admit(&self, socket: TcpStream, open: usize, workers: &Workers) {
        let stats = &self.app.stats;
        stats.accepted.add(1);
        let full = open >= self.app.limits().connections;
        if full {
            stats.turned_away.add(1);
            if open >= self.app.limits().connections + Limits::TOLD_FULL {
                return;
            }
        }
        let prepared = prepare(&socket, self.app.limits());
        match prepared.and_then(|()| socket.into_std()) {
            Ok(socket) => workers.take(Accepted { socket, full }),
            Err(error) => tracing::debug!(%error, "a socket was gone before it was served"),
        }
    }

    /// Accepting failed: mostly for want of file descriptors. Not to spin, it waits a little; what is
    /// logged once a minute is counted every time.
    async fn rest(&self, error: &std::io::Error, told: &mut Option<Instant>) {
        self.app.stats.accept_errors.add(1);
        if told.is_none_or(|told| told.elapsed() >= Duration::from_secs(60)) {
            *told = Some(Instant::now());
            tracing::warn!(%error, "connections cannot be accepted; `ulimit -n` may be too small");
        }
        sleep(Duration::from_millis(100)).await;
    }
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

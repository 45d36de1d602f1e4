//! A server: its listeners and what they share, the housekeeping beside them, and the orderly end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::forwarded::TrustedProxies;
use crate::gate::Gate;
use crate::housekeeping;
use crate::listener::{Kind, Listener, accept};
use crate::tls::{TlsKeys, TlsSlot};
use crate::visit::Door;
use crate::workers::Workers;

/// A server. An app has one: all listeners of a server share its threads, its limits of connections,
/// its housekeeping and its end.
pub struct Server {
    app: Arc<App>,
    workers: usize,
    trusted: Arc<TrustedProxies>,
    listeners: Vec<(TcpListener, Kind)>,
}

/// A server with one public listener on `address`; connections are shared out among `workers`
/// threads. With keys all of them are TLS.
///
/// # Errors
///
/// The address cannot be listened on.
pub async fn bind(
    address: SocketAddr,
    workers: usize,
    app: Arc<App>,
    tls: Option<TlsKeys>,
) -> std::io::Result<Server> {
    let listener = Listener::public(address, tls.map(TlsSlot::new));
    Server::new(app, workers).listen(listener).await
}

impl Server {
    /// A server that does not listen yet; connections are shared out among `workers` threads.
    pub fn new(app: Arc<App>, workers: usize) -> Self {
        Self {
            app,
            workers: workers.max(1),
            trusted: Arc::default(),
            listeners: Vec::new(),
        }
    }

    /// Believes these proxies, on all its listeners.
    #[must_use]
    pub fn trusting(mut self, proxies: TrustedProxies) -> Self {
        self.trusted = Arc::new(proxies);
        self
    }

    /// Listens there, too.
    ///
    /// # Errors
    ///
    /// The address cannot be listened on.
    pub async fn listen(mut self, listener: Listener) -> std::io::Result<Self> {
        let socket = TcpListener::bind(listener.address).await?;
        self.listeners.push((socket, listener.kind));
        Ok(self)
    }

    /// Where its first listener listens.
    ///
    /// # Panics
    ///
    /// It has none.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addrs()[0]
    }

    /// Where it listens, in the order in which that began.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        let address = |(socket, _): &(TcpListener, Kind)| socket.local_addr();
        let addresses = self.listeners.iter().map(address);
        addresses
            .collect::<Result<_, _>>()
            .expect("a bound listener has an address")
    }

    /// Serves until `shutdown`, then ends: no new connections, each stream is told to come back,
    /// and what is not gone after the time to drain is cut.
    ///
    /// # Errors
    ///
    /// Its threads cannot be started.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> std::io::Result<()> {
        let (stop, stopped) = watch::channel(false);
        let connections = TaskTracker::new();
        let workers = Arc::new(Workers::start(self.workers, &connections)?);
        let mut listening = accept_all(&self.app, self.trusted, self.listeners, &workers, stopped);
        let housekeeping = tokio::spawn(housekeeping::run(self.app.clone()));
        let mut shutdown = pin!(shutdown);
        tokio::select! {
            () = &mut shutdown => {}
            // Accepting never ends, but for a panic.
            _ = listening.join_next(), if !listening.is_empty() => {
                tracing::error!("a listener ended by a panic");
            }
        }
        listening.shutdown().await;
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
        Arc::into_inner(workers)
            .expect("who accepted has ended")
            .stop()
            .await;
        Ok(())
    }
}

fn accept_all(
    app: &Arc<App>,
    trusted: Arc<TrustedProxies>,
    listeners: Vec<(TcpListener, Kind)>,
    workers: &Arc<Workers>,
    stop: watch::Receiver<bool>,
) -> JoinSet<()> {
    let gate = Arc::new(Gate::new(app.limits()));
    let accepting = listeners.into_iter().map(|(socket, kind)| {
        let door = Door {
            app: app.clone(),
            kind,
            trusted: trusted.clone(),
            gate: gate.clone(),
            stop: stop.clone(),
        };
        accept(socket, Arc::new(door), workers.clone())
    });
    accepting.collect()
}

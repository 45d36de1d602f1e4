//! A server on a port of its own, in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use tidings_core::broker::memory::MemoryBroker;
use tidings_core::{Broker, History, Hub, Limits, Rulebook};
use tidings_server::{AccessRules, App, TlsKeys, bind};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running server. It stops orderly with [`stop`](Self::stop), and dies when dropped.
pub struct TestServer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its counters and doors.
    pub app: Arc<App>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// What a test wants to be different.
pub struct Options {
    /// The limits.
    pub limits: Limits,
    /// The history of all channels.
    pub history: History,
    /// Who may ask.
    pub access: AccessRules,
    /// Listen here instead of on a free port.
    pub addr: SocketAddr,
    /// Speak TLS with these keys.
    pub tls: Option<TlsKeys>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            history: History::default(),
            access: AccessRules {
                loopback_origins: true,
                ..AccessRules::default()
            },
            addr: ([127, 0, 0, 1], 0).into(),
            tls: None,
        }
    }
}

impl TestServer {
    /// A server with its defaults.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    /// A server with other limits.
    pub async fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut options = Options::default();
        change(&mut options.limits);
        Self::with(options).await
    }

    /// A server with other numbers.
    pub async fn with(options: Options) -> Self {
        let incarnation = [fastrand::u64(..), fastrand::u64(..)];
        let broker = MemoryBroker::new(incarnation, &options.limits);
        Self::over(broker, options).await
    }

    /// A server over a broker of the test's own.
    pub async fn over(broker: Arc<dyn Broker>, options: Options) -> Self {
        let rules = Rulebook::new(options.history, &options.limits);
        let app = App::new(
            Hub::new(broker, rules, options.limits),
            tidings_server::Options {
                access: options.access,
                compresses: true,
            },
        );
        let server = bind(options.addr, 2, app.clone(), options.tls)
            .await
            .expect("a free port");
        let addr = server.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let shutdown = async {
                // A dropped sender stops it, too.
                let _ = stopped.await;
            };
            server
                .run(shutdown)
                .await
                .expect("the accept loop ends orderly");
        });
        Self {
            addr,
            app,
            stop: Some(stop),
            running,
        }
    }

    /// Stops it as SIGTERM does, and waits for its end.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        (&mut self.running)
            .await
            .expect("the server does not panic");
    }
}

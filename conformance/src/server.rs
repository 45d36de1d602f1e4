//! A server on a port of its own, in this process, and on further ports for its other carriers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::serve::ListenerExt;
use tidings_core::broker::memory::MemoryBroker;
use tidings_core::{Broker, History, Hub, Limits, Rulebook, Rules};
use tidings_server::{
    AccessRules, App, Auth, Extension, Kind, Listener, Policy, Server, TlsKeys, TlsOptions,
    TrustedProxies, bind, guest,
};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

use crate::carrier::{Carrier, Endpoint};
use crate::tls::{Authority, Certified, connector};

/// A running server. It stops orderly with [`stop`](Self::stop), and dies when dropped.
pub struct TestServer {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its counters and doors.
    pub app: Arc<App>,
    /// Where it listens with TLS, and who issued its certificate.
    secure: OnceCell<(SocketAddr, Authority)>,
    /// Where an application that embeds it listens.
    embedded: OnceCell<SocketAddr>,
    stop: watch::Sender<bool>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

/// What a test wants to be different.
pub struct Options {
    /// The limits.
    pub limits: Limits,
    /// The history of all channels.
    pub history: History,
    /// All rules, instead of those of an open server with these limits and this history.
    pub rules: Option<Rulebook>,
    /// Who may ask.
    pub access: AccessRules,
    /// What tells who somebody is.
    pub auth: Auth,
    /// Listen here instead of on a free port.
    pub addr: SocketAddr,
    /// Speak TLS with these keys.
    pub tls: Option<TlsKeys>,
    /// Answers paths of its own.
    pub extension: Option<Arc<dyn Extension>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            history: History::default(),
            rules: None,
            access: AccessRules {
                loopback_origins: true,
                ..AccessRules::default()
            },
            auth: Auth::open(),
            addr: ANY_PORT.into(),
            tls: None,
            extension: None,
        }
    }
}

/// What a server serves a certificate with.
pub fn keys_of(certified: &Certified) -> TlsKeys {
    let (chain, key) = (certified.chain.as_bytes(), certified.key.as_bytes());
    TlsKeys::from_pem(chain, key, TlsOptions::default()).expect("a certificate")
}

const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

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
        let open = || Rulebook::new(Rules::open(options.history, &options.limits));
        let rules = options.rules.unwrap_or_else(open);
        let app = App::new(
            Hub::new(broker, rules, options.limits),
            tidings_server::Options {
                policy: Policy {
                    access: options.access,
                    auth: options.auth,
                    admin_elsewhere: false,
                },
                compresses: true,
                extension: options.extension,
            },
        );
        let mut server = Self {
            addr: options.addr,
            app,
            secure: OnceCell::new(),
            embedded: OnceCell::new(),
            stop: watch::Sender::new(false),
            running: Mutex::default(),
        };
        server.addr = server.listen(options.addr, options.tls).await;
        server
    }

    /// The same server by another carrier. Over HTTP/2 the clones of what is given share a connection.
    pub async fn endpoint(&self, carrier: Carrier) -> Endpoint {
        match carrier {
            Carrier::Http1 | Carrier::Http2 => Endpoint::clear(self.addr, carrier),
            Carrier::Embedded | Carrier::EmbeddedHttp2 => {
                let addr = self.embedded.get_or_init(|| self.embed()).await;
                Endpoint::clear(*addr, carrier)
            }
            Carrier::Tls | Carrier::Http2Tls => {
                let (addr, authority) = self.secure.get_or_init(|| self.secure()).await;
                let protocol = if carrier.is_http2() { "h2" } else { "http/1.1" };
                let tls = connector(&authority.pem(), protocol);
                Endpoint::secure(*addr, carrier, tls)
            }
        }
    }

    async fn listen(&self, addr: SocketAddr, tls: Option<TlsKeys>) -> SocketAddr {
        let server = bind(addr, 2, self.app.clone(), tls)
            .await
            .expect("a free port");
        self.serve(server)[0]
    }

    /// The same app by further listeners, whose limits of connections are their own.
    pub async fn beside(&self, trusted: TrustedProxies, kinds: Vec<Kind>) -> Vec<SocketAddr> {
        let mut server = Server::new(self.app.clone(), 2).trusting(trusted);
        for kind in kinds {
            let address = ANY_PORT.into();
            let listener = Listener { address, kind };
            server = server.listen(listener).await.expect("a free port");
        }
        self.serve(server)
    }

    fn serve(&self, server: Server) -> Vec<SocketAddr> {
        let addrs = server.local_addrs();
        let mut stop = self.stop.subscribe();
        self.keep(async move {
            let shutdown = async {
                // A dropped sender stops it, too.
                let _ = stop.wait_for(|stop| *stop).await;
            };
            server
                .run(shutdown)
                .await
                .expect("the accept loop ends orderly");
        });
        addrs
    }

    async fn secure(&self) -> (SocketAddr, Authority) {
        let authority = Authority::new("of this server");
        let certified = authority.issue(&["127.0.0.1", "localhost"]);
        let keys = keys_of(&certified);
        let addr = self.listen(ANY_PORT.into(), Some(keys)).await;
        (addr, authority)
    }

    async fn embed(&self) -> SocketAddr {
        let listener = TcpListener::bind(SocketAddr::from(ANY_PORT))
            .await
            .expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        // axum leaves Nagle's algorithm on: what follows a first write would wait for the client's ACK.
        let listener = listener.tap_io(|socket| {
            // A socket that is gone is seen by who reads it.
            let _ = socket.set_nodelay(true);
        });
        let app = self.app.clone();
        let answer = move |request: Request| {
            let app = app.clone();
            async move { guest::serve(&app, request).await.map(Body::new) }
        };
        let serve = axum::serve(listener, Router::new().fallback(answer));
        let mut stop = self.stop.subscribe();
        self.keep(async move {
            tokio::select! {
                served = serve.into_future() => served.expect("the accept loop ends orderly"),
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
        addr
    }

    fn keep(&self, running: impl Future<Output = ()> + Send + 'static) {
        let mut all = self.running.lock().expect("no holder panics");
        all.push(tokio::spawn(running));
    }

    /// Stops it as SIGTERM does, and waits for its end.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let running = std::mem::take(&mut *self.running.lock().expect("no holder panics"));
        for running in running {
            running.await.expect("the server does not panic");
        }
    }
}

//! Tidings inside an application: a hub, its URLs under a path of the application's own HTTP server,
//! and publishing from Rust.
//!
//! The URLs are those of the server of its own, carried by the application's accept loop; see
//! PROTOCOL.md. Who may ask, and who the user is, is the application's to say: put a layer in front,
//! and a [`User`] into the request's extensions. Clients only read unless told otherwise.
//!
//! Small messages want sockets with `TCP_NODELAY`, which `axum::serve` does not set by itself: see
//! `examples/axum.rs`.
//!
//! ```
//! use tidings::{Message, Tidings};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let tidings = Tidings::builder().start()?;
//! let app = axum::Router::<()>::new().nest_service("/realtime", tidings.service());
//! // axum::serve(listener, app): readers follow http://…/realtime/channels/news
//! let held = tidings.publish("news", Message::json(&serde_json::json!({"btc": 91250.1}))?).await?;
//! assert_eq!(held.offset, Some(1));
//! # let _ = app;
//! # anyhow::Ok(())
//! # })?;
//! # anyhow::Ok(())
//! ```

mod message;
mod service;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tidings_core::broker::memory::MemoryBroker;
use tidings_core::{ChannelName, Hub, Rulebook, Rules};
use tidings_server::{AccessRules, App, Auth, Options, Policy, guest, housekeeping};
use tokio::task::AbortHandle;

pub use message::{Message, Published};
pub use service::Service;
pub use tidings_core::{History, Limits};
pub use tidings_protocol::{Code, Problem};
pub use tidings_server::User;
pub use tidings_server::guest::Body;

/// A hub with its URLs. Cloned, it is the same one; the last clone that goes ends its streams.
#[derive(Clone)]
pub struct Tidings(Arc<Inner>);

struct Inner {
    app: Arc<App>,
    housekeeping: AbortHandle,
}

impl Tidings {
    /// What can be chosen, with its defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Publishes a message: it has its place in the channel's log when this returns.
    ///
    /// # Errors
    /// As over HTTP: the name, the event, the payload or the key is not valid, the payload is too
    /// large, the channel has ended, or a limit of the whole is reached.
    pub async fn publish(&self, channel: &str, message: Message) -> Result<Published, Problem> {
        let channel = ChannelName::parse(channel)?;
        let draft = message.into_draft(channel, self.0.app.hub().limits())?;
        Ok(self.0.app.publish(draft).await?.into())
    }

    /// Answers one request. Its path begins with `/channels`, `/read` or `/publish`, or is
    /// `/tidings.js`: what the application puts before it, it takes away again (see [`Service::under`]).
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
    {
        guest::serve(&self.0.app, request).await
    }

    /// The URLs as a `tower` service, for `Router::nest_service` of axum and for hyper.
    pub fn service(&self) -> Service {
        Service::new(self.clone())
    }

    /// The counters, as OpenMetrics text for Prometheus.
    pub fn metrics(&self) -> String {
        tidings_server::metrics(&self.0.app)
    }

    /// Ends all streams in order: each reader is told when to come back, to whoever answers then.
    /// To be called when the application begins to shut down.
    pub fn stop(&self) {
        self.0.app.stop();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.app.stop();
        self.housekeeping.abort();
    }
}

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Builder {
    history: History,
    namespaces: Vec<(String, History)>,
    limits: Limits,
    access: AccessRules,
    compresses: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            history: History::default(),
            namespaces: Vec::new(),
            limits: Limits::default(),
            access: AccessRules {
                any_host: true,
                read_only: true,
                hides_own_channels: true,
                ..AccessRules::default()
            },
            compresses: true,
        }
    }
}

impl Builder {
    /// What each channel retains.
    #[must_use]
    pub fn history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// What the channels of a namespace (`NAMESPACE:…`) retain instead.
    #[must_use]
    pub fn namespace(mut self, namespace: &str, history: History) -> Self {
        self.namespaces.push((namespace.to_owned(), history));
        self
    }

    /// Other limits. Those of connections and of TLS are the application's. A heartbeat of less than a
    /// second is taken as one.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.limits.heartbeat = self.limits.heartbeat.max(Duration::from_secs(1));
        self
    }

    /// One more origin, `scheme://host[:port]`, whose pages may use it besides the application's own.
    #[must_use]
    pub fn origin(mut self, origin: &str) -> Self {
        self.access.origins.push(origin.to_owned());
        self
    }

    /// Whether clients may publish, too. By default the application does, and they read.
    #[must_use]
    pub fn clients_publish(mut self, may: bool) -> Self {
        self.access.read_only = !may;
        self
    }

    /// Whether WebSocket messages are compressed for clients that offer it; by default they are.
    #[must_use]
    pub fn compression(mut self, compresses: bool) -> Self {
        self.compresses = compresses;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// The system gives no random numbers.
    ///
    /// # Panics
    /// Outside of a Tokio runtime: its housekeeping is a task.
    pub fn start(self) -> Result<Tidings, getrandom::Error> {
        let incarnation = [getrandom::u64()?, getrandom::u64()?];
        let broker = MemoryBroker::new(incarnation, &self.limits);
        let rules_of = |history| Rules::open(history, &self.limits);
        let mut rules = Rulebook::new(rules_of(self.history));
        for (namespace, history) in &self.namespaces {
            rules.set(namespace, rules_of(*history));
        }
        let options = Options {
            policy: Policy {
                access: self.access,
                auth: Auth::open(),
                admin_elsewhere: false,
            },
            compresses: self.compresses,
            extension: None,
        };
        let app = App::new(Hub::new(broker, rules, self.limits), options);
        let housekeeping = tokio::spawn(housekeeping::run(app.clone())).abort_handle();
        Ok(Tidings(Arc::new(Inner { app, housekeeping })))
    }
}

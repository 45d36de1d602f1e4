//! The client: where the server is and how patient to be. It holds no connection of a subscription and no state
//! of a channel; clones share their idle connections.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{Request, StatusCode, header::HeaderValue};
use rustls::RootCertStore;
use tokio::sync::Mutex;

use crate::{
    Error,
    dialer::Dialer,
    endpoint::Endpoint,
    http::{Http, Reuse},
    identity::{Identity, Tokens},
    inbox::Desk,
    outgoing::Outgoing,
    publish::Keys,
    subscription::{SubscribeOptions, Subscription},
    tls,
};

/// How long things may take.
#[derive(Clone, Debug)]
pub struct Timings {
    /// Reaching the server: name, TCP and TLS. Default 10 s.
    pub connect: Duration,
    /// From the connection to the server's first frame; later, a transport counts as not working. A third of it is for
    /// that alone, the rest also for the question whether the server is well. Default 3 s.
    pub first_frame: Duration,
    /// A publish, or a poll beyond its `wait`. Default 10 s.
    pub request: Duration,
    /// A publish with all its retries, while it waits for a server that is away, too. Default 4 min.
    pub publish: Duration,
    /// A message that was sent and not answered is sent again no later than this. The server forgets keys after 5 min.
    /// Default 4 min.
    pub unknown_outcome: Duration,
    /// Ceiling of the first delay before another attempt; it doubles from there. Default 500 ms.
    pub backoff_first: Duration,
    /// Ceiling of all such delays. Default 30 s.
    pub backoff_max: Duration,
    /// A connection that lived this long resets the delays. Default 5 s.
    pub stable: Duration,
    /// How long a wish of the server for a later attempt is honoured. Default 5 min.
    pub hint_max: Duration,
    /// After going down to a worse transport the better ones are tried again, beside it, in this time; then in twice as
    /// long each time, always spread by half either way. Default 10 s.
    pub climb_first: Duration,
    /// The longest such time. Default 10 min.
    pub climb_max: Duration,
    /// A subscription gives up after so many connections in a row that did not work. Default: never.
    pub max_attempts: Option<u32>,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_frame: Duration::from_secs(3),
            request: Duration::from_secs(10),
            publish: Duration::from_secs(240),
            unknown_outcome: Duration::from_secs(240),
            backoff_first: Duration::from_millis(500),
            backoff_max: Duration::from_secs(30),
            stable: Duration::from_secs(5),
            hint_max: Duration::from_secs(300),
            climb_first: Duration::from_secs(10),
            climb_max: Duration::from_secs(600),
            max_attempts: None,
        }
    }
}

/// How much is accepted.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest message on a stream, envelope included, in bytes. Default 8 MiB.
    pub max_message: usize,
    /// The largest answer to a poll or a publish, in bytes. Default 16 MiB.
    pub max_response: usize,
    /// Attempts of one publish; 1 means no retry. Default: as many as fit into [`Timings::publish`].
    pub publish_attempts: u32,
    /// Messages that may wait while the server is away. Default 100.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 8 << 20,
            max_response: 16 << 20,
            publish_attempts: u32::MAX,
            queue: 100,
        }
    }
}

/// A client of one Tidings server. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
    /// Where replies come. It keeps `inner`, and so stands beside it.
    pub(crate) desk: Arc<Mutex<Option<Arc<Desk>>>>,
}

/// What all parts of a client share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) endpoint: Endpoint,
    pub(crate) http: Http,
    pub(crate) timings: Timings,
    pub(crate) limits: Limits,
    pub(crate) keys: Keys,
    pub(crate) identity: Identity,
    pub(crate) outgoing: Outgoing,
}

impl Inner {
    /// Whether the server is well: `GET /healthz`, on a connection of its own.
    pub(crate) async fn probe(&self) -> bool {
        let Ok(uri) = self.endpoint.health() else {
            return false;
        };
        let mut request = Request::new(Full::default());
        *request.uri_mut() = uri;
        let (within, limit) = (self.timings.first_frame, self.limits.max_response);
        let answer = self.http.exchange(request, Reuse::Never, within, limit);
        answer
            .await
            .is_ok_and(|answer| answer.status == StatusCode::OK)
    }
}

impl Client {
    /// A client with the defaults. `url` is the server's base URL, with a path prefix if it has one:
    /// `http://127.0.0.1:8000`, `https://host/live`. It connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`Error::Url`]; [`Error::Authorities`] for `https:` on a machine that trusts nobody.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::builder(url).build()
    }

    /// A client with other timings, limits, authorities, user agent or user.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder {
            url: url.to_owned(),
            user: None,
            tokens: Tokens::None,
            authorities: None,
            user_agent: concat!("tidings-client/", env!("CARGO_PKG_VERSION")).to_owned(),
            timings: Timings::default(),
            limits: Limits::default(),
        }
    }

    /// Follows channels. The first connection is made at once, by a task of its own, which ends with the
    /// subscription.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`]: no channel, a channel twice, a wrong count of cursors. Refusals of the server come
    /// from [`Subscription::next`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn subscribe(
        &self,
        channels: &[&str],
        options: SubscribeOptions,
    ) -> Result<Subscription, Error> {
        Subscription::start(self.inner.clone(), channels, options, None)
    }
}

/// Builds a [`Client`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    url: String,
    user: Option<String>,
    tokens: Tokens,
    authorities: Option<Vec<u8>>,
    user_agent: String,
    timings: Timings,
    limits: Limits,
}

impl ClientBuilder {
    /// The user to be (`?user=NAME`). Only a development server believes it.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The token or key to show, as `Authorization: Bearer TOKEN`. When it has ended, so has what is done with it.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.tokens = Tokens::Fixed(token.into());
        self
    }

    /// Whom to ask for a token: before the first request, when the server says that the token ends soon, and once when
    /// it says that it has ended. An error ends what needed it with [`Error::Token`].
    ///
    /// ```no_run
    /// # use tidings_client::Client;
    /// let client = Client::builder("https://realtime.example")
    ///     .token_from(|| async { std::fs::read_to_string("/run/secrets/tidings") })
    ///     .build();
    /// ```
    pub fn token_from<F, E>(mut self, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: fmt::Display,
    {
        self.tokens = Tokens::asked(ask);
        self
    }

    /// Authorities to trust for `https:` besides those of the machine: the text of a PEM file of certificates.
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// The `User-Agent` header. Default `tidings-client/VERSION`.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// How long things may take.
    pub fn timings(mut self, timings: Timings) -> Self {
        self.timings = timings;
        self
    }

    /// How much is accepted.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads the machine's store of authorities if the URL is `https:`.
    ///
    /// # Errors
    ///
    /// [`Error::Url`], [`Error::Authorities`], [`Error::Token`] for a text that is no token, or [`Error::Argument`]
    /// for a user agent that is no header value.
    pub fn build(self) -> Result<Client, Error> {
        let endpoint = Endpoint::new(&self.url, self.user)?;
        let user_agent = HeaderValue::from_str(&self.user_agent)
            .map_err(|_| Error::Argument("the user agent is not a header value".into()))?;
        let added = match &self.authorities {
            Some(pem) => tls::authorities(pem)?,
            None => RootCertStore::empty(),
        };
        let tls = match endpoint.is_tls() {
            true => Some(tls::connector(added)?),
            false => None,
        };
        let http = Http::new(user_agent, &Dialer::new(tls, self.timings.connect));
        let keys = Keys::new();
        let identity = Identity::new(self.tokens)?;
        let inner = Inner {
            endpoint,
            http,
            timings: self.timings,
            limits: self.limits,
            keys,
            identity,
            outgoing: Outgoing::default(),
        };
        Ok(Client {
            inner: Arc::new(inner),
            desk: Arc::default(),
        })
    }
}

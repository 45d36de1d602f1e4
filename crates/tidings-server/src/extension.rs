//! Paths of one's own beside the server's: whoever puts an [`Extension`] into the [`Options`] answers
//! requests to paths that the server does not have. `Host`, `Origin`, the method and the places of
//! connections were checked then, as for all; who asks is asked for where it matters.
//!
//! Deliberately absent: bodies that stream in, and streams of another kind than a reading.
//!
//! [`Options`]: crate::Options

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, request};
use tidings_core::{Action, ChannelName};
use tidings_protocol::{Code, Problem};

use crate::app::App;
use crate::charge::charge_publisher;
use crate::identity::{Who, identify};
use crate::publish::Publisher;
use crate::query::Query;
use crate::reading::{Reading, Wishes, query};
use crate::reply::{Reply, empty};
use crate::request_body::{self, RequestBody};
use crate::start::start;

/// Answers requests to paths of its own.
pub trait Extension: Send + Sync {
    /// The methods that a path takes, as `Allow` lists them (`GET, HEAD, OPTIONS`); `None` where it is none of
    /// its. Paths of the server's own do not come here.
    fn methods(&self, path: &str) -> Option<&'static str>;

    /// Bytes of a request's body at most. More: 413.
    fn body_bytes(&self) -> usize;

    /// Answers a request to one of its paths, by a method that this takes.
    ///
    /// # Errors
    ///
    /// A refusal, in the form of all refusals.
    fn answer<'a>(&'a self, asked: Asked<'a>) -> Answering<'a>;
}

/// The future of an answer.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Extended, Problem>> + Send + 'a>>;

/// What becomes of a request.
pub enum Extended {
    /// An answer, whole. Its headers go before those that all answers have.
    Answer(Response<Bytes>),
    /// The raw Server-Sent Events of a channel from its beginning, as `format=raw` gives them, with
    /// these headers besides. Who asks must have the right to read it.
    Stream(ChannelName, HeaderMap),
}

/// A request.
pub struct Asked<'a> {
    /// The server.
    pub app: &'a Arc<App>,
    /// The head.
    pub head: &'a request::Parts,
    /// The body, whole; of a GET nothing.
    pub body: Bytes,
}

impl Asked<'_> {
    /// Whether whoever asks may do all of this with a channel; charges them for a message of so many
    /// bytes.
    ///
    /// # Errors
    ///
    /// Credentials that are not good, a right that is missing, or too much in too little time.
    pub async fn claim(
        &self,
        actions: &[Action],
        channel: &ChannelName,
        bytes: usize,
    ) -> Result<(), Problem> {
        let who = identify(self.app, self.head, &query(self.head)?, None).await?;
        for action in actions {
            self.app.may(*action, channel, &who.claims, who.client)?;
        }
        charge_publisher(
            self.app,
            &Publisher::of(self.app, &who, self.head),
            1,
            bytes,
        )
    }
}

/// Answers a request that is an extension's.
pub async fn answer<B: RequestBody>(
    app: &Arc<App>,
    extension: &dyn Extension,
    head: &request::Parts,
    body: &mut B,
) -> Result<Reply, Problem> {
    let body = match head.method == Method::GET || head.method == Method::HEAD {
        true => Bytes::new(),
        false => request_body::read(body, extension.body_bytes(), app.limits()).await?,
    };
    let (mut reply, headers) = match extension.answer(Asked { app, head, body }).await? {
        Extended::Answer(answer) => {
            let (own, body) = answer.into_parts();
            let answer = empty(own.status).map(|_| body.into());
            (Reply::Answer(answer), own.headers)
        }
        Extended::Stream(channel, headers) => (stream(app, head, channel).await?, headers),
    };
    let all = reply.headers_mut();
    for name in headers.keys() {
        all.remove(name);
    }
    for (name, value) in &headers {
        all.append(name, value.clone());
    }
    Ok(reply)
}

async fn stream(
    app: &Arc<App>,
    head: &request::Parts,
    channel: ChannelName,
) -> Result<Reply, Problem> {
    if app.stopping() {
        return Err(Problem::new(
            Code::Stopping,
            "the server goes away; ask again",
        ));
    }
    let who: Who = identify(app, head, &query(head)?, None).await?;
    let raw = Query::parse(Some("format=raw&transport=sse&after=earliest"))?;
    let (none, wishes) = (HeaderMap::new(), Wishes::default());
    let reading = Reading::from_url(app, Some(channel), &raw, &none, wishes, who)?;
    start(app, head, reading).await
}

//! Publishing one message over HTTP, with retries that cannot double it. Messages of a channel go one after another,
//! and wait while the server is away, a bounded number of them for a bounded time; what fails is the caller's to keep.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::{
    Client, Error,
    client::Inner,
    connector::Backoff,
    endpoint::Target,
    event::Position,
    http::{Answer, Reuse, refusal},
    transport::SESSION,
};

/// A message to publish.
#[derive(Clone, Debug, Default)]
pub struct Publish {
    /// The payload.
    pub data: Bytes,
    /// Its media type: `…/json` and `+json` are JSON, `text/*` is text, all else bytes. None: the server takes it
    /// as JSON if it is valid, else as text, else as bytes.
    pub content_type: Option<String>,
    /// The event name.
    pub event: Option<String>,
    /// Only for those who listen at this moment: no place in the history, no replay.
    pub ephemeral: bool,
    /// The idempotency key, 1–64 visible ASCII characters. None: the client makes one as long as it may retry.
    pub key: Option<String>,
    /// The channel ends with this message; with no data it only ends.
    pub close: bool,
    /// What it is about, 1–64 bytes: where the channel's rules are `lag.policy = latest_by`, a reader that comes late
    /// gets the newest message about each topic.
    pub topic: Option<String>,
}

impl Publish {
    /// A JSON payload.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the value cannot be serialised.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        let data = serde_json::to_vec(value).map_err(|error| Error::Argument(error.to_string()))?;
        Ok(Self::new(data, "application/json"))
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(text.into(), "text/plain; charset=utf-8")
    }

    /// Bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(bytes, "application/octet-stream")
    }

    /// Whatever it is: JSON if it is valid, else text, else bytes.
    pub fn guess(data: impl Into<Bytes>) -> Self {
        Self {
            data: data.into(),
            ..Self::default()
        }
    }

    fn new(data: impl Into<Bytes>, content_type: &str) -> Self {
        Self {
            data: data.into(),
            content_type: Some(content_type.to_owned()),
            ..Self::default()
        }
    }

    /// The same under an event name.
    #[must_use]
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// The same, ephemeral.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// The same under an idempotency key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The same about a topic.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// The same as the last message of its channel.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }
}

/// The server's answer to a publish: it holds the message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The channel.
    pub channel: String,
    /// The message's place; none for an ephemeral one.
    pub position: Option<Position>,
    /// How many readers the server knew of, an estimate.
    pub subscribers: u64,
    /// The message had been published before under the same key; this is the answer of that time.
    pub duplicate: bool,
    /// The channel has ended, with this message or before.
    pub closed: bool,
}

#[derive(Deserialize)]
pub(crate) struct WireReceipt {
    channel: String,
    epoch: Option<String>,
    offset: Option<u64>,
    #[serde(default)]
    subscribers: u64,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    closed: bool,
}

/// Idempotency keys that no other client makes.
pub(crate) struct Keys {
    prefix: [u64; 2],
    count: AtomicU64,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    pub(crate) fn new() -> Self {
        // Keyed by the operating system's random numbers: two equal keys would swallow a message.
        let random = RandomState::new();
        Self {
            prefix: [random.hash_one(1_u8), random.hash_one(2_u8)],
            count: AtomicU64::new(0),
        }
    }

    /// A text that no other client makes.
    pub(crate) fn next(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{:016x}-{count:x}", self.prefix[0], self.prefix[1])
    }
}

impl Client {
    /// Publishes one message and waits until the server holds it. Messages of one channel go in the order in which this
    /// was called. A passing failure is tried again under one idempotency key for [`crate::Timings::publish`], so that a
    /// retry never doubles the message; an ephemeral message is sent once and does not wait. A failure that is returned
    /// says nothing about whether the server got it; publishing again with the same [`Publish::key`] settles it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's `code`, [`Error::Unreachable`], [`Error::Lost`], [`Error::Timeout`],
    /// [`Error::QueueFull`], [`Error::UnknownOutcome`], [`Error::Argument`] for a key or content type that is no header
    /// value, [`Error::Token`], [`Error::Foreign`].
    pub async fn publish(&self, channel: &str, publish: Publish) -> Result<Receipt, Error> {
        self.inner.publish(channel, publish, None).await
    }
}

impl Inner {
    /// The same, as the client of a session.
    pub(crate) async fn publish(
        &self,
        channel: &str,
        publish: Publish,
        session: Option<&HeaderValue>,
    ) -> Result<Receipt, Error> {
        let uri = self.endpoint.uri(target(channel, &publish))?;
        let may_retry = self.limits.publish_attempts > 1 && !publish.ephemeral;
        let key = publish.key.clone();
        let key = key.or_else(|| may_retry.then(|| self.keys.next()));
        let mut template = request(&uri, &publish, key.as_deref())?;
        if let Some(session) = session {
            template.headers_mut().insert(SESSION, session.clone());
        }
        if publish.ephemeral {
            return Delivery::new(self, 1).run(&template).await;
        }
        let _turn = self.outgoing.turn(channel, self.limits.queue).await?;
        let attempts = match key {
            Some(_) => self.limits.publish_attempts.max(1),
            None => 1,
        };
        Delivery::new(self, attempts).run(&template).await
    }
}

/// One message on its way.
struct Delivery<'a> {
    inner: &'a Inner,
    /// Attempts that are left.
    attempts: u32,
    backoff: Backoff,
    deadline: Instant,
    /// When something was sent that was not answered.
    unanswered: Option<Instant>,
}

impl<'a> Delivery<'a> {
    fn new(inner: &'a Inner, attempts: u32) -> Self {
        let timings = &inner.timings;
        Self {
            inner,
            attempts,
            backoff: Backoff::new(timings.backoff_first, timings.backoff_max),
            deadline: Instant::now() + timings.publish,
            unanswered: None,
        }
    }

    /// Sends until it is answered, or not worth another attempt.
    async fn run(mut self, template: &Request<Full<Bytes>>) -> Result<Receipt, Error> {
        loop {
            let mut request = template.clone();
            let authorization = self.inner.identity.authorization().await?;
            if let Some(authorization) = &authorization {
                let headers = request.headers_mut();
                headers.insert(AUTHORIZATION, authorization.clone());
            }
            let began = Instant::now();
            let error = match send(self.inner, request).await {
                Ok(receipt) => {
                    self.inner.outgoing.answered(true);
                    return Ok(receipt);
                }
                Err(error) => error,
            };
            if error.is_expired() && self.inner.identity.expired(authorization.as_ref()) {
                continue;
            }
            let delay = self.failed(error, began)?;
            sleep(delay).await;
        }
    }

    /// How long to wait before another attempt, or why there is none.
    fn failed(&mut self, error: Error, began: Instant) -> Result<Duration, Error> {
        let sent = matches!(error, Error::Lost(_) | Error::Timeout { .. });
        let unsent = matches!(error, Error::Unreachable(_));
        self.inner.outgoing.answered(!sent && !unsent);
        if sent {
            self.unanswered.get_or_insert(began);
        }
        self.attempts -= 1;
        if self.attempts == 0 || !error.is_temporary() {
            return Err(error);
        }
        let delay = self.backoff.next(fastrand::f64(), error.retry_after());
        let next = Instant::now() + delay;
        let forgotten = self
            .unanswered
            .map(|at| at + self.inner.timings.unknown_outcome);
        if forgotten.is_some_and(|forgotten| next >= forgotten) {
            return Err(Error::UnknownOutcome);
        }
        match next >= self.deadline {
            true => Err(error),
            false => Ok(delay),
        }
    }
}

fn target(channel: &str, publish: &Publish) -> Target {
    let mut target = Target::channel(channel);
    if let Some(event) = &publish.event {
        target = target.with("event", event);
    }
    if let Some(topic) = &publish.topic {
        target = target.with("topic", topic);
    }
    if publish.ephemeral {
        target = target.with("ephemeral", "true");
    }
    if publish.close {
        target = target.with("close", "true");
    }
    target
}

fn request(uri: &Uri, publish: &Publish, key: Option<&str>) -> Result<Request<Full<Bytes>>, Error> {
    let header = |value: &str| {
        HeaderValue::from_str(value)
            .map_err(|_| Error::Argument(format!("{value:?} is not a header value")))
    };
    let mut request = Request::new(Full::new(publish.data.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    if let Some(content_type) = &publish.content_type {
        request
            .headers_mut()
            .insert(CONTENT_TYPE, header(content_type)?);
    }
    if let Some(key) = key {
        request
            .headers_mut()
            .insert("idempotency-key", header(key)?);
    }
    Ok(request)
}

async fn send(inner: &Inner, request: Request<Full<Bytes>>) -> Result<Receipt, Error> {
    let within: Duration = inner.timings.request;
    let answer = inner
        .http
        .exchange(request, Reuse::Allowed, within, inner.limits.max_response)
        .await?;
    if answer.status == StatusCode::OK {
        inner.identity.accepted();
        receipt(&answer)
    } else {
        Err(refusal(&answer))
    }
}

fn receipt(answer: &Answer) -> Result<Receipt, Error> {
    serde_json::from_slice::<WireReceipt>(&answer.body)
        .map(Receipt::from)
        .map_err(|error| Error::Foreign(format!("bad receipt: {error}")))
}

impl From<WireReceipt> for Receipt {
    fn from(wire: WireReceipt) -> Self {
        let position = wire.epoch.zip(wire.offset);
        Self {
            channel: wire.channel,
            position: position.map(|(epoch, offset)| Position { epoch, offset }),
            subscribers: wire.subscribers,
            duplicate: wire.duplicate,
            closed: wire.closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_and_fit() {
        let (a, b) = (Keys::new(), Keys::new());
        let keys = [a.next(), a.next(), b.next()];
        assert!(keys[0] != keys[1] && keys[0] != keys[2]);
        a.count.store(u64::MAX, Ordering::Relaxed);
        let longest = a.next();
        assert!(longest.len() <= 64 && longest.bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

//! One attempt to read over one transport: what the three ways of reading have in common. An attempt says how it
//! ended; what follows from that is decided by the connector.

pub(crate) mod poll;
pub(crate) mod request;
pub(crate) mod sse;
pub(crate) mod websocket;

use std::{convert::Infallible, future::Future, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use crate::{
    Error,
    client::Inner,
    connector::{Cause, Ended},
    envelope::{DEFAULT_HEARTBEAT, Frame},
    error::Refusal,
    event::{State, Transport},
    http::{Reuse, refusal, refusal_of},
    subscription::{Feed, Stop, SubscribeOptions},
};

const SESSION: HeaderName = HeaderName::from_static("tidings-session");

/// The answer to `POST /session`.
#[derive(Deserialize)]
struct Session {
    session: String,
}

/// Reading goes on until something stops it.
pub(crate) type Followed = Result<Infallible, Stop>;

/// One attempt, from the connection to its end.
pub(crate) struct Attempt<'a> {
    inner: &'a Inner,
    options: &'a SubscribeOptions,
    transport: Transport,
    feed: &'a mut Feed,
    /// When the server's first frame came.
    opened: Option<Instant>,
    /// The transport showed that it works here.
    proved: bool,
    heartbeat: Duration,
    /// What was shown last to say who this is.
    authorization: Option<HeaderValue>,
    /// The server's wish for the delay before the next attempt.
    floor: Option<Duration>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        inner: &'a Inner,
        options: &'a SubscribeOptions,
        transport: Transport,
        feed: &'a mut Feed,
    ) -> Self {
        let heartbeat = DEFAULT_HEARTBEAT;
        Self {
            inner,
            options,
            transport,
            feed,
            opened: None,
            proved: false,
            heartbeat,
            authorization: None,
            floor: None,
        }
    }

    /// Reads until the end; `None` if the reader is gone.
    pub(crate) async fn run(mut self) -> Option<Ended> {
        let Err(stop) = match self.transport {
            Transport::Auto | Transport::WebSocket => websocket::follow(&mut self).await,
            Transport::Sse => sse::follow(&mut self).await,
            Transport::LongPoll | Transport::Poll => poll::follow(&mut self).await,
        };
        let cause = match stop {
            Stop::Gone => return None,
            Stop::End(cause) => cause,
            Stop::Complaint(complaint) => {
                let error = complaint.into_error();
                if error.is_temporary() {
                    Cause::Passing(error)
                } else {
                    Cause::Final(error)
                }
            }
        };
        let cause = match cause {
            Cause::Final(error) if error.is_expired() && self.may_renew() => Cause::AtOnce(error),
            cause => cause,
        };
        let floor = cause.error().and_then(Error::retry_after).or(self.floor);
        let lived = self
            .opened
            .map(|opened| opened.elapsed())
            .unwrap_or_default();
        Some(Ended {
            cause,
            lived,
            proved: self.proved,
            floor,
        })
    }

    fn may_renew(&self) -> bool {
        self.inner.identity.expired(self.authorization.as_ref())
    }

    /// Says who asks: by the token of now, and as the client of before.
    async fn sign(&mut self, request: &mut Request<Full<Bytes>>) -> Result<(), Stop> {
        let authorization = self.inner.identity.authorization().await;
        self.authorization = authorization.map_err(|error| Stop::End(Cause::Final(error)))?;
        let headers = request.headers_mut();
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if let Some(session) = &self.feed.session {
            headers.insert(SESSION, session.clone());
        }
        Ok(())
    }

    /// The token ends soon: another one, if there is one. Why there is none shows when this one has ended.
    async fn renewed(&mut self) -> Option<HeaderValue> {
        if !self.inner.identity.renew(self.authorization.as_ref()) {
            return None;
        }
        let newer = self.inner.identity.authorization().await.ok()?;
        // The same one again renews nothing.
        let renews = newer != self.authorization;
        self.authorization = newer;
        self.authorization.clone().filter(|_| renews)
    }

    /// Shows the token of now, and learns as which client (`POST /session`).
    async fn ask_for_session(&mut self) -> Result<(), Stop> {
        let mut request = request::session(self.inner).map_err(|error| self.broke(error))?;
        self.sign(&mut request).await?;
        let within = self.inner.timings.request;
        let limit = self.inner.limits.max_response;
        let http = &self.inner.http;
        let answer = http.exchange(request, Reuse::Allowed, within, limit).await;
        let answer = answer.map_err(|error| self.broke(error))?;
        if answer.status != StatusCode::OK {
            return Err(self.broke(refusal(&answer)));
        }
        let session: Session = serde_json::from_slice(&answer.body)
            .map_err(|error| self.broke(Error::Foreign(format!("bad session: {error}"))))?;
        self.feed.keep_session(Some(&session.session));
        Ok(())
    }

    /// Sends the request that becomes the stream.
    async fn open(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Instant), Stop> {
        self.sign(&mut request).await?;
        let within = self.inner.timings.first_frame;
        self.inner
            .http
            .open(request, within)
            .await
            .map_err(|error| self.broke(error))
    }

    /// Takes a frame of a stream.
    async fn frame(&mut self, frame: Result<Frame, String>) -> Result<(), Stop> {
        let frame = frame.map_err(|why| self.broke(Error::Foreign(why)))?;
        self.proved = true;
        if let Frame::Hello(hello) = &frame {
            self.heartbeat = hello.heartbeat;
        }
        if !matches!(frame, Frame::Error(_)) {
            self.is_open().await?;
        }
        self.feed.take(frame).await
    }

    /// The first answer of the server is told once.
    async fn is_open(&mut self) -> Result<(), Stop> {
        if self.opened.is_some() {
            return Ok(());
        }
        self.opened = Some(Instant::now());
        self.inner.identity.accepted();
        self.feed.tell(State::Open(self.transport)).await
    }

    /// The moment until which the next sign of life has to come. Taken after the reader took what was there:
    /// a slow reader is no silent server.
    fn silence_ends(&self, first_frame_by: Instant) -> Instant {
        match self.opened {
            None => first_frame_by,
            Some(_) => Instant::now() + self.heartbeat * 2 + self.inner.timings.slack,
        }
    }

    /// The next piece of a stream, or the end of it if none comes in time.
    async fn piece<T>(&self, by: Instant, next: impl Future<Output = T>) -> Result<T, Stop> {
        let started = Instant::now();
        timeout_at(by, next).await.map_err(|_| {
            let what = if self.proved {
                "no sign of life"
            } else {
                "no first frame"
            };
            self.broke(Error::Timeout {
                what,
                after: by.duration_since(started),
            })
        })
    }

    /// What the answer to a stream's request means that is no stream.
    async fn not_a_stream(&mut self, response: Response<Incoming>) -> Stop {
        let error = refusal_of(response, self.inner.timings.request).await;
        self.broke(error)
    }

    /// What an error means at this moment.
    fn broke(&self, error: Error) -> Stop {
        Stop::End(match error {
            Error::Unreachable(_) => Cause::Unreachable(error),
            Error::Refused(refusal) => self.refused(*refusal),
            Error::Timeout { .. } | Error::Foreign(_) if !self.proved => Cause::Unfit(error),
            Error::Lost(_) if !self.proved => Cause::Broken(error),
            Error::Timeout { .. } | Error::Foreign(_) | Error::Lost(_) => Cause::Lost(error),
            Error::Url(_)
            | Error::Authorities(_)
            | Error::Certificate(_)
            | Error::Tls(_)
            | Error::Argument(_)
            | Error::Token(_)
            | Error::TooLarge { .. } => Cause::Final(error),
        })
    }

    /// What a refusal by HTTP status means. With a `code` it is the server's own, else it is something in between.
    fn refused(&self, refusal: Refusal) -> Cause {
        let own = refusal.code.is_some();
        let status = refusal.status.unwrap_or_default();
        match status {
            // The server refuses nothing but a handshake so: it did not arrive as it was sent. If the fault is in
            // the request itself, the next transport is told so.
            400 | 426 if self.transport == Transport::WebSocket => Cause::Unfit(refusal.into()),
            _ if own && !refusal.temporary => Cause::Final(refusal.into()),
            _ if own => Cause::Passing(refusal.into()),
            429 => Cause::Passing(refusal.into()),
            408 | 502..=504 if self.proved => Cause::Lost(refusal.into()),
            408 | 502..=504 => Cause::Broken(refusal.into()),
            _ => Cause::Unfit(refusal.into()),
        }
    }
}

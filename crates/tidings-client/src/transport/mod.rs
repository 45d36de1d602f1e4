//! One attempt to read over one transport: what the three ways of reading have in common. An attempt says how it
//! ended; what follows from that is decided by the connector.

mod ending;
pub(crate) mod poll;
pub(crate) mod request;
mod running;
pub(crate) mod sse;
pub(crate) mod websocket;

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
use serde::Deserialize;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{
    Error,
    client::Inner,
    end::Cause,
    envelope::{DEFAULT_HEARTBEAT, Frame, WireError},
    event::{Closed, Event, Transport},
    http::{Reuse, refusal, refusal_of},
    places::Places,
    subscription::{SubscribeOptions, lost_right},
};

use ending::probe_if_mute;
pub(crate) use running::{Opening, Report, Running, Task};

pub(crate) const SESSION: HeaderName = HeaderName::from_static("tidings-session");

/// The answer to `POST /session`.
#[derive(Deserialize)]
struct Session {
    session: String,
}

/// Reading goes on until something stops it.
pub(crate) type Followed = Result<Infallible, Stop>;

/// Why a connection need not be read any further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody takes what is read.
    Gone,
    /// What was read ends the connection.
    End(Cause),
    /// The server complained about the connection. WebSocket tells by the close code that follows what it means.
    Complaint(WireError),
}

/// One attempt, from the connection to its end.
pub(crate) struct Attempt {
    inner: Arc<Inner>,
    options: Arc<SubscribeOptions>,
    transport: Transport,
    /// Where this connection stands; what the reader has, is another matter.
    places: Places,
    session: Option<HeaderValue>,
    moved: Option<String>,
    reports: mpsc::Sender<Report>,
    /// Asks, until the first frame, whether the server is well.
    probe: Option<Task<bool>>,
    /// When the server's first frame came.
    opened: Option<Instant>,
    /// When its last byte came.
    heard: Instant,
    heartbeat: Duration,
    /// What was shown last to say who this is.
    authorization: Option<HeaderValue>,
    /// The server's wish for the delay before the next attempt.
    floor: Option<Duration>,
}

impl Attempt {
    fn new(
        inner: Arc<Inner>,
        options: Arc<SubscribeOptions>,
        opening: Opening,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        Self {
            inner,
            options,
            transport: opening.transport,
            places: opening.places,
            session: opening.session,
            moved: opening.moved,
            reports,
            probe: None,
            opened: None,
            heard: Instant::now(),
            heartbeat: DEFAULT_HEARTBEAT,
            authorization: None,
            floor: None,
        }
    }

    /// Reads until the end, and tells it.
    async fn run(mut self) {
        self.probe = Some(Task(tokio::spawn(probe_if_mute(self.inner.clone()))));
        let Err(stop) = match self.transport {
            Transport::Auto | Transport::WebSocket => websocket::follow(&mut self).await,
            Transport::Sse | Transport::SsePost => sse::follow(&mut self).await,
            Transport::LongPoll | Transport::Poll => poll::follow(&mut self).await,
        };
        let cause = match stop {
            Stop::Gone => return,
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
        let ended = self.ended(&cause).await;
        // Nobody is there to be told.
        let _ = self.reports.send(Report::Ended(ended, cause)).await;
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
        if let Some(session) = &self.session {
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
        let mut request = request::session(&self.inner).map_err(|error| self.broke(error))?;
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
        self.keep_session(Some(&session.session));
        match self.session.clone() {
            Some(session) => self.report(Report::Session(session)).await,
            None => Ok(()),
        }
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
        if let Frame::Hello(hello) = &frame {
            self.heartbeat = hello.heartbeat;
        }
        if !matches!(frame, Frame::Error(_)) {
            self.is_open().await?;
        }
        self.take(frame).await
    }

    /// The first answer of the server is told once.
    async fn is_open(&mut self) -> Result<(), Stop> {
        if self.opened.is_some() {
            return Ok(());
        }
        self.opened = Some(Instant::now());
        self.inner.identity.accepted();
        self.probe = None;
        self.heard = Instant::now();
        self.report(Report::Open).await
    }

    /// The moment until which the next sign of life has to come. Taken after the reader took what was there:
    /// a slow reader is no silent server.
    fn silence_ends(&self, first_frame_by: Instant) -> Instant {
        match self.opened {
            None => first_frame_by,
            Some(_) => Instant::now() + self.heartbeat * 2,
        }
    }

    /// The next piece of a stream, or the end of it if none comes in time.
    async fn piece<T>(&mut self, by: Instant, next: impl Future<Output = T>) -> Result<T, Stop> {
        let started = Instant::now();
        if let Ok(piece) = timeout_at(by, next).await {
            return Ok(piece);
        }
        let what = match self.opened {
            Some(_) => "no sign of life",
            None => "no first frame",
        };
        Err(self.broke(Error::Timeout {
            what,
            after: by.duration_since(started),
        }))
    }

    /// The server said something.
    fn heard(&mut self) {
        self.heard = Instant::now();
    }

    /// What the answer to a stream's request means that is no stream.
    async fn not_a_stream(&mut self, response: Response<Incoming>) -> Stop {
        let error = refusal_of(response, self.inner.timings.request).await;
        self.broke(error)
    }

    /// Takes one frame.
    async fn take(&mut self, frame: Frame) -> Result<(), Stop> {
        let event = match frame {
            Frame::Hello(hello) => {
                self.keep_session(hello.session.as_deref());
                Event::Hello(hello)
            }
            Frame::Subscribed(_, subscribed) => Event::Subscribed(subscribed),
            Frame::Unsubscribed(unsubscribed) => Event::Unsubscribed(unsubscribed),
            Frame::Message(message) => Event::Message(message),
            Frame::Gap(gap) => Event::Gap(gap),
            Frame::Skip(skip) => Event::Skip(skip),
            Frame::Closed(closed) => Event::Closed(closed),
            Frame::Expiring(within) => Event::Expiring { within },
            Frame::Reconnect(after) => return Err(Stop::End(Cause::Asked(after))),
            Frame::Error(error) => return Err(Stop::Complaint(error)),
            Frame::Other => return Ok(()),
        };
        self.pass(event).await
    }

    async fn pass(&mut self, event: Event) -> Result<(), Stop> {
        self.places.accept(&event);
        let refused = lost_right(&event);
        self.report(Report::Event(event)).await?;
        match (self.places.all_done(), refused) {
            (false, _) => Ok(()),
            (true, None) => Err(Stop::End(Cause::Closed)),
            (true, Some(error)) => Err(Stop::End(Cause::Final(error))),
        }
    }

    /// Takes the cursor of a poll.
    async fn take_cursor(&mut self, cursor: &str) -> Result<(), Stop> {
        let cursor: Arc<str> = cursor.into();
        self.places.take_cursor(&cursor);
        self.report(Report::Cursor(cursor)).await
    }

    /// The server said that all channels have ended, without naming each.
    async fn close_all(&mut self) -> Stop {
        for channel in self.places.open_channels() {
            let closed = Closed {
                channel,
                position: None,
            };
            if let Err(stop) = self.pass(Event::Closed(closed)).await {
                return stop;
            }
        }
        Stop::End(Cause::Closed)
    }

    fn keep_session(&mut self, session: Option<&str>) {
        if let Some(session) = session.and_then(secret) {
            self.session = Some(session);
        }
    }

    async fn report(&mut self, report: Report) -> Result<(), Stop> {
        self.reports.send(report).await.map_err(|_| Stop::Gone)
    }
}

/// A header that no log shows.
pub(crate) fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

//! Answers: their headers, and refusals in the form that the request understands.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use tidings_protocol::{Code, Problem};

use crate::transport::{Outbox, Stream};

/// What becomes of a request.
pub enum Reply {
    /// An answer, whole.
    Answer(Answer),
    /// A stream that takes the connection over.
    Takeover(Box<Takeover>),
}

/// A stream with the head that goes before it.
pub struct Takeover {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub stream: Stream,
}

impl Reply {
    /// The headers of either.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        match self {
            Self::Answer(answer) => answer.headers_mut(),
            Self::Takeover(takeover) => &mut takeover.headers,
        }
    }
}

/// An answer with its whole body.
pub type Answer = Response<Whole>;

/// Bytes of one frame of a body.
const FRAME: usize = 16 << 10;

/// A body that is there: in pieces, messages by reference, put together as the peer takes them. One
/// that takes nothing holds no copy of them.
#[derive(Default)]
pub struct Whole(Outbox);

impl Whole {
    /// Its pieces.
    pub fn into_pieces(self) -> Outbox {
        self.0
    }
}

impl<B: Into<Bytes>> From<B> for Whole {
    fn from(bytes: B) -> Self {
        let mut pieces = Outbox::default();
        pieces.push(bytes);
        Self(pieces)
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let more = !self.0.is_empty();
        Poll::Ready(more.then(|| Ok(Frame::data(self.0.gather(FRAME)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// An answer of this type.
pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    whole(status, content_type, body.into().into())
}

fn whole(status: StatusCode, content_type: &'static str, body: Whole) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    guard(headers);
    answer
}

/// 200 with JSON.
pub fn json(body: impl Into<Bytes>) -> Answer {
    answer(StatusCode::OK, "application/json", body)
}

/// 200 with JSON in pieces.
pub fn json_pieces(pieces: Outbox) -> Answer {
    whole(StatusCode::OK, "application/json", Whole(pieces))
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Whole::default());
    *answer.status_mut() = status;
    guard(answer.headers_mut());
    answer
}

/// A refusal as RFC 9457 has it.
pub fn refusal(problem: &Problem) -> Answer {
    let status =
        StatusCode::from_u16(problem.code.status()).expect("the table holds valid statuses");
    let mut answer = answer(status, "application/problem+json", problem.to_json());
    let later = status.is_server_error() || problem.code == Code::TooManyRequests;
    let unknown = problem.code.temporary() && later;
    let seconds = match problem.after {
        Some(after) => Some(after.as_secs_f64().ceil() as u64),
        None => unknown.then(|| 1 + fastrand::u64(..3)),
    };
    if let Some(seconds) = seconds {
        let seconds = HeaderValue::from(seconds.max(1));
        answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110 section 15.5.2 wants it.
        let challenge = HeaderValue::from_static("Bearer");
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    if problem.code == Code::UpgradeRequired {
        let headers = answer.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    answer
}

/// Whether who asks has what bears this tag already: weak comparison (RFC 9110 section 8.8.3.2).
pub fn has(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tags = headers.get(header::IF_NONE_MATCH);
    let Some(Ok(tags)) = tags.map(HeaderValue::to_str) else {
        return false;
    };
    tags.trim() == "*" || tags.split(',').any(|given| opaque(given) == opaque(tag))
}

/// The headers that every answer has: nothing in between keeps it, and no browser takes it for a
/// page.
pub fn guard(headers: &mut HeaderMap) {
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    );
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Accept, Origin, Authorization, Cookie"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    // A ticket in the URL goes nowhere else, and nothing here is a page that could run anything.
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'"),
    );
}

/// No further request is taken on the connection.
pub fn close(headers: &mut HeaderMap) {
    headers.append(header::CONNECTION, HeaderValue::from_static("close"));
}

/// nginx buffers answers unless told not to.
pub fn no_buffering(headers: &mut HeaderMap) {
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

//! The service of the spike: `GET /sse`, `GET /poll?since=N`, `POST /publish`, and for the
//! tests `GET /big` (4 MiB), `POST /duplex` (4 MiB while the request's body still comes) and `GET /late-sse` (decides only after having been pending).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::service::Service;

use crate::log::{BATCH, Batch, Cursor, Entry, Log};
use crate::socket::{Slot, Takeover};

/// Bytes of the answer to `GET /big`.
pub const BIG: usize = 4 << 20;

/// Answers through hyper, or leaves a takeover in the slot if there is one.
pub struct Spike {
    /// The channel.
    pub log: Arc<Log>,
    /// Present if streams and long polls shall leave hyper.
    pub slot: Option<Arc<Slot>>,
}

/// A body of one piece, or one that follows the log.
pub enum Answer {
    /// One piece.
    Whole(Option<Bytes>),
    /// Events for ever.
    Events(Arc<Log>, Cursor),
}

impl Service<Request<Incoming>> for Spike {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let log = Arc::clone(&self.log);
        // A request with a body must not be taken over: its body would be read as a request.
        let slot = self.slot.clone().filter(|_| request.body().is_end_stream());
        if request.uri().path() == "/duplex" {
            tokio::spawn(read_all(request.into_body()));
            return Box::pin(async { Ok(whole(200, Bytes::from(vec![b'b'; BIG]))) });
        }
        if request.method() == Method::POST {
            return Box::pin(publish(log, request.into_body()));
        }
        let path = request.uri().path().to_owned();
        let since = request
            .uri()
            .query()
            .and_then(|query| query.strip_prefix("since="));
        let since = since.and_then(|since| since.parse().ok()).unwrap_or(0);
        drop(request); // its head lies in hyper's read buffer and would keep the block alive
        match (path.as_str(), slot) {
            ("/sse", Some(slot)) => Box::pin(take_over(slot, Takeover::Stream, false)),
            ("/late-sse", Some(slot)) => Box::pin(take_over(slot, Takeover::Stream, true)),
            ("/poll", Some(slot)) => Box::pin(take_over(slot, Takeover::LongPoll(since), false)),
            ("/sse" | "/late-sse", None) => Box::pin(async move { Ok(events(log)) }),
            ("/poll", None) => Box::pin(async move { Ok(whole(200, answer(&log, since).await)) }),
            ("/big", _) => Box::pin(async { Ok(whole(200, Bytes::from(vec![b'b'; BIG]))) }),
            _ => Box::pin(async { Ok(whole(404, Bytes::new())) }),
        }
    }
}

async fn take_over(
    slot: Arc<Slot>,
    takeover: Takeover,
    late: bool,
) -> Result<Response<Answer>, Infallible> {
    if late {
        tokio::task::yield_now().await;
    }
    slot.fill(takeover);
    std::future::pending().await
}

async fn publish(log: Arc<Log>, body: Incoming) -> Result<Response<Answer>, Infallible> {
    log.append(event(&read_all(body).await));
    Ok(whole(204, Bytes::new()))
}

async fn read_all(mut body: Incoming) -> Vec<u8> {
    let mut record = Vec::new();
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await
    {
        if let Ok(data) = frame.into_data() {
            record.extend_from_slice(&data);
        }
    }
    record
}

/// An event, and the same in its own HTTP chunk.
fn event(record: &[u8]) -> Entry {
    let payload = [b"data: ", record, b"\n\n"].concat();
    let head = format!("{:x}\r\n", payload.len());
    let frame = [head.as_bytes(), &payload, b"\r\n"].concat();
    Entry {
        payload: payload.into(),
        frame: frame.into(),
    }
}

/// The answer to a long poll, as soon as there is something at or after `since`.
pub async fn answer(log: &Log, since: u64) -> Bytes {
    let mut cursor = log.tail_cursor();
    cursor.next = since;
    std::future::poll_fn(|cx| poll_answer(log, &mut cursor, cx)).await
}

/// One poll of [`answer`].
pub fn poll_answer(log: &Log, cursor: &mut Cursor, cx: &Context<'_>) -> Poll<Bytes> {
    let mut batch: Batch = [const { None }; BATCH];
    let count = log.read_or_wait(cursor, &mut batch, cx).unwrap_or(0);
    if count == 0 {
        return Poll::Pending;
    }
    let mut body = format!("next={:016}\n", cursor.next + count as u64).into_bytes();
    for entry in batch.iter().take(count).flatten() {
        body.extend_from_slice(&entry.payload[6..entry.payload.len() - 1]);
    }
    body.push(b'\n');
    Poll::Ready(body.into())
}

fn whole(status: u16, body: Bytes) -> Response<Answer> {
    let body = Answer::Whole(Some(body).filter(|body| !body.is_empty()));
    Response::builder()
        .status(status)
        .body(body)
        .expect("a valid head")
}

fn events(log: Arc<Log>) -> Response<Answer> {
    let cursor = log.tail_cursor();
    let response = Response::builder().header("content-type", "text/event-stream");
    response
        .body(Answer::Events(log, cursor))
        .expect("a valid head")
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(log, cursor) => {
                let event = ready!(next_event(log, cursor, cx));
                Poll::Ready(event.map(|event| Ok(Frame::data(event))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Self::Events(..) => http_body::SizeHint::default(),
        }
    }
}

fn next_event(log: &Log, cursor: &mut Cursor, cx: &Context<'_>) -> Poll<Option<Bytes>> {
    let mut batch: Batch = [const { None }; BATCH];
    match log.read_or_wait(cursor, &mut batch, cx) {
        Ok(0) => Poll::Pending,
        Ok(_) => {
            cursor.next += 1;
            Poll::Ready(batch[0].take().map(|entry| entry.payload.clone()))
        }
        Err(_) => Poll::Ready(None),
    }
}

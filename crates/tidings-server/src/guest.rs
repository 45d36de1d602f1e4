//! The server as a guest: requests that somebody else's accept loop took, on any HTTP library that
//! speaks the types of `http` and `http-body`.
//!
//! It shares everything with the server of its own but the carrier: an answer's body is asked for by
//! the host, and a WebSocket runs on the connection that the host's HTTP library hands over.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper::ext::Protocol;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tidings_protocol::{Code, Problem};
use tokio::time::{Sleep, sleep_until, timeout};

use crate::app::App;
use crate::contain::contain;
use crate::handler::handle;
use crate::refuse::refuse;
use crate::reply::{Reply, Takeover, Whole};
use crate::transport::pump::{self, Open};
use crate::transport::wire::Socket;
use crate::transport::{End, LongPoll, Outbox, Session, Sse, Stream, WebSocket};
use crate::via::{Via, take_tunnel};

/// Bytes of one frame of a body.
const FRAME: usize = 16 << 10;

/// Answers one request. Streams run as long as the host asks for their body; a WebSocket runs in a
/// task of its own, so a Tokio runtime must be there.
pub async fn serve<B>(app: &Arc<App>, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (mut head, body) = request.into_parts();
    let protocol = head.extensions.get::<Protocol>().cloned();
    let tunnel = take_tunnel(&mut head, protocol.as_ref().map(Protocol::as_str));
    let via = Via {
        tunnel,
        guest: true,
        ..Via::default()
    };
    via.note(&mut head);
    let upgrade = head.extensions.remove::<OnUpgrade>();
    match handle(app, &head, &mut pin!(body)).await {
        Reply::Answer(answer) if says_no_length(answer.status()) => answer.map(|_| Body::Nothing),
        Reply::Answer(answer) => answer.map(Body::Whole),
        Reply::Takeover(takeover) => stream(app, &head, *takeover, upgrade),
    }
}

fn says_no_length(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn stream(
    app: &Arc<App>,
    head: &request::Parts,
    takeover: Takeover,
    upgrade: Option<OnUpgrade>,
) -> Response<Body> {
    let body = match (takeover.stream, upgrade) {
        (Stream::LongPoll(session), _) => Body::LongPoll(Box::new(Carried::new(app, session))),
        (Stream::Sse(session), _) => Body::Sse(Box::new(Carried::new(app, session))),
        (Stream::WebSocket(session), Some(upgrade)) => {
            tokio::spawn(websocket(app.clone(), session, upgrade));
            Body::Whole(Whole::default())
        }
        (Stream::WebSocket(_), None) => {
            let problem = Problem::new(
                Code::UpgradeRequired,
                "the application around this server does not hand upgraded connections on; use another transport",
            );
            return refuse(app, head, &problem).map(Body::Whole);
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = takeover.status;
    *response.headers_mut() = takeover.headers;
    response
}

async fn websocket(app: Arc<App>, session: Box<WebSocket>, upgrade: OnUpgrade) {
    let run = async {
        // Without it the client left before it had its answer.
        let Ok(Ok(upgraded)) = timeout(app.limits().head_time, upgrade).await else {
            return;
        };
        let mut io = TokioIo::new(upgraded);
        let mut wire = Socket::bare(&mut io);
        if pump::run(&app, &mut wire, session).await == End::Close {
            pump::linger(&mut wire).await;
        }
    };
    contain(&app, Box::pin(run)).await;
}

/// The body of an answer. It ends, or goes on as long as its reader stays.
pub enum Body {
    /// None, of an answer that says no length (RFC 9110 section 8.6).
    Nothing,
    /// All of it.
    Whole(Whole),
    /// A poll that waits.
    LongPoll(Box<Carried<LongPoll>>),
    /// Events.
    Sse(Box<Carried<Sse>>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            Self::Nothing => return Poll::Ready(None),
            Self::Whole(body) => return Pin::new(body).poll_frame(cx),
            Self::LongPoll(carried) => ready!(carried.poll_data(cx)),
            Self::Sse(carried) => ready!(carried.poll_data(cx)),
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Whole(body) => body.is_end_stream(),
            Self::LongPoll(_) | Self::Sse(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            _ => SizeHint::new(),
        }
    }
}

/// A session whose bytes the host asks for. As with the pump, what is not asked for stands in the
/// log; how long a reader may take nothing is the host's to bound.
pub struct Carried<S> {
    app: Arc<App>,
    session: Box<S>,
    out: Outbox,
    timer: Pin<Box<Sleep>>,
    _open: Open,
}

impl<S: Session> Carried<S> {
    fn new(app: &Arc<App>, session: Box<S>) -> Self {
        Self {
            app: app.clone(),
            timer: Box::pin(sleep_until(session.deadline())),
            session,
            out: Outbox::default(),
            _open: Open::new(app, S::TRANSPORT),
        }
    }

    /// The next bytes; `None` when all is said.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let stats = self.app.stats.of(S::TRANSPORT);
        loop {
            if !self.out.is_empty() {
                let data = self.out.gather(FRAME);
                stats.sent_bytes.add(data.len() as u64);
                return Poll::Ready(Some(data));
            }
            if self.session.end().is_some() {
                return Poll::Ready(None);
            }
            self.session.fill(cx, &mut self.out);
            stats.delivered.add(self.out.take_messages());
            if self.out.is_empty() && self.session.end().is_none() {
                self.timer.as_mut().reset(self.session.deadline());
                ready!(self.timer.as_mut().poll(cx));
            }
        }
    }
}

//! One connection over HTTP/1: requests by the HTTP library, streams by the pump, and back again
//! after a poll.
//!
//! The library parses the head of a request. When that asks for a stream, the connection is taken
//! out of the library: its buffers (8 KiB and more, for as long as it lives) go, and what stays is
//! the socket and the session. The library is left only when it owes the client nothing, which its
//! own flush tells.

mod head;
mod rewind;

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_core::Limits;
use tidings_protocol::{Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::app::App;
use crate::handler::handle;
use crate::redirect::redirect;
use crate::reply::{Answer, Reply, Takeover};
use crate::transport::wire::Socket;
use crate::transport::{End, Session, Stream, pump};
use crate::visit::Visit;
use crate::write_deadline::WriteDeadline;

pub use head::last_words;
use rewind::{Exit, Rewind};

/// A stream on its way out of the library.
pub struct Leaving {
    takeover: Takeover,
    version: Version,
    keep_alive: bool,
}

/// Serves a connection, of which `before` was read already, to its end.
pub async fn serve<IO>(visit: Arc<Visit>, mut io: IO, mut before: Bytes)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    loop {
        // Boxed, so that what the library needs is not part of every stream's memory.
        let requests = Box::pin(requests(&visit, Rewind::new(io, before)));
        let Some((mut socket, unread, leaving)) = requests.await else {
            return;
        };
        let Some(rest) = stream(visit.app(), &mut socket, unread, leaving).await else {
            return;
        };
        (io, before) = (socket, rest);
    }
}

/// Runs a stream after its head; gives the bytes of the next request if the connection goes on.
async fn stream<IO>(
    app: &Arc<App>,
    io: &mut IO,
    unread: Bytes,
    leaving: Box<Leaving>,
) -> Option<Bytes>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let keep_alive = leaving.keep_alive;
    let (mut wire, stream) = begin(io, leaving);
    let end = match stream {
        Stream::LongPoll(session) => pump::run(app, &mut wire, heard(session, unread)).await,
        Stream::Sse(session) => pump::run(app, &mut wire, heard(session, unread)).await,
        Stream::WebSocket(session) => pump::run(app, &mut wire, heard(session, unread)).await,
    };
    match end {
        End::NextRequest(rest) if keep_alive => return Some(rest),
        // Boxed: it is needed at the end only, and its buffer is not small.
        End::NextRequest(_) | End::Close => Box::pin(pump::linger(&mut wire)).await,
        End::Cut => {}
    }
    None
}

/// The wire of a stream, with its head; of what came with it, only the session stays.
fn begin<IO>(io: &mut IO, leaving: Box<Leaving>) -> (Socket<'_, IO>, Stream) {
    let framing = head::framing(&leaving.takeover.stream, leaving.version);
    let head = head::head_bytes(&leaving, framing);
    (Socket::new(io, head, framing), leaving.takeover.stream)
}

/// The session, which has heard what was read ahead of it.
fn heard<S: Session>(mut session: Box<S>, unread: Bytes) -> Box<S> {
    if !unread.is_empty() {
        session.input(&unread);
    }
    session
}

/// Answers requests until the connection ends or one of them becomes a stream.
async fn requests<IO>(visit: &Arc<Visit>, io: Rewind<IO>) -> Option<(IO, Bytes, Box<Leaving>)>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let exit = io.exit.clone();
    let (app, limits) = (visit.app(), visit.app().limits());
    let service = {
        let (visit, exit) = (visit.clone(), exit.clone());
        // Boxed: the library wants to move it.
        service_fn(move |request| Box::pin(answer(visit.clone(), exit.clone(), request)))
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.head_fields)
        .max_buf_size(limits.head_bytes.max(8 << 10))
        .keep_alive(visit.full.is_none())
        // Who ends its own side after a request still gets the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(io), service);
    let mut stopping = pin!(visit.door.stopping());
    let mut told = false;
    let mut deadline = WriteDeadline::new(limits.write_time);
    let ended = poll_fn(|cx| {
        if !told && stopping.as_mut().poll(cx).is_ready() {
            told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        match connection.poll_without_shutdown(cx) {
            Poll::Ready(result) => Poll::Ready(Ended::Library(result)),
            Poll::Pending if exit.is_open() => Poll::Ready(Ended::Stream),
            Poll::Pending => deadline.poll(cx, &exit.progress).map(|()| Ended::Stuck),
        }
    })
    .await;
    let parts = connection.into_parts();
    let Rewind { mut io, before, .. } = parts.io.into_inner();
    match ended {
        Ended::Stream => {
            // A copy: what the library read ahead is a slice of its whole buffer.
            let unread = Bytes::from([&parts.read_buf[..], &before[..]].concat());
            Some((io, unread, exit.take()?))
        }
        Ended::Stuck => {
            app.stats.write_timeouts.add(1);
            None
        }
        Ended::Library(result) => {
            if let Err(error) = result {
                tell_error(app, &mut io, &error, exit.is_partial()).await;
            }
            pump::linger(&mut Socket::bare(&mut io)).await;
            None
        }
    }
}

/// Why the library is left.
enum Ended {
    /// A request became a stream.
    Stream,
    /// The peer takes nothing of its answer.
    Stuck,
    /// Its own end.
    Library(hyper::Result<()>),
}

/// Counts what the library refused; a head that did not come in time gets its answer here. A
/// connection on which nothing was under way just ends (RFC 9112 section 9.5).
async fn tell_error<IO: AsyncWrite + Unpin>(
    app: &App,
    io: &mut IO,
    error: &hyper::Error,
    partial: bool,
) {
    let problem = if error.is_parse_too_large() {
        Problem::new(Code::HeadTooLarge, "the head of the request is too large")
    } else if error.is_parse() {
        Problem::new(Code::BadRequest, "this is not HTTP/1.1")
    } else if error.is_timeout() && partial {
        Problem::new(
            Code::RequestTimeout,
            "the head of the request did not come in time",
        )
    } else {
        return;
    };
    app.stats.refused(&problem);
    if error.is_timeout() {
        // Whoever takes nothing misses nothing.
        let _ = timeout(Limits::LINGER, io.write_all(&last_words(&problem))).await;
    }
}

async fn answer(
    visit: Arc<Visit>,
    exit: Arc<Exit>,
    request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    visit.arrived();
    let (mut head, mut body) = request.into_parts();
    let reply = match visit.door.redirects_to() {
        Some(port) => redirect(visit.app(), &mut head, port).into(),
        None => {
            visit.via(&head.headers).note(&mut head);
            handle(visit.app(), &head, &mut body).await
        }
    };
    exit.answered();
    match reply {
        Reply::Answer(answer) => Ok(answer),
        Reply::Takeover(takeover) => {
            exit.leave(Box::new(Leaving {
                takeover: *takeover,
                version: head.version,
                keep_alive: head::keeps_alive(&head),
            }));
            // The connection finds it and drops this future with the library's state.
            pending().await
        }
    }
}

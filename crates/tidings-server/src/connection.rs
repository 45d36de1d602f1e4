//! One connection: requests by the HTTP library, streams by the pump, and back again after a poll.
//!
//! The library parses the head of a request. When that asks for a stream, the connection is taken
//! out of the library: its buffers (8 KiB and more, for as long as it lives) go, and what stays is
//! the socket and the session. The library is left only when it owes the client nothing, which its
//! own flush tells.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes};
use http::header::{self, HeaderMap};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_protocol::{Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use crate::app::App;
use crate::handler::handle;
use crate::refuse::Full;
use crate::reply::{Answer, Reply, Takeover};
use crate::transport::{Session, Stream, pump};

/// Serves a connection to its end.
pub async fn serve<IO>(app: Arc<App>, io: IO, full: bool, stop: watch::Receiver<bool>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut io = Rewind {
        io,
        before: Bytes::new(),
        exit: Arc::default(),
    };
    loop {
        // Boxed, so that what the library needs is not part of every stream's memory.
        let Some((mut socket, unread, takeover)) =
            Box::pin(requests(&app, io, full, stop.clone())).await
        else {
            return;
        };
        let Some(rest) = stream(&app, &mut socket, unread, *takeover).await else {
            return;
        };
        io = Rewind {
            io: socket,
            before: rest,
            exit: Arc::default(),
        };
    }
}

/// Runs a stream after its head; gives the bytes of the next request if the connection goes on.
async fn stream<IO>(app: &Arc<App>, io: &mut IO, unread: Bytes, takeover: Takeover) -> Option<Bytes>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let chunked = takeover.headers.contains_key(header::TRANSFER_ENCODING);
    let polled = matches!(takeover.stream, Stream::LongPoll(_));
    let head = head_bytes(takeover.status, &takeover.headers, !polled);
    match takeover.stream {
        Stream::LongPoll(session) => pumped(app, io, head, chunked, session, unread).await,
        Stream::Sse(session) => pumped(app, io, head, chunked, session, unread).await,
        Stream::WebSocket(session) => pumped(app, io, head, chunked, session, unread).await,
    }
}

async fn pumped<IO, S>(
    app: &Arc<App>,
    io: &mut IO,
    head: Bytes,
    chunked: bool,
    mut session: Box<S>,
    unread: Bytes,
) -> Option<Bytes>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Session + Unpin,
{
    if !unread.is_empty() {
        session.input(&unread);
        drop(unread);
    }
    pump::run(app, io, head, chunked, session).await
}

/// The status line and headers of a stream, with the blank line if they are `whole`.
fn head_bytes(status: StatusCode, headers: &HeaderMap, whole: bool) -> Bytes {
    let mut head = format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or("")
    )
    .into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(
        format!("date: {}\r\n", httpdate::fmt_http_date(SystemTime::now())).as_bytes(),
    );
    if whole {
        head.extend_from_slice(b"\r\n");
    }
    head.into()
}

/// Where a request leaves the stream that it became, for the connection to find.
#[derive(Default)]
struct Exit {
    takeover: Mutex<Option<Box<Takeover>>>,
    /// The library's last word to the socket was a flush: it owes nothing.
    flushed: AtomicBool,
    /// Something of a request was read that is not answered.
    partial: AtomicBool,
    /// The socket takes nothing at present.
    blocked: AtomicBool,
    /// How often it took something.
    writes: AtomicUsize,
}

impl Exit {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Box<Takeover>>> {
        self.takeover.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what became of a write.
    fn wrote<T>(&self, written: Poll<T>) -> Poll<T> {
        self.flushed.store(false, Ordering::Relaxed);
        self.blocked.store(written.is_pending(), Ordering::Relaxed);
        self.writes
            .fetch_add(usize::from(written.is_ready()), Ordering::Relaxed);
        written
    }

    fn is_open(&self) -> bool {
        self.flushed.load(Ordering::Relaxed) && self.lock().is_some()
    }
}

/// Answers requests until the connection ends or one of them becomes a stream.
async fn requests<IO>(
    app: &Arc<App>,
    io: Rewind<IO>,
    full: bool,
    mut stop: watch::Receiver<bool>,
) -> Option<(IO, Bytes, Box<Takeover>)>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let exit = io.exit.clone();
    let limits = app.limits();
    let service = {
        let (app, exit) = (app.clone(), exit.clone());
        // Boxed: the library wants to move it.
        service_fn(move |request| Box::pin(answer(app.clone(), exit.clone(), full, request)))
    };
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_headers(limits.head_fields)
        .max_buf_size(limits.head_bytes.max(8 << 10))
        .keep_alive(!full)
        .serve_connection(TokioIo::new(io), service);
    let mut stopping = pin!(async move { stop.wait_for(|stop| *stop).await.map(drop) });
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
            Poll::Pending => deadline.poll(cx, &exit).map(|()| Ended::Stuck),
        }
    })
    .await;
    let parts = connection.into_parts();
    let Rewind { mut io, before, .. } = parts.io.into_inner();
    match ended {
        Ended::Stream => {
            // A copy: what the library read ahead is a slice of its whole buffer.
            let unread = Bytes::from([&parts.read_buf[..], &before[..]].concat());
            Some((io, unread, exit.lock().take()?))
        }
        Ended::Stuck => {
            app.stats.write_timeouts.add(1);
            None
        }
        Ended::Library(result) => {
            if let Err(error) = result {
                tell_error(app, &mut io, &error, exit.partial.load(Ordering::Relaxed)).await;
            }
            // Nothing can be done for a socket that does not even close.
            let _ = io.shutdown().await;
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

/// The time in which a socket that is full must take something. The library itself has none.
struct WriteDeadline {
    time: Duration,
    timer: Pin<Box<Sleep>>,
    /// What had been taken when the timer was set.
    writes: Option<usize>,
}

impl WriteDeadline {
    fn new(time: Duration) -> Self {
        Self {
            time,
            timer: Box::pin(sleep(time)),
            writes: None,
        }
    }

    /// Ready when a full socket has taken nothing for the time.
    fn poll(&mut self, cx: &mut Context<'_>, exit: &Exit) -> Poll<()> {
        if !exit.blocked.load(Ordering::Relaxed) {
            self.writes = None;
            return Poll::Pending;
        }
        let writes = Some(exit.writes.load(Ordering::Relaxed));
        if self.writes != writes {
            self.writes = writes;
            self.timer.as_mut().reset(Instant::now() + self.time);
        }
        self.timer.as_mut().poll(cx)
    }
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
        let body = problem.to_json();
        let head = format!(
            "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        // Whoever is gone misses nothing.
        let _ = io.write_all(&[head.as_bytes(), &body].concat()).await;
    }
}

async fn answer(
    app: Arc<App>,
    exit: Arc<Exit>,
    full: bool,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    if full {
        request.extensions_mut().insert(Full);
    }
    let reply = handle(&app, request).await;
    exit.partial.store(false, Ordering::Relaxed);
    match reply {
        Reply::Answer(answer) => Ok(answer),
        Reply::Takeover(takeover) => {
            exit.flushed.store(false, Ordering::Relaxed);
            *exit.lock() = Some(takeover);
            // The connection finds it and drops this future with the library's state.
            pending().await
        }
    }
}

/// A socket with bytes that were read from it before, and an eye on what the library still owes.
struct Rewind<IO> {
    io: IO,
    before: Bytes,
    exit: Arc<Exit>,
}

impl<IO: AsyncRead + Unpin> AsyncRead for Rewind<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            let filled = out.filled().len();
            let read = Pin::new(&mut self.io).poll_read(cx, out);
            if out.filled().len() > filled {
                self.exit.partial.store(true, Ordering::Relaxed);
            }
            return read;
        }
        self.exit.partial.store(true, Ordering::Relaxed);
        let count = self.before.len().min(out.remaining());
        out.put_slice(&self.before[..count]);
        self.before.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Rewind<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.exit.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.exit.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Called by the library when it has handed over all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.exit
            .flushed
            .store(flushed.is_ready(), Ordering::Relaxed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

//! One connection over HTTP/2 (RFC 9113): each request is a stream of it and a task of its own.
//!
//! The library frames, compresses heads and controls the flow. What it leaves open is decided here:
//! how long a connection may be idle or stuck, how many streams it has, and what its client may say
//! beside requests. A session runs on a stream by the same pump as on a socket; a reader that takes
//! nothing holds its cursor and not the connection's other streams.

mod stream;
mod watched;
mod wire;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Connection, SendResponse};
use http::Request;
use tidings_core::Limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::app::App;
use crate::contain::contain;
use crate::transport::pump;
use crate::transport::wire::Socket;
use crate::visit::Visit;
use crate::write_deadline::WriteDeadline;

use watched::{Watch, Watched};

/// What a stream may have in flight towards us: requests are small, and a WebSocket's commands are
/// bounded by far less.
const WINDOW: u32 = 64 << 10;
/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What waits for the socket on behalf of one stream.
const SEND_BUFFER: usize = 16 << 10;

/// Serves a connection, of which `before` was read already, to its end.
pub async fn serve<IO>(visit: Arc<Visit>, mut io: IO, before: Bytes)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = Arc::new(Watch::default());
    let app = visit.app().clone();
    let streams = u32::try_from(app.limits().streams).unwrap_or(u32::MAX);
    let watched = Watched::new(&mut io, before, streams, watch.clone());
    let handshake = Box::pin(builder(app.limits(), streams).handshake(watched));
    match timeout(app.limits().head_time, handshake).await {
        Ok(Ok(connection)) => Driver::new(visit, connection, watch).run().await,
        _ => app.stats.http2_errors.add(1),
    }
    pump::linger(&mut Socket::bare(&mut io)).await;
}

fn builder(limits: &Limits, streams: u32) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER);
    builder
}

struct Driver<IO> {
    app: Arc<App>,
    connection: Connection<IO, Bytes>,
    watch: Arc<Watch>,
    visit: Arc<Visit>,
    /// Held once more by every stream.
    streams: Arc<()>,
    idle: Idle,
    deadline: WriteDeadline,
    /// The server goes away: streams end, and no further one begins.
    stopping: bool,
}

/// Why a connection is ended.
enum Ended {
    /// All is said.
    Done,
    /// The library found its peer wrong, and has told it.
    Broken(h2::Error),
    /// The peer said too much that asks for nothing.
    Flooded,
    /// The peer takes nothing.
    Stuck,
    /// The peer asks for nothing.
    Idle,
    /// The server goes away, and no stream is left.
    Stopped,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    fn new(visit: Arc<Visit>, connection: Connection<IO, Bytes>, watch: Arc<Watch>) -> Self {
        let app = visit.app().clone();
        Self {
            streams: Arc::new(()),
            idle: Idle::new(app.limits().head_time),
            deadline: WriteDeadline::new(app.limits().write_time),
            app,
            connection,
            watch,
            visit,
            stopping: false,
        }
    }

    async fn run(mut self) {
        let door = self.visit.door.clone();
        let mut stopping = pin!(door.stopping());
        let ended = poll_fn(|cx| {
            if !self.stopping && stopping.as_mut().poll(cx).is_ready() {
                self.stopping = true;
                self.connection.graceful_shutdown();
            }
            self.poll(cx)
        })
        .await;
        let stats = &self.app.stats;
        match ended {
            Ended::Done => {}
            // What the client says of the server is not the client's error.
            Ended::Broken(error) if error.is_remote() => {}
            Ended::Broken(error) => {
                if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
                    stats.http2_floods.add(1);
                } else if !error.is_io() {
                    stats.http2_errors.add(1);
                }
            }
            Ended::Flooded => {
                stats.http2_floods.add(1);
                self.abort(Reason::ENHANCE_YOUR_CALM).await;
            }
            Ended::Stuck => stats.write_timeouts.add(1),
            Ended::Stopped => self.abort(Reason::NO_ERROR).await,
            Ended::Idle => {
                stats.idle_timeouts.add(1);
                self.abort(Reason::NO_ERROR).await;
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        while let Poll::Ready(accepted) = self.connection.poll_accept(cx) {
            match accepted {
                Some(Ok((request, respond))) => self.begin(request, respond),
                Some(Err(error)) => return Poll::Ready(Ended::Broken(error)),
                None => return Poll::Ready(Ended::Done),
            }
        }
        if self.watch.is_flooded() {
            return Poll::Ready(Ended::Flooded);
        }
        if self.deadline.poll(cx, &self.watch.progress).is_ready() {
            return Poll::Ready(Ended::Stuck);
        }
        let busy = Arc::strong_count(&self.streams) > 1;
        if self.stopping && !busy && !self.watch.progress.is_blocked() {
            // All that streams said has left; a client that answers nothing is not waited for.
            return Poll::Ready(Ended::Stopped);
        }
        self.idle.poll(cx, busy).map(|()| Ended::Idle)
    }

    fn begin(&mut self, request: Request<h2::RecvStream>, respond: SendResponse<Bytes>) {
        self.idle.used = true;
        self.visit.arrived();
        let via = self.visit.via(request.headers());
        let (app, held) = (self.app.clone(), self.streams.clone());
        let watch = self.watch.clone();
        tokio::spawn(async move {
            contain(
                &app,
                Box::pin(stream::serve(&app, via, watch, request, respond)),
            )
            .await;
            drop(held);
        });
        if via.full.is_some() {
            self.connection.graceful_shutdown();
        }
    }

    /// Says why, and ends. Whoever takes nothing misses it.
    async fn abort(&mut self, reason: Reason) {
        self.connection.abrupt_shutdown(reason);
        let closed = poll_fn(|cx| self.connection.poll_closed(cx));
        let _ = timeout(Limits::LINGER, closed).await;
    }
}

/// Ends a connection that had no stream for one to two times its time.
struct Idle {
    time: Duration,
    timer: Pin<Box<Sleep>>,
    /// Since the timer was set.
    used: bool,
}

impl Idle {
    fn new(time: Duration) -> Self {
        Self {
            time,
            timer: Box::pin(sleep(time)),
            used: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, busy: bool) -> Poll<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if !busy && !self.used {
                return Poll::Ready(());
            }
            self.used = false;
            self.timer.as_mut().reset(Instant::now() + self.time);
        }
        Poll::Pending
    }
}

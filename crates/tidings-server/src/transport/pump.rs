//! Carries one session on one socket.
//!
//! One future, one timer, no queue: write what is in the outbox; when it is empty, read what the
//! peer says and ask the session for more. A socket that takes nothing for the write time is cut.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tidings_core::Limits;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{End, Outbox, Session};
use crate::app::App;
use crate::stats::TransportStats;

/// Bytes read at once. They live on the stack: an idle connection holds no read buffer.
const READ_BYTES: usize = 8 << 10;

/// Runs `session` on `io` after writing `head`. Gives the socket back, with bytes already read,
/// where the connection goes on.
pub async fn run<IO, S>(
    app: &Arc<App>,
    io: &mut IO,
    head: Bytes,
    chunked: bool,
    session: Box<S>,
) -> Option<Bytes>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Session + Unpin,
{
    let stats = app.stats.of(S::TRANSPORT);
    stats.opened.add(1);
    stats.open.add(1);
    let began = Instant::now();
    let open = OpenGuard(stats, began);
    let mut pump = Pump {
        app,
        session,
        out: Outbox::default(),
        head: Some(head),
        chunked,
        blocked_since: None,
        sent: 0,
        timer: Box::pin(sleep_until(began + app.limits().heartbeat)),
        stats,
    };
    let end = poll_fn(|cx| pump.poll(cx, Pin::new(&mut *io))).await;
    tracing::debug!(
        transport = S::TRANSPORT.as_str(),
        seconds = began.elapsed().as_secs(),
        bytes = pump.sent,
        ?end,
        "a reading ended"
    );
    // No reader any more, however long its socket takes to close.
    drop((pump, open));
    match end {
        End::NextRequest(bytes) => Some(bytes),
        End::Close => {
            // Boxed: it is needed at the end only, and its buffer is not small.
            Box::pin(linger(io)).await;
            None
        }
        End::Cut => None,
    }
}

/// Counts a stream as open until it is dropped, also by a panic.
struct OpenGuard<'a>(&'a TransportStats, Instant);

impl Drop for OpenGuard<'_> {
    fn drop(&mut self) {
        self.0.open.add(-1);
        self.0.open_ms.add(self.1.elapsed().as_millis() as u64);
    }
}

struct Pump<'a, S> {
    app: &'a App,
    session: Box<S>,
    out: Outbox,
    head: Option<Bytes>,
    chunked: bool,
    /// Since when the socket takes nothing.
    blocked_since: Option<Instant>,
    /// Bytes written, for the log.
    sent: u64,
    timer: Pin<Box<Sleep>>,
    stats: &'a TransportStats,
}

impl<S: Session> Pump<'_, S> {
    fn poll<IO: AsyncRead + AsyncWrite>(
        &mut self,
        cx: &mut Context<'_>,
        mut io: Pin<&mut IO>,
    ) -> Poll<End> {
        loop {
            let wrote = match self.write(cx, io.as_mut()) {
                Ok(wrote) => wrote,
                Err(end) => return Poll::Ready(end),
            };
            if let Err(end) = self.read(cx, io.as_mut()) {
                return Poll::Ready(end);
            }
            if wrote {
                if let Some(end) = self.session.end() {
                    return Poll::Ready(end);
                }
                let wanted = self.session.wants_input();
                self.fill(cx);
                // A session that wants to hear again must be read, or nobody is woken by its peer.
                let wants = !wanted && self.session.wants_input();
                if !self.out.is_empty() || wants || self.session.end().is_some() {
                    continue;
                }
            }
            // Armed last: everything above may have moved the deadline.
            if !self.timer_fired(cx) {
                return Poll::Pending;
            }
            if self.write_time_is_over() {
                self.app.stats.write_timeouts.add(1);
                return Poll::Ready(End::Cut);
            }
        }
    }

    /// True when all is written.
    fn write<IO: AsyncWrite>(
        &mut self,
        cx: &mut Context<'_>,
        mut io: Pin<&mut IO>,
    ) -> Result<bool, End> {
        while !self.out.is_empty() {
            let mut slices = Outbox::no_slices();
            let count = self.out.slices(&mut slices);
            match io.as_mut().poll_write_vectored(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => return Err(End::Cut),
                Poll::Ready(Ok(written)) => {
                    if self.blocked_since.take().is_some() {
                        self.session.drained();
                    }
                    self.sent += written as u64;
                    self.stats.sent_bytes.add(written as u64);
                    self.out.advance(written);
                }
                Poll::Pending => {
                    self.blocked_since.get_or_insert_with(Instant::now);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn read<IO: AsyncRead>(
        &mut self,
        cx: &mut Context<'_>,
        mut io: Pin<&mut IO>,
    ) -> Result<(), End> {
        while self.session.wants_input() {
            let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            match io.as_mut().poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(_)) => return Err(End::Cut),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Err(End::Cut),
                Poll::Ready(Ok(())) => {
                    self.stats.received_bytes.add(buffer.filled().len() as u64);
                    self.session.input(buffer.filled());
                }
            }
        }
        Ok(())
    }

    fn fill(&mut self, cx: &mut Context<'_>) {
        self.session.fill(cx, &mut self.out);
        self.stats.delivered.add(self.out.take_messages());
        if self.chunked {
            self.out.wrap_chunk();
            if self.session.end().is_some() {
                self.out.push(Bytes::from_static(b"0\r\n\r\n"));
            }
        }
        if !(S::HEAD_WAITS && self.out.is_empty())
            && let Some(head) = self.head.take()
        {
            self.out.push_front(head);
        }
    }

    fn timer_fired(&mut self, cx: &mut Context<'_>) -> bool {
        // A session can say nothing while the socket is full: its deadline would fire for ever.
        let due = match self.blocked_since {
            Some(since) => since + self.app.limits().write_time,
            None => self.session.deadline(),
        };
        // Only ever moved to an earlier time: a later one is found when the timer fires.
        if due < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(due);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }

    fn write_time_is_over(&self) -> bool {
        self.blocked_since
            .is_some_and(|since| since.elapsed() >= self.app.limits().write_time)
    }
}

/// Ends our side and reads what the peer still sends: closing a socket with unread bytes resets it,
/// and the reset can overtake our last words.
async fn linger<IO: AsyncRead + AsyncWrite + Unpin>(io: &mut IO) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let drain = async {
        if io.shutdown().await.is_err() {
            return;
        }
        let mut bytes = [0; 1024];
        let mut left = 1 << 20;
        while left > 0 {
            match io.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(count) => left -= count.min(left),
            }
        }
    };
    // Whoever is still there after it has had its time.
    let _ = tokio::time::timeout(Limits::LINGER, drain).await;
}

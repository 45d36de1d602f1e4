//! Carries one session on one wire.
//!
//! One future, one timer, no queue: write what is in the outbox; when it is empty, read what the
//! peer says and ask the session for more. A wire that takes nothing for the write time is cut.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tidings_core::Limits;
use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep_until};

use super::wire::Wire;
use super::{End, Outbox, Session};
use crate::app::App;
use crate::stats::{Transport, TransportStats};

/// Bytes read at once. They live on the stack: an idle connection holds no read buffer.
const READ_BYTES: usize = 8 << 10;

/// How often a wire that takes nothing is looked at for the end of its client's right.
const LOOK: Duration = Duration::from_millis(500);

/// Reads in a row.
const READ_TURN: usize = 8;

/// Runs `session` on `wire` to its end. The wire is as the session leaves it: see [`linger`].
pub async fn run<W: Wire, S: Session>(app: &Arc<App>, wire: &mut W, session: Box<S>) -> End {
    let began = Instant::now();
    let open = Open::new(app, S::TRANSPORT);
    let mut pump = Pump {
        app,
        wire,
        session,
        out: Outbox::default(),
        unflushed: false,
        blocked_since: None,
        sent: 0,
        timer: Box::pin(sleep_until(began + app.limits().heartbeat)),
        stats: app.stats.of(S::TRANSPORT),
    };
    let end = poll_fn(|cx| pump.poll(cx)).await;
    tracing::debug!(
        transport = S::TRANSPORT.as_str(),
        seconds = began.elapsed().as_secs(),
        bytes = pump.sent,
        ?end,
        "a reading ended"
    );
    // No reader any more, however long its wire takes to close.
    drop((pump, open));
    end
}

/// Counts a stream as open until it is dropped, also by a panic.
pub struct Open {
    app: Arc<App>,
    transport: Transport,
    since: Instant,
}

impl Open {
    /// Counts one more.
    pub fn new(app: &Arc<App>, transport: Transport) -> Self {
        let stats = app.stats.of(transport);
        stats.opened.add(1);
        stats.open.add(1);
        Self {
            app: app.clone(),
            transport,
            since: Instant::now(),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let stats = self.app.stats.of(self.transport);
        stats.open.add(-1);
        stats.open_ms.add(self.since.elapsed().as_millis() as u64);
    }
}

struct Pump<'a, W, S> {
    app: &'a App,
    wire: &'a mut W,
    session: Box<S>,
    out: Outbox,
    /// The wire may hold back what it took.
    unflushed: bool,
    /// Since when the wire takes nothing.
    blocked_since: Option<Instant>,
    /// Bytes written, for the log.
    sent: u64,
    timer: Pin<Box<Sleep>>,
    stats: &'a TransportStats,
}

impl<W: Wire, S: Session> Pump<'_, W, S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let wrote = match self.write(cx) {
                Ok(wrote) => wrote,
                Err(end) => return Poll::Ready(end),
            };
            // Before the peer is heard once more: all is said, whatever it says.
            if wrote && let Some(end) = self.session.end() {
                return Poll::Ready(end);
            }
            if let Err(end) = self.read(cx) {
                return Poll::Ready(end);
            }
            if wrote {
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
            if self.blocked_since.is_some() && self.session.is_over() {
                return Poll::Ready(End::Cut);
            }
        }
    }

    /// True when all is written.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        while !self.out.is_empty() {
            match self.wire.poll_write(cx, &mut self.out) {
                Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => return Err(End::Cut),
                Poll::Ready(Ok(written)) => {
                    self.unblocked();
                    self.unflushed = true;
                    self.sent += written as u64;
                    self.stats.sent_bytes.add(written as u64);
                }
                Poll::Pending => return Ok(self.blocked()),
            }
        }
        if self.unflushed {
            match self.wire.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return Err(End::Cut),
                Poll::Pending => return Ok(self.blocked()),
            }
            self.unblocked();
        }
        Ok(true)
    }

    fn blocked(&mut self) -> bool {
        self.blocked_since.get_or_insert_with(Instant::now);
        false
    }

    fn unblocked(&mut self) {
        if self.blocked_since.take().is_some() {
            self.session.drained();
        }
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        let mut turn = READ_TURN;
        while self.session.wants_input() {
            if turn == 0 {
                // Others of this thread have their turn.
                cx.waker().wake_by_ref();
                return Ok(());
            }
            turn -= 1;
            let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            match self.wire.poll_read(cx, &mut buffer) {
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
        self.wire.frame(&mut self.out, self.session.end().is_some());
    }

    fn timer_fired(&mut self, cx: &mut Context<'_>) -> bool {
        // A session can say nothing while the wire is full: its deadline would fire for ever.
        let due = match self.blocked_since {
            // It is not woken for news either, so it looks now and then whether it is still wanted.
            Some(since) => (since + self.app.limits().write_time).min(Instant::now() + LOOK),
            None => self.session.deadline(),
        };
        // Only ever moved to an earlier time: a later one is found when the timer fires.
        if due < self.timer.deadline() || self.timer.is_elapsed() {
            self.timer.as_mut().reset(due);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }

    fn write_time_is_over(&mut self) -> bool {
        let over = |since: &Instant| since.elapsed() >= self.app.limits().write_time;
        if !self.blocked_since.as_ref().is_some_and(over) {
            return false;
        }
        if !self.wire.is_stuck() {
            // What is below it is, and has a deadline of its own.
            self.blocked_since = Some(Instant::now());
            return false;
        }
        true
    }
}

/// Ends our side and reads what the peer still sends: closing a socket with unread bytes resets it,
/// and the reset can overtake our last words.
pub async fn linger<W: Wire>(wire: &mut W) {
    let drain = async {
        if poll_fn(|cx| wire.poll_end(cx)).await.is_err() {
            return;
        }
        let mut bytes = [0; 1024];
        let mut left = 1 << 20;
        while left > 0 {
            let mut buffer = ReadBuf::new(&mut bytes);
            match poll_fn(|cx| wire.poll_read(cx, &mut buffer)).await {
                Ok(()) if !buffer.filled().is_empty() => left -= buffer.filled().len().min(left),
                _ => return,
            }
        }
    };
    // Whoever is still there after it has had its time.
    let _ = tokio::time::timeout(Limits::LINGER, drain).await;
}

//! The time in which a socket that is full must take something. The HTTP libraries have none.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// What a socket takes, noted by whoever writes to it.
#[derive(Default)]
pub struct Progress {
    /// The socket takes nothing at present.
    blocked: AtomicBool,
    /// How often it took something.
    writes: AtomicUsize,
}

impl Progress {
    /// Whether the socket takes nothing at present.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Notes what became of a flush: over TLS what was taken may still wait for the socket.
    pub fn flushed<T>(&self, flushed: &Poll<T>) {
        if flushed.is_pending() {
            self.blocked.store(true, Ordering::Relaxed);
        }
    }

    /// Notes what became of a write.
    pub fn wrote<T>(&self, written: Poll<T>) -> Poll<T> {
        self.blocked.store(written.is_pending(), Ordering::Relaxed);
        self.writes
            .fetch_add(usize::from(written.is_ready()), Ordering::Relaxed);
        written
    }
}

/// The timer of one connection.
pub struct WriteDeadline {
    time: Duration,
    timer: Pin<Box<Sleep>>,
    /// What had been taken when the timer was set.
    writes: Option<usize>,
}

impl WriteDeadline {
    /// A deadline of `time` after the socket took something last.
    pub fn new(time: Duration) -> Self {
        Self {
            time,
            timer: Box::pin(sleep(time)),
            writes: None,
        }
    }

    /// Ready when a full socket has taken nothing for the time.
    pub fn poll(&mut self, cx: &mut Context<'_>, progress: &Progress) -> Poll<()> {
        if !progress.is_blocked() {
            self.writes = None;
            return Poll::Pending;
        }
        let writes = Some(progress.writes.load(Ordering::Relaxed));
        if self.writes != writes {
            self.writes = writes;
            self.timer.as_mut().reset(Instant::now() + self.time);
        }
        self.timer.as_mut().poll(cx)
    }
}

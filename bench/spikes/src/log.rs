//! One append-only log with readers that wait for its tail.
//!
//! Does not persist, does not count bytes: it keeps the last [`KEPT`] entries.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Waker};

use bytes::Bytes;

/// Entries kept before the oldest is trimmed.
pub const KEPT: usize = 4096;
/// Entries that one read hands out at most.
pub const BATCH: usize = 32;

/// A message encoded once for all its readers.
pub struct Entry {
    /// What the publisher sent.
    pub payload: Bytes,
    /// The payload in the framing of the transport.
    pub frame: Bytes,
}

/// What one read hands out; lives on the stack of a poll.
pub type Batch = [Option<Arc<Entry>>; BATCH];

/// The cursor of a reader: a position and whether its waker already stands in the list.
#[derive(Clone, Copy)]
pub struct Cursor {
    /// Position of the next entry to write.
    pub next: u64,
    /// Bytes of that entry's frame already on the socket.
    pub skip: usize,
    registered_at: u64,
}

struct Inner {
    first: u64,
    entries: VecDeque<Arc<Entry>>,
    waiters: Vec<Waker>,
    /// Waiters of earlier tails that [`Log::wake_some`] has not reached yet.
    due: VecDeque<Waker>,
}

/// The log of one channel.
pub struct Log {
    inner: Mutex<Inner>,
}

impl Default for Log {
    fn default() -> Self {
        Self::new()
    }
}

impl Log {
    /// An empty log.
    pub fn new() -> Self {
        let (entries, waiters, due) = (VecDeque::new(), Vec::new(), VecDeque::new());
        Self {
            inner: Mutex::new(Inner {
                first: 0,
                entries,
                waiters,
                due,
            }),
        }
    }

    /// A cursor at the tail: it sees only what comes later.
    pub fn tail_cursor(&self) -> Cursor {
        let tail = self.lock().tail();
        Cursor {
            next: tail,
            skip: 0,
            registered_at: u64::MAX,
        }
    }

    /// Appends an entry and wakes every waiter.
    pub fn append(&self, entry: Entry) {
        let waiters = {
            let mut inner = self.lock();
            inner.push(entry);
            std::mem::take(&mut inner.waiters)
        };
        for waiter in waiters {
            waiter.wake();
        }
    }

    /// Appends an entry and leaves the waking to [`Log::wake_some`].
    pub fn append_quietly(&self, entry: Entry) {
        let mut inner = self.lock();
        inner.push(entry);
        let waiters = std::mem::take(&mut inner.waiters);
        inner.due.extend(waiters);
    }

    /// Wakes up to `limit` waiters; false once there is none left.
    pub fn wake_some(&self, limit: usize) -> bool {
        let due: Vec<Waker> = {
            let mut inner = self.lock();
            let count = limit.min(inner.due.len());
            inner.due.drain(..count).collect()
        };
        let woke = !due.is_empty();
        due.into_iter().for_each(Waker::wake);
        woke
    }

    /// Reads from the cursor without moving it; if the batch reaches the tail, the task is
    /// registered in the same critical section, so that a later append cannot be missed.
    ///
    /// # Errors
    /// `Err` if the cursor's entry is trimmed already.
    pub fn read_or_wait(
        &self,
        cursor: &mut Cursor,
        batch: &mut Batch,
        cx: &Context<'_>,
    ) -> Result<usize, Trimmed> {
        let mut inner = self.lock();
        let count = inner.copy(cursor.next, batch)?;
        let tail = inner.tail();
        if cursor.next + count as u64 == tail && cursor.registered_at != tail {
            inner.waiters.push(cx.waker().clone());
            cursor.registered_at = tail;
        }
        Ok(count)
    }

    /// Reads from a position, registering nothing.
    ///
    /// # Errors
    /// `Err` if the position's entry is trimmed already.
    pub fn read(&self, from: u64, batch: &mut Batch) -> Result<usize, Trimmed> {
        self.lock().copy(from, batch)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

/// The reader lags behind what the log keeps.
#[derive(Debug)]
pub struct Trimmed;

impl Inner {
    fn push(&mut self, entry: Entry) {
        self.entries.push_back(Arc::new(entry));
        if self.entries.len() > KEPT {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    fn tail(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    fn copy(&self, from: u64, batch: &mut Batch) -> Result<usize, Trimmed> {
        let start = from.checked_sub(self.first).ok_or(Trimmed)?;
        let start = usize::try_from(start).expect("a log fits in memory");
        let mut count = 0;
        for entry in self
            .entries
            .range(start.min(self.entries.len())..)
            .take(BATCH)
        {
            batch[count] = Some(Arc::clone(entry));
            count += 1;
        }
        Ok(count)
    }
}

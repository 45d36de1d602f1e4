//! Bytes on their way into one socket: shared ones by reference, own ones by value.
//!
//! It is filled by one read of the feed and not again before it is empty, so it is bounded by that
//! read's budget.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// As many as one system call takes without the kernel's slow path.
const SLICES_MAX: usize = 64;

/// Bytes from which a part is not joined with others: copying it would cost more than a frame.
const SHARED: usize = 1 << 10;

/// What one socket still has to take.
#[derive(Default)]
pub struct Outbox {
    parts: VecDeque<Bytes>,
    len: usize,
    /// Messages among the parts, for the counters.
    messages: u64,
}

impl Outbox {
    pub fn push(&mut self, part: impl Into<Bytes>) {
        let part = part.into();
        if !part.is_empty() {
            self.len += part.len();
            self.parts.push_back(part);
        }
    }

    /// Pushes all that another one holds.
    pub fn append(&mut self, mut other: Self) {
        self.len += other.len;
        self.messages += other.messages;
        self.parts.append(&mut other.parts);
    }

    /// The parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = &Bytes> {
        self.parts.iter()
    }

    /// Pushes a message's bytes, or the last part of them.
    pub fn push_message(&mut self, part: Bytes) {
        self.messages += 1;
        self.push(part);
    }

    /// Counts messages that were pushed within other bytes.
    pub fn count_messages(&mut self, count: u64) {
        self.messages += count;
    }

    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Bytes in all parts.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Takes up to `bytes_max` bytes in one piece: a large part is shared, small ones are joined.
    pub fn gather(&mut self, bytes_max: usize) -> Bytes {
        let wanted = self.len.min(bytes_max);
        let taken = match self.parts.front() {
            Some(first) if first.len() >= wanted.min(SHARED) => {
                first.slice(..first.len().min(wanted))
            }
            _ => self.join(wanted),
        };
        self.advance(taken.len());
        taken
    }

    fn join(&self, wanted: usize) -> Bytes {
        let mut joined = BytesMut::with_capacity(wanted);
        for part in &self.parts {
            let room = wanted - joined.len();
            joined.put_slice(&part[..part.len().min(room)]);
            if part.len() >= room {
                break;
            }
        }
        joined.freeze()
    }

    /// The messages pushed since the last call.
    pub fn take_messages(&mut self) -> u64 {
        std::mem::take(&mut self.messages)
    }

    /// Makes all parts one chunk (RFC 9112 section 7.1).
    pub fn wrap_chunk(&mut self) {
        if self.is_empty() {
            return;
        }
        let head = Bytes::from(format!("{:x}\r\n", self.len));
        self.len += head.len();
        self.parts.push_front(head);
        self.push(Bytes::from_static(b"\r\n"));
    }

    /// Puts bytes before all parts.
    pub fn push_front(&mut self, part: Bytes) {
        self.len += part.len();
        self.parts.push_front(part);
    }

    /// The one part that there is.
    pub fn only(&self) -> Option<&[u8]> {
        (self.parts.len() == 1).then(|| &self.parts[0][..])
    }

    /// The first parts, for a vectored write.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>; SLICES_MAX]) -> usize {
        let mut count = 0;
        for (slot, part) in slices.iter_mut().zip(&self.parts) {
            *slot = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// A place for [`slices`](Self::slices).
    pub fn no_slices<'a>() -> [IoSlice<'a>; SLICES_MAX] {
        [IoSlice::new(&[]); SLICES_MAX]
    }

    /// Drops `written` bytes from the front.
    pub fn advance(&mut self, mut written: usize) {
        self.len -= written;
        while written > 0 {
            let Some(part) = self.parts.front_mut() else {
                return;
            };
            if part.len() > written {
                part.advance(written);
                return;
            }
            written -= part.len();
            self.parts.pop_front();
        }
        self.shrink();
    }

    /// A connection that was busy once gives its memory back when it is quiet.
    fn shrink(&mut self) {
        if self.parts.is_empty() && self.parts.capacity() > 8 {
            self.parts = VecDeque::new();
        }
    }
}

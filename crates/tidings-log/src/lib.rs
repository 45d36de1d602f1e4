//! The one data structure of Tidings: an append-only log, and cursors that read it.
//!
//! A [`Log`] holds the retained entries of one channel. A [`Cursor`] is a reader's place in it: it
//! holds a position and never an entry, so a slow reader costs an offset and nothing more. What a
//! reader missed is told by a [`Gap`]; it is never silent. A reader that has reached the tail leaves
//! a note ([`Signal`], key) in the log and is woken once by the next write.
//!
//! Deliberately absent: channels, users, JSON, sockets, clocks (every `now` is passed in, as
//! monotonic milliseconds) and tasks. Entries are opaque values; the log knows their size only.
//!
//! Read [`Log`] and [`Cursor`] first.

mod cursor;
mod easing;
mod log;
mod meter;
mod position;
mod reading;
mod ring;
mod signal;
mod sync;
mod terms;
mod tower;
mod waiters;

pub use cursor::Cursor;
pub use log::{Log, Snapshot, Writer};
pub use meter::Meter;
pub use position::{Epoch, Gap, GapReason, MAX_OFFSET, ParseError, Position};
pub use reading::{Budget, Item, Opened, Start, Status};
pub use signal::Signal;
pub use terms::{Behind, LagRule, Retention, Terms};
pub use tower::Tower;

/// Monotonic time in milliseconds since a fixed point that the caller chose.
pub type Millis = u64;

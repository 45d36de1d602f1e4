//! Writing a batch from a cursor: one vectored write, position moved by what the socket took.

use std::io::IoSlice;

use crate::log::{BATCH, Batch, Cursor};

/// Fills the slices of a batch, the first one without the bytes already written.
pub fn slices<'a>(batch: &'a Batch, count: usize, skip: usize, out: &mut [IoSlice<'a>; BATCH]) {
    for (slot, entry) in out.iter_mut().zip(batch.iter().take(count).flatten()) {
        *slot = IoSlice::new(&entry.frame);
    }
    if let Some(entry) = batch[0].as_ref().filter(|_| skip > 0) {
        out[0] = IoSlice::new(&entry.frame[skip..]);
    }
}

/// Moves the cursor over `written` bytes of the batch; true if all of the batch is out.
pub fn advance(cursor: &mut Cursor, batch: &Batch, count: usize, written: usize) -> bool {
    let mut left = cursor.skip + written;
    for entry in batch.iter().take(count).flatten() {
        if left < entry.frame.len() {
            cursor.skip = left;
            return false;
        }
        left -= entry.frame.len();
        cursor.next += 1;
    }
    cursor.skip = 0;
    true
}

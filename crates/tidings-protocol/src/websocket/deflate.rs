//! Messages deflated (RFC 7692, section 7.2.1), each on its own, as whole frames that all readers
//! share. It does not know who can read them, and keeps none.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};

use super::MessageKind;
use super::encode::deflated_message_frame;

/// Messages of fewer bytes are not deflated: they save less than the packets around them cost.
pub const DEFLATE_FROM: usize = 128;

/// The cheapest level with Huffman codes made for the message: half as dear as the default one, at
/// 1 to 15 % more bytes (docs/decisions/006-compress-once.md).
const LEVEL: Compression = Compression::new(2);

/// The end of an empty block, to which a flush writes and which is left out.
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

thread_local! {
    /// Between two messages its window is nobody's.
    static DEFLATER: RefCell<Compress> = RefCell::new(Compress::new(LEVEL, false));
}

/// A message as one deflated frame, its payload put together from `parts`, which are UTF-8 if `kind`
/// is text. `None`: it would not be smaller than the plain frame, or the payload has fewer than
/// [`DEFLATE_FROM`] bytes. For readers with [`super::Deflate`], where it says that they can inflate
/// a payload so long.
#[must_use]
pub fn deflated_frame(kind: MessageKind, parts: &[&[u8]]) -> Option<Bytes> {
    let payload_len = parts.iter().map(|part| part.len()).sum();
    if payload_len < DEFLATE_FROM {
        return None;
    }
    let deflated = DEFLATER.with_borrow_mut(|deflater| deflate(deflater, parts, payload_len))?;
    Some(deflated_message_frame(kind, &deflated))
}

/// `parts` deflated to less than `most` bytes, or not at all.
fn deflate(deflater: &mut Compress, parts: &[&[u8]], most: usize) -> Option<Vec<u8>> {
    deflater.reset();
    // Full before the flush came to its end, it is not smaller.
    let mut deflated = Vec::with_capacity(most + FLUSHED.len());
    for part in parts {
        let before = deflater.total_in();
        deflater
            .compress_vec(part, &mut deflated, FlushCompress::None)
            .ok()?;
        if deflater.total_in() - before < part.len() as u64 {
            return None;
        }
    }
    deflater
        .compress_vec(&[], &mut deflated, FlushCompress::Sync)
        .ok()?;
    if deflated.len() == deflated.capacity() || !deflated.ends_with(&FLUSHED) {
        return None;
    }
    deflated.truncate(deflated.len() - FLUSHED.len());
    Some(deflated)
}

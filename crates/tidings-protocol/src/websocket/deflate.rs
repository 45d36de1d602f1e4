//! Messages deflated (RFC 7692, section 7.2.1), each on its own, as whole frames that all readers
//! share. It does not know who can read them, and keeps none.

use std::cell::RefCell;

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};

use super::MessageKind;
use super::encode::deflated_message_frame;

/// Messages of fewer bytes are not deflated: they save less than the packets around them cost.
pub const DEFLATE_FROM: usize = 128;

/// The cheapest level that makes Huffman codes for each message: as dear as the default one for
/// short messages, half as dear for long ones, at 1 to 13 % more bytes
/// (docs/decisions/006-compress-once.md).
const LEVEL: Compression = Compression::new(2);

/// Enough for what 100 KB grow by that cannot be compressed, and for a flush.
const ROOM: usize = 64;

/// The end of the empty block that a flush writes, which is left out.
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
    let deflated = DEFLATER.with_borrow_mut(|deflater| deflate(deflater, parts, payload_len));
    (deflated.len() < payload_len).then(|| deflated_message_frame(kind, &deflated))
}

fn deflate(deflater: &mut Compress, parts: &[&[u8]], payload_len: usize) -> Vec<u8> {
    deflater.reset();
    let mut deflated = Vec::with_capacity(payload_len + ROOM);
    for part in parts {
        feed(deflater, part, FlushCompress::None, &mut deflated);
    }
    feed(deflater, &[], FlushCompress::Sync, &mut deflated);
    debug_assert!(deflated.ends_with(&FLUSHED));
    deflated.truncate(deflated.len() - FLUSHED.len());
    deflated
}

/// To the end even where it does not pay: what a compressor still holds when it is reset takes room
/// from it for good (zlib-rs 0.6.8), until it panics.
fn feed(deflater: &mut Compress, mut input: &[u8], flush: FlushCompress, deflated: &mut Vec<u8>) {
    loop {
        let taken = deflater.total_in();
        deflater
            .compress_vec(input, deflated, flush)
            .expect("its state is in order from its making on");
        input = &input[(deflater.total_in() - taken) as usize..];
        if deflated.len() < deflated.capacity() {
            return;
        }
        deflated.reserve(ROOM);
    }
}

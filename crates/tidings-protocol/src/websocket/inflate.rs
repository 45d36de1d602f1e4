//! Deflated messages back to their bytes (RFC 7692, section 7.2.2), each on its own: no message
//! refers to one before it, so that one window serves all connections of a thread. It takes whole
//! messages, and keeps none.
//!
//! A block that says it is the final one ends nothing but its stream: what follows on the next byte
//! is inflated as another (sections 7.2.1 and 7.2.3.4), and must be one. Where a final block is the
//! very end, the message is whole even without the header of the empty block that section 7.2.1
//! wants behind it. Nothing at all inflates to nothing, as with every inflater that is fed as it
//! comes. All else that does not end where a block ends is refused: it may be half of a message.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

use super::{FrameError, MessageKind};

/// What every sender took away, then an empty final block: the inflater takes it to its last byte
/// and gains nothing from it only if the message ended with a block.
const END: [u8; 9] = [0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

thread_local! {
    /// Between two messages its window is nobody's.
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// The message whose deflated form is `deflated`, of at most `max_message` bytes; valid UTF-8 if
/// `kind` is text. Memory grows with what was inflated, up to the limit; time is linear in
/// what came and what it inflated to.
pub(super) fn inflate(
    deflated: &[u8],
    kind: MessageKind,
    max_message: usize,
) -> Result<Vec<u8>, FrameError> {
    INFLATER.with_borrow_mut(|inflater| {
        let mut inflation = Inflation {
            inflater,
            message: Vec::with_capacity(deflated.len().min(max_message)),
            max_message,
        };
        inflation.take_all(deflated)?;
        let message = inflation.message;
        if kind == MessageKind::Text && std::str::from_utf8(&message).is_err() {
            return Err(FrameError::Utf8Invalid);
        }
        Ok(message)
    })
}

struct Inflation<'i> {
    inflater: &'i mut Decompress,
    message: Vec<u8>,
    max_message: usize,
}

impl Inflation<'_> {
    fn take_all(&mut self, mut deflated: &[u8]) -> Result<(), FrameError> {
        let mut has_ended = true;
        while !deflated.is_empty() {
            self.inflater.reset(false);
            has_ended = self.take_stream(&mut deflated)?;
        }
        if has_ended || self.is_whole() {
            Ok(())
        } else {
            Err(FrameError::DeflateInvalid)
        }
    }

    fn is_whole(&mut self) -> bool {
        let (mut end, len) = (&END[..], self.message.len());
        self.take_stream(&mut end) == Ok(true) && end.is_empty() && self.message.len() == len
    }

    /// Inflates from the front of `input` to its end or to that of a final block; whether it was
    /// the latter.
    fn take_stream(&mut self, input: &mut &[u8]) -> Result<bool, FrameError> {
        loop {
            self.make_room();
            let status = self.step(input)?;
            if status == Status::StreamEnd {
                return Ok(true);
            }
            if self.message.len() < self.message.capacity() {
                // All that could be inflated is.
                return if input.is_empty() {
                    Ok(false)
                } else {
                    Err(FrameError::DeflateInvalid)
                };
            }
        }
    }

    /// Fills the room that there is.
    fn step(&mut self, input: &mut &[u8]) -> Result<Status, FrameError> {
        let taken = self.inflater.total_in();
        let status = self
            .inflater
            .decompress_vec(input, &mut self.message, FlushDecompress::None)
            .map_err(|_| FrameError::DeflateInvalid)?;
        *input = &input[(self.inflater.total_in() - taken) as usize..];
        if self.message.len() > self.max_message {
            return Err(FrameError::MessageTooBig {
                limit: self.max_message,
            });
        }
        Ok(status)
    }

    /// Doubles, up to one byte more than the limit: whether there is one must be seen.
    fn make_room(&mut self) {
        const LEAST: usize = 64;
        let len = self.message.len();
        if len < self.message.capacity() {
            return;
        }
        let most = self.max_message.saturating_add(1);
        let capacity = len.saturating_mul(2).max(LEAST).min(most);
        self.message.reserve_exact(capacity - len);
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut deflated = Vec::with_capacity(data.len() + 1_000);
        Compress::new(Compression::best(), false)
            .compress_vec(data, &mut deflated, FlushCompress::Sync)
            .expect("room enough");
        deflated.truncate(deflated.len() - 4);
        deflated
    }

    #[test]
    fn memory_grows_with_what_was_inflated() {
        for len in [0, 1, 64, 65, 1_000, 100_000, 3_000_000] {
            let deflated = deflated(&vec![7; len]);
            let most = (2 * len).max(64).max(deflated.len());
            for limit in [len, len + 1, 2 * len, usize::MAX] {
                let message = inflate(&deflated, MessageKind::Binary, limit).expect("it fits");
                assert_eq!(message.len(), len);
                let capacity = message.capacity();
                assert!(
                    capacity <= most.min(limit.saturating_add(1)),
                    "{capacity} for {len}"
                );
            }
        }
    }

    #[test]
    fn an_error_leaves_nothing_to_the_next_message() {
        let hello = deflated(b"hello, hello, hello");
        for wrong in [&b"\x06"[..], b"\xf2\x48\xcd", &hello[..4]] {
            let error = inflate(wrong, MessageKind::Binary, 100);
            assert_eq!(error, Err(FrameError::DeflateInvalid));
            let too_big = inflate(&hello, MessageKind::Binary, 3);
            assert_eq!(too_big, Err(FrameError::MessageTooBig { limit: 3 }));
            let message = inflate(&hello, MessageKind::Text, 100);
            assert_eq!(message, Ok(b"hello, hello, hello".to_vec()));
        }
    }
}

//! What an HTTP/2 client says, to the meter of its frames: the first byte says how the rest is cut.
//!
//! The same verdict however the bytes are cut, and the one that a plain sum over whole frames gives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_fuzz::decoding::cut;
use tidings_protocol::http2::{FrameMeter, PREFACE};

/// Frames that ask for nothing, and window updates, at the start.
const IDLE: u32 = 200;
const ANSWERS: u32 = 6_400;

fuzz_target!(|input: &[u8]| {
    let Some((seed, frames)) = input.split_first() else {
        return;
    };
    // Ten times over, so that the budget can be spent by inputs of a few hundred bytes.
    let frames = frames[..frames.len().min(400)].repeat(10);
    let said = [&PREFACE[..], &frames].concat();
    let spent = is_spent([&said[..]]);
    let (idle, answers) = count(&frames);
    assert_eq!(spent, idle > IDLE || answers > ANSWERS);
    assert_eq!(spent, is_spent(cut(&said, *seed)));
    assert_eq!(spent, is_spent(said.chunks(1)));
});

/// Whether the budget is spent by the end of these pieces, with no time between them.
fn is_spent<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut meter = FrameMeter::new(0, 0);
    pieces
        .into_iter()
        .any(|piece| meter.read(piece, 0).is_err())
}

/// The frames that ask for nothing and the window updates whose headers are whole (RFC 9113 section
/// 4.1).
fn count(mut said: &[u8]) -> (u32, u32) {
    let (mut idle, mut answers) = (0, 0);
    while let [a, b, c, kind, flags, _, _, _, _, rest @ ..] = said {
        let length = u32::from_be_bytes([0, *a, *b, *c]);
        match (kind, length) {
            (0, 0) if flags & 1 == 0 => idle += 1,
            (0 | 1, _) => {}
            (8, _) => answers += 1,
            _ => idle += 1,
        }
        said = rest.get(length as usize..).unwrap_or_default();
    }
    (idle, answers)
}

//! The decoder of client frames, fed with any cut of its input.

use tidings_protocol::websocket::{Decoder, Deflate, Event, FrameError};

/// The message limit of every decoder here, in bytes: above the longest control frame, and small
/// enough to be reached.
pub const LIMIT: usize = 300;

/// What was heard of a stream.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    /// In their order.
    pub events: Vec<Event>,
    /// What ended it, if it was wrong.
    pub error: Option<FrameError>,
}

/// The most that a decoder holds: a deflated message may be an eighth longer than what it inflates
/// to, and a control frame stands behind it.
const MOST_HELD: usize = LIMIT + LIMIT / 8 + 64 + 125;

/// Feeds `pieces` one after the other, and checks on the way what the decoder promises of memory.
pub fn hear<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, deflate: Option<Deflate>) -> Heard {
    let mut decoder = Decoder::new(LIMIT, deflate);
    let most = if deflate.is_some() {
        MOST_HELD
    } else {
        LIMIT + 125
    };
    let (mut heard, mut fed) = (Heard::default(), 0);
    for mut piece in pieces {
        fed += piece.len();
        loop {
            let before = piece.len();
            match decoder.decode(&mut piece) {
                Ok(Some(event)) => {
                    assert!(!ended(&heard), "nothing follows an end");
                    assert!(piece.len() < before || before == 0, "an event takes bytes");
                    heard.events.push(event);
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(!ended(&heard), "nothing follows an end");
                    heard.error = Some(error);
                }
            }
        }
        assert!(piece.is_empty(), "all is taken");
        assert!(decoder.memory() <= 2 * fed, "paid for by what came");
        assert!(decoder.memory() <= most, "bounded by the limit");
        assert_eq!(decoder.is_finished(), ended(&heard));
        if decoder.is_idle() {
            assert_eq!(decoder.memory(), 0, "an idle connection holds nothing");
        }
    }
    heard
}

fn ended(heard: &Heard) -> bool {
    heard.error.is_some() || matches!(heard.events.last(), Some(Event::Close(_)))
}

/// `bytes` in pieces of lengths that follow from `seed`, empty ones among them.
pub fn cut(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let (mut rest, mut state, mut pieces) = (bytes, u32::from(seed) | 1, Vec::new());
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, behind) = rest.split_at(((state >> 24) as usize % 19).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

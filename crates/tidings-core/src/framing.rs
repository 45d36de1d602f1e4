//! The forms of a message that were made so far. It does not know how any of them looks.

use std::sync::OnceLock;

use bytes::Bytes;

/// The forms in which a message is written to sockets. Each is made once, by the first reader that
/// needs it, and shared by all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The envelope as a WebSocket text frame; after the frame's head it is the entry of a poll.
    Text,
    /// A binary payload as a WebSocket binary frame.
    Binary,
    /// Whichever of the two suits the payload, deflated; empty: that does not pay.
    Deflated,
    /// An SSE event without its `id:` line.
    Event,
    /// An SSE event of the payload alone, without its `id:` line.
    RawEvent,
    /// The payload alone as a WebSocket frame.
    RawFrame,
    /// The same, deflated; empty: that does not pay.
    RawDeflated,
}

/// A list that grows at its end and never changes: most messages are read in one form or two, and
/// are kept for hours, so a form that nobody reads costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Frames(OnceLock<Box<Made>>);

#[derive(Debug)]
struct Made {
    framing: Framing,
    bytes: Bytes,
    next: Frames,
}

impl Frames {
    /// The bytes in this form, made by `encode` where they are not there yet.
    pub(crate) fn get(&self, framing: Framing, encode: impl FnOnce() -> Bytes) -> &Bytes {
        let mut encode = Some(encode);
        let mut place = self;
        loop {
            let made = place.0.get_or_init(|| {
                let encode = encode
                    .take()
                    .expect("what it made is of this form, so the walk ended there");
                Box::new(Made {
                    framing,
                    bytes: encode(),
                    next: Self::default(),
                })
            });
            // Another thread may have taken this place for another form.
            if made.framing == framing {
                return &made.bytes;
            }
            place = &made.next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const ALL: [Framing; 7] = [
        Framing::Text,
        Framing::Binary,
        Framing::Deflated,
        Framing::Event,
        Framing::RawEvent,
        Framing::RawFrame,
        Framing::RawDeflated,
    ];

    fn length(frames: &Frames) -> usize {
        frames.0.get().map_or(0, |made| 1 + length(&made.next))
    }

    #[test]
    fn each_form_is_made_once_whoever_comes_first() {
        const THREADS: usize = 4;
        for round in 0..500 {
            let frames = Frames::default();
            let made = AtomicUsize::new(0);
            let start = Barrier::new(THREADS);
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (frames, made, start) = (&frames, &made, &start);
                    scope.spawn(move || {
                        start.wait();
                        for step in 0..ALL.len() {
                            let framing = ALL[(step * (thread % 3 + 1) + round) % ALL.len()];
                            let bytes = frames.get(framing, || {
                                made.fetch_add(1, Ordering::Relaxed);
                                Bytes::from(format!("{framing:?}"))
                            });
                            assert_eq!(bytes, &format!("{framing:?}"));
                        }
                    });
                }
            });
            assert_eq!((made.into_inner(), length(&frames)), (7, 7));
        }
    }

    #[test]
    fn an_empty_form_is_remembered_too() {
        let frames = Frames::default();
        assert!(frames.get(Framing::Deflated, Bytes::new).is_empty());
        let again = frames.get(Framing::Deflated, || unreachable!("it was made"));
        assert!(again.is_empty());
    }

    #[test]
    fn an_encoder_that_panics_leaves_the_place_to_the_next() {
        let frames = Frames::default();
        let panics = std::panic::AssertUnwindSafe(|| {
            frames.get(Framing::Text, || panic!("on purpose"));
        });
        assert!(std::panic::catch_unwind(panics).is_err());
        let bytes = frames.get(Framing::Text, || Bytes::from_static(b"made"));
        assert_eq!(bytes, &"made");
    }
}

//! The client's parser of event streams: the first byte says how the rest is cut. The same items as
//! the standard's algorithm over the whole stream gives, however it is cut.
//!
//! The module is the client's own file: it needs nothing else of the client.
#![no_main]

#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/tidings-client/src/sse_parser.rs"]
mod sse_parser;

use libfuzzer_sys::fuzz_target;
use sse_parser::{Item as Parsed, SseParser};
use tidings_fuzz::decoding::cut;
use tidings_fuzz::event_stream::{Item, read};

fuzz_target!(|input: &[u8]| {
    let Some((seed, stream)) = input.split_first() else {
        return;
    };
    let expected = read(stream);
    assert_eq!(items([stream], usize::MAX), Some(expected.clone()));
    assert_eq!(
        items(cut(stream, *seed), usize::MAX),
        Some(expected.clone())
    );
    assert_eq!(items(stream.chunks(1), usize::MAX), Some(expected.clone()));
    // With a limit it may give up, and what it gives until then is not wrong.
    if let Some(some) = items(cut(stream, *seed), usize::from(*seed)) {
        assert_eq!(some, expected);
    }
});

/// The items of a stream; `None` if it outgrew the limit.
fn items<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Option<Vec<Item>> {
    let (mut parser, mut parsed) = (SseParser::new(limit), Vec::new());
    for piece in pieces {
        parser.feed(piece, &mut parsed).ok()?;
    }
    let item = |item| match item {
        Parsed::Event(event) => Item::Event {
            id: event.id,
            name: event.name,
            data: event.data,
        },
        Parsed::Retry(after) => Item::Retry(after.as_millis() as u64),
    };
    Some(parsed.into_iter().map(item).collect())
}

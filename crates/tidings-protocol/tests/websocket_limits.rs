//! What a hostile client can make the decoder hold, and how often it can make it copy: counted, not
//! timed.

mod websocket_support;

use tidings_protocol::websocket::{Decoder, Event, FrameError};
use websocket_support::*;

const LIMIT: usize = 16 << 20;

/// Feeds `bytes` and asserts that no event and no error comes of them.
fn feed_quietly(decoder: &mut Decoder, bytes: &[u8]) {
    let mut heard = Heard::default();
    heard.feed(decoder, bytes);
    assert_eq!(heard, Heard::default());
}

fn error_of(decoder: &mut Decoder, bytes: &[u8]) -> Option<FrameError> {
    let mut heard = Heard::default();
    heard.feed(decoder, bytes);
    heard.error
}

#[test]
fn a_declared_length_over_the_limit_is_refused_at_the_header() {
    for declared in [
        LIMIT as u64 + 1,
        u64::from(u32::MAX) + 1,
        1 << 62,
        (1 << 63) - 1,
    ] {
        for first in [FIN | TEXT, BINARY] {
            let mut decoder = Decoder::new(LIMIT, None);
            let error = error_of(&mut decoder, &header(first, declared));
            assert_eq!(error, Some(FrameError::MessageTooBig { limit: LIMIT }));
            assert_eq!(decoder.memory(), 0);
        }
    }
}

#[test]
fn a_declared_length_within_the_limit_reserves_nothing() {
    let mut decoder = Decoder::new(LIMIT, None);
    feed_quietly(&mut decoder, &header(FIN | BINARY, LIMIT as u64));
    assert_eq!(decoder.memory(), 0);
    for arrived in 1..=10_000 {
        feed_quietly(&mut decoder, b"x");
        assert!(
            decoder.memory() <= 2 * arrived,
            "{} for {arrived}",
            decoder.memory()
        );
    }
}

#[test]
fn the_limit_holds_over_all_fragments_and_exactly() {
    for limit in [0, 1, 10, 200] {
        let mut decoder = Decoder::new(limit, None);
        let mut heard = Heard::default();
        heard.feed(&mut decoder, &frame(FIN | BINARY, &vec![7; limit]));
        assert_eq!(heard.events, [binary(&vec![7; limit])]);

        feed_quietly(&mut decoder, &frame(BINARY, &vec![7; limit]));
        feed_quietly(&mut decoder, &frame(CONTINUATION, b""));
        heard.feed(&mut decoder, &frame(FIN | PING, &[1; 125]));
        assert_eq!(
            heard.events[1..],
            [Event::Ping(control(&[1; 125]))],
            "controls do not count"
        );
        let error = error_of(&mut decoder, &header(CONTINUATION, 1));
        assert_eq!(error, Some(FrameError::MessageTooBig { limit }));
    }
}

#[test]
fn a_million_empty_fragments_cost_no_memory() {
    let mut decoder = Decoder::new(LIMIT, None);
    feed_quietly(&mut decoder, &frame(TEXT, b""));
    let fragments = frame(CONTINUATION, b"").repeat(1_000);
    for _ in 0..1_000 {
        feed_quietly(&mut decoder, &fragments);
        assert_eq!(decoder.memory(), 0);
    }
    let mut heard = Heard::default();
    heard.feed(&mut decoder, &frame(FIN | CONTINUATION, "끝".as_bytes()));
    assert_eq!(heard.events, [text("끝")]);
}

/// Feeds `round` a hundred thousand times, one byte of message each; how often the buffer was
/// allocated anew.
fn growths(decoder: &mut Decoder, round: &[u8]) -> usize {
    let mut growths = 0;
    let mut memory = decoder.memory();
    let mut heard = Heard::default();
    for arrived in 1..=100_000 {
        for read in round.chunks(7) {
            heard.feed(decoder, read);
            growths += usize::from(decoder.memory() != memory);
            memory = decoder.memory();
        }
        assert_eq!(heard.error, None);
        heard.events.clear();
        assert!(memory <= 2 * (arrived + 125), "{memory} for {arrived}");
    }
    growths
}

#[test]
fn tiny_fragments_are_copied_a_bounded_number_of_times() {
    let one = frame(CONTINUATION, b"x");
    let with_ping = [frame(CONTINUATION, b"x"), frame(FIN | PING, &[0; 125])].concat();
    let with_pings = [
        with_ping.clone(),
        frame(CONTINUATION, b""),
        frame(FIN | PONG, &[0; 3]),
    ]
    .concat();
    for round in [one, with_ping, with_pings] {
        for limit in [100_000, LIMIT] {
            let mut decoder = Decoder::new(limit, None);
            feed_quietly(&mut decoder, &frame(BINARY, b""));
            let growths = growths(&mut decoder, &round);
            assert!(
                growths <= 20,
                "{growths} growths to a hundred thousand bytes"
            );
            assert!(decoder.memory() <= limit + 125);
        }
    }
}

#[test]
fn nothing_is_held_between_messages() {
    let mut decoder = Decoder::new(LIMIT, None);
    assert!(decoder.is_idle());
    let input = [
        frame(FIN | TEXT, &[b'a'; 70_000]),
        frame(FIN | PING, b"ping"),
        frame(FIN | PONG, b""),
    ]
    .concat();
    let mut heard = Heard::default();
    for read in input.chunks(1_000) {
        heard.feed(&mut decoder, read);
    }
    assert_eq!(heard.events.len(), 3);
    assert_eq!(decoder.memory(), 0);
    assert!(decoder.is_idle() && !decoder.is_finished());

    feed_quietly(&mut decoder, &[TEXT]);
    assert!(!decoder.is_idle(), "half a header");
    feed_quietly(&mut decoder, &frame(TEXT, b"")[1..]);
    assert!(!decoder.is_idle(), "a message under way");
}

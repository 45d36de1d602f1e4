//! Random messages deflated by a client of its own making, with blocks, levels, windows and
//! fragments as they come, are heard as they were; what is deflated here is inflated by a client
//! with the window that it offered.

mod websocket_support;

use flate2::{Compress, Compression, FlushCompress};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use proptest::prelude::*;
use proptest::sample::Index;
use tidings_protocol::websocket::{
    DEFLATE_FROM, Decoder, Deflate, Event, MessageKind, deflated_frame, message_frame,
};
use websocket_support::*;

/// A message and how a client sends it.
#[derive(Clone, Debug)]
struct Sent {
    data: Vec<u8>,
    is_text: bool,
    how: How,
    fragments: Vec<(Index, bool)>,
}

#[derive(Clone, Debug)]
enum How {
    Plain,
    Deflated {
        level: u32,
        window_bits: u8,
        flushes: Vec<(Index, FlushCompress)>,
        ends_with_final_block: bool,
    },
}

/// Few words, many words, or noise.
fn any_data() -> impl Strategy<Value = (Vec<u8>, bool)> {
    let words = |most| {
        prop::collection::vec(
            prop_oneof![
                Just("price"),
                Just("안녕 👋"),
                Just("{\"a\":1},"),
                Just("\n")
            ],
            0..most,
        )
        .prop_map(|words| (words.concat().into_bytes(), true))
    };
    prop_oneof![
        4 => words(30),
        2 => words(6_000),
        2 => prop::collection::vec(any::<u8>(), 0..3_000).prop_map(|data| (data, false)),
        1 => any::<String>().prop_map(|text| (text.into_bytes(), true)),
    ]
}

fn any_how() -> impl Strategy<Value = How> {
    let flush = prop_oneof![
        Just(FlushCompress::Sync),
        Just(FlushCompress::Full),
        Just(FlushCompress::Partial)
    ];
    let flushes = prop::collection::vec((any::<Index>(), flush), 0..5);
    prop_oneof![
        1 => Just(How::Plain),
        4 => (0_u32..10, 9_u8..16, flushes, any::<bool>()).prop_map(
            |(level, window_bits, flushes, ends_with_final_block)| How::Deflated {
                level, window_bits, flushes, ends_with_final_block,
            }),
    ]
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let fragments = prop::collection::vec((any::<Index>(), any::<bool>()), 0..6);
    (any_data(), any_how(), fragments).prop_map(|((data, is_text), how, fragments)| Sent {
        data,
        is_text,
        how,
        fragments,
    })
}

impl How {
    /// The payload over all fragments.
    fn payload(&self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => data.to_vec(),
            Self::Deflated {
                level,
                window_bits,
                flushes,
                ends_with_final_block,
            } => {
                let level = Compression::new(*level);
                let mut client = Compress::new_with_window_bits(level, false, *window_bits);
                let mut payload = Vec::with_capacity(2 * data.len() + 1_000);
                let mut flushes: Vec<_> = flushes
                    .iter()
                    .map(|(at, flush)| (at.index(data.len() + 1), *flush))
                    .collect();
                flushes.sort_by_key(|(at, _)| *at);
                let last = if *ends_with_final_block {
                    FlushCompress::Finish
                } else {
                    FlushCompress::Sync
                };
                flushes.push((data.len(), last));
                let mut start = 0;
                for (end, flush) in flushes {
                    client
                        .compress_vec(&data[start..end], &mut payload, flush)
                        .expect("room enough");
                    start = end;
                }
                if *ends_with_final_block {
                    payload.push(0);
                } else {
                    // A flush right behind a flush writes nothing: it ends there already.
                    let tail = payload.split_off(payload.len() - 4);
                    assert_eq!(tail, [0, 0, 0xff, 0xff]);
                }
                payload
            }
        }
    }
}

impl Sent {
    fn frames(&self) -> Vec<Vec<u8>> {
        let payload = self.how.payload(&self.data);
        let mut cuts: Vec<_> = self
            .fragments
            .iter()
            .map(|(cut, ping)| (cut.index(payload.len() + 1), *ping))
            .collect();
        cuts.sort_unstable();
        let mut first = if self.is_text { TEXT } else { BINARY };
        if matches!(self.how, How::Deflated { .. }) {
            first |= RSV1;
        }
        let (mut frames, mut start) = (Vec::new(), 0);
        for (end, ping) in cuts {
            frames.push(frame(first, &payload[start..end]));
            if ping {
                frames.push(frame(FIN | PING, b"between"));
            }
            (start, first) = (end, CONTINUATION);
        }
        frames.push(frame(FIN | first, &payload[start..]));
        frames
    }

    fn event(&self) -> Event {
        let kind = if self.is_text {
            MessageKind::Text
        } else {
            MessageKind::Binary
        };
        Event::Message {
            kind,
            data: self.data.clone().into(),
        }
    }
}

/// The payload of a server's frame as a client with this window has it, and whether it came
/// deflated.
fn client_hears(frame: &[u8], window_bits: u8) -> (Vec<u8>, bool) {
    if frame[0] & RSV1 == 0 {
        return (payload(frame).to_vec(), false);
    }
    let data = inflated(payload(frame), window_bits);
    (data.expect("within the client's window"), true)
}

fn payload(frame: &[u8]) -> &[u8] {
    let head = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    &frame[head..]
}

/// By an inflater that was not written with the deflater and has no byte beyond the window: what
/// is referred to there comes out wrong, or not at all.
fn inflated(payload: &[u8], window_bits: u8) -> Option<Vec<u8>> {
    let whole = [payload, &[0, 0, 0xff, 0xff]].concat();
    let mut window = vec![0; 1 << window_bits];
    let (mut client, mut rest, mut at) = (DecompressorOxide::new(), &whole[..], 0);
    let mut data = Vec::new();
    loop {
        let flags = TINFL_FLAG_HAS_MORE_INPUT;
        let (status, taken, made) = decompress(&mut client, rest, &mut window, at, flags);
        data.extend_from_slice(&window[at..at + made]);
        (rest, at) = (&rest[taken..], (at + made) % window.len());
        match status {
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::NeedsMoreInput if rest.is_empty() => return Some(data),
            _ => return None,
        }
    }
}

proptest! {
    // More with PROPTEST_CASES.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn hears_what_a_client_deflated(
        messages in prop::collection::vec(any_sent(), 0..6),
        cuts in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let input = messages.iter().flat_map(Sent::frames).collect::<Vec<_>>().concat();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(input.len());
        let (mut heard, mut start) = (Heard::default(), 0);
        let mut decoder = Decoder::new(1 << 20, agreed());
        for end in cuts {
            heard.feed(&mut decoder, &input[start..end]);
            start = end;
        }
        heard.events.retain(|event| *event != Event::Ping(control(b"between")));
        let events: Vec<_> = messages.iter().map(Sent::event).collect();
        prop_assert_eq!(heard, Heard { events, error: None });
        prop_assert!(decoder.is_idle() && decoder.memory() == 0);
    }

    #[test]
    fn no_noise_makes_it_panic_or_pass_the_limit(
        noise in prop::collection::vec(any::<u8>(), 0..300),
        message in any_sent(),
        at in any::<Index>(),
        limit in 0_usize..3_000,
    ) {
        // Mostly lawful, then not.
        let mut payload = message.how.payload(&message.data);
        let at = at.index(payload.len() + 1);
        payload.splice(at..(at + noise.len()).min(payload.len()), noise);
        let mut heard = Heard::default();
        heard.feed(&mut Decoder::new(limit, agreed()), &frame(FIN | RSV1 | BINARY, &payload));
        prop_assert!(heard.error.is_some() != (heard.events.len() == 1));
        for event in heard.events {
            let Event::Message { data, .. } = event else { panic!("{event:?}") };
            prop_assert!(data.len() <= limit);
        }
    }

    #[test]
    fn a_client_hears_what_is_deflated_here(
        ((data, is_text), at, window_bits) in (any_data(), any::<Index>(), 8_u8..16),
    ) {
        let kind = if is_text { MessageKind::Text } else { MessageKind::Binary };
        let (head, tail) = data.split_at(at.index(data.len() + 1));
        let parts = [head, b"", tail];
        let plain = message_frame(kind, &parts);
        prop_assert_eq!(client_hears(&plain, window_bits), (data.clone(), false));
        let Some(frame) = deflated_frame(kind, &parts) else { return Ok(()) };
        prop_assert!(frame.len() < plain.len() && data.len() >= DEFLATE_FROM);
        prop_assert_eq!(frame[0], plain[0] | RSV1);
        if Deflate::new(window_bits).is_some_and(|deflate| deflate.inflates(data.len())) {
            prop_assert_eq!(client_hears(&frame, window_bits), (data, true));
        }
    }
}

#[test]
fn what_repeats_itself_is_deflated_and_what_does_not_is_not() {
    let kind = MessageKind::Text;
    let short = vec![b'a'; DEFLATE_FROM - 1];
    assert_eq!(deflated_frame(kind, &[&short]), None);
    let long = vec![b'a'; DEFLATE_FROM];
    let frame = deflated_frame(kind, &[&long]).expect("it is smaller");
    assert!(frame.len() < 20, "{}", frame.len());

    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(100_000)
    .collect();
    for len in [DEFLATE_FROM, 1_000, 100_000] {
        assert_eq!(deflated_frame(MessageKind::Binary, &[&noise[..len]]), None);
    }
    for start in 0..1_000 {
        let some = &noise[start..][..1_000];
        assert_eq!(deflated_frame(MessageKind::Binary, &[some]), None);
    }
    let again = deflated_frame(kind, &[&long]).expect("it is smaller");
    assert_eq!(again, frame, "nothing is taken over");
}

#[test]
fn far_references_stay_within_the_window_that_the_length_asks_for() {
    let noise: Vec<u8> = (0..64_u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    for window_bits in 8..=15 {
        let between = vec![0; (1 << window_bits) - 2 * noise.len()];
        let parts = [&noise[..], &between, &noise];
        let frame = deflated_frame(MessageKind::Binary, &parts).expect("it is smaller");
        assert_eq!(client_hears(&frame, window_bits), (parts.concat(), true));
    }
    for window_bits in 8..=14 {
        let between = vec![0; 1 << window_bits];
        let parts = [&noise[..], &between, &noise];
        let frame = deflated_frame(MessageKind::Binary, &parts).expect("it is smaller");
        let too_far = inflated(payload(&frame), window_bits);
        assert_ne!(too_far, Some(parts.concat()), "why longer ones stay plain");
        assert_eq!(
            client_hears(&frame, window_bits + 1),
            (parts.concat(), true)
        );
    }
    let long: Vec<u8> = (0..100_000_u64).map(|n| ((n * n) >> 9) as u8).collect();
    let frame = deflated_frame(MessageKind::Binary, &[&long, &long]).expect("it is smaller");
    assert_eq!(
        client_hears(&frame, 15),
        ([&long[..], &long].concat(), true)
    );
}

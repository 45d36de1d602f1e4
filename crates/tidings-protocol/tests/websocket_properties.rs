//! Random conversations: the same events for every cut of the input, and the same judgement as an
//! independent implementation, tungstenite, as server (what clients send) and as client (what this
//! codec encodes).
//!
//! Where tungstenite judges otherwise on purpose, the generators stay away, and a table test of the
//! decoder has the row: - it takes lengths that are not minimal, which section 5.2 forbids; - it
//! refuses close code 1014, registered after RFC 6455 like 1012 and 1013, which it takes; - it sees
//! an error at the end of its frame, not at its first byte, so only whole frames are compared.

mod websocket_support;

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tidings_protocol::websocket::{
    CloseCode, ControlPayload, Decoder, Event, FrameError, MAX_CLOSE_REASON, MessageKind,
    close_frame, close_reply, message_frame, ping_frame, pong_frame, text_frame,
};
use tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};
use websocket_support::*;

/// Above the longest control frame, since tungstenite knows only one limit for all frames.
const LIMIT: usize = 300;

/// A socket whose peer sent `input` and closed; what is written to it is kept.
struct Wire {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Wire {
    fn new(input: Vec<u8>) -> Self {
        Self {
            input: Cursor::new(input),
            output: Vec::new(),
        }
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a peer heard, in words that both implementations share.
#[derive(Debug, PartialEq)]
enum Word {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Refused,
}

fn ours(input: &[u8]) -> Vec<Word> {
    let mut heard = Heard::default();
    heard.feed(&mut Decoder::new(LIMIT, None), input);
    let words = heard.events.into_iter().map(|event| match event {
        Event::Message {
            kind: MessageKind::Text,
            data,
        } => Word::Text(data.to_vec()),
        Event::Message {
            kind: MessageKind::Binary,
            data,
        } => Word::Binary(data.to_vec()),
        Event::Ping(payload) => Word::Ping(payload.as_bytes().to_vec()),
        Event::Pong(payload) => Word::Pong(payload.as_bytes().to_vec()),
        Event::Close(close) => Word::Close(close.map(|close| (close.code.get(), close.reason))),
    });
    words.chain(heard.error.map(|_| Word::Refused)).collect()
}

/// What tungstenite hears, up to the close frame, the first refusal, or the end of the input.
fn theirs(role: Role, input: &[u8]) -> Vec<Word> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Wire::new(input.to_vec()), role, Some(config));
    let mut words = Vec::new();
    loop {
        words.push(match socket.read() {
            Ok(Message::Text(text)) => Word::Text(text.as_bytes().to_vec()),
            Ok(Message::Binary(data)) => Word::Binary(data.to_vec()),
            Ok(Message::Ping(data)) => Word::Ping(data.to_vec()),
            Ok(Message::Pong(data)) => Word::Pong(data.to_vec()),
            Ok(Message::Close(close)) => {
                let close = close.map(|close| (u16::from(close.code), close.reason.to_string()));
                // Its way to refuse a close code: it replaces the frame by this one.
                let refused = close
                    .as_ref()
                    .is_some_and(|(_, reason)| reason == "Protocol violation");
                words.push(if refused {
                    Word::Refused
                } else {
                    Word::Close(close)
                });
                return words;
            }
            Ok(Message::Frame(_)) => unreachable!("never read"),
            Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => return words,
            Err(_) => {
                words.push(Word::Refused);
                return words;
            }
        });
    }
}

/// Text that needs one to four bytes per character.
fn any_text() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![Just('a'), Just('ß'), Just('안'), Just('👋'), any::<char>()],
        0..40,
    )
    .prop_map(String::from_iter)
}

/// Payloads that look like text, like cut text, like a close frame's, or like nothing.
fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let codes = [
        0, 999, 1000, 1003, 1004, 1005, 1006, 1007, 1013, 1015, 1016, 2999, 3000, 4999, 5000,
    ];
    prop_oneof![
        4 => any_text().prop_map(String::into_bytes),
        1 => (any_text(), 0_usize..8).prop_map(|(text, cut)| text.as_bytes()[..text.len().saturating_sub(cut)].to_vec()),
        1 => (prop::sample::select(codes.to_vec()), any_text())
            .prop_map(|(code, reason)| [&u16::to_be_bytes(code), reason.as_bytes()].concat()),
        1 => prop::collection::vec(any::<u8>().prop_filter("no code 1014", |byte| *byte != 0xf6), 0..200),
    ]
}

/// One frame, with a chance for every wrong that the first two bytes can hold.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let opcodes = prop_oneof![
        8 => Just(CONTINUATION), 4 => Just(TEXT), 4 => Just(BINARY),
        1 => Just(CLOSE), 4 => Just(PING), 2 => Just(PONG), 1 => 0_u8..16,
    ];
    let bits =
        prop_oneof![12 => Just(FIN), 6 => Just(0), 1 => (0_u8..16).prop_map(|bits| bits << 4)];
    (opcodes, bits, any_payload(), prop::bool::weighted(0.97)).prop_map(
        |(opcode, bits, payload, masked)| {
            let frame = frame(bits | opcode, &payload);
            if masked { frame } else { unmasked(frame) }
        },
    )
}

fn unmasked(mut frame: Vec<u8>) -> Vec<u8> {
    frame[1] &= 0x7f;
    frame
}

/// A message cut anywhere into fragments, with pings between them.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let cuts = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..6);
    (any_text(), any::<bool>(), cuts).prop_map(|(text, is_text, cuts)| {
        let mut cuts: Vec<_> = cuts
            .into_iter()
            .map(|(cut, ping)| (cut.index(text.len() + 1), ping))
            .collect();
        cuts.sort_unstable();
        let (mut bytes, mut start) = (Vec::new(), 0);
        let mut opcode = if is_text { TEXT } else { BINARY };
        for (end, ping) in cuts {
            bytes.extend(frame(opcode, &text.as_bytes()[start..end]));
            if ping {
                bytes.extend(frame(
                    FIN | PING,
                    &text.as_bytes()[..text.floor_char_boundary(9)],
                ));
            }
            (start, opcode) = (end, CONTINUATION);
        }
        bytes.extend(frame(FIN | opcode, &text.as_bytes()[start..]));
        bytes
    })
}

/// Mostly lawful at first, anything at the end.
fn any_conversation() -> impl Strategy<Value = Vec<u8>> {
    let lawful = prop::collection::vec(any_message(), 0..6);
    (lawful, prop::collection::vec(any_frame(), 0..6))
        .prop_map(|(lawful, wild)| [lawful, wild].concat().concat())
}

proptest! {
    // More with PROPTEST_CASES.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(1_000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn judges_whole_frames_like_tungstenite(input in any_conversation()) {
        prop_assert_eq!(ours(&input), theirs(Role::Server, &input));
    }

    #[test]
    fn every_cut_gives_the_same_events(
        input in any_conversation(),
        noise in prop::collection::vec(any::<u8>(), 0..30),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let input = [input, noise].concat();
        let mut whole = Heard::default();
        whole.feed(&mut Decoder::new(LIMIT, None), &input);

        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.index(input.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(input.len());
        let (mut pieces, mut decoder, mut start) = (Heard::default(), Decoder::new(LIMIT, None), 0);
        for end in cuts {
            // A finished decoder takes the rest in silence, so the first error stays.
            pieces.feed(&mut decoder, &input[start..end]);
            start = end;
        }
        prop_assert_eq!(&pieces, &whole);

        let (mut bytes, mut decoder) = (Heard::default(), Decoder::new(LIMIT, None));
        input.iter().for_each(|byte| bytes.feed(&mut decoder, &[*byte]));
        prop_assert_eq!(&bytes, &whole);
    }

    #[test]
    fn no_noise_makes_it_panic_or_hold_more_than_it_was_given(
        reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
    ) {
        let (mut decoder, mut heard, mut given) = (Decoder::new(1 << 40, None), Heard::default(), 0);
        for read in reads {
            heard.feed(&mut decoder, &read);
            given += read.len();
            prop_assert!(decoder.memory() <= 2 * given);
        }
    }

    #[test]
    fn hears_what_a_tungstenite_client_says(
        text in any_text(),
        len in prop_oneof![0_usize..300, 0_usize..200_000],
    ) {
        let data: Vec<u8> = (0..len).map(|index| (index * index) as u8).collect();
        let mut client = WebSocket::from_raw_socket(Wire::new(Vec::new()), Role::Client, None);
        let (head, tail) = data.split_at(data.len() / 3);
        let ping = text.as_bytes()[..text.floor_char_boundary(125)].to_vec();
        for message in [
            Message::text(text.as_str()),
            Message::Frame(Frame::message(head.to_vec(), OpCode::Data(Data::Binary), false)),
            Message::Ping(ping.clone().into()),
            Message::Frame(Frame::message(tail.to_vec(), OpCode::Data(Data::Continue), true)),
            Message::Close(None),
        ] {
            client.send(message).expect("the wire takes all");
        }
        let said = &client.get_ref().output;
        let events = [websocket_support::text(&text), Event::Ping(control(&ping)), binary(&data), Event::Close(None)];
        prop_assert_eq!(hear(said, said.len()), Heard { events: events.to_vec(), error: None });
    }

    #[test]
    fn a_tungstenite_client_hears_what_is_encoded(
        text in any_text(),
        data in prop::collection::vec(any::<u8>(), 0..LIMIT),
        reason in any_text(),
    ) {
        let text: String = text.chars().take(LIMIT / 4).collect();
        let payload = ControlPayload::new(data[..data.len().min(125)].to_vec()).expect("short enough");
        let (head, tail) = data.split_at(data.len() / 2);
        let frames = [
            text_frame(text.as_bytes()),
            message_frame(MessageKind::Binary, &[head, b"", tail]),
            ping_frame(&payload),
            pong_frame(&payload),
            close_frame(CloseCode::GOING_AWAY, &reason),
        ];
        let reason = reason[..reason.floor_char_boundary(MAX_CLOSE_REASON)].to_owned();
        let words = vec![
            Word::Text(text.into_bytes()),
            Word::Binary(data),
            Word::Ping(payload.as_bytes().to_vec()),
            Word::Pong(payload.as_bytes().to_vec()),
            Word::Close(Some((1001, reason))),
        ];
        prop_assert_eq!(theirs(Role::Client, &frames.concat()), words);
    }
}

#[test]
fn control_frames_never_pass_125_bytes() {
    assert_eq!(ControlPayload::new(vec![0; 126]), None);
    for (reason, kept) in [
        ("a".repeat(200), 123),
        ("안".repeat(60), 123),
        ("👋".repeat(40), 120),
    ] {
        let frame = close_frame(CloseCode::TRY_AGAIN, &reason);
        assert_eq!(frame[..4], [0x88, 2 + kept, 0x03, 0xf5]);
        assert_eq!(frame[4..], reason.as_bytes()[..usize::from(kept)]);
    }
}

#[test]
fn a_close_is_answered_with_its_code_alone() {
    assert_eq!(close_reply(None), &[0x88, 0][..]);
    let heard = hear(&frame(FIN | CLOSE, b"\x0f\xa0because"), 99);
    let [Event::Close(close)] = &heard.events[..] else {
        panic!("{heard:?}")
    };
    assert_eq!(close_reply(close.as_ref()), &[0x88, 2, 0x0f, 0xa0][..]);
}

#[test]
fn where_tungstenite_judges_otherwise() {
    let longer_form = length_in_its_longer_form();
    assert_eq!(ours(&longer_form), [Word::Refused]);
    assert_eq!(
        theirs(Role::Server, &longer_form),
        [Word::Text(b"hi".to_vec())]
    );

    let bad_gateway = frame(FIN | CLOSE, &1014_u16.to_be_bytes());
    assert_eq!(
        ours(&bad_gateway),
        [Word::Close(Some((1014, String::new())))]
    );
    assert_eq!(theirs(Role::Server, &bad_gateway), [Word::Refused]);

    let never_ends = &frame(FIN | TEXT, b"\xff and more")[..7];
    let mut heard = Heard::default();
    heard.feed(&mut Decoder::new(LIMIT, None), never_ends);
    assert_eq!(heard.error, Some(FrameError::Utf8Invalid));
    assert_eq!(theirs(Role::Server, never_ends), []);
}

/// "hi" with a zero mask and its length of 2 in the 16-bit form.
fn length_in_its_longer_form() -> Vec<u8> {
    vec![FIN | TEXT, 0x80 | 126, 0, 2, 0, 0, 0, 0, b'h', b'i']
}

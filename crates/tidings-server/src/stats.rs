//! What the server counts beside the hub.

use tidings_core::{Counter, Gauge};
use tidings_protocol::{Code, Problem};

use crate::moves::{Move, Moves, Rung};

/// How a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Answers at once.
    Poll,
    /// Answers when there is something.
    LongPoll,
    /// Server-Sent Events.
    Sse,
    /// WebSocket.
    WebSocket,
}

impl Transport {
    /// All, in the order of their counters.
    pub const ALL: [Self; 4] = [Self::Poll, Self::LongPoll, Self::Sse, Self::WebSocket];

    /// The name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::LongPoll => "long-poll",
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
        }
    }
}

/// The counters of one transport.
#[derive(Debug, Default)]
pub struct TransportStats {
    /// Readings begun: requests, or streams.
    pub opened: Counter,
    /// Open now.
    pub open: Gauge,
    /// Messages handed to sockets.
    pub delivered: Counter,
    /// Bytes written, heads included.
    pub sent_bytes: Counter,
    /// Bytes read after the head.
    pub received_bytes: Counter,
    /// Milliseconds that ended readings had been open, summed.
    pub open_ms: Counter,
}

/// The counters of the server.
#[derive(Debug)]
pub struct ServerStats {
    /// By transport.
    pub transports: [TransportStats; 4],
    /// Refusals by code.
    pub refusals: Vec<Counter>,
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections open.
    pub connections: Gauge,
    /// Connections turned away because the server was full.
    pub turned_away: Counter,
    /// Connections turned away because their address had too many.
    pub crowded: Counter,
    /// Connections of administration that found no place.
    pub admin_turned_away: Counter,
    /// Connections from which no whole request came yet.
    pub handshakes: Gauge,
    /// Connections closed because too many of all, or of their address, had said nothing yet.
    pub handshakes_refused: Counter,
    /// Connections closed for their PROXY header: missing, malformed, late, or of a proxy that is
    /// not trusted.
    pub proxy_errors: Counter,
    /// Requests that were sent to HTTPS.
    pub redirects: Counter,
    /// Requests judged.
    pub requests: Counter,
    /// Streams cut because nothing could be written in time.
    pub write_timeouts: Counter,
    /// WebSockets ended because nothing was heard in time.
    pub heartbeat_timeouts: Counter,
    /// WebSockets ended for a broken frame.
    pub frame_errors: Counter,
    /// Connections ended because nothing was asked on them in time.
    pub idle_timeouts: Counter,
    /// TLS handshakes that failed or came too late.
    pub tls_errors: Counter,
    /// HTTP/2 connections ended because their client broke the protocol.
    pub http2_errors: Counter,
    /// HTTP/2 connections ended because their client said too much that asks for nothing.
    pub http2_floods: Counter,
    /// Connections that ended by a panic.
    pub panics: Counter,
    /// Failures to accept a connection.
    pub accept_errors: Counter,
    /// Sessions that were not good: their clients began anew.
    pub sessions_refused: Counter,
    /// Clients whose streams ended because they were revoked.
    pub revoked: Counter,
    /// Moves of clients between transports.
    pub(crate) moves: Moves,
}

impl Default for ServerStats {
    fn default() -> Self {
        Self {
            transports: Default::default(),
            refusals: Code::ALL.iter().map(|_| Counter::default()).collect(),
            accepted: Counter::default(),
            connections: Gauge::default(),
            turned_away: Counter::default(),
            crowded: Counter::default(),
            admin_turned_away: Counter::default(),
            handshakes: Gauge::default(),
            handshakes_refused: Counter::default(),
            proxy_errors: Counter::default(),
            redirects: Counter::default(),
            requests: Counter::default(),
            write_timeouts: Counter::default(),
            heartbeat_timeouts: Counter::default(),
            frame_errors: Counter::default(),
            idle_timeouts: Counter::default(),
            tls_errors: Counter::default(),
            http2_errors: Counter::default(),
            http2_floods: Counter::default(),
            panics: Counter::default(),
            accept_errors: Counter::default(),
            sessions_refused: Counter::default(),
            revoked: Counter::default(),
            moves: Moves::default(),
        }
    }
}

impl ServerStats {
    /// What a reading says of a move, by the rung on which it says so.
    pub(crate) fn moved(&self, moved: Option<Move>, to: Transport, posts: bool) {
        let to = match to {
            Transport::WebSocket => Rung::WebSocket,
            Transport::Sse if posts => Rung::SsePost,
            Transport::Sse => Rung::Sse,
            Transport::LongPoll => Rung::LongPoll,
            Transport::Poll => Rung::Poll,
        };
        if let Some(moved) = moved {
            self.moves.count(moved, to);
        }
    }

    /// The counters of a transport.
    pub fn of(&self, transport: Transport) -> &TransportStats {
        &self.transports[transport as usize]
    }

    /// Counts a refusal.
    pub fn refused(&self, problem: &Problem) {
        self.refusals[problem.code.index()].add(1);
    }
}

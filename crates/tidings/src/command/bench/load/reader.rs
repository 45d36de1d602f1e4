//! One reader: a socket, its framing, and the place up to which it has read. It keeps no message.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use mio::net::TcpStream;
use rustix::net::sockopt::set_socket_linger;
use socket2::{Domain, Socket, Type};

use super::tally::Tally;
use crate::command::bench::ledger::Ledger;
use crate::command::bench::options::Transport;
use crate::command::bench::payload::{Mark, Scanner};
use crate::command::bench::wire::{Answer, Chunks, Frames, Piece, Wire};

/// A masked pong without a payload: a sign of life.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

/// How long a long poll waits, in seconds.
const WAIT: u32 = 55;

/// Where readers go.
#[derive(Clone, Debug)]
pub struct Door {
    /// The server's address.
    pub address: SocketAddr,
    /// What the `Host` field says.
    pub host: String,
}

/// What a connection's segments are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// As long as they may be here.
    Loopback,
    /// As on most networks.
    Ethernet,
}

/// A connection that follows one channel.
pub struct Reader {
    /// Its socket.
    pub stream: TcpStream,
    /// Its channel's number.
    pub channel: usize,
    transport: Transport,
    wire: Wire,
    scanner: Scanner,
    /// The place of the next message.
    next: u32,
    stage: Stage,
}

enum Stage {
    /// The request is still to be written.
    Dialled,
    /// What was said before the reading begins.
    Opening(Vec<u8>),
    Live,
}

/// What all readers share while bytes are taken.
pub struct Desk<'a> {
    /// The channels.
    pub ledgers: &'a mut [Ledger],
    /// The counts.
    pub tally: &'a mut Tally,
    /// Finds payloads.
    pub mark: &'a Mark,
    /// The channels' names.
    pub names: &'a [String],
    /// Where the server is.
    pub door: &'a Door,
    /// One buffer for all.
    pub buffer: &'a mut [u8],
    /// The load's clock, in nanoseconds.
    pub clock: &'a dyn Fn() -> u64,
}

impl Reader {
    /// A connection that is being made.
    ///
    /// # Errors
    ///
    /// The system has no socket for it.
    pub fn dial(door: &Door, transport: Transport, channel: usize, route: Route) -> Result<Self> {
        let stream = match route {
            Route::Loopback => TcpStream::connect(door.address)?,
            Route::Ethernet => connect_in_small_segments(door.address)?,
        };
        reset_when_dropped(&stream)?;
        Ok(Self {
            stream,
            channel,
            transport,
            wire: match transport {
                Transport::Ws => Wire::WebSocket(Frames::default()),
                Transport::Sse => Wire::Sse(Chunks::default()),
                Transport::Longpoll => Wire::LongPoll(Answer::default()),
            },
            scanner: Scanner::default(),
            next: 0,
            stage: Stage::Dialled,
        })
    }

    /// Does what the socket is ready for. Whether it has become live.
    ///
    /// # Errors
    ///
    /// The server refused, closed, or broke the framing.
    pub fn ready(&mut self, desk: &mut Desk<'_>) -> Result<bool> {
        if matches!(self.stage, Stage::Dialled) && !self.ask(desk)? {
            return Ok(false);
        }
        let mut live = false;
        loop {
            let read = match self.stream.read(desk.buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(live),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            desk.tally.reads += 1;
            desk.tally.received_bytes += read as u64;
            live |= self.take(read, desk)?;
            // A stream that gave less than was asked for is empty, and tells when it is not.
            if read < desk.buffer.len() {
                return Ok(live);
            }
        }
    }

    /// Writes the first request, if the connection stands.
    fn ask(&mut self, desk: &mut Desk<'_>) -> Result<bool> {
        let name = &desk.names[self.channel];
        let request = first_request(self.transport, name, &desk.door.host);
        match self.stream.write(request.as_bytes()) {
            Ok(written) if written == request.len() => {
                self.stream.set_nodelay(true)?;
                self.stage = Stage::Opening(Vec::new());
                Ok(true)
            }
            Err(error) if is_pending(error.kind()) => Ok(false),
            Ok(_) => bail!("a socket takes less than a request"),
            Err(error) => Err(error).context("the server cannot be reached"),
        }
    }

    fn take(&mut self, read: usize, desk: &mut Desk<'_>) -> Result<bool> {
        let now = (desk.clock)();
        let Desk {
            ledgers,
            tally,
            mark,
            ..
        } = desk;
        let ledger = &mut ledgers[self.channel];
        let (mut ends, mut pings) = (false, 0);
        let Self {
            wire,
            scanner,
            next,
            stage,
            ..
        } = self;
        wire.take(
            &desk.buffer[..read],
            &mut |piece| match (piece, &mut *stage) {
                (Piece::Data(data), Stage::Opening(text)) => text.extend_from_slice(data),
                (Piece::Data(data), _) => scanner.take(mark, data, |stamp| {
                    tally.deliveries += 1;
                    tally.latencies.record(now.saturating_sub(stamp.at));
                    ledger.take(next, stamp.number, &mut tally.faults);
                }),
                (Piece::End, _) => ends = true,
                (Piece::Ping, _) => pings += 1,
            },
        )?;
        let live = ends && self.open(desk)?;
        if ends && self.transport == Transport::Longpoll {
            self.poll_again(desk)?;
        }
        for _ in 0..pings {
            self.write(&PONG, desk.tally)?;
        }
        Ok(live)
    }

    /// Becomes live, if it is not and what came says so.
    fn open(&mut self, desk: &Desk<'_>) -> Result<bool> {
        let Stage::Opening(text) = &self.stage else {
            return Ok(false);
        };
        let whole = match self.transport {
            Transport::Sse => text.ends_with(b"\n\n"),
            _ => !text.is_empty(),
        };
        let wanted: &[u8] = match self.transport {
            Transport::Longpoll => b"\"cursor\"",
            _ => b"\"type\":\"hello\"",
        };
        if !whole {
            return Ok(false);
        }
        if memchr::memmem::find(text, wanted).is_none() {
            bail!("the server began with {}", String::from_utf8_lossy(text));
        }
        self.next = desk.ledgers[self.channel].published();
        self.stage = Stage::Live;
        Ok(true)
    }

    fn poll_again(&mut self, desk: &mut Desk<'_>) -> Result<()> {
        let Wire::LongPoll(answer) = &self.wire else {
            return Ok(());
        };
        let cursor = cursor(answer.tail()).context("a poll's answer without a cursor")?;
        let name = &desk.names[self.channel];
        let host = &desk.door.host;
        let request = format!(
            "GET /channels/{name}?wait={WAIT}&after={cursor} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        );
        self.write(request.as_bytes(), desk.tally)
    }

    fn write(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<()> {
        tally.sent_bytes += bytes.len() as u64;
        match self.stream.write(bytes) {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(_) => bail!("the server does not read"),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                bail!("the server does not read")
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A connection on which the server sends what fits an Ethernet frame at a time. Its kernel then
/// holds less than a megabyte for it, and not the four that loopback's long segments make it
/// reserve: a reader that reads no more is noticed by the server before those are full.
fn connect_in_small_segments(address: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_tcp_mss(1_400)?;
    socket.connect(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket.into()))
}

/// The connection is not there yet.
pub fn is_pending(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

/// Ports of connections that end in order stay taken for a minute; a bench makes too many for that.
///
/// # Errors
///
/// The system does not let it be set.
pub fn reset_when_dropped(stream: &TcpStream) -> std::io::Result<()> {
    Ok(set_socket_linger(stream, Some(std::time::Duration::ZERO))?)
}

/// The request that a reader begins with. A long poll's first is a short one: its answer has the
/// cursor after which nothing can be missed.
pub fn first_request(transport: Transport, name: &str, host: &str) -> String {
    let rest = match transport {
        Transport::Ws => format!(
            " HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ),
        Transport::Sse => format!(" HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"),
        Transport::Longpoll => format!("?last=0 HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    };
    format!("GET /channels/{name}{rest}")
}

fn cursor(tail: &[u8]) -> Option<&str> {
    let name = b"\"cursor\":\"";
    let at = memchr::memmem::rfind(tail, name)? + name.len();
    let length = memchr::memchr(b'"', &tail[at..])?;
    std::str::from_utf8(&tail[at..at + length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_the_last_one() {
        let tail = b"{\"x\":1}],\"cursor\":\"k3f9-42\",\"more\":false}";
        assert_eq!(cursor(tail), Some("k3f9-42"));
        assert_eq!(cursor(b"\"cursor\":\"k3"), None);
    }
}

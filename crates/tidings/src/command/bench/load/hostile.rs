//! Connections that do what no honest client does, at a bounded pace: what they ask of a server is
//! much more than their share, but not all that this machine can send.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;

use super::reader::{Door, first_request, reset_when_dropped};
use crate::command::bench::options::Transport;

/// Frames that a flood sends at a time.
const FRAMES: usize = 64;

/// Bytes of garbage at a time.
const GARBAGE: usize = 4 << 10;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Sends WebSocket pings, and reads the pongs.
    Pings,
    /// Sends one message in fragments of one byte, without an end.
    Fragments,
    /// Sends what is no HTTP, and comes back.
    Garbage,
    /// Opens a WebSocket, cuts it, and comes back.
    Reconnects,
}

/// One such connection.
pub struct Hostile {
    kind: Kind,
    stream: Option<TcpStream>,
    acted: Instant,
    greeted: bool,
    begun: bool,
}

impl Hostile {
    /// How often each acts.
    pub const TICK: Duration = Duration::from_millis(5);

    /// So many, of all kinds in turn.
    pub fn crowd(count: usize) -> Vec<Self> {
        let kinds = [
            Kind::Pings,
            Kind::Fragments,
            Kind::Garbage,
            Kind::Reconnects,
        ];
        let one = |kind: &Kind| Self {
            kind: *kind,
            stream: None,
            acted: Instant::now(),
            greeted: false,
            begun: false,
        };
        kinds.iter().cycle().take(count).map(one).collect()
    }

    /// Does its harm, if it is time. That the server cuts it is no error: it comes back.
    pub fn act(&mut self, door: &Door, name: &str, buffer: &mut [u8]) {
        if self.acted.elapsed() < Self::TICK {
            return;
        }
        self.acted = Instant::now();
        if self.harm(door, name, buffer).is_err() {
            self.stream = None;
        }
    }

    fn harm(&mut self, door: &Door, name: &str, buffer: &mut [u8]) -> std::io::Result<()> {
        let Some(stream) = &mut self.stream else {
            let stream = TcpStream::connect(door.address)?;
            reset_when_dropped(&stream)?;
            self.stream = Some(stream);
            self.greeted = false;
            self.begun = false;
            return Ok(());
        };
        if !self.greeted {
            let greeting = match self.kind {
                Kind::Garbage => garbage(),
                _ => first_request(Transport::Ws, name, &door.host).into_bytes(),
            };
            self.greeted = passed(stream.write(&greeting))?;
            return Ok(());
        }
        match self.kind {
            Kind::Garbage | Kind::Reconnects => self.stream = None,
            Kind::Pings => {
                passed(stream.write(&[0x89, 0x80, 0, 0, 0, 0].repeat(FRAMES)))?;
                while passed(stream.read(buffer))? {}
            }
            Kind::Fragments => {
                if !self.begun {
                    self.begun = passed(stream.write(&[0x01, 0x81, 0, 0, 0, 0, b'x']))?;
                }
                passed(stream.write(&[0x00, 0x81, 0, 0, 0, 0, b'x'].repeat(FRAMES)))?;
                while passed(stream.read(buffer))? {}
            }
        }
        Ok(())
    }
}

/// Whether bytes passed; a socket that is not ready is no error, one that has ended is.
fn passed(done: std::io::Result<usize>) -> std::io::Result<bool> {
    match done {
        Ok(0) => Err(ErrorKind::ConnectionReset.into()),
        Ok(_) => Ok(true),
        Err(error) if super::reader::is_pending(error.kind()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Bytes without sense, always the same.
fn garbage() -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..GARBAGE).map(next).collect()
}

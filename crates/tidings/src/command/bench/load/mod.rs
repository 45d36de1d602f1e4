//! The load: readers and publishers on one thread, driven by one epoll instance.
//!
//! It must cost much less than the server does, so a reader is a socket and a small state, all
//! share one buffer, and a payload is found without parsing what stands around it. It does not
//! know what is measured or why.

mod hostile;
mod phase;
mod publisher;
mod reader;
mod tally;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mio::{Events, Interest, Poll, Token};

pub use hostile::Hostile;
pub use phase::{Meter, Pace, Sample};
pub use reader::{Door, Route};
pub use tally::Tally;

use super::ledger::Ledger;
use super::options::Transport;
use super::payload::{Mark, Stamp};
use publisher::Publisher;
use reader::{Desk, Reader};

/// Tokens from here on are publishers'.
const PUBLISHERS: usize = 1 << 32;

/// Connections that are being made at a time: fewer than the shortest listen queue holds.
const DIALLING: usize = 100;

/// Whoever does not answer for so long will not.
const PATIENCE: Duration = Duration::from_secs(10);

/// One read takes so much: all that a server writes at once.
const BUFFER: usize = 256 << 10;

/// Readers and publishers of some channels of one server.
pub struct Load {
    poll: Poll,
    events: Events,
    door: Door,
    names: Vec<String>,
    ledgers: Vec<Ledger>,
    readers: Vec<Reader>,
    /// Readers of each channel that count.
    following: Vec<u64>,
    live: usize,
    publishers: Vec<Publisher>,
    free: Vec<usize>,
    next_channel: usize,
    tally: Tally,
    /// Deliveries that are to come in all, in this phase.
    expected: u64,
    mark: Mark,
    buffer: Vec<u8>,
    began: Instant,
    hostile: Vec<Hostile>,
}

impl Load {
    /// A load on these channels, without readers yet.
    ///
    /// # Errors
    ///
    /// The server cannot be reached.
    pub fn new(door: Door, names: Vec<String>, in_flight: usize) -> Result<Self> {
        let mut load = Self {
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            ledgers: names.iter().map(|_| Ledger::default()).collect(),
            following: vec![0; names.len()],
            names,
            readers: Vec::new(),
            live: 0,
            publishers: Vec::new(),
            free: Vec::new(),
            next_channel: 0,
            tally: Tally::default(),
            expected: 0,
            mark: Mark::default(),
            buffer: vec![0; BUFFER],
            began: Instant::now(),
            hostile: Vec::new(),
            door,
        };
        for index in 0..in_flight {
            load.add_publisher(index)
                .with_context(|| format!("{} cannot be reached", load.door.address))?;
        }
        Ok(load)
    }

    fn add_publisher(&mut self, index: usize) -> Result<()> {
        let mut publisher = Publisher::connect(&self.door)?;
        let token = Token(PUBLISHERS + index);
        self.poll
            .registry()
            .register(&mut publisher.stream, token, Interest::READABLE)?;
        self.publishers.push(publisher);
        self.free.push(index);
        Ok(())
    }

    /// Connects readers until there are `until`, shared out over the channels, and waits until all
    /// are live.
    ///
    /// # Errors
    ///
    /// The server refuses some, or does not answer.
    pub fn connect(&mut self, transport: Transport, until: usize, route: Route) -> Result<()> {
        let mut progress = (self.live, Instant::now());
        while self.live < until {
            while self.readers.len() < until && self.readers.len() - self.live < DIALLING {
                self.dial(transport, route)?;
            }
            self.turn(Duration::from_millis(100))?;
            if progress.0 != self.live {
                progress = (self.live, Instant::now());
            } else if progress.1.elapsed() > PATIENCE {
                bail!(
                    "the server answers no more readers after {} of {until}",
                    self.live
                );
            }
        }
        Ok(())
    }

    fn dial(&mut self, transport: Transport, route: Route) -> Result<()> {
        let index = self.readers.len();
        let mut reader = Reader::dial(&self.door, transport, index % self.names.len(), route)
            .with_context(|| format!("reader {} cannot connect", index + 1))?;
        self.poll.registry().register(
            &mut reader.stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.following[reader.channel] += 1;
        self.readers.push(reader);
        Ok(())
    }

    /// The readers from this one on never read again, and count no more.
    ///
    /// # Errors
    ///
    /// The system does not let go of a socket.
    pub fn stall(&mut self, from: usize) -> Result<()> {
        for reader in &mut self.readers[from..] {
            self.poll.registry().deregister(&mut reader.stream)?;
            self.following[reader.channel] -= 1;
        }
        Ok(())
    }

    /// Cuts stalled readers.
    pub fn drop_stalled(&mut self, from: usize) {
        self.readers.truncate(from);
        self.live = from;
    }

    /// From now on, these do harm.
    pub fn set_hostile(&mut self, hostile: Vec<Hostile>) {
        self.hostile = hostile;
    }

    /// Waits at most so long for sockets, and serves those that are ready.
    fn turn(&mut self, timeout: Duration) -> Result<()> {
        let timeout = if self.hostile.is_empty() {
            timeout
        } else {
            timeout.min(Hostile::TICK)
        };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for hostile in &mut self.hostile {
            hostile.act(&self.door, &self.names[0], &mut self.buffer);
        }
        let began = self.began;
        let clock = move || began.elapsed().as_nanos() as u64;
        let mut desk = Desk {
            ledgers: &mut self.ledgers,
            tally: &mut self.tally,
            mark: &self.mark,
            names: &self.names,
            door: &self.door,
            buffer: &mut self.buffer,
            clock: &clock,
        };
        for event in &self.events {
            let Token(token) = event.token();
            if token >= PUBLISHERS {
                let index = token - PUBLISHERS;
                if let Some(channel) = self.publishers[index].ready(desk.buffer)? {
                    desk.ledgers[channel].answer();
                    self.free.push(index);
                }
            } else {
                let live = self.readers[token]
                    .ready(&mut desk)
                    .with_context(|| format!("reader {} of {}", token + 1, self.readers.len()))?;
                self.live += usize::from(live);
            }
        }
        Ok(())
    }

    /// Publishes one message to the next channel, if a connection is free.
    fn publish(&mut self, length: usize) -> Result<bool> {
        let Some(index) = self.free.pop() else {
            return Ok(false);
        };
        let channel = self.next_channel;
        self.next_channel = (channel + 1) % self.names.len();
        let stamp = Stamp {
            number: self.ledgers[channel].publish(),
            at: self.began.elapsed().as_nanos() as u64,
        };
        self.expected += self.following[channel];
        let to = (channel, self.names[channel].as_str());
        self.publishers[index].publish(&self.door, to, stamp, length)?;
        Ok(true)
    }
}

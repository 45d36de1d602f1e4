//! One kept connection that publishes, one message at a time.

use std::io::{ErrorKind, Read, Write};

use anyhow::{Result, bail};
use mio::net::TcpStream;

use super::reader::{Door, reset_when_dropped};
use crate::command::bench::payload::{self, Stamp};
use crate::command::bench::wire::{Answer, Piece};

/// A publishing connection.
pub struct Publisher {
    /// Its socket.
    pub stream: TcpStream,
    answer: Answer,
    /// The channel of the publish that is not answered.
    pub waits_for: Option<usize>,
    request: Vec<u8>,
}

impl Publisher {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The server cannot be reached.
    pub fn connect(door: &Door) -> Result<Self> {
        let stream = std::net::TcpStream::connect(door.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let stream = TcpStream::from_std(stream);
        reset_when_dropped(&stream)?;
        Ok(Self {
            stream,
            answer: Answer::default(),
            waits_for: None,
            request: Vec::new(),
        })
    }

    /// Sends one message of `length` payload bytes.
    ///
    /// # Errors
    ///
    /// The server is gone or does not read.
    pub fn publish(
        &mut self,
        door: &Door,
        channel: (usize, &str),
        stamp: Stamp,
        length: usize,
    ) -> Result<()> {
        let (number, name) = channel;
        self.request.clear();
        write!(
            self.request,
            "POST /channels/{name} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
            door.host
        )?;
        payload::write(&mut self.request, stamp, length);
        if self.stream.write(&self.request)? != self.request.len() {
            bail!("the server does not read what is published");
        }
        self.waits_for = Some(number);
        Ok(())
    }

    /// Reads an answer, if it has come: the channel that it is about.
    ///
    /// # Errors
    ///
    /// The publish was refused, or the server is gone.
    pub fn ready(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        loop {
            let read = match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed a publishing connection"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let mut answered = false;
            self.answer.take(&buffer[..read], &mut |piece| {
                answered |= piece == Piece::End
            })?;
            if answered {
                return Ok(self.waits_for.take());
            }
        }
    }
}

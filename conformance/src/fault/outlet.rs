//! The way of an answer to the client, with what a fault does to it.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::time::{Instant, sleep_until};

use super::action::Action;
use super::connection::Ending;
use super::journal::{End, Record};

/// What a held answer may have at most.
pub const HELD_BYTES: usize = 64 << 20;
/// The shortest time between two writes of a throttled answer is about 1/20 s.
const WRITES_PER_SECOND: u64 = 20;
/// The largest write of a throttled answer.
const PIECE_BYTES: u64 = 16 << 10;

/// How an answer is handed on.
enum Manner {
    Plain,
    /// So many bytes of the body, then this.
    Until(u64, Ending),
    /// Whenever so many bytes have gathered.
    Held(u64),
    /// Not at all.
    Dropped,
    /// So many bytes per second.
    Slow(u64),
}

/// Where an answer leaves.
pub struct Outlet<'a> {
    to: WriteHalf<'a>,
    record: &'a Record,
    manner: Manner,
    held: BytesMut,
    /// When a slow one may go on.
    next: Instant,
}

impl<'a> Outlet<'a> {
    /// The way to a client, under this fault.
    pub fn new(to: WriteHalf<'a>, record: &'a Record, action: Option<&Action>) -> Self {
        let manner = match action {
            Some(Action::CutBytes(bytes)) => Manner::Until(*bytes, Ending::Reset(End::Cut)),
            Some(Action::StallBytes(bytes)) => Manner::Until(*bytes, Ending::Stall),
            Some(Action::Buffer) => Manner::Held(u64::MAX),
            Some(Action::BufferBytes(bytes)) => Manner::Held(*bytes),
            Some(Action::DropResponse) => Manner::Dropped,
            Some(Action::Throttle(bytes)) => Manner::Slow(*bytes),
            _ => Manner::Plain,
        };
        Self {
            to,
            record,
            manner,
            held: BytesMut::new(),
            next: Instant::now(),
        }
    }

    /// Hands on at once what is no answer yet (100 Continue), or none any more.
    pub async fn pass(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        // Counted first: who has seen a byte finds it in the log.
        self.record.gave(bytes.len());
        let written = self.to.write_all(bytes).await;
        written.map_err(|_| Ending::Reset(End::Client))
    }

    /// Hands on the head.
    pub async fn head(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        match self.manner {
            Manner::Until(..) => {
                self.pass(bytes).await?;
                // None of the body may be one too many.
                self.body(&[]).await
            }
            _ => self.body(bytes).await,
        }
    }

    /// Hands on a part of the body.
    pub async fn body(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        match self.manner {
            Manner::Plain => self.pass(bytes).await,
            Manner::Dropped => Ok(()),
            Manner::Slow(rate) => self.slowly(bytes, rate).await,
            Manner::Held(least) => self.hold(bytes, least).await,
            Manner::Until(left, ending) => {
                let length = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.pass(&bytes[..length]).await?;
                let left = left - length as u64;
                self.manner = Manner::Until(left, ending);
                if left == 0 { Err(ending) } else { Ok(()) }
            }
        }
    }

    /// The answer has come whole, or as far as it ever will.
    pub async fn finish(&mut self) -> Result<(), Ending> {
        if let Manner::Dropped = self.manner {
            return Err(Ending::Reset(End::Cut));
        }
        let held = self.held.split();
        self.pass(&held).await
    }

    async fn hold(&mut self, bytes: &[u8], least: u64) -> Result<(), Ending> {
        self.held.extend_from_slice(bytes);
        if self.held.len() as u64 >= least {
            let held = self.held.split();
            return self.pass(&held).await;
        }
        if self.held.len() > HELD_BYTES {
            self.record.note("more than 64 MiB were held back");
            return Err(Ending::Reset(End::Cut));
        }
        Ok(())
    }

    async fn slowly(&mut self, bytes: &[u8], rate: u64) -> Result<(), Ending> {
        let piece = (rate / WRITES_PER_SECOND).clamp(1, PIECE_BYTES);
        // What was not used while there was nothing to say is no credit.
        self.next = self.next.max(Instant::now());
        for part in bytes.chunks(piece as usize) {
            sleep_until(self.next).await;
            self.pass(part).await?;
            self.next += Duration::from_secs_f64(part.len() as f64 / rate as f64);
        }
        Ok(())
    }
}

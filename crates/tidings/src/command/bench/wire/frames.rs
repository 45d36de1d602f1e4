//! The frames of a WebSocket server (RFC 6455 section 5), after the head of its handshake. Data may
//! come in fragments; each is shown as what it is, since a payload's stamp is found in any pieces.

use anyhow::{Result, bail};

use super::Piece;
use super::head::Head;

/// The longest header of an unmasked frame.
const LONGEST: usize = 10;

/// Reads frames.
#[derive(Default)]
pub struct Frames {
    head: Head,
    greeted: bool,
    /// The part of a header that has come.
    header: [u8; LONGEST],
    have: u8,
    /// What is left of the payload; none while a header is read.
    left: Option<u64>,
    /// What a close frame has said so far.
    goodbye: Vec<u8>,
}

impl Frames {
    /// Shows the payloads of data frames, and pings.
    ///
    /// # Errors
    ///
    /// The handshake was refused, or the server closed: with its code and reason.
    pub fn take(&mut self, mut bytes: &[u8], see: &mut impl FnMut(Piece<'_>)) -> Result<()> {
        if !self.greeted {
            let Some((_, rest)) = self.head.take(bytes, 101)? else {
                return Ok(());
            };
            self.greeted = true;
            bytes = rest;
        }
        while self.left.is_some() || !bytes.is_empty() {
            let Some(left) = self.left else {
                bytes = self.header(bytes);
                continue;
            };
            let (payload, rest) = bytes.split_at(bytes.len().min(left as usize));
            bytes = rest;
            let left = left - payload.len() as u64;
            self.payload(payload, left, see)?;
            self.left = (left > 0).then_some(left);
            if left > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Reads on in a header; gives the bytes after it.
    fn header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let have = usize::from(self.have);
        let length = match (have, bytes) {
            (0, [_, second, ..]) => 2 + more(*second),
            (2.., _) => 2 + more(self.header[1]),
            _ => 2,
        };
        let (now, rest) = bytes.split_at(bytes.len().min(length - have));
        self.header[have..have + now.len()].copy_from_slice(now);
        self.have = (have + now.len()) as u8;
        if have + now.len() == length && (length > 2 || more(self.header[1]) == 0) {
            self.have = 0;
            self.left = Some(match length {
                2 => u64::from(self.header[1] & 0x7f),
                _ => self.header[2..length]
                    .iter()
                    .fold(0, |n, byte| n << 8 | u64::from(*byte)),
            });
        }
        rest
    }

    fn payload(
        &mut self,
        payload: &[u8],
        left: u64,
        see: &mut impl FnMut(Piece<'_>),
    ) -> Result<()> {
        match self.header[0] & 0x0f {
            0..=2 => {
                if !payload.is_empty() {
                    see(Piece::Data(payload));
                }
                if left == 0 {
                    see(Piece::End);
                }
            }
            9 if left == 0 => see(Piece::Ping),
            9 | 10 => {}
            8 => {
                self.goodbye.extend_from_slice(payload);
                if left == 0 {
                    bail!(farewell(&self.goodbye));
                }
            }
            other => bail!("the server sent a frame of the unknown kind {other}"),
        }
        Ok(())
    }
}

/// Bytes of the length beyond the header's first two.
fn more(second: u8) -> usize {
    match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    }
}

fn farewell(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => format!(
            "the server closed: {} {}",
            u16::from_be_bytes([*high, *low]),
            String::from_utf8_lossy(reason)
        ),
        _ => "the server closed without a reason".into(),
    }
}

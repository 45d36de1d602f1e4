//! HTTP answers with a length, one after the other on a connection.

use anyhow::{Context, Result};

use super::Piece;
use super::head::Head;

/// The last bytes of a body that are kept: enough for the cursor of one channel.
const TAIL: usize = 96;

/// Reads answers.
#[derive(Default)]
pub struct Answer {
    head: Head,
    /// Bytes of the body that have not come; none while a head is read.
    left: Option<u64>,
    tail: Vec<u8>,
}

impl Answer {
    /// Shows the bodies, and the end of each.
    ///
    /// # Errors
    ///
    /// An answer is a refusal, has no length, or is no HTTP.
    pub fn take(&mut self, mut bytes: &[u8], see: &mut impl FnMut(Piece<'_>)) -> Result<()> {
        while !bytes.is_empty() {
            if self.left.is_none() {
                let Some((facts, rest)) = self.head.take(bytes, 200)? else {
                    return Ok(());
                };
                bytes = rest;
                self.left = Some(facts.length.context("an answer without a length")?);
                self.tail.clear();
            }
            let left = self.left.unwrap_or(0);
            let (data, rest) = bytes.split_at(bytes.len().min(left as usize));
            if !data.is_empty() {
                self.keep(data);
                see(Piece::Data(data));
            }
            bytes = rest;
            let left = left - data.len() as u64;
            self.left = (left > 0).then_some(left);
            if left == 0 {
                see(Piece::End);
            }
        }
        Ok(())
    }

    /// The last bytes of the newest body.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    fn keep(&mut self, data: &[u8]) {
        let last = &data[data.len().saturating_sub(TAIL)..];
        let surplus = (self.tail.len() + last.len()).saturating_sub(TAIL);
        self.tail.drain(..surplus);
        self.tail.extend_from_slice(last);
    }
}

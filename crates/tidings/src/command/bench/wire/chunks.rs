//! A response whose body does not end, in chunks (RFC 9112 section 7.1) or bare.

use anyhow::{Context, Result, bail};

use super::Piece;
use super::head::Head;

/// Reads one response.
#[derive(Default)]
pub struct Chunks {
    head: Head,
    at: At,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Default)]
enum At {
    #[default]
    Head,
    /// The line before a chunk: the size read so far; none once its digits are over.
    Size(u64, bool),
    /// So many bytes of a chunk.
    Data(u64),
    /// So many bytes of the line end after a chunk.
    LineEnd(u8),
    /// A body without chunks.
    Bare,
}

impl Chunks {
    /// Shows the body; each chunk has an end.
    ///
    /// # Errors
    ///
    /// The response is a refusal, has ended, or broke its framing.
    pub fn take(&mut self, mut bytes: &[u8], see: &mut impl FnMut(Piece<'_>)) -> Result<()> {
        while !bytes.is_empty() {
            bytes = match self.at {
                At::Head => {
                    let Some((facts, rest)) = self.head.take(bytes, 200)? else {
                        return Ok(());
                    };
                    self.at = if facts.chunked {
                        At::Size(0, true)
                    } else {
                        At::Bare
                    };
                    rest
                }
                At::Size(size, digits) => self.size(size, digits, bytes)?,
                At::Data(left) => self.data(left, bytes, see),
                At::LineEnd(left) => {
                    self.at = match left {
                        1 => At::Size(0, true),
                        left => At::LineEnd(left - 1),
                    };
                    &bytes[1..]
                }
                At::Bare => {
                    see(Piece::Data(bytes));
                    see(Piece::End);
                    &[]
                }
            };
        }
        Ok(())
    }

    fn size<'a>(&mut self, size: u64, digits: bool, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let digit = (bytes[0] as char).to_digit(16).filter(|_| digits);
        self.at = match (bytes[0], digit) {
            (_, Some(digit)) => {
                let size = size.checked_mul(16).context("a chunk beyond all size")?;
                At::Size(size + u64::from(digit), true)
            }
            (b'\n', _) if size == 0 => bail!("the server ended the stream"),
            (b'\n', _) => At::Data(size),
            _ => At::Size(size, false),
        };
        Ok(&bytes[1..])
    }

    fn data<'a>(
        &mut self,
        left: u64,
        bytes: &'a [u8],
        see: &mut impl FnMut(Piece<'_>),
    ) -> &'a [u8] {
        let (data, rest) = bytes.split_at(bytes.len().min(left as usize));
        see(Piece::Data(data));
        self.at = match left - data.len() as u64 {
            0 => {
                see(Piece::End);
                At::LineEnd(2)
            }
            left => At::Data(left),
        };
        rest
    }
}

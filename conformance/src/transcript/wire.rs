//! One connection of a transcript.

use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::carried::{Deflated, carried};
use super::holes::{Holes, holds};
use super::text::{Token, escape};
use super::{Expected, TEXT};
use crate::carrier::{Carrier, Endpoint};
use crate::deflate::{HEADER, deflate};
use crate::wire::Io;
use crate::ws::RSV1;

/// Nothing that a transcript waits for takes so long.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A connection.
pub struct Wire {
    pub io: BufReader<Box<dyn Io>>,
    /// Messages are deflated, both ways.
    deflates: bool,
    /// Whether the handshake is over and frames follow.
    pub frames: bool,
    /// The size of the chunk that is being read, and how much of it was.
    chunk: Option<(u64, u64)>,
    /// The length of the body that is announced, and how much of it was read.
    body: Option<(u64, Option<u64>)>,
}

impl Wire {
    /// Connects; with `deflated` compression is offered, and counted there.
    pub async fn connect(to: &Endpoint, deflated: Option<Deflated>) -> Result<Self, String> {
        let wire = crate::wire::Wire::connect(to, None)
            .await
            .map_err(|error| error.to_string())?;
        let as_written = matches!(to.carrier, Carrier::Http1 | Carrier::Tls) && deflated.is_none();
        Ok(Self {
            deflates: deflated.is_some(),
            io: BufReader::new(match as_written {
                true => Box::new(wire),
                false => carried(wire, deflated),
            }),
            frames: false,
            chunk: None,
            body: None,
        })
    }

    /// Sends a request.
    pub async fn ask(&mut self, bytes: &[u8]) -> Result<(), String> {
        let upgrade = b"\r\nUpgrade: websocket\r\n";
        let at = bytes
            .windows(upgrade.len())
            .position(|window| window == upgrade);
        let Some(at) = at.filter(|_| self.deflates) else {
            return self.send(bytes).await;
        };
        let offer = format!("\r\n{HEADER}: permessage-deflate");
        self.send(&[&bytes[..at], offer.as_bytes(), &bytes[at..]].concat())
            .await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.io
            .write_all(bytes)
            .await
            .map_err(|error| format!("cannot send: {error}"))
    }

    /// Sends a frame with a mask of zeros, which leaves its payload as it is.
    pub async fn send_frame(&mut self, opcode: u8, payload: &[u8]) -> Result<(), String> {
        let deflated = (self.deflates && opcode == TEXT).then(|| deflate(payload));
        let payload = deflated.as_deref().unwrap_or(payload);
        let mut frame = frame_head(opcode, payload.len());
        frame[0] |= if deflated.is_some() { RSV1 } else { 0 };
        frame[1] |= 0x80;
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.send(&frame).await
    }

    /// Reads what is expected, and nothing more.
    pub async fn expect(&mut self, expected: &Expected, holes: &mut Holes) -> Result<(), String> {
        let read = timeout(PATIENCE, self.read(expected, holes)).await;
        read.unwrap_or_else(|_| Err(format!("nothing came for {PATIENCE:?}")))
    }

    async fn read(&mut self, expected: &Expected, holes: &mut Holes) -> Result<(), String> {
        match expected {
            Expected::Bytes(tokens) => {
                let read = compare(&mut self.io, tokens, holes).await?;
                self.count(tokens, &read)
            }
            Expected::Frame(opcode, tokens) => {
                let payload = self.frame(*opcode).await?;
                let mut left = payload.as_slice();
                compare(&mut left, tokens, holes).await?;
                match left {
                    [] => Ok(()),
                    _ => Err(format!("the frame goes on with {}", escape(left))),
                }
            }
            Expected::End => {
                let mut rest = Vec::new();
                // A reset ends it, too.
                let _ = self.io.read_to_end(&mut rest).await;
                rest.is_empty()
                    .then_some(())
                    .ok_or(format!("instead of the end came {}", escape(&rest)))
            }
        }
    }

    /// Holds the size of a chunk and the length of a body against what came.
    fn count(&mut self, tokens: &[Token], read: &[u8]) -> Result<(), String> {
        let has = |name: &str| tokens.contains(&Token::Hole(name.into()));
        let text = std::str::from_utf8(read).unwrap_or_default().trim();
        if has("size") {
            let size =
                u64::from_str_radix(text, 16).map_err(|_| "a chunk's size is hexadecimal")?;
            self.chunk = Some((size, 0));
        } else if has("length") {
            let length = text
                .rsplit(' ')
                .next()
                .and_then(|length| length.parse().ok());
            self.body = Some((length.ok_or("a body's length is a number")?, None));
        } else {
            self.count_chunk(read)?;
            self.count_body(read)?;
        }
        Ok(())
    }

    fn count_chunk(&mut self, read: &[u8]) -> Result<(), String> {
        match &mut self.chunk {
            Some((size, so_far)) if read == b"\r\n" => {
                let (size, held) = (*size, *so_far);
                self.chunk = None;
                (size == held)
                    .then_some(())
                    .ok_or(format!("a chunk of {size} bytes holds {held}"))
            }
            Some((_, so_far)) => {
                *so_far += read.len() as u64;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn count_body(&mut self, read: &[u8]) -> Result<(), String> {
        let Some((length, so_far)) = &mut self.body else {
            return Ok(());
        };
        *so_far = match *so_far {
            None if read == b"\r\n" => Some(0),
            None => None,
            Some(before) => Some(before + read.len() as u64),
        };
        let (length, held) = (*length, so_far.unwrap_or(0));
        if held == length {
            self.body = None;
        }
        (held <= length)
            .then_some(())
            .ok_or(format!("a body of {length} bytes holds {held}"))
    }

    /// Reads a frame, whole, of this opcode and with the shortest length.
    async fn frame(&mut self, opcode: u8) -> Result<Vec<u8>, String> {
        let broken = |error: std::io::Error| format!("no whole frame: {error}");
        let mut head = vec![0; 2];
        self.io.read_exact(&mut head).await.map_err(broken)?;
        let more = match head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        head.resize(2 + more, 0);
        self.io.read_exact(&mut head[2..]).await.map_err(broken)?;
        let length = match more {
            0 => usize::from(head[1] & 0x7f),
            _ => head[2..]
                .iter()
                .fold(0, |length, &byte| length << 8 | usize::from(byte)),
        };
        let mut payload = vec![0; length];
        self.io.read_exact(&mut payload).await.map_err(broken)?;
        match head == frame_head(opcode, length) {
            true => Ok(payload),
            false => Err(format!(
                "not a frame of opcode {opcode}: {} {}",
                escape(&head),
                escape(&payload)
            )),
        }
    }

    /// What is there that nobody expected, or is not there.
    pub async fn left_over(&mut self) -> Option<String> {
        if let Some((length, _)) = self.body {
            return Some(format!("a body of {length} bytes that did not come whole"));
        }
        let ready = timeout(Duration::ZERO, self.io.fill_buf())
            .await
            .ok()?
            .ok()?;
        (!ready.is_empty()).then(|| escape(ready))
    }
}

/// The head of an unmasked frame (RFC 6455 section 5.2).
pub fn frame_head(opcode: u8, length: usize) -> Vec<u8> {
    let mut head = vec![0x80 | opcode];
    match length {
        short @ 0..=125 => head.push(short as u8),
        medium @ 126..=0xffff => {
            head.push(126);
            head.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            head.push(127);
            head.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    head
}

/// Reads what the tokens say, byte for byte, and binds new holes.
async fn compare(
    from: &mut (impl AsyncBufRead + Unpin),
    tokens: &[Token],
    holes: &mut Holes,
) -> Result<Vec<u8>, String> {
    let mut read = Vec::new();
    for token in tokens {
        let known = match token {
            Token::Literal(literal) => literal.clone(),
            Token::Hole(name) => match holes.get(name) {
                Some(value) => value.to_vec(),
                None => {
                    let value = open_hole(from, name).await?;
                    holes.bind(name, &value);
                    read.extend_from_slice(&value);
                    continue;
                }
            },
        };
        for &byte in &known {
            match next(from).await? {
                Some(came) if came == byte => read.push(byte),
                came => return Err(differs(from, &read, byte, came).await),
            }
        }
    }
    Ok(read)
}

async fn open_hole(from: &mut (impl AsyncBufRead + Unpin), name: &str) -> Result<Vec<u8>, String> {
    let mut value = Vec::new();
    loop {
        let ready = from.fill_buf().await.map_err(|error| error.to_string())?;
        match ready.first() {
            Some(&byte) if holds(name, byte) => value.push(byte),
            _ if value.is_empty() => {
                return Err(format!("nothing for ${{{name}}} but {}", escape(ready)));
            }
            _ => return Ok(value),
        }
        from.consume(1);
    }
}

async fn next(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<u8>, String> {
    let ready = from.fill_buf().await.map_err(|error| error.to_string())?;
    let byte = ready.first().copied();
    from.consume(usize::from(byte.is_some()));
    Ok(byte)
}

async fn differs(
    from: &mut (impl AsyncBufRead + Unpin),
    read: &[u8],
    wanted: u8,
    came: Option<u8>,
) -> String {
    let rest = timeout(Duration::ZERO, from.fill_buf())
        .await
        .ok()
        .and_then(Result::ok)
        .unwrap_or_default();
    let came: Vec<u8> = came.into_iter().chain(rest.iter().copied()).collect();
    format!(
        "after `{}` not `{}` but `{}`",
        escape(read),
        escape(&[wanted]),
        escape(&came)
    )
}

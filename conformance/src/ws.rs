//! A WebSocket client of sockets and bytes.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};

use crate::http::{Answer, Http};
use crate::wire::Wire;

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The payload as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).expect("a JSON frame")
    }

    /// The code of a close frame.
    pub fn close_code(&self) -> Option<u16> {
        let code = self.payload.first_chunk::<2>()?;
        (self.opcode == 8).then(|| u16::from_be_bytes(*code))
    }
}

/// An open WebSocket.
pub struct Ws {
    io: BufReader<Wire>,
    /// The head of the handshake's answer.
    pub handshake: Answer,
}

/// The headers of a handshake; the key is the one of RFC 6455 section 1.3.
pub const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl Ws {
    /// Connects; the server's answer if it is no 101.
    pub async fn connect(addr: SocketAddr, target: &str) -> Result<Self, Answer> {
        Self::over(Http::connect(addr).await, target)
            .await
            .map_err(|answer| answer.expect("the head of an answer"))
    }

    /// Opens one on a connection; else the server's answer, `None` where the connection ended before
    /// it did.
    pub async fn over(mut http: Http, target: &str) -> Result<Self, Option<Answer>> {
        http.request("GET", target, HANDSHAKE, b"").await;
        Self::requested(http).await
    }

    /// Reads the answer to a handshake that was sent by hand.
    pub async fn requested(mut http: Http) -> Result<Self, Option<Answer>> {
        let handshake = http.try_head().await.ok_or(None)?;
        if handshake.status != 101 {
            return Err(Some(handshake));
        }
        Ok(Self {
            io: http.into_inner(),
            handshake,
        })
    }

    /// Whether the end that was seen is the cut, and not the server's.
    pub fn is_cut(&self) -> bool {
        self.io.get_ref().is_cut()
    }

    /// The next frame; `None` when the connection ended.
    pub async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        self.io.read_exact(&mut head).await.ok()?;
        assert_eq!(head[0] & 0x70, 0, "no extension was negotiated");
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => u64::from(self.io.read_u16().await.ok()?),
            127 => self.io.read_u64().await.ok()?,
            short => short.into(),
        };
        let mut payload = vec![0; length as usize];
        self.io.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            opcode: head[0] & 0x0f,
            payload,
        })
    }

    /// The next JSON object that is no ping.
    pub async fn json(&mut self) -> Option<Value> {
        loop {
            let frame = self.frame().await?;
            if frame.opcode == 1 {
                let json = frame.json();
                if json["type"] != "ping" {
                    return Some(json);
                }
            } else if frame.opcode == 8 {
                return None;
            }
        }
    }

    /// Sends a frame, masked.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mask = fastrand::u32(..).to_be_bytes();
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            medium @ 126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        // The server may have closed: what it said is read next.
        let _ = self.io.write_all(&frame).await;
    }

    /// Sends a command.
    pub async fn command(&mut self, command: Value) {
        self.send(1, command.to_string().as_bytes()).await;
    }

    /// Sends bytes as they are.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.io.write_all(bytes).await;
    }
}

//! A WebSocket client of sockets and bytes.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};

use crate::carrier::Endpoint;
use crate::deflate::{Agreed, deflate};
use crate::http::{Answer, Http};
use crate::wire::Wire;

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// The payload, inflated.
    pub payload: Vec<u8>,
    /// It was deflated.
    pub deflated: bool,
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

/// The bit of a frame that says that its message is deflated (RFC 7692 section 6).
pub const RSV1: u8 = 0x40;

/// An open WebSocket.
pub struct Ws {
    io: BufReader<Wire>,
    /// The head of the handshake's answer.
    pub handshake: Answer,
    /// Where compression was agreed on.
    agreed: Option<Agreed>,
}

/// The headers of a handshake; the key is the one of RFC 6455 section 1.3.
pub const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

impl Ws {
    /// Connects; the server's answer if it is no 101.
    pub async fn connect(to: impl Into<Endpoint>, target: &str) -> Result<Self, Answer> {
        Self::over(Http::connect(to).await, target, "")
            .await
            .map_err(|answer| answer.expect("the head of an answer"))
    }

    /// Opens one on a connection, with these further headers (lines that end with CRLF); else the
    /// server's answer, `None` where the connection ended before it did.
    pub async fn over(mut http: Http, target: &str, more: &str) -> Result<Self, Option<Answer>> {
        http.request("GET", target, &format!("{HANDSHAKE}{more}"), b"")
            .await;
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
            agreed: Agreed::of(&handshake),
            handshake,
        })
    }

    /// The next frame; `None` when the connection ended.
    pub async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        self.io.read_exact(&mut head).await.ok()?;
        assert_eq!(head[0] & 0x30, 0, "no such extension was negotiated");
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => u64::from(self.io.read_u16().await.ok()?),
            127 => self.io.read_u64().await.ok()?,
            short => short.into(),
        };
        let mut payload = vec![0; length as usize];
        self.io.read_exact(&mut payload).await.ok()?;
        let opcode = head[0] & 0x0f;
        let deflated = head[0] & RSV1 != 0;
        if deflated {
            assert!(opcode == 1 || opcode == 2, "only messages are deflated");
            let agreed = self.agreed.expect("compression was negotiated");
            payload = agreed.inflate(&payload).expect("a deflated payload");
        }
        Some(Frame {
            opcode,
            payload,
            deflated,
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

    /// Sends a frame, masked; where compression was agreed on, each second message deflated.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) {
        match self.agreed {
            Some(_) if opcode < 8 && fastrand::bool() => {
                self.send_frame(RSV1 | opcode, &deflate(payload)).await;
            }
            _ => self.send_frame(opcode, payload).await,
        }
    }

    async fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let mask = fastrand::u32(..).to_be_bytes();
        let mut frame = vec![0x80 | first];
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

//! HTTP/2 by hand (RFC 9113): what is sent is what the test wrote, down to the bit, and what is read
//! is frames.
//!
//! Heads are written as literals without indexing and without Huffman codes (RFC 7541 section
//! 6.2.2). Of the server's heads only the status is read. It keeps no windows and no state of
//! streams: what it may send, it does not know.

pub mod floods;
mod hpack;

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

pub use hpack::{field, indexed_field};

/// What a client says first (section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (section 6).
pub mod kind {
    #![allow(missing_docs)]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The flag of DATA and HEADERS that ends a stream, and that of SETTINGS and PING that answers one.
pub const END_STREAM: u8 = 1;
/// See [`END_STREAM`].
pub const ACK: u8 = 1;
/// The flag of HEADERS and CONTINUATION that ends a head.
pub const END_HEADERS: u8 = 4;
/// The flag of DATA and HEADERS that puts padding behind the payload.
pub const PADDED: u8 = 8;

/// Settings (section 6.5.2).
pub const HEADER_TABLE_SIZE: u16 = 1;
/// See [`HEADER_TABLE_SIZE`].
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of a RST_STREAM or GOAWAY.
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            kind::RST_STREAM => 0,
            kind::GOAWAY => 4,
            _ => return None,
        };
        let code = self.payload.get(at..)?.first_chunk()?;
        Some(u32::from_be_bytes(*code))
    }

    /// The status that a HEADERS frame begins with.
    pub fn status(&self) -> Option<u16> {
        (self.kind == kind::HEADERS).then(|| hpack::status(&self.payload))
    }

    /// Whether it is the last one of its stream.
    pub fn is_last(&self) -> bool {
        match self.kind {
            kind::DATA | kind::HEADERS => self.flags & END_STREAM != 0,
            kind => kind == kind::RST_STREAM,
        }
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is small");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A whole HEADERS frame.
pub fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let block: Vec<u8> = fields.iter().flat_map(|f| field(f.0, f.1)).collect();
    frame(kind::HEADERS, END_HEADERS | flags, stream, &block)
}

/// A whole request without a body.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, END_STREAM, &request("GET", path))
}

/// The head of a request with a body to come.
pub fn post(stream: u32, path: &str) -> Vec<u8> {
    headers(stream, 0, &request("POST", path))
}

/// The pseudo fields of a request (section 8.3.1).
pub fn request<'a>(method: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [
        (":method", method),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
    ]
}

/// RST_STREAM.
pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// GOAWAY that has seen no stream of the server's.
pub fn goaway(code: u32) -> Vec<u8> {
    let payload = [[0; 4], code.to_be_bytes()].concat();
    frame(kind::GOAWAY, 0, 0, &payload)
}

/// WINDOW_UPDATE.
pub fn window(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// SETTINGS.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = values
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(kind::SETTINGS, 0, 0, &payload)
}

/// A connection.
pub struct Http2 {
    reader: Reader,
    writer: OwnedWriteHalf,
}

/// What comes.
pub struct Reader {
    socket: OwnedReadHalf,
    bytes: Vec<u8>,
}

impl Http2 {
    /// Connects, and says the preface and that heads are not to be indexed.
    pub async fn connect(addr: SocketAddr) -> Self {
        Self::connect_with(addr, &[]).await
    }

    /// Connects with further settings.
    pub async fn connect_with(addr: SocketAddr, values: &[(u16, u32)]) -> Self {
        let socket = TcpStream::connect(addr).await.expect("the server listens");
        Self::over(socket, values).await
    }

    /// Speaks HTTP/2 on a socket.
    pub async fn over(socket: TcpStream, values: &[(u16, u32)]) -> Self {
        let mut http2 = Self::bare(socket);
        let values = [&[(HEADER_TABLE_SIZE, 0)], values].concat();
        http2.send(&[PREFACE, &settings(&values)].concat()).await;
        http2
    }

    /// A connection on which nothing was said.
    pub fn bare(socket: TcpStream) -> Self {
        socket.set_nodelay(true).expect("a socket");
        let (socket, writer) = socket.into_split();
        let reader = Reader {
            socket,
            bytes: Vec::new(),
        };
        Self { reader, writer }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.expect("the server takes bytes");
    }

    /// Sends bytes to a server that may be gone.
    pub async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes).await
    }

    /// The next frame; `None` at the end, an orderly one or a reset.
    pub async fn frame(&mut self) -> Option<Frame> {
        self.reader.frame().await
    }

    /// The next frame of this kind; what comes before it is passed over.
    pub async fn frame_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.frame().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// The status, the body and whether a stream was reset instead of ended, up to its end. `None`:
    /// the connection ended before.
    pub async fn answer(&mut self, stream: u32) -> Option<(u16, Vec<u8>, Option<u32>)> {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let frame = self.frame().await?;
            if frame.stream != stream {
                continue;
            }
            let last = frame.is_last();
            let code = frame.code();
            match frame.kind {
                kind::HEADERS => status = frame.status().expect("a head"),
                kind::DATA => body.extend(frame.payload),
                _ => {}
            }
            if last {
                return Some((status, body, code));
            }
        }
    }

    /// The error code of the GOAWAY with an error, else of the last one, when the server has closed.
    pub async fn end(&mut self) -> Option<u32> {
        self.reader.end().await
    }

    /// Both sides.
    pub fn into_parts(self) -> (Reader, OwnedWriteHalf) {
        (self.reader, self.writer)
    }
}

impl Reader {
    /// The next frame; `None` at the end, an orderly one or a reset.
    pub async fn frame(&mut self) -> Option<Frame> {
        self.fill(9).await?;
        let [a, b, c, kind, flags, s, t, u, v] = *self.bytes.first_chunk()?;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        self.fill(9 + length).await?;
        let payload = self.bytes[9..9 + length].to_vec();
        self.bytes.drain(..9 + length);
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes([s, t, u, v]),
            payload,
        })
    }

    async fn fill(&mut self, length: usize) -> Option<()> {
        while self.bytes.len() < length {
            if self.socket.read_buf(&mut self.bytes).await.ok()? == 0 {
                return None;
            }
        }
        Some(())
    }

    /// See [`Http2::end`].
    pub async fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.frame().await {
            if frame.kind == kind::GOAWAY && code.is_none_or(|code| code == 0) {
                code = frame.code();
            }
        }
        code
    }
}

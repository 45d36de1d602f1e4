//! A connection to one side, the client's or the server's, with what has come and was not used yet.

use std::io;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// What is read at once.
const READ_BYTES: usize = 64 << 10;

/// A connection to one side, with what has come and was not used.
pub struct Side {
    /// The connection.
    pub socket: TcpStream,
    /// What has come.
    pub buffer: BytesMut,
    /// Nothing more will come.
    pub ended: bool,
}

impl Side {
    /// A new connection.
    pub fn new(socket: TcpStream) -> Self {
        // A socket that is gone is seen by who reads it.
        let _ = socket.set_nodelay(true);
        Self {
            socket,
            buffer: BytesMut::new(),
            ended: false,
        }
    }

    /// Its two directions.
    pub fn split(&mut self) -> (Inlet<'_>, WriteHalf<'_>) {
        let (read, write) = self.socket.split();
        let inlet = Inlet {
            read,
            buffer: &mut self.buffer,
            ended: &mut self.ended,
        };
        (inlet, write)
    }

    /// Reads to its end, and forgets it all.
    pub async fn drain(&mut self) {
        let (mut inlet, _) = self.split();
        while let Ok(true) = inlet.more().await {
            inlet.buffer.clear();
        }
    }
}

/// Where bytes of a side come in.
pub struct Inlet<'a> {
    read: ReadHalf<'a>,
    /// What has come.
    pub buffer: &'a mut BytesMut,
    /// Nothing more will come.
    pub ended: &'a mut bool,
}

impl Inlet<'_> {
    /// Waits for more; false at the end. It may be given up while it waits: nothing is lost then.
    pub async fn more(&mut self) -> io::Result<bool> {
        if !*self.ended {
            self.buffer.reserve(READ_BYTES);
            *self.ended = self.read.read_buf(self.buffer).await? == 0;
        }
        Ok(!*self.ended)
    }
}

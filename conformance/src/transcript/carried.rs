//! What another carrier says in other words, in the words of HTTP/1.1: the one place that knows a
//! difference.
//!
//! | difference | where |
//! |---|---|
//! | the head of an event stream does not say `connection: close` | HTTP/2, embedded |
//! | the end of an event stream does not end the connection | HTTP/2, embedded |
//! | the answer of a poll that waited does not say its length first | HTTP/2, embedded |
//! | a 426 does not say `upgrade` and `connection`, and a refused upgrade ends no connection; its length may stand elsewhere | HTTP/2 |
//! | a 204 and a 304 say that their length is 0 | embedded, over HTTP/2: by the HTTP library around it |
//! | a WebSocket's head has the answer to an offer of compression, and its messages are deflated | compression |
//!
//! What HTTP/2 has no word for at all (the reason, chunks, an upgrade's fields) the carrier has
//! answered already. Everything else stays as it came, byte for byte.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf,
    copy, duplex, split,
};

use super::wire::frame_head;
use crate::deflate::{Agreed, HEADER};
use crate::http::Answer;
use crate::wire::{Io, Wire};
use crate::ws::RSV1;

/// Counts the messages that came deflated.
pub type Deflated = Arc<AtomicU64>;

/// More than one request or answer of a transcript has.
const PIPE: usize = 256 << 10;

type Server = BufReader<ReadHalf<Wire>>;
type ToClient = WriteHalf<DuplexStream>;

/// A connection that speaks as HTTP/1.1 in clear and without compression does.
pub fn carried(wire: Wire, deflated: Option<Deflated>) -> Box<dyn Io> {
    let (near, far) = duplex(PIPE);
    tokio::spawn(async move {
        let (server, to_server) = split(wire);
        let (client, to_client) = split(far);
        let is_head = AtomicBool::new(false);
        let mut answers = Answers {
            server: BufReader::new(server),
            to_client,
            is_head: &is_head,
            deflated,
        };
        // Whatever fails, the client sees a connection that ends.
        tokio::select! {
            () = requests(client, to_server, &is_head) => {}
            _ = answers.run() => {}
        }
    });
    Box::new(near)
}

/// Passes on what the client sends, until it goes; notes whether it asks for a head alone.
async fn requests(
    mut client: ReadHalf<DuplexStream>,
    mut to_server: WriteHalf<Wire>,
    is_head: &AtomicBool,
) {
    let mut bytes = vec![0; PIPE];
    loop {
        // What is sent at once is read at once: it begins a request, or is none.
        let Ok(count @ 1..) = client.read(&mut bytes).await else {
            return;
        };
        is_head.store(bytes.starts_with(b"HEAD "), Ordering::SeqCst);
        if to_server.write_all(&bytes[..count]).await.is_err() {
            // The server has ended; what it said before is still to be read.
            return pending().await;
        }
    }
}

struct Answers<'a> {
    server: Server,
    to_client: ToClient,
    is_head: &'a AtomicBool,
    deflated: Option<Deflated>,
}

impl Answers<'_> {
    /// Passes answers on, until one of them is the last.
    async fn run(&mut self) -> io::Result<()> {
        while let Some(mut head) = Head::read(&mut self.server).await? {
            if head.status == 101 {
                return self.websocket(head).await;
            }
            if head.value("transfer-encoding").is_some() {
                if head.value("content-type") == Some("text/event-stream") {
                    return self.events(head).await;
                }
                self.counted(head).await?;
                continue;
            }
            head.complete();
            self.say(head.text().as_bytes()).await?;
            let silent = self.is_head.load(Ordering::SeqCst);
            let length = head
                .value("content-length")
                .and_then(|text| text.parse().ok());
            if let (Some(length), false) = (length, silent) {
                let mut body = (&mut self.server).take(length);
                copy(&mut body, &mut self.to_client).await?;
            }
            if head.refuses_upgrade() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to_client.write_all(bytes).await
    }

    /// An event stream, with which its connection ends.
    async fn events(&mut self, mut head: Head) -> io::Result<()> {
        head.remove("transfer-encoding");
        head.remove("connection");
        head.insert_before("date", "connection", "close");
        head.insert_before("date", "transfer-encoding", "chunked");
        self.say(head.text().as_bytes()).await?;
        while let Some(chunk) = self.chunk().await? {
            self.say(format!("{:x}\r\n", chunk.len()).as_bytes())
                .await?;
            self.say(&chunk).await?;
            self.say(b"\r\n").await?;
        }
        self.say(b"0\r\n\r\n").await
    }

    /// The answer of a poll, with its length.
    async fn counted(&mut self, mut head: Head) -> io::Result<()> {
        let mut body = Vec::new();
        while let Some(mut chunk) = self.chunk().await? {
            body.append(&mut chunk);
        }
        head.remove("transfer-encoding");
        head.insert_behind("date", "content-length", &body.len().to_string());
        self.say(head.text().as_bytes()).await?;
        self.say(&body).await
    }

    async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = line(&mut self.server).await?;
        let size = usize::from_str_radix(size.trim_end(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2];
        self.server.read_exact(&mut chunk).await?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }

    async fn websocket(&mut self, mut head: Head) -> io::Result<()> {
        let agreed = head.agreed();
        head.remove(HEADER);
        self.say(head.text().as_bytes()).await?;
        let Some(deflated) = self.deflated.clone() else {
            return copy(&mut self.server, &mut self.to_client).await.map(drop);
        };
        let agreed = agreed.ok_or_else(|| io::Error::other("compression was not agreed on"))?;
        loop {
            let frame = self.frame(agreed, &deflated).await?;
            self.say(&frame).await?;
        }
    }

    /// The next frame as it would be without compression.
    async fn frame(&mut self, agreed: Agreed, deflated: &AtomicU64) -> io::Result<Vec<u8>> {
        let mut head = [0; 2];
        self.server.read_exact(&mut head).await?;
        let length = match head[1] {
            126 => self.server.read_u16().await?.into(),
            127 => self.server.read_u64().await?,
            short => short.into(),
        };
        let mut payload = vec![0; length as usize];
        self.server.read_exact(&mut payload).await?;
        if head[0] & RSV1 != 0 {
            payload = agreed.inflate(&payload).map_err(io::Error::other)?;
            deflated.fetch_add(1, Ordering::SeqCst);
        }
        let mut frame = frame_head(head[0] & 0x0f, payload.len());
        frame[0] = head[0] & !RSV1;
        frame.append(&mut payload);
        Ok(frame)
    }
}

/// The head of an answer.
struct Head {
    first: String,
    status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    /// Reads one; `None` where the connection has ended.
    async fn read(server: &mut Server) -> io::Result<Option<Self>> {
        let first = line(server).await?;
        let Some(status) = first.split(' ').nth(1).and_then(|code| code.parse().ok()) else {
            return Ok(None);
        };
        let mut fields = Vec::new();
        while let Some((name, value)) = line(server).await?.split_once(": ") {
            fields.push((name.to_owned(), value.trim_end().to_owned()));
        }
        Ok(Some(Self {
            first,
            status,
            fields,
        }))
    }

    /// Whether an upgrade was asked for, and is refused for its version.
    fn refuses_upgrade(&self) -> bool {
        self.value("sec-websocket-version").is_some()
    }

    /// Says what an answer without a stream says over HTTP/1.1.
    fn complete(&mut self) {
        if self.status == 426 && self.value("upgrade").is_none() {
            let connection = match self.refuses_upgrade() {
                true => "upgrade, close",
                false => "upgrade",
            };
            self.insert_behind("content-security-policy", "connection", connection);
            self.insert_behind("content-security-policy", "upgrade", "websocket");
            let length = self.value("content-length").unwrap_or_default().to_owned();
            self.remove("content-length");
            self.insert_before("date", "content-length", &length);
        }
        if matches!(self.status, 204 | 304) && self.value("content-length") == Some("0") {
            self.remove("content-length");
        }
    }

    fn text(&self) -> String {
        let lines = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"));
        format!("{}{}\r\n", self.first, lines.collect::<String>())
    }

    fn value(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.0 == name);
        field.map(|field| field.1.as_str())
    }

    fn remove(&mut self, name: &str) {
        self.fields.retain(|field| field.0 != name);
    }

    fn insert_before(&mut self, other: &str, name: &str, value: &str) {
        let at = self.fields.iter().position(|field| field.0 == other);
        let at = at.unwrap_or(self.fields.len());
        self.fields.insert(at, (name.to_owned(), value.to_owned()));
    }

    fn insert_behind(&mut self, other: &str, name: &str, value: &str) {
        let at = self.fields.iter().position(|field| field.0 == other);
        let at = at.map_or(self.fields.len(), |at| at + 1);
        self.fields.insert(at, (name.to_owned(), value.to_owned()));
    }

    fn agreed(&self) -> Option<Agreed> {
        Agreed::of(&Answer {
            status: self.status,
            headers: self.fields.clone(),
            body: Vec::new(),
        })
    }
}

/// A line with its end.
async fn line(server: &mut Server) -> io::Result<String> {
    let mut line = String::new();
    server.read_line(&mut line).await?;
    Ok(line)
}

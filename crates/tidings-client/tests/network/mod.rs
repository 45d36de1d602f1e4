//! A network before a server that treats each way of reading as a test says. It looks at the head of the first request
//! of a connection and at no other byte.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    WebSocket,
    Sse,
    SsePost,
    /// A poll that waits.
    LongPoll,
    Other,
}

/// What happens to connections for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Answered by a page of the network.
    Refused,
    /// Taken, and never answered.
    Mute,
    /// Ended after so many bytes of the server.
    CutAfter(usize),
    /// Open for ever, with so many bytes of the server.
    StallAfter(usize),
}

/// What the network knows.
#[derive(Debug, Default)]
struct Known {
    faults: HashMap<Way, Fault>,
    /// The first line of each request that was seen.
    lines: Vec<String>,
}

pub struct Network {
    pub address: SocketAddr,
    known: Arc<Mutex<Known>>,
}

impl Network {
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let known = Arc::new(Mutex::new(Known::default()));
        let shared = known.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, shared.clone()));
            }
        });
        Self { address, known }
    }

    /// From the next connection on.
    pub fn set(&self, way: Way, fault: Fault) {
        self.known
            .lock()
            .expect("no panic")
            .faults
            .insert(way, fault);
    }

    /// The request lines that hold this text.
    pub fn seen(&self, text: &str) -> Vec<String> {
        let known = self.known.lock().expect("no panic");
        let lines = known.lines.iter().filter(|line| line.contains(text));
        lines.cloned().collect()
    }
}

/// Errors end the connection, as they do.
async fn carry(mut client: TcpStream, server: SocketAddr, known: Arc<Mutex<Known>>) -> Option<()> {
    let head = head(&mut client).await?;
    let way = way(&head);
    let fault = {
        let mut known = known.lock().expect("no panic");
        known.lines.push(head.lines().next()?.to_owned());
        known.faults.get(&way).copied().unwrap_or(Fault::None)
    };
    let most = match fault {
        Fault::Refused => return refuse(client).await,
        Fault::Mute => 0,
        Fault::None => usize::MAX,
        Fault::CutAfter(most) | Fault::StallAfter(most) => most,
    };
    let mut upstream = TcpStream::connect(server).await.ok()?;
    upstream.write_all(head.as_bytes()).await.ok()?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = upstream.split();
    let up = tokio::io::copy(&mut from_client, &mut to_server);
    let down = async {
        let limit = u64::try_from(most).expect("64 bits");
        let mut limited = (&mut from_server).take(limit);
        let copied = tokio::io::copy(&mut limited, &mut to_client).await;
        let stalls = matches!(fault, Fault::StallAfter(_) | Fault::Mute);
        if stalls && copied.is_ok_and(|copied| copied == limit) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        _ = up => {}
        () = down => {}
    }
    Some(())
}

async fn head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

fn way(head: &str) -> Way {
    let line = head.lines().next().unwrap_or_default();
    let lower = head.to_lowercase();
    if lower.contains("upgrade: websocket") {
        Way::WebSocket
    } else if line.starts_with("POST /read") {
        Way::SsePost
    } else if lower.contains("accept: text/event-stream") {
        Way::Sse
    } else if line.contains("wait=") {
        Way::LongPoll
    } else {
        Way::Other
    }
}

async fn refuse(mut client: TcpStream) -> Option<()> {
    let page = "HTTP/1.1 403 Forbidden\r\ncontent-type: text/html\r\nconnection: close\r\ncontent-length: 2\r\n\r\nNo";
    client.write_all(page.as_bytes()).await.ok()?;
    client.shutdown().await.ok()
}

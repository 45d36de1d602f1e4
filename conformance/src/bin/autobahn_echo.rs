//! A WebSocket echo for the Autobahn test suite, over the production code: `autobahn_echo codec`
//! answers each message straight from the frame decoder; `autobahn_echo server` is the whole server
//! with a raw channel, where an echo is a publish that the publisher reads. Prints its URL.
//!
//! The codec's echo reads one request and no more of HTTP than that needs; `Host` and `Origin` are
//! the server's business.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use conformance::server::{Options, TestServer};
use tidings_core::{History, Limits};
use tidings_protocol::websocket::{
    Decoder, Deflate, Event, accept, close_frame, close_reply, deflated_frame, message_frame,
    pong_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The largest message of the suite.
const MESSAGE_BYTES: usize = 16 << 20;
const HEAD_BYTES: usize = 16 << 10;
const READ_BYTES: usize = 8 << 10;
/// How long a closing connection is listened to.
const LINGER: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("codec") => serve_codec().await,
        Some("server") => serve_server().await,
        _ => Err(std::io::Error::other("usage: autobahn_echo codec|server")),
    }
}

async fn serve_server() -> std::io::Result<()> {
    let options = Options {
        limits: Limits {
            message_bytes: MESSAGE_BYTES,
            command_bytes: MESSAGE_BYTES,
            lag_bytes: 8 * MESSAGE_BYTES as u64,
            ..Limits::default()
        },
        history: History {
            bytes: 8 * MESSAGE_BYTES,
            ..History::default()
        },
        ..Options::default()
    };
    let server = TestServer::with(options).await;
    println!("ws://{}/channels/echo?format=raw", server.addr);
    std::future::pending().await
}

async fn serve_codec() -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("ws://{}/", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A peer that cuts its connection is part of the tests.
            let _ = serve(socket).await;
        });
    }
}

async fn serve(mut socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let (head, behind) = read_head(&mut socket).await?;
    let (answer, deflate) = match upgrade(&head) {
        Ok(upgraded) => upgraded,
        Err(answer) => return socket.write_all(answer.as_bytes()).await,
    };
    socket.write_all(answer.as_bytes()).await?;
    echo(&mut socket, behind, deflate).await?;
    socket.shutdown().await?;
    let _ = tokio::time::timeout(LINGER, drain(&mut socket)).await;
    Ok(())
}

/// The request's head, and what came behind it.
async fn read_head(socket: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let behind = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), behind));
        }
        if bytes.len() > HEAD_BYTES || socket.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
    }
}

/// The answer to the request, whether it switches protocols or not, and what was agreed on.
fn upgrade(head: &str) -> Result<(String, Option<Deflate>), String> {
    let mut lines = head.split("\r\n");
    let method = lines.next().and_then(|line| line.split(' ').next());
    let headers: Vec<_> = lines.filter_map(|line| line.split_once(':')).collect();
    let values = |name: &'static str| {
        headers
            .iter()
            .filter(move |header| header.0.eq_ignore_ascii_case(name))
            .map(|header| header.1.trim().as_bytes())
    };
    match accept(method.unwrap_or_default(), (1, 1), values, true) {
        Ok(handshake) => {
            let mut answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\n",
                handshake.accept.as_deref().unwrap_or("")
            );
            if let Some(extensions) = handshake.extensions {
                answer += &format!("Sec-WebSocket-Extensions: {extensions}\r\n");
            }
            Ok((answer + "\r\n", handshake.deflate))
        }
        Err(error) => Err(format!(
            "HTTP/1.1 {} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            error.status()
        )),
    }
}

/// Echoes until a close frame was written.
async fn echo(
    socket: &mut TcpStream,
    behind: Vec<u8>,
    deflate: Option<Deflate>,
) -> std::io::Result<()> {
    let mut decoder = Decoder::new(MESSAGE_BYTES, deflate);
    let mut bytes = behind;
    loop {
        let mut input = &bytes[..];
        loop {
            match decoder.decode(&mut input) {
                Ok(None) => break,
                Ok(Some(Event::Close(frame))) => {
                    return socket.write_all(&close_reply(frame.as_ref())).await;
                }
                Ok(Some(event)) => socket.write_all(&answer(event, deflate)).await?,
                Err(error) => {
                    let frame = close_frame(error.close_code(), &error.to_string());
                    return socket.write_all(&frame).await;
                }
            }
        }
        bytes.clear();
        bytes.reserve(READ_BYTES);
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn answer(event: Event, deflate: Option<Deflate>) -> Bytes {
    match event {
        Event::Message { kind, data } => deflate
            .filter(|deflate| deflate.inflates(data.len()))
            .and_then(|_| deflated_frame(kind, &[&data]))
            .unwrap_or_else(|| message_frame(kind, &[&data])),
        Event::Ping(payload) => pong_frame(&payload),
        Event::Pong(_) | Event::Close(_) => Bytes::new(),
    }
}

/// Reads to the peer's end: closing a socket with unread bytes would reset it under the last words.
async fn drain(socket: &mut TcpStream) {
    let mut bytes = vec![0; READ_BYTES];
    while matches!(socket.read(&mut bytes).await, Ok(count) if count > 0) {}
}

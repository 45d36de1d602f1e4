//! The floor: what fanning a message out costs at the least, and the unit of `tidings bench`.
//!
//! One epoll thread answers a WebSocket handshake with ready bytes, and for each
//! `POST /channels/NAME` builds one frame and writes it to each socket of the channel with one
//! `send`. It is no server: it keeps nothing, bounds nothing and checks nothing. A socket that does
//! not take a whole frame at once ends the run: a figure that left bytes out would be a lie.
//!
//! `floor [ADDRESS]` listens on the address (default 127.0.0.1:0) and prints where.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use memchr::memmem;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

/// The accept key is ready, too: that of the all-zero key `AAAAAAAAAAAAAAAAAAAAAA==`, which is the
/// one that the load sends.
const WELCOME: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n\x81\x10{\"type\":\"hello\"}";

const TAKEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

fn main() {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".into());
    let Ok(address) = address.parse() else {
        eprintln!("floor [ADDRESS]: {address} is no address: write one as 127.0.0.1:8001");
        std::process::exit(2);
    };
    if let Err(error) = Floor::listen(address).and_then(|mut floor| floor.run()) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

struct Floor {
    poll: Poll,
    listener: TcpListener,
    sockets: Vec<Option<Socket>>,
    free: Vec<usize>,
    /// The sockets that follow each channel.
    channels: HashMap<Vec<u8>, Vec<usize>>,
}

struct Socket {
    stream: TcpStream,
    /// The part of a request that has come.
    partial: Vec<u8>,
    /// The channel that it follows.
    follows: Option<Vec<u8>>,
}

impl Floor {
    fn listen(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        println!("floor serves http://{}", listener.local_addr()?);
        Ok(Self {
            poll,
            listener,
            sockets: Vec::new(),
            free: Vec::new(),
            channels: HashMap::new(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(id) => self.readable(id, &mut buffer)?,
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let id = self.free.pop().unwrap_or(self.sockets.len());
            if id == self.sockets.len() {
                self.sockets.push(None);
            }
            self.poll
                .registry()
                .register(&mut stream, Token(id), Interest::READABLE)?;
            self.sockets[id] = Some(Socket {
                stream,
                partial: Vec::new(),
                follows: None,
            });
        }
    }

    fn readable(&mut self, id: usize, buffer: &mut [u8]) -> io::Result<()> {
        while let Some(socket) = &mut self.sockets[id] {
            match socket.stream.read(buffer) {
                Ok(0) => self.forget(id),
                Ok(read) => {
                    if socket.follows.is_none() {
                        socket.partial.extend_from_slice(&buffer[..read]);
                        self.requests(id)?;
                    }
                    if read < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.forget(id),
            }
        }
        Ok(())
    }

    fn forget(&mut self, id: usize) {
        let gone = self.sockets[id].take();
        self.free.push(id);
        let Some(name) = gone.and_then(|socket| socket.follows) else {
            return;
        };
        if let Some(readers) = self.channels.get_mut(&name) {
            readers.retain(|reader| *reader != id);
            if readers.is_empty() {
                self.channels.remove(&name);
            }
        }
    }

    /// Answers the requests that are whole.
    fn requests(&mut self, id: usize) -> io::Result<()> {
        while let Some(socket) = &mut self.sockets[id] {
            let Some(request) = take_request(&mut socket.partial) else {
                break;
            };
            match request {
                Request::Follow(channel) => {
                    socket.stream.write_all(WELCOME)?;
                    socket.follows = Some(channel.clone());
                    self.channels.entry(channel).or_default().push(id);
                }
                Request::Publish(channel, payload) => {
                    self.publish(&channel, &payload)?;
                    if let Some(publisher) = &mut self.sockets[id] {
                        publisher.stream.write_all(TAKEN)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn publish(&mut self, channel: &[u8], payload: &[u8]) -> io::Result<()> {
        let frame = text_frame(payload);
        let Some(readers) = self.channels.get(channel) else {
            return Ok(());
        };
        for &reader in readers {
            let Some(socket) = &mut self.sockets[reader] else {
                continue;
            };
            match socket.stream.write(&frame) {
                Ok(written) if written == frame.len() => {}
                // A reader that went is noticed when its socket is read.
                Err(error) if gone(&error) => {}
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {
                    return Err(io::Error::other(
                        "a reader's socket is full: the floor keeps nothing",
                    ));
                }
            }
        }
        Ok(())
    }
}

fn gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    )
}

enum Request {
    Follow(Vec<u8>),
    Publish(Vec<u8>, Vec<u8>),
}

/// Takes the first request off the bytes, if it is whole.
fn take_request(bytes: &mut Vec<u8>) -> Option<Request> {
    let head = memmem::find(bytes, b"\r\n\r\n")? + 4;
    let mut words = bytes[..head].split(|byte| *byte == b' ');
    let publishes = words.next() == Some(b"POST");
    let target = words.next().unwrap_or_default();
    let path = target.split(|byte| *byte == b'?').next();
    let channel = path?.strip_prefix(b"/channels/")?.to_vec();
    let end = head + if publishes { length(&bytes[..head]) } else { 0 };
    if bytes.len() < end {
        return None;
    }
    let payload = bytes[head..end].to_vec();
    bytes.drain(..end);
    Some(if publishes {
        Request::Publish(channel, payload)
    } else {
        Request::Follow(channel)
    })
}

fn length(head: &[u8]) -> usize {
    let name = b"\r\ncontent-length: ";
    let at =
        memmem::find(&head.to_ascii_lowercase(), name).map_or(head.len(), |at| at + name.len());
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

/// A text frame of a server (RFC 6455 section 5.2).
fn text_frame(payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut frame = match length {
        0..126 => vec![0x81, length as u8],
        126..65_536 => vec![0x81, 126, (length >> 8) as u8, length as u8],
        _ => [&[0x81, 127][..], &(length as u64).to_be_bytes()].concat(),
    };
    frame.extend_from_slice(payload);
    frame
}

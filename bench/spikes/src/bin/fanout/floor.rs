//! The floor: one epoll thread, one frame per publish, one send per socket. Not a server: a full
//! socket ends the run.

use std::io::{Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use spikes::frame::{PAYLOAD, encode};

const LISTENER: Token = Token(usize::MAX);

struct Floor {
    poll: Poll,
    sockets: Vec<TcpStream>,
    readers: Vec<usize>,
    pending: Vec<u8>,
    publisher: usize,
}

/// Serves for ever.
pub fn run(port: u16) {
    let poll = Poll::new().expect("an epoll instance");
    let mut listener = TcpListener::bind(([0, 0, 0, 0], port).into()).expect("a free port");
    let registry = poll.registry();
    registry
        .register(&mut listener, LISTENER, Interest::READABLE)
        .expect("registration");
    let mut floor = Floor {
        poll,
        sockets: Vec::new(),
        readers: Vec::new(),
        pending: Vec::new(),
        publisher: usize::MAX,
    };
    let mut events = Events::with_capacity(1024);
    loop {
        floor.poll.poll(&mut events, None).expect("polling goes on");
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener),
                Token(socket) => floor.readable(socket),
            }
        }
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) {
        while let Ok((mut stream, _)) = listener.accept() {
            stream.set_nodelay(true).expect("a TCP socket");
            let token = Token(self.sockets.len());
            let registry = self.poll.registry();
            registry
                .register(&mut stream, token, Interest::READABLE)
                .expect("registration");
            self.sockets.push(stream);
        }
    }

    fn readable(&mut self, socket: usize) {
        let mut scratch = [0; 8192];
        while let Ok(read) = self.sockets[socket].read(&mut scratch) {
            match &scratch[..read] {
                [] => return,
                [b'S', ..] => self.readers.push(socket),
                [b'P'] => self.publisher = socket,
                records => {
                    if socket == self.publisher {
                        self.publish(socket, records);
                    }
                    continue;
                }
            }
            self.sockets[socket]
                .write_all(b"k")
                .expect("an empty socket takes a byte");
        }
    }

    fn publish(&mut self, publisher: usize, records: &[u8]) {
        self.pending.extend_from_slice(records);
        while self.pending.len() >= PAYLOAD {
            let frame = encode(2, &self.pending[..PAYLOAD]);
            self.pending.drain(..PAYLOAD);
            for &reader in &self.readers {
                self.sockets[reader]
                    .write_all(&frame)
                    .expect("the socket has room");
            }
            self.sockets[publisher]
                .write_all(b"a")
                .expect("the publisher reads");
        }
    }
}

//! Load for `hold`: `hold_load PID PORT CONNECTIONS SECONDS MODE`, MODE begins with `sse` or
//! `poll`. Figures: resident bytes per waiting connection, at first and after some rounds; CPU per
//! delivery, where a round begins when the one before has reached every connection (and, for
//! polls, every next request has been sent).

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use spikes::frame::PAYLOAD;
use spikes::probe::{cpu_ns, rss, settle};

const WARM: usize = 100;

/// What a browser would send: about 500 bytes of head.
const HEADERS: &str = "host: tidings.example\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\naccept: */*\r\n\
    accept-language: ko-KR,ko;q=0.9,en;q=0.8\r\naccept-encoding: gzip, deflate, br, zstd\r\n\
    authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJyZWFkZXIiLCJleHAiOjE4MDAwMDAwMDB9.\
    c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmUtc2lnbmF0dXJl\r\nreferer: https://app.example/\r\n\
    cache-control: no-cache\r\n\r\n";

struct Load {
    pid: u32,
    port: u16,
    poll: Poll,
    streams: Vec<TcpStream>,
    publisher: std::net::TcpStream,
    is_poll: bool,
    published: u64,
    delivered: u64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [pid, port, count, seconds, mode] = &args[..] else {
        panic!("five arguments")
    };
    let port = port.parse().expect("a port number");
    let mut load = Load {
        pid: pid.parse().expect("a process id"),
        port,
        poll: Poll::new().expect("an epoll instance"),
        streams: Vec::new(),
        publisher: std::net::TcpStream::connect(("127.0.0.1", port)).expect("the server listens"),
        is_poll: mode.starts_with("poll"),
        published: 0,
        delivered: 0,
    };
    let count: usize = count.parse().expect("a number");
    load.connect(WARM);
    load.settle();
    let base = rss(load.pid);
    load.connect(count);
    load.settle();
    load.memory("idle", base);
    load.rounds("first", Duration::ZERO); // wakes everybody once before anything is measured
    load.settle();
    load.memory("after-first", base);
    load.rounds(
        "lock",
        Duration::from_secs(seconds.parse().expect("a number")),
    );
    load.settle();
    load.memory("after", base);
}

impl Load {
    fn memory(&self, phase: &str, base: u64) {
        let connections = self.streams.len();
        let each = rss(self.pid).saturating_sub(base) / (connections - WARM) as u64;
        println!("phase={phase} readers={connections} rss_per_conn={each}");
    }

    fn connect(&mut self, until: usize) {
        while self.streams.len() < until {
            let id = self.streams.len();
            let address = std::net::SocketAddr::from(([127, 0, 0, 1 + (id % 4) as u8], self.port));
            let stream = std::net::TcpStream::connect(address).expect("the server listens");
            stream.set_nodelay(true).expect("a TCP socket");
            stream.set_nonblocking(true).expect("a TCP socket");
            let mut stream = TcpStream::from_std(stream);
            stream
                .write_all(self.request().as_bytes())
                .expect("the socket has room");
            let registry = self.poll.registry();
            registry
                .register(&mut stream, Token(id), Interest::READABLE)
                .expect("registration");
            self.streams.push(stream);
            if id % 500 == 499 {
                self.settle(); // the listen queue must not overflow
            }
        }
    }

    fn request(&self) -> String {
        match self.is_poll {
            true => format!("GET /poll?since={} HTTP/1.1\r\n{HEADERS}", self.published),
            false => format!("GET /sse HTTP/1.1\r\n{HEADERS}"),
        }
    }

    fn settle(&self) {
        settle(self.pid, Duration::from_millis(60));
    }

    fn rounds(&mut self, phase: &str, length: Duration) {
        let (cpu, start, delivered) = (cpu_ns(self.pid), Instant::now(), self.delivered);
        loop {
            self.publish();
            while self.delivered < self.published * self.streams.len() as u64 {
                self.turn();
            }
            if start.elapsed() >= length {
                break;
            }
        }
        let delivered = self.delivered - delivered;
        let each = (cpu_ns(self.pid) - cpu) as f64 / delivered as f64 / 1000.0;
        println!("phase={phase} readers={} us={each:.3}", self.streams.len());
    }

    fn publish(&mut self) {
        let record = format!("{{{:016}{}}}", self.published, ".".repeat(PAYLOAD - 18));
        let request =
            format!("POST /publish HTTP/1.1\r\ncontent-length: {PAYLOAD}\r\n\r\n{record}");
        self.publisher
            .write_all(request.as_bytes())
            .expect("the server takes a publish");
        let mut answer = [0; 512];
        let read = self
            .publisher
            .read(&mut answer)
            .expect("the server answers");
        assert!(answer[..read].starts_with(b"HTTP/1.1 204"));
        self.published += 1;
    }

    fn turn(&mut self) {
        let mut events = Events::with_capacity(1024);
        self.poll
            .poll(&mut events, Some(Duration::from_secs(5)))
            .expect("polling goes on");
        let mut buffer = [0; 8192];
        for event in &events {
            let id = event.token().0;
            let read = match self.streams[id].read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => panic!("connection {id}: {error}"),
            };
            assert!(read > 0, "the server closed connection {id}");
            self.check(&buffer[..read], id);
        }
    }

    /// In lock step a read has the answer or event of this round, perhaps behind a head.
    fn check(&mut self, read: &[u8], id: usize) {
        let mark = format!("{{{:016}", self.published - 1);
        let found = read
            .windows(mark.len())
            .filter(|window| *window == mark.as_bytes())
            .count();
        assert!(found <= 1, "no duplicate");
        self.delivered += found as u64;
        if found == 1 && self.is_poll {
            let request = self.request();
            self.streams[id]
                .write_all(request.as_bytes())
                .expect("the socket has room");
        }
    }
}

//! Load for `fanout`: `load PID PORT READERS SECONDS`, one line of `key=value` per phase.
//!
//! Phases: idle memory, `paced` (20 or 3 messages a second), `sat` (8 publishes in flight, held
//! back while more than 32 messages are undelivered on average), `lock` (the next message only
//! when the last one has arrived everywhere, so that nothing can be batched). Every frame's
//! header and sequence number is checked.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use spikes::frame::{FRAME, PAYLOAD, masked_text};
use spikes::probe::{cpu_ns, rss, settle};

/// Readers connected before the memory baseline is taken.
const WARM: usize = 100;

struct Reader {
    stream: TcpStream,
    expected: u64,
    partial: Vec<u8>,
}

struct Load {
    pid: u32,
    port: u16,
    poll: Poll,
    readers: Vec<Reader>,
    publisher: TcpStream,
    buffer: Vec<u8>,
    sent: u64,
    acked: u64,
    delivered: u64,
    reads: u64,
}

fn main() {
    let args: Vec<u64> = std::env::args()
        .skip(1)
        .map(|a| a.parse().expect("a number"))
        .collect();
    let [pid, port, readers, seconds] = args[..] else {
        panic!("PID PORT READERS SECONDS")
    };
    let mut load = Load::new(pid as u32, port as u16);
    load.connect(WARM);
    load.settle();
    let base = rss(load.pid);
    load.connect(readers as usize);
    load.settle();
    let each = rss(load.pid).saturating_sub(base) / (readers - WARM as u64);
    println!(
        "phase=idle readers={readers} rss_per_conn={each} rss={}",
        rss(load.pid)
    );
    let pace = if readers > 5000 { 3 } else { 20 };
    let length = Duration::from_secs(seconds);
    load.phase("warm", length / 3, Mode::Flight(1, 1));
    load.phase("paced", length, Mode::Paced(Duration::from_secs(1) / pace));
    load.phase("sat", length, Mode::Flight(8, 32));
    load.phase("lock", length, Mode::Flight(1, 1));
    let each = rss(load.pid).saturating_sub(base) / (readers - WARM as u64);
    println!("phase=after readers={readers} rss_per_conn={each}");
}

#[derive(Clone, Copy)]
enum Mode {
    Paced(Duration),
    /// Publishes unacknowledged, and messages undelivered on average, at most.
    Flight(u64, u64),
}

impl Load {
    fn new(pid: u32, port: u16) -> Self {
        let poll = Poll::new().expect("an epoll instance");
        let mut publisher = dial(port, 1, b"P");
        let token = Token(usize::MAX);
        poll.registry()
            .register(&mut publisher, token, Interest::READABLE)
            .expect("registration");
        let (readers, buffer) = (Vec::new(), vec![0; 1 << 16]);
        let (sent, acked, delivered, reads) = (0, 0, 0, 0);
        Self {
            pid,
            port,
            poll,
            readers,
            publisher,
            buffer,
            sent,
            acked,
            delivered,
            reads,
        }
    }

    fn connect(&mut self, until: usize) {
        while self.readers.len() < until {
            let id = self.readers.len();
            // One small frame, as a client that subscribes would send.
            let mut hello = vec![b'S'];
            hello.extend(masked_text(
                b"{\"subscribe\":\"channel\",\"since\":\"now\"}",
            ));
            let mut stream = dial(self.port, id, &hello);
            let registry = self.poll.registry();
            registry
                .register(&mut stream, Token(id), Interest::READABLE)
                .expect("registration");
            self.readers.push(Reader {
                stream,
                expected: self.sent,
                partial: Vec::new(),
            });
        }
    }

    fn settle(&self) {
        settle(self.pid, Duration::from_millis(150));
    }

    fn phase(&mut self, name: &str, length: Duration, mode: Mode) {
        let (sent, delivered, reads) = (self.sent, self.delivered, self.reads);
        let (cpu, start) = (cpu_ns(self.pid), Instant::now());
        let count = self.readers.len() as u64;
        while start.elapsed() < length {
            self.publish(mode, start.elapsed(), self.sent - sent);
            self.turn(Some(Duration::from_millis(1)));
        }
        while self.delivered < self.sent * count {
            self.turn(Some(Duration::from_secs(1)));
        }
        let delivered = self.delivered - delivered;
        let each = (cpu_ns(self.pid) - cpu) as f64 / delivered as f64 / 1000.0;
        let batch = delivered as f64 / (self.reads - reads) as f64;
        let rate = delivered as f64 / start.elapsed().as_secs_f64();
        println!(
            "phase={name} readers={count} us={each:.3} msg_per_read={batch:.2} rate={rate:.0}"
        );
    }

    fn publish(&mut self, mode: Mode, elapsed: Duration, sent: u64) {
        let readers = self.readers.len() as u64;
        loop {
            let held = match mode {
                Mode::Paced(step) => elapsed < step * (sent as u32) || self.acked < self.sent,
                Mode::Flight(flight, undelivered) => {
                    self.sent - self.acked >= flight
                        || self.sent * readers - self.delivered > (undelivered - 1) * readers
                }
            };
            if held {
                return;
            }
            let record = format!("{{{:016}{}}}", self.sent, ".".repeat(PAYLOAD - 18));
            self.publisher
                .write_all(record.as_bytes())
                .expect("the server takes a record");
            self.sent += 1;
            if matches!(mode, Mode::Paced(_)) {
                return;
            }
        }
    }

    fn turn(&mut self, timeout: Option<Duration>) {
        let mut events = Events::with_capacity(1024);
        self.poll
            .poll(&mut events, timeout)
            .expect("polling goes on");
        for event in &events {
            match event.token() {
                Token(usize::MAX) => self.take_acks(),
                Token(id) => self.take_frames(id),
            }
        }
    }

    fn take_acks(&mut self) {
        while let Ok(read) = self.publisher.read(&mut self.buffer) {
            assert!(read > 0, "the server closed the publisher");
            self.acked += read as u64;
        }
    }

    fn take_frames(&mut self, id: usize) {
        let reader = &mut self.readers[id];
        loop {
            let read = match reader.stream.read(&mut self.buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("reader {id}: {error}"),
            };
            assert!(read > 0, "the server closed reader {id}");
            self.reads += 1;
            self.delivered += reader.take(&self.buffer[..read]);
            if read < self.buffer.len() {
                return;
            }
        }
    }
}

impl Reader {
    fn take(&mut self, read: &[u8]) -> u64 {
        let before = self.expected;
        if self.partial.is_empty() && read.len().is_multiple_of(FRAME) {
            self.check(read);
        } else {
            let mut joined = std::mem::take(&mut self.partial);
            joined.extend_from_slice(read);
            let whole = joined.len() / FRAME * FRAME;
            self.check(&joined[..whole]);
            self.partial = joined.split_off(whole);
        }
        self.expected - before
    }

    fn check(&mut self, frames: &[u8]) {
        for frame in frames.chunks(FRAME) {
            assert_eq!(frame[..5], [0x82, 126, 0, 128, b'{'], "a frame begins here");
            let number = frame[5..21]
                .iter()
                .fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
            assert_eq!(number, self.expected, "no loss, duplicate or reorder");
            self.expected += 1;
        }
    }
}

/// Connects over one of four loopback addresses, so that ports do not run out.
fn dial(port: u16, id: usize, hello: &[u8]) -> TcpStream {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1 + (id % 4) as u8], port));
    let mut stream = std::net::TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
        .write_all(hello)
        .expect("the server takes the opening");
    let mut answer = [0];
    stream.read_exact(&mut answer).expect("the server answers");
    stream.set_nonblocking(true).expect("a TCP socket");
    TcpStream::from_std(stream)
}

//! What only the real process shows under attack: its open files, its processor time, its memory.
#![cfg(target_os = "linux")]

mod common;

use std::fs::read_to_string;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use common::{PATIENCE, Server, serve};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

#[test]
fn out_of_files_it_rests_serves_on_and_recovers() {
    let server = serve(&[]);
    let mut reader = follow(&server);
    let mut publisher = connect(server.address());
    publish(&mut publisher, "하나");
    assert!(next_message(&mut reader).contains("하나"));

    // It made room for itself when it started: only a limit that changes under it is reached.
    let process = Pid::from_raw(i32::try_from(server.process.id()).expect("an id"));
    let few = Rlimit {
        current: Some(60),
        maximum: Some(60),
    };
    prlimit(process, Resource::Nofile, few).expect("it lives");
    let crowd: Vec<TcpStream> = (0..100).map(|_| connect(server.address())).collect();
    server.process.err.find("cannot be accepted");
    let before = processor_time(&server);
    // The window that is measured: what it spends while it has nothing but failures to accept.
    std::thread::sleep(Duration::from_secs(2));
    let spent = processor_time(&server) - before;
    assert!(spent < Duration::from_millis(400), "{spent:?} of 2 s");
    publish(&mut publisher, "둘");
    assert!(next_message(&mut reader).contains("둘"));

    drop(crowd);
    let until = Instant::now() + PATIENCE;
    while !healthy(&server) {
        assert!(Instant::now() < until, "no new connection is served");
    }
    publish(&mut publisher, "셋");
    assert!(next_message(&mut reader).contains("셋"));
    let metrics = server.get("/metrics");
    assert!(!metrics.contains("\ntidings_accept_errors_total 0\n"));
    assert!(metrics.contains("\ntidings_accept_errors_total "));
}

#[test]
fn messages_in_fragments_of_a_byte_cost_what_their_bytes_cost() {
    const CONNECTIONS: usize = 20;
    const BYTES: usize = 200_000;
    let server = serve(&[]);
    let handshake = "GET /channels HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut sent = handshake.as_bytes().to_vec();
    sent.extend([0x01, 0x80, 0, 0, 0, 0]);
    sent.extend([0x00, 0x81, 0, 0, 0, 0, b'x'].repeat(BYTES));
    // Its end: it is refused, being no command, once it was read.
    sent.extend([0x80, 0x80, 0, 0, 0, 0]);
    let metric = "tidings_refusals_total{code=\"invalid_command\"}";
    costs(&server, CONNECTIONS, &sent, CONNECTIONS * BYTES, || {
        value(&server, metric) >= CONNECTIONS as u64
    });
}

#[test]
fn bodies_in_chunks_of_a_byte_cost_what_their_bytes_cost() {
    const CONNECTIONS: usize = 10;
    const BYTES: usize = 200_000;
    let server = serve(&["--set", "limits.body_time=10m"]);
    let mut sent =
        b"POST /publish HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    sent.extend(b"1\r\nx\r\n".repeat(BYTES));
    // The end of the body: it is refused, being no JSON, once it was read.
    sent.extend(b"0\r\n\r\n");
    let metric = "tidings_refusals_total{code=\"bad_request\"}";
    costs(&server, CONNECTIONS, &sent, CONNECTIONS * BYTES, || {
        value(&server, metric) >= CONNECTIONS as u64
    });
}

/// Sends the same on some connections at once, waits until all was `read`, and checks that the most
/// memory that the process ever had grew by no more than four times the `bytes` and 16 MiB.
fn costs(server: &Server, connections: usize, sent: &[u8], bytes: usize, read: impl Fn() -> bool) {
    let address = server.address();
    assert!(healthy(server));
    let before = server.memory("VmHWM");
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut socket = connect(address);
                socket.write_all(sent).expect("taken");
                // Held open until it is ended.
                let _ = socket.read_to_end(&mut Vec::new());
            });
        }
        let until = Instant::now() + 3 * PATIENCE;
        while !read() {
            assert!(Instant::now() < until, "not all was read");
            // Another process gives no event for what it has counted: it is asked again.
            std::thread::sleep(Duration::from_millis(50));
        }
        let grown = server.memory("VmHWM") - before;
        server.process.signal(Signal::KILL);
        println!("{connections} connections, {bytes} bytes: {grown} bytes of memory");
        assert!(grown <= 4 * bytes as u64 + (16 << 20), "{grown} bytes");
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(3 * PATIENCE)).expect("set");
    socket
}

/// An SSE stream past its greeting.
fn follow(server: &Server) -> BufReader<TcpStream> {
    let mut socket = connect(server.address());
    let head = "GET /channels/x?transport=sse HTTP/1.1\r\nHost: localhost\r\n\r\n";
    socket.write_all(head.as_bytes()).expect("taken");
    let mut reader = BufReader::new(socket);
    while !line(&mut reader).contains("\"type\":\"hello\"") {}
    reader
}

fn next_message(reader: &mut BufReader<TcpStream>) -> String {
    loop {
        let line = line(reader);
        if line.contains("\"type\":\"message\"") {
            return line;
        }
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    assert!(
        reader.read_line(&mut line).expect("a line") > 0,
        "it goes on"
    );
    line
}

/// Publishes on a connection that is kept.
fn publish(socket: &mut TcpStream, text: &str) {
    let length = text.len();
    let request = format!(
        "POST /channels/x HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{text}"
    );
    socket.write_all(request.as_bytes()).expect("taken");
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while !answer.ends_with(b"}") {
        let count = socket.read(&mut part).expect("an answer");
        assert!(count > 0, "the connection is kept");
        answer.extend_from_slice(&part[..count]);
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        answer.escape_ascii()
    );
}

/// Whether a new connection is served, within a moment.
fn healthy(server: &Server) -> bool {
    let mut socket = connect(server.address());
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("set");
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    socket.write_all(request.as_bytes()).is_ok()
        && socket.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200 ")
}

fn value(server: &Server, metric: &str) -> u64 {
    let metrics = server.get("/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix(metric));
    line.expect("a metric").trim().parse().expect("a number")
}

fn processor_time(server: &Server) -> Duration {
    let stat = read_to_string(format!("/proc/{}/stat", server.process.id())).expect("it lives");
    // The name stands in brackets and may hold anything; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(") ").expect("a name");
    let ticks = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("ticks"));
    Duration::from_millis(ticks.sum::<u64>() * 1_000 / rustix::param::clock_ticks_per_second())
}

//! Fan-out servers of one channel: `fanout MODE PORT`.
//!
//! Modes: `tasks-mt` and `tasks-ct` (a task per connection, own framing), `tasks-sliced` and
//! `tasks-mt-sliced` (the same, readers woken 512 at a time), `workers` (one
//! current-thread worker that pumps its connections' cursors), `library` (as `tasks-ct`, with
//! tokio-websockets), `library-mt`, `floor` (one epoll thread, one frame, one send per socket).
//! A connection opens with one byte: `S` subscribes, `P` publishes records of 128 bytes.

mod floor;
mod library;
mod tasks;
mod workers;

use bytes::Bytes;
use spikes::frame::{PAYLOAD, encode};
use spikes::log::{Entry, Log};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// Readers served before the worker looks at its sockets again.
const SLICE: usize = 512;

fn main() {
    let mut args = std::env::args().skip(1);
    let mode = args.next().expect("a mode");
    let port: u16 = args.next().expect("a port").parse().expect("a port number");
    match mode.as_str() {
        "floor" => floor::run(port),
        "workers" => workers::run(port),
        "tasks-ct" => current().block_on(tasks::run(port, None, tasks::own)),
        "tasks-sliced" => current().block_on(tasks::run(port, Some(SLICE), tasks::own)),
        "tasks-mt" => multi(port, None, tasks::own),
        "tasks-mt-sliced" => multi(port, Some(SLICE), tasks::own),
        "library" => current().block_on(tasks::run(port, None, library::subscriber)),
        "library-mt" => multi(port, None, library::subscriber),
        other => panic!("no mode {other}"),
    }
}

/// On the multi-thread runtime the acceptor too is a task of the worker.
fn multi<F, T>(port: u16, slice: Option<usize>, subscriber: F)
where
    F: Fn(TcpStream, std::sync::Arc<Log>) -> T + Send + Copy + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_io()
        .build();
    let runtime = runtime.expect("a runtime");
    let done = runtime.spawn(tasks::run(port, slice, subscriber));
    runtime.block_on(done).expect("the acceptor does not panic");
}

fn current() -> Runtime {
    Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime")
}

async fn listen(port: u16) -> TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("reuse of the address");
    socket
        .bind(([0, 0, 0, 0], port).into())
        .expect("a free port");
    socket.listen(4096).expect("a listening socket")
}

async fn hello(stream: &mut TcpStream) -> Option<u8> {
    stream.set_nodelay(true).ok()?;
    let role = stream.read_u8().await.ok()?;
    stream.write_all(b"k").await.ok()?;
    Some(role)
}

fn entry(record: &[u8]) -> Entry {
    let payload = Bytes::copy_from_slice(record);
    Entry {
        frame: encode(2, &payload),
        payload,
    }
}

/// Appends each record of a control connection and acknowledges it with one byte.
async fn publisher(mut stream: TcpStream, append: impl Fn(Entry)) -> Option<()> {
    let mut buffer = vec![0; PAYLOAD * 64];
    let mut filled = 0;
    loop {
        let read = stream
            .read(&mut buffer[filled..])
            .await
            .ok()
            .filter(|n| *n > 0)?;
        filled += read;
        let whole = filled / PAYLOAD;
        for record in buffer[..whole * PAYLOAD].chunks(PAYLOAD) {
            append(entry(record));
        }
        buffer.copy_within(whole * PAYLOAD..filled, 0);
        filled -= whole * PAYLOAD;
        stream.write_all(&[b'a'; 64][..whole]).await.ok()?;
    }
}

//! Waiting for counters, bystanders that must not suffer, and frames by hand.

use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use conformance::http::{get, post};
use conformance::server::TestServer;
use conformance::ws::Ws;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Longer than anything takes on a busy machine: reached only by what hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// `work`, unless it hangs.
pub async fn patiently<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it comes to an end")
}

/// The value of a metric, given with its labels.
pub async fn metric(server: &TestServer, name: &str) -> u64 {
    let metrics = get(server.addr, "/metrics").await;
    let line = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("there is no metric {name}"))
        .parse()
        .expect("a number")
}

/// Waits until a metric has the value.
pub async fn wait_for(server: &TestServer, name: &str, value: u64) {
    patiently(async {
        while metric(server, name).await != value {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Someone who reads a channel and publishes to it, and wants to go on doing so.
pub struct Bystander {
    ws: Ws,
    addr: SocketAddr,
}

impl Bystander {
    pub async fn new(server: &TestServer) -> Self {
        let mut ws = Ws::connect(server.addr, "/channels/bystander")
            .await
            .expect("a WebSocket");
        ws.json().await;
        Self {
            ws,
            addr: server.addr,
        }
    }

    /// A message goes the whole way, on a new connection and to the open one.
    pub async fn lives(&mut self) {
        patiently(async {
            let answer = post(self.addr, "/channels/bystander", "소식").await;
            assert_eq!(answer.status, 200);
            let message = self.ws.json().await.expect("the connection lives");
            assert_eq!(message["data"], "소식");
        })
        .await;
    }

    /// Messages go through for as long as `work` takes, and at least one.
    pub async fn lives_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let done = Cell::new(false);
        let work = async {
            let result = work.await;
            done.set(true);
            result
        };
        let living = async {
            while !done.get() {
                self.lives().await;
            }
        };
        patiently(async { tokio::join!(living, work).1 }).await
    }
}

/// How many messages a channel holds.
pub async fn stored(server: &TestServer, channel: &str) -> usize {
    let target = format!("/channels/{channel}?limit=1000");
    let answer = get(server.addr, &target).await.json();
    answer["messages"].as_array().expect("a list").len()
}

/// A connection whose kernel takes little, so that a reader that does not read is felt soon.
pub async fn narrow(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4 << 10).expect("set");
    socket.connect(addr).await.expect("the server listens")
}

/// All bytes until the end, an orderly one or a reset.
pub async fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = patiently(socket.read_to_end(&mut bytes)).await;
    bytes
}

/// Writes one byte after the other, with a pause between, until the server does not take more.
pub async fn drip(socket: &mut TcpStream, bytes: &[u8], pause: Duration) {
    for byte in bytes {
        if socket.write_all(&[*byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// A client's frame with a mask of zeros.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..=125 => frame.push(0x80 | short as u8),
        medium => {
            frame.push(0x80 | 126);
            let length = u16::try_from(medium).expect("64 KiB are enough here");
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

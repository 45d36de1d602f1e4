//! A server behind a proxy, sockets, and what they see.

use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use conformance::fault::{Action, End, Entry, Fault, FaultProxy, Kind};
use conformance::server::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than anything takes on a busy machine: reached only by what hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// `work`, unless it hangs.
pub async fn patiently<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it comes to an end")
}

/// Waits until it is so.
pub async fn until(mut is_so: impl FnMut() -> bool) {
    patiently(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A server, and a proxy before it.
pub async fn start() -> (TestServer, FaultProxy) {
    let server = TestServer::start().await;
    let proxy = before(server.addr).await;
    (server, proxy)
}

/// A proxy before this address.
pub async fn before(to: SocketAddr) -> FaultProxy {
    FaultProxy::start(to, 1).await.expect("a free port")
}

/// A server, and a proxy with this fault for these kinds.
pub async fn faulty(on: &[Kind], action: Action) -> (TestServer, FaultProxy) {
    let (server, proxy) = start().await;
    proxy.set(vec![Fault::new(action).on(on)]);
    (server, proxy)
}

/// A connection on which this was sent.
pub async fn sent(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(to).await.expect("it listens");
    socket.write_all(bytes).await.expect("it takes bytes");
    socket
}

/// A request without a body.
pub fn request(line: &str, fields: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").into_bytes()
}

/// A request for an event stream.
pub fn stream(channel: &str) -> Vec<u8> {
    request(
        &format!("GET /channels/{channel}"),
        "Accept: text/event-stream\r\n",
    )
}

/// A request that publishes text.
pub fn publish(channel: &str, text: &str) -> Vec<u8> {
    let fields = format!(
        "Content-Type: text/plain\r\nContent-Length: {}\r\n",
        text.len()
    );
    let head = request(&format!("POST /channels/{channel}"), &fields);
    [&head, text.as_bytes()].concat()
}

/// Everything until the reset that has to come.
pub async fn until_reset(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let end = patiently(socket.read_to_end(&mut all)).await;
    let kind = end.map_err(|error| error.kind());
    let said = String::from_utf8_lossy(&all);
    assert_eq!(kind, Err(ErrorKind::ConnectionReset), "{said}");
    all
}

/// Everything until the end, which has to be orderly.
pub async fn until_closed(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let end = patiently(socket.read_to_end(&mut all)).await;
    end.expect("an orderly end");
    all
}

/// Everything until it ends with this.
pub async fn until_said(socket: &mut TcpStream, last: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while !all.windows(last.len()).any(|part| part == last) {
        let read = patiently(socket.read_buf(&mut all)).await;
        let said = String::from_utf8_lossy(&all);
        assert!(read.is_ok_and(|count| count > 0), "it ended: {said}");
    }
    all
}

/// What stands behind the head.
pub fn body(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    &answer[end.expect("a head") + 4..]
}

/// The last record, once it has ended.
pub async fn last(proxy: &FaultProxy) -> Entry {
    until(|| proxy.log().last().is_some_and(|entry| entry.end.is_some())).await;
    proxy.log().pop().expect("a record")
}

/// Kinds and ends of all that was asked.
pub fn ends(proxy: &FaultProxy) -> Vec<(Option<Kind>, Option<End>)> {
    let log = proxy.log();
    log.iter().map(|entry| (entry.kind, entry.end)).collect()
}

/// A peer of raw bytes: what a proxy sends to it, and what it says.
pub struct Peer {
    listener: TcpListener,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Peer {
    /// One on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        Self { listener, addr }
    }

    /// The next connection.
    pub async fn accept(&self) -> TcpStream {
        patiently(self.listener.accept()).await.expect("a client").0
    }
}

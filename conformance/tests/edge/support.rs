//! Connections by hand, from addresses of choice.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use conformance::server::TestServer;
use tidings_server::{Kind, Network, TrustedProxies};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Longer than anything takes on a busy machine: reached only by what hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A listener in clear.
pub const CLEAR: Kind = Kind::Public {
    tls: None,
    proxy_protocol: false,
};

/// A listener in clear behind proxies.
pub const BEHIND_PROXY: Kind = Kind::Public {
    tls: None,
    proxy_protocol: true,
};

/// `work`, unless it hangs.
pub async fn patiently<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it comes to an end")
}

/// Proxies at these addresses.
pub fn trusting(networks: &[&str]) -> TrustedProxies {
    let network = |text: &&str| text.parse::<Network>().expect("a network");
    TrustedProxies {
        networks: networks.iter().map(network).collect(),
        ..TrustedProxies::default()
    }
}

/// One further listener, that believes the proxy at 127.0.0.1.
pub async fn listener(server: &TestServer, kind: Kind) -> SocketAddr {
    server.beside(trusting(&["127.0.0.1"]), vec![kind]).await[0]
}

/// A connection from this address of loopback.
pub async fn from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let address: IpAddr = address.parse().expect("an address");
    socket.bind((address, 0).into()).expect("loopback is wide");
    socket.connect(to).await.expect("it listens")
}

/// Polls a channel, and gives the head of the answer; nothing where the connection was closed.
pub async fn poll(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    exchange(io, b"GET /channels/x HTTP/1.1\r\nHost: localhost\r\n\r\n").await
}

/// Sends a request without a body, and gives the head of the answer; nothing where the connection was
/// closed. The body is read, too.
pub async fn exchange(io: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &[u8]) -> String {
    // The server may have closed it before.
    let _ = io.write_all(request).await;
    let _ = io.flush().await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        match patiently(io.read_u8()).await {
            Ok(byte) => answer.push(byte),
            Err(_) => return String::new(),
        }
    }
    let head = String::from_utf8(answer).expect("text");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name == "content-length").then(|| value.trim().parse().expect("a number"))
    });
    let mut body = vec![0; length.unwrap_or(0)];
    patiently(io.read_exact(&mut body)).await.expect("a body");
    head
}

/// The status of a head; 0 where there is none.
pub fn status(head: &str) -> u16 {
    head.split(' ')
        .nth(1)
        .map_or(0, |status| status.parse().expect("a status"))
}

/// Waits until the server closes it, whatever it says before.
pub async fn closed(io: &mut (impl AsyncRead + Unpin)) {
    let mut said = Vec::new();
    // A reset is an end, too.
    let _ = patiently(io.read_to_end(&mut said)).await;
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

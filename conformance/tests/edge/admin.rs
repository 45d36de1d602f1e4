//! The listener for administration: it answers when nobody else is answered.

use conformance::server::TestServer;
use tidings_core::Limits;
use tidings_server::Kind;
use tokio::net::TcpStream;

use crate::support::{CLEAR, closed, exchange, poll, status, trusting, until};

const METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn administration_is_served_when_the_server_is_full() {
    let server = TestServer::limited(|limits| limits.connections = 2).await;
    let kinds = vec![CLEAR, Kind::Admin { tls: None }];
    let [public, admin] = server.beside(trusting(&[]), kinds).await[..] else {
        panic!("two listeners");
    };
    let mut crowd = Vec::new();
    for _ in 0..2 + Limits::TOLD_FULL {
        crowd.push(TcpStream::connect(public).await.unwrap());
    }
    until(|| server.app.stats().turned_away.get() == Limits::TOLD_FULL as u64).await;
    closed(&mut TcpStream::connect(public).await.unwrap()).await;
    assert_eq!(status(&poll(crowd.last_mut().unwrap()).await), 503);
    let mut admins = Vec::new();
    for _ in 0..Limits::ADMIN_CONNECTIONS {
        let mut socket = TcpStream::connect(admin).await.unwrap();
        assert_eq!(status(&exchange(&mut socket, METRICS).await), 200);
        admins.push(socket);
    }
    closed(&mut TcpStream::connect(admin).await.unwrap()).await;
    assert_eq!(server.app.stats().admin_turned_away.get(), 1);
    let before = server.app.stats().connections.get();
    admins.pop();
    until(|| server.app.stats().connections.get() == before - 1).await;
    let mut next = TcpStream::connect(admin).await.unwrap();
    assert_eq!(status(&exchange(&mut next, METRICS).await), 200);
}

#[tokio::test]
async fn all_listeners_end_together() {
    let server = TestServer::start().await;
    let redirect = Kind::Redirect {
        port: 443,
        proxy_protocol: false,
    };
    let kinds = vec![CLEAR, Kind::Admin { tls: None }, redirect];
    let addrs = server.beside(trusting(&[]), kinds).await;
    let mut open = Vec::new();
    for addr in &addrs {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        assert!(!poll(&mut socket).await.is_empty());
        open.push(socket);
    }
    server.stop().await;
    for (addr, mut socket) in addrs.into_iter().zip(open) {
        closed(&mut socket).await;
        assert!(TcpStream::connect(addr).await.is_err());
    }
}

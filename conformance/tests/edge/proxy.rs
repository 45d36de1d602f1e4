//! Listeners that take PROXY headers: by how many connections a client may have one sees whose
//! connection the server takes it for.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use conformance::server::{TestServer, keys_of};
use conformance::tls::{Authority, connector};
use rustls::pki_types::ServerName;
use tidings_server::{Kind, TlsSlot};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{BEHIND_PROXY, closed, from, listener, poll, status, trusting, until};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A header with this version and command, family and rest.
fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a length").to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

/// The header of a client's connection, with a TLV behind it.
fn on_behalf_of(client: &str) -> Vec<u8> {
    let tlv = [4, 0, 3, 1, 2, 3];
    match client.parse().expect("an address") {
        IpAddr::V4(v4) => {
            let addresses = [&v4.octets()[..], &[0; 8]].concat();
            header(0x21, 0x11, &[&addresses[..], &tlv].concat())
        }
        IpAddr::V6(v6) => {
            let addresses = [&v6.octets()[..], &[0; 20]].concat();
            header(0x21, 0x21, &[&addresses[..], &tlv].concat())
        }
    }
}

async fn connect(to: SocketAddr, header: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(to).await.expect("it listens");
    socket.write_all(header).await.expect("it takes bytes");
    socket
}

async fn one_for_each() -> (TestServer, SocketAddr) {
    let server = TestServer::limited(|limits| limits.connections_per_address = 1).await;
    let addr = listener(&server, BEHIND_PROXY).await;
    (server, addr)
}

#[tokio::test]
async fn a_connection_is_its_client_s() {
    let (_server, addr) = one_for_each().await;
    let mut held = Vec::new();
    for (client, expected) in [
        ("192.0.2.1", 200),
        ("192.0.2.2", 200),
        ("192.0.2.1", 429),
        ("::ffff:192.0.2.2", 429),
        ("2001:db8::1", 200),
        ("2001:db8::2", 429),
        ("2001:db8:0:1::1", 200),
    ] {
        let mut socket = connect(addr, &on_behalf_of(client)).await;
        assert_eq!(status(&poll(&mut socket).await), expected, "{client}");
        held.push(socket);
    }
}

#[tokio::test]
async fn a_header_may_come_by_the_byte() {
    let (_server, addr) = one_for_each().await;
    let mut held = Vec::new();
    for expected in [200, 429] {
        let mut socket = connect(addr, b"").await;
        socket.set_nodelay(true).unwrap();
        for byte in on_behalf_of("192.0.2.1") {
            socket.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(status(&poll(&mut socket).await), expected);
        held.push(socket);
    }
}

#[tokio::test]
async fn a_proxy_may_speak_for_itself_as_often_as_it_likes() {
    let (_server, addr) = one_for_each().await;
    let mut held = Vec::new();
    for header in [
        header(0x20, 0x00, b""),
        header(0x20, 0x11, &[1; 12]),
        header(0x21, 0x00, &[0; 4096]),
        header(0x21, 0x31, &[0; 216]),
    ] {
        let mut socket = connect(addr, &header).await;
        assert_eq!(status(&poll(&mut socket).await), 200);
        held.push(socket);
    }
}

#[tokio::test]
async fn what_is_no_header_ends_the_connection() {
    let (server, addr) = one_for_each().await;
    let bad: [&[u8]; 7] = [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /channels/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        &header(0x31, 0x11, &[0; 12]),
        &header(0x21, 0x11, &[0; 11]),
        &header(0x21, 0x11, &[0; 4097]),
        &[SIGNATURE, b"\x21\x55\xff\xff"].concat(),
    ];
    let errors = &server.app.stats().proxy_errors;
    for (at, bytes) in bad.into_iter().enumerate() {
        closed(&mut connect(addr, bytes).await).await;
        until(|| errors.get() == at as u64 + 1).await;
    }
    let mut cut = connect(addr, &on_behalf_of("192.0.2.1")[..20]).await;
    cut.shutdown().await.unwrap();
    closed(&mut cut).await;
    until(|| errors.get() == bad.len() as u64 + 1).await;
    let mut silent = connect(addr, b"").await;
    silent.shutdown().await.unwrap();
    closed(&mut silent).await;
    assert_eq!(errors.get(), bad.len() as u64 + 1, "a health check is none");
    until(|| server.app.stats().handshakes.get() == 0).await;
    let mut good = connect(addr, &on_behalf_of("192.0.2.1")).await;
    assert_eq!(status(&poll(&mut good).await), 200);
}

#[tokio::test]
async fn a_header_has_its_time() {
    let time = Duration::from_millis(100);
    let server = TestServer::limited(|limits| limits.head_time = time).await;
    let addr = listener(&server, BEHIND_PROXY).await;
    let header = on_behalf_of("192.0.2.1");
    closed(&mut connect(addr, &header[..header.len() - 1]).await).await;
    until(|| server.app.stats().proxy_errors.get() == 1).await;
}

#[tokio::test]
async fn only_trusted_proxies_may_say_who_connects() {
    let (server, trusting_one) = one_for_each().await;
    let none = server.beside(trusting(&[]), vec![BEHIND_PROXY]).await[0];
    for (address, to) in [("127.0.0.2", trusting_one), ("127.0.0.1", none)] {
        let mut socket = from(address, to).await;
        // It may be closed before.
        let _ = socket.write_all(&on_behalf_of("192.0.2.1")).await;
        assert_eq!(poll(&mut socket).await, "");
    }
    until(|| server.app.stats().proxy_errors.get() == 2).await;
}

#[tokio::test]
async fn it_stands_before_tls() {
    let server = TestServer::limited(|limits| limits.connections_per_address = 1).await;
    let authority = Authority::new("of this test");
    let keys = keys_of(&authority.issue(&["localhost"]));
    let kind = Kind::Public {
        tls: Some(TlsSlot::new(keys)),
        proxy_protocol: true,
    };
    let addr = listener(&server, kind).await;
    let mut held = Vec::new();
    for expected in [200, 429] {
        let socket = connect(addr, &on_behalf_of("192.0.2.1")).await;
        let name = ServerName::try_from("localhost").unwrap();
        let tls = connector(&authority.pem(), "http/1.1");
        let mut socket = tls.connect(name, socket).await.unwrap();
        assert_eq!(status(&poll(&mut socket).await), expected);
        held.push(socket);
    }
}

//! A certificate that is replaced under load.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use conformance::http::post;
use conformance::server::{TestServer, keys_of};
use conformance::tls::{Authority, connector};
use rustls::pki_types::ServerName;
use tidings_server::{Kind, TlsSlot};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{listener, patiently, poll, status};

/// A connection, if the certificate is one of this authority.
async fn connect(addr: SocketAddr, authority: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    connector(authority, "http/1.1").connect(name, socket).await
}

/// Waits for a message in a stream of events.
async fn wait_for(events: &mut BufReader<TlsStream<TcpStream>>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        let read = patiently(events.read_line(&mut line)).await;
        assert!(read.expect("the stream goes on") > 0);
    }
}

#[tokio::test]
async fn new_connections_have_the_new_certificate_and_old_ones_go_on() {
    let server = TestServer::start().await;
    let (first, second) = (Authority::new("the first"), Authority::new("the second"));
    let keys = |authority: &Authority| keys_of(&authority.issue(&["localhost"]));
    let slot = TlsSlot::new(keys(&first));
    let kind = Kind::Public {
        tls: Some(slot.clone()),
        proxy_protocol: false,
    };
    let addr = listener(&server, kind).await;
    let mut kept = connect(addr, &first.pem()).await.unwrap();
    assert_eq!(status(&poll(&mut kept).await), 200);
    let mut events = connect(addr, &first.pem()).await.unwrap();
    let request = b"GET /channels/x?transport=sse HTTP/1.1\r\nHost: localhost\r\n\r\n";
    events.write_all(request).await.unwrap();
    let mut events = BufReader::new(events);
    assert!(connect(addr, &second.pem()).await.is_err());

    let replaced = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(load(addr, first.pem(), second.pem(), replaced.clone()));
    let authorities = [&second, &first].repeat(5);
    for (at, authority) in authorities.into_iter().chain([&second]).enumerate() {
        slot.replace(keys(authority));
        let text = format!("소식 {at}.");
        post(server.addr, "/channels/x", &text).await;
        wait_for(&mut events, &text).await;
        assert_eq!(status(&poll(&mut kept).await), 200);
    }
    replaced.store(true, Ordering::SeqCst);
    assert!(patiently(load).await.unwrap() > 0);
    assert!(connect(addr, &first.pem()).await.is_err());
    assert_eq!(server.app.stats().panics.get(), 0);
}

/// Connects again and again, until all is replaced and the second certificate is seen: at each time
/// it is one of the two. How many connections there were.
async fn load(addr: SocketAddr, first: String, second: String, replaced: Arc<AtomicBool>) -> usize {
    let mut served = 0;
    loop {
        let last = replaced.load(Ordering::SeqCst);
        for (authority, is_second) in [(&first, false), (&second, true)] {
            if let Ok(mut socket) = connect(addr, authority).await {
                assert_eq!(status(&poll(&mut socket).await), 200);
                served += 1;
                assert!(!last || is_second, "the first is replaced for good");
            } else {
                assert!(!last || !is_second, "the second is there for good");
            }
        }
        if last {
            return served;
        }
    }
}

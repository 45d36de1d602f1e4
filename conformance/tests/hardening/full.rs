//! More connections than the server may have, and what is left of it afterwards.

use conformance::server::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Bystander, metric, patiently, wait_for};

const CONNECTIONS: usize = 20;
const POLL: &[u8] = b"GET /channels/x HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Asks on an open connection, and reads what fits into one buffer; nothing where it was dropped.
async fn poll(socket: &mut TcpStream) -> String {
    // The server may have dropped it before.
    let _ = socket.write_all(POLL).await;
    let mut answer = vec![0; 4 << 10];
    let count = patiently(socket.read(&mut answer)).await.unwrap_or(0);
    answer.truncate(count);
    String::from_utf8(answer).expect("text")
}

async fn crowd(server: &TestServer, size: usize) -> Vec<TcpStream> {
    let mut crowd = Vec::new();
    for _ in 0..size {
        crowd.push(TcpStream::connect(server.addr).await.expect("it listens"));
    }
    crowd
}

#[tokio::test]
async fn a_crowd_is_turned_away_and_the_place_is_free_after_it() {
    let server = TestServer::limited(|limits| limits.connections = CONNECTIONS).await;
    let mut bystander = Bystander::new(&server).await;
    bystander.lives().await;
    // All at once, so that they are accepted in one go; then each asks.
    let mut crowd = crowd(&server, 300).await;
    let mut served = 0;
    for socket in &mut crowd {
        let answer = poll(socket).await;
        if answer.starts_with("HTTP/1.1 200 ") {
            served += 1;
        } else if !answer.is_empty() {
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains("\"code\":\"server_full\""), "{answer}");
            assert!(answer.contains("\r\nretry-after: "), "{answer}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        }
    }
    assert!(
        (1..CONNECTIONS).contains(&served),
        "{served} were served besides the bystander, of {CONNECTIONS} places"
    );
    drop(crowd);
    wait_for(&server, "tidings_connections", 2).await;
    bystander.lives().await;
    let turned_away = 300 - served as u64;
    assert!(metric(&server, "tidings_connections_turned_away_total").await >= turned_away);
    assert!(metric(&server, "tidings_refusals_total{code=\"server_full\"}").await >= 1);
}

#[tokio::test]
async fn of_many_some_are_told_that_the_server_is_full() {
    let server = TestServer::limited(|limits| limits.connections = CONNECTIONS).await;
    let _crowd = crowd(&server, CONNECTIONS).await;
    wait_for(&server, "tidings_connections", CONNECTIONS as u64 + 1).await;
    let mut late = TcpStream::connect(server.addr).await.expect("it listens");
    let answer = poll(&mut late).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    wait_for(&server, "tidings_refusals_total{code=\"server_full\"}", 1).await;
}

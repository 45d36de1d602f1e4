//! Many streams on one connection.

use std::time::{Duration, Instant};

use conformance::http::post;
use conformance::server::TestServer;
use h2::Reason;
use h2::client::Builder;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, has, until};

const READERS: &str = "tidings_readers{transport=\"sse\"}";

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_readers_on_one_connection() {
    const MESSAGES: u64 = 50;
    let server = TestServer::start().await;
    // With its default window this client gives a connection up on which two hundred small frames wait
    // to be read: what it takes for a flood on a busy machine.
    let mut builder = Builder::new();
    builder.initial_connection_window_size(16 << 20);
    let client = Client::with(server.addr, &builder).await;
    let mut readers = JoinSet::new();
    for reader in 0..100 {
        let mut events = client.events(&format!("/channels/c{}", reader % 2)).await;
        readers.spawn(async move {
            for offset in 1..=MESSAGES {
                assert_eq!(events.offset().await, offset);
            }
        });
    }
    assert!(has(&server, "tidings_connections 1"));
    assert!(has(&server, &format!("{READERS} 100")));
    for message in 0..MESSAGES {
        for channel in ["/channels/c0", "/channels/c1"] {
            let answer = post(server.addr, channel, &format!("{message} 안녕")).await;
            assert_eq!(answer.json()["subscribers"], 50);
        }
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_holds_up_nobody() {
    let server = TestServer::limited(|limits| limits.write_time = Duration::from_secs(3)).await;
    let mut builder = Builder::new();
    builder
        .initial_window_size(4_000)
        .initial_connection_window_size(16 << 20);
    let client = Client::with(server.addr, &builder).await;
    let mut stalled = client.events("/channels/a").await;
    let mut readers = Vec::new();
    for _ in 0..99 {
        readers.push(client.events("/channels/a").await);
    }
    let stalls = tokio::spawn(async move {
        // What it is given it does not take: its window stays full.
        loop {
            let data = timeout(PATIENCE, stalled.receive.data()).await;
            if let Err(error) = data.expect("its end").expect("no orderly end") {
                return (Instant::now(), error);
            }
        }
    });
    let text = "a thousand bytes ".repeat(60);
    for _ in 0..12 {
        post(server.addr, "/channels/a", &text).await;
    }
    for events in &mut readers {
        for offset in 1..=12 {
            assert_eq!(events.offset().await, offset);
        }
    }
    let read = Instant::now();
    let (reset, error) = stalls.await.unwrap();
    assert!(read < reset, "the others waited for it");
    assert!(error.is_reset() && error.is_remote(), "{error:?}");
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    until(&server, "tidings_write_timeouts_total 1").await;
    until(&server, &format!("{READERS} 99")).await;
    post(server.addr, "/channels/a", "still there").await;
    for events in &mut readers {
        assert_eq!(events.offset().await, 13);
    }
}

#[tokio::test]
async fn a_reset_frees_its_reader() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let mut stays = client.events("/channels/a").await;
    let goes = client.events("/channels/a").await;
    let long_poll = client.request(http::Method::GET, "/channels/a?wait=50&after=now");
    let (waits, _) = client.open(long_poll, true).await;
    until(&server, "tidings_readers{transport=\"long-poll\"} 1").await;
    until(&server, &format!("{READERS} 2")).await;
    drop((goes, waits));
    until(&server, "tidings_readers{transport=\"long-poll\"} 0").await;
    until(&server, &format!("{READERS} 1")).await;
    let receipt = post(server.addr, "/channels/a", "안녕").await.json();
    assert_eq!(receipt["subscribers"], 1);
    assert_eq!(stays.offset().await, 1);
}

#[tokio::test]
async fn a_cut_connection_frees_all_its_readers() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let mut events = Vec::new();
    for _ in 0..50 {
        events.push(client.events("/channels/a").await);
    }
    assert!(has(&server, &format!("{READERS} 50")));
    client.ended.abort();
    until(&server, &format!("{READERS} 0")).await;
    until(&server, "tidings_connections 0").await;
    let ended = events[0].next().await.expect("no orderly end");
    assert!(ended.is_err());
}

/// As many as `limits.streams` lets in, all but two of which leave at once: a proxy whose clients go.
#[tokio::test]
async fn a_crowd_that_leaves_at_once_is_no_flood() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let streams = server.app.hub().limits().streams;
    let mut readers = Vec::new();
    for _ in 0..streams {
        readers.push(client.events("/channels/a").await);
    }
    readers.truncate(2);
    until(&server, &format!("{READERS} 2")).await;
    post(server.addr, "/channels/a", "안녕").await;
    for events in &mut readers {
        assert_eq!(events.offset().await, 1);
    }
}

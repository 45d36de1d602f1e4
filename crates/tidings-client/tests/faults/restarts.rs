//! A server that dies, and another one that comes up elsewhere: the loss is told once, and all goes on.

use std::time::Duration;

use conformance::server::TestServer;
use tidings_client::{GapReason, Receipt, Transport};

use crate::{follower::Follower, network::Network, publisher::Publisher, quick, server};

const HEARTBEAT: Duration = Duration::from_secs(1);

/// No connection is told of the end.
async fn replace(old: TestServer, network: &Network) -> TestServer {
    network.down().await;
    drop(old);
    let new = server(HEARTBEAT, 100_000).await;
    network.to(new.addr);
    network.up();
    new
}

async fn goes_on(transport: Transport) {
    let mut present = server(HEARTBEAT, 100_000).await;
    let network = Network::before(present.addr).await;
    let mut follower = Follower::of(&["방"], &network.url(), transport, quick());
    let mut publisher = Publisher::start(&network.url(), "방", Duration::from_millis(5));
    for restarts in 1..=3 {
        // Longer than what would speak against a rung, if it ended then.
        let seen = follower.messages.len();
        while follower.messages.len() < seen + 50 {
            follower.step().await;
        }
        present = replace(present, &network).await;
        publisher.more(10).await;
        while follower.gaps.len() < restarts {
            follower.step().await;
        }
    }
    publisher.more(10).await;
    let receipts = publisher.receipts().await;
    let last = receipts.last().and_then(|last| last.position.clone());
    let last = last.expect("a place");
    while follower
        .messages
        .last()
        .is_none_or(|(_, at, _)| *at != last)
    {
        follower.step().await;
    }
    judge(&follower, &receipts);
}

/// Within the life of each server all came from the first message on, as the receipts say.
fn judge(follower: &Follower, receipts: &[Receipt]) {
    assert_eq!(follower.gaps.len(), 3, "{follower}");
    assert_eq!(follower.moves(), [""; 0]);
    let lives = follower.messages.chunk_by(|a, b| a.1.epoch == b.1.epoch);
    let lives: Vec<_> = lives.collect();
    assert_eq!(lives.len(), 4, "{follower}");
    for (life, gap) in lives[1..].iter().zip(&follower.gaps) {
        assert_eq!(gap.reason, GapReason::EpochChanged, "{follower}");
        assert_eq!((&gap.epoch, gap.to), (&life[0].1.epoch, 0), "{follower}");
    }
    for life in lives {
        let offsets = life.iter().map(|message| message.1.offset);
        let expected: Vec<u64> = (1..=life.len() as u64).collect();
        assert_eq!(offsets.collect::<Vec<u64>>(), expected);
    }
    for (number, receipt) in receipts.iter().enumerate() {
        let at = receipt.position.as_ref().expect("a place");
        let came = follower.messages.iter().find(|message| message.1 == *at);
        // What one server told nobody any more is what its gap is about.
        assert!(came.is_none_or(|came| came.2 == number.to_string()));
    }
}

#[tokio::test]
async fn over_a_websocket() {
    goes_on(Transport::Auto).await;
}

#[tokio::test]
async fn over_sse() {
    goes_on(Transport::Sse).await;
}

#[tokio::test]
async fn over_sse_post() {
    goes_on(Transport::SsePost).await;
}

#[tokio::test]
async fn over_long_polls() {
    goes_on(Transport::LongPoll).await;
}

#[tokio::test]
async fn over_polls() {
    goes_on(Transport::Poll).await;
}

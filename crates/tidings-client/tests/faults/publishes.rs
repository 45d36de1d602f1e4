//! Messages whose answers are lost, that are late, that overtake each other: each arrives once and in order.

use std::{sync::Arc, time::Duration};

use conformance::fault::{Action, Fault, FaultProxy, Kind};
use tidings_client::{Client, Limits, Publish, Receipt, Timings, Transport};
use tokio::{sync::Barrier, task::JoinSet, time::interval};

use crate::{follower::Follower, server, support::short};

const COUNT: u64 = 50;

/// Fifty messages through these faults, whose answers are true; gives how many had been there before.
async fn arrive_once(faults: Vec<Fault>) -> usize {
    let server = server(Duration::from_secs(1), 1_000).await;
    let proxy = FaultProxy::start(server.addr, 7).await.expect("a port");
    proxy.set(faults);
    let client = client(&proxy);
    let mut receipts = Vec::new();
    for number in 0..COUNT {
        let text = Publish::text(number.to_string());
        let receipt = client.publish("방", text).await.expect("a receipt");
        receipts.push(receipt);
    }
    // What is late comes even if nobody waits for it.
    let mut looks = interval(Duration::from_millis(10));
    while proxy.log().iter().any(|entry| entry.end.is_none()) {
        looks.tick().await;
    }
    let met = proxy.log().into_iter().filter(|one| one.fault.is_some());
    assert!(met.count() >= 5);
    let url = format!("http://{}", server.addr);
    let direct = Client::new(&url).expect("a client");
    let last = direct.publish("방", Publish::text(COUNT.to_string())).await;
    let last = last.expect("a receipt").position.expect("a place");
    assert_eq!(last.offset, COUNT + 1);
    let mut follower = Follower::of(&["방"], &url, Transport::Auto, short());
    follower.has_all(COUNT + 1).await;
    for (number, (receipt, message)) in receipts.iter().zip(&follower.messages).enumerate() {
        assert_eq!(message.2, number.to_string());
        assert_eq!(receipt.position.as_ref(), Some(&message.1));
    }
    let before = |receipt: &&Receipt| receipt.duplicate;
    receipts.iter().filter(before).count()
}

fn client(proxy: &FaultProxy) -> Client {
    let timings = Timings {
        request: Duration::from_millis(500),
        publish: Duration::from_secs(60),
        ..short()
    };
    let limits = Limits {
        queue: 1_000,
        ..Limits::default()
    };
    let client = Client::builder(&format!("http://{}", proxy.addr)).limits(limits);
    client.timings(timings).build().expect("a client")
}

fn publishes(action: Action, probability: f64) -> Fault {
    let fault = Fault::new(action).on(&[Kind::Publish]);
    fault.probability(probability)
}

#[tokio::test]
async fn whose_answers_are_dropped() {
    let before = arrive_once(vec![publishes(Action::DropResponse, 0.5)]).await;
    assert!(before > 10, "the server had only {before} of them already");
}

#[tokio::test]
async fn whose_answers_are_cut() {
    let before = arrive_once(vec![publishes(Action::CutBytes(10), 0.5)]).await;
    assert!(before > 10, "the server had only {before} of them already");
}

#[tokio::test]
async fn that_are_cut_themselves() {
    let in_the_head = publishes(Action::CutRequestBytes(40), 0.3);
    arrive_once(vec![in_the_head, publishes(Action::Refuse, 0.3)]).await;
}

#[tokio::test]
async fn that_overtake_those_sent_before() {
    // What is given up goes on, and arrives after what was sent instead of it.
    arrive_once(vec![publishes(Action::DelayMs(700), 0.2)]).await;
}

#[tokio::test]
async fn that_have_everything_happen_to_them() {
    arrive_once(vec![
        publishes(Action::DropResponse, 0.2),
        publishes(Action::Refuse, 0.2),
        publishes(Action::CutBytes(10), 0.2),
        publishes(Action::JitterMs(700), 0.3),
    ])
    .await;
}

/// Each channel keeps its order, whatever happens to the others.
#[tokio::test(flavor = "multi_thread")]
async fn on_many_channels_at_once() {
    let server = server(Duration::from_secs(1), 1_000).await;
    let proxy = FaultProxy::start(server.addr, 7).await.expect("a port");
    proxy.set(vec![
        publishes(Action::DropResponse, 0.2),
        publishes(Action::JitterMs(200), 0.8),
    ]);
    let client = client(&proxy);
    let begin = Arc::new(Barrier::new(8));
    let mut running = JoinSet::new();
    for channel in 0..8 {
        let (client, begin) = (client.clone(), begin.clone());
        running.spawn(async move {
            begin.wait().await;
            for number in 0..COUNT / 5 {
                let text = Publish::text(number.to_string());
                let receipt = client.publish(&format!("c{channel}"), text).await;
                receipt.expect("a receipt");
            }
        });
    }
    running.join_all().await;
    let url = format!("http://{}", server.addr);
    for channel in 0..8 {
        let channel = format!("c{channel}");
        let mut follower = Follower::of(&[&channel], &url, Transport::Auto, short());
        follower.has_all(COUNT / 5).await;
        for (number, message) in follower.messages.iter().enumerate() {
            assert_eq!(message.2, number.to_string());
        }
    }
}

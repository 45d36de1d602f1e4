//! Down to what gets through and up again, with moves and delays that a test can wait for.

use std::time::Duration;

use conformance::{
    fault::{Action, Kind},
    server::{Options, TestServer},
};
use tidings_client::{Client, Publish, Timings, Transport};
use tokio::task::JoinHandle;

use crate::{
    follower::Follower,
    network::{ABOVE, Network, refused},
    publisher::Publisher,
    quick,
    support::{short, soon},
};

fn follow(network: &Network, transport: Transport, timings: Timings) -> Follower {
    Follower::of(&["방"], &network.url(), transport, timings)
}

fn publish(server: &TestServer) -> Publisher {
    let url = format!("http://{}", server.addr);
    Publisher::start(&url, "방", Duration::from_millis(2))
}

#[tokio::test]
async fn it_goes_down_to_what_gets_through_and_up_when_it_can() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    network.set(Kind::Websocket, refused());
    network.set(Kind::Sse, Action::Stall);
    network.set(Kind::SsePost, refused());
    let publisher = publish(&server);
    let mut follower = follow(&network, Transport::Auto, quick());
    follower.until("long-poll").await;
    let down = [
        "websocket blocked sse",
        "sse mute sse-post",
        "sse-post blocked long-poll",
        "long-poll",
    ];
    assert_eq!(follower.ladder(), down);
    network.set(Kind::Sse, None);
    follower.until("sse").await;
    assert_eq!(follower.ladder()[4..], ["long-poll climbed sse", "sse"]);
    network.set(Kind::Websocket, None);
    follower.until("websocket").await;
    assert_eq!(
        follower.ladder()[6..],
        ["sse climbed websocket", "websocket"]
    );
    follower.has_all(publisher.end().await).await;
    let told = network.moves();
    for moved in [
        "websocket.blocked",
        "sse.mute",
        "sse-post.blocked",
        "long-poll.climbed",
        "sse.climbed",
    ] {
        assert!(
            told.iter().any(|(told, _)| told == moved),
            "{moved}: {told:?}"
        );
    }
}

#[tokio::test]
async fn polls_are_the_last_resort() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    for rung in [Kind::Websocket, Kind::Sse, Kind::SsePost] {
        network.set(rung, refused());
    }
    network.set(Kind::LongPoll, Action::CutBytes(1));
    let mut follower = follow(&network, Transport::Auto, quick());
    follower.until("poll").await;
    assert_eq!(
        follower.ladder().last_chunk(),
        Some(&["long-poll cut poll", "poll"])
    );
    let publisher = publish(&server);
    network.set(Kind::LongPoll, None);
    follower.until("long-poll").await;
    follower.has_all(publisher.end().await).await;
}

#[tokio::test]
async fn what_is_cut_early_again_and_again_is_left() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    network.set(Kind::Websocket, Action::CutBytes(700));
    let publisher = publish(&server);
    let timings = Timings {
        stable: Duration::from_secs(5),
        ..quick()
    };
    let mut follower = follow(&network, Transport::Auto, timings);
    follower.until("sse").await;
    let ladder = ["websocket", "websocket cut sse", "sse"];
    assert_eq!(follower.ladder(), ladder);
    assert_eq!(
        follower.history.len(),
        5,
        "three times: {:?}",
        follower.history
    );
    follower.has_all(publisher.end().await).await;
}

#[tokio::test]
async fn a_half_open_connection_is_found_and_left() {
    let heartbeat = Duration::from_millis(150);
    let server = TestServer::limited(|limits| limits.heartbeat = heartbeat).await;
    let network = Network::before(server.addr).await;
    network.set(Kind::Websocket, Action::StallBytes(450));
    let publisher = publish(&server);
    let timings = Timings {
        climb_first: Duration::from_secs(60),
        ..quick()
    };
    let mut follower = follow(&network, Transport::Auto, timings);
    follower.until("sse").await;
    assert_eq!(
        follower.history,
        ["websocket", "websocket", "websocket silent sse", "sse"]
    );
    follower.has_all(publisher.end().await).await;
}

#[tokio::test]
async fn a_restart_moves_nothing() {
    let server = TestServer::start().await;
    let address = server.addr;
    let network = Network::before(address).await;
    network.set(Kind::Websocket, refused());
    let mut follower = follow(&network, Transport::Auto, short());
    follower.until("sse").await;
    server.stop().await;
    // Asked to come back later, and then nobody is there.
    let asked = follower.waits;
    while follower.waits < asked + 3 {
        follower.step().await;
    }
    let again = Options {
        addr: address,
        ..Options::default()
    };
    let _server = TestServer::with(again).await;
    let opened = follower.history.len();
    while follower.history.len() == opened {
        follower.step().await;
    }
    assert_eq!(follower.ladder(), ["websocket blocked sse", "sse"]);
}

#[tokio::test]
async fn a_refresh_opens_anew_beside_what_stands() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    let publisher = publish(&server);
    for transport in [
        Transport::WebSocket,
        Transport::Sse,
        Transport::SsePost,
        Transport::LongPoll,
    ] {
        let mut follower = follow(&network, transport, short());
        let name = transport.to_string();
        follower.until(&name).await;
        for round in 2..=4 {
            follower.subscription.refresh();
            while follower.history.len() < round {
                follower.step().await;
            }
        }
        assert_eq!(follower.history, [&*name; 4]);
        follower.has_all(follower.last() + 20).await;
    }
    publisher.end().await;
}

/// Everything above a rung is held back; it is found, survives a restart of the server, and is left for the top.
async fn goes_down_and_up(held_back: usize, fault: Action, reason: &str) {
    let server = TestServer::start().await;
    let address = server.addr;
    let network = Network::before(address).await;
    for rung in &ABOVE[..held_back] {
        network.set(*rung, fault.clone());
    }
    let timings = Timings {
        climb_first: Duration::from_secs(1),
        climb_max: Duration::from_secs(1),
        ..quick()
    };
    let mut follower = follow(&network, Transport::Auto, timings);
    let rung = ABOVE[held_back].name();
    follower.until(rung).await;
    let publisher = publish(&server);
    follower.has_all(20).await;
    publisher.end().await;
    for pair in ABOVE[..=held_back].windows(2) {
        let [from, to] = [pair[0].name(), pair[1].name()];
        let told = format!("{from} {reason} {to}");
        assert!(
            follower.history.contains(&told),
            "{told}: {:?}",
            follower.history
        );
    }
    server.stop().await;
    let asked = follower.waits;
    while follower.waits < asked + 2 {
        follower.step().await;
    }
    let options = Options {
        addr: address,
        ..Options::default()
    };
    let server = TestServer::with(options).await;
    for rung in &ABOVE[..held_back] {
        network.set(*rung, None);
    }
    // The log is another one: its loss is told, and then nothing is lost.
    follower.until("websocket").await;
    let down = follower
        .history
        .iter()
        .filter(|told| told.starts_with("poll "))
        .count();
    assert!(
        down <= 1,
        "the restart moved nothing down: {:?}",
        follower.history
    );
    let publisher = publish(&server);
    let last = publisher.end().await;
    while follower.last() != last {
        follower.step().await;
    }
    assert_eq!(follower.gaps.len(), 1, "the restart is told once");
    drop(server);
}

#[tokio::test]
async fn refused_above_each_rung() {
    for held_back in 1..=3 {
        goes_down_and_up(held_back, refused(), "blocked").await;
    }
}

#[tokio::test]
async fn mute_above_each_rung() {
    for held_back in 1..=3 {
        goes_down_and_up(held_back, Action::Stall, "mute").await;
    }
}

#[tokio::test]
async fn broken_above_each_rung() {
    for held_back in 1..=3 {
        goes_down_and_up(held_back, Action::CutBytes(1), "broken").await;
    }
}

#[tokio::test]
async fn several_channels_climb_together() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    for rung in &ABOVE[..3] {
        network.set(*rung, refused());
    }
    let channels = ["a", "b", "c"];
    let publishing: Vec<JoinHandle<()>> = channels
        .into_iter()
        .map(|channel| {
            let client = Client::new(&format!("http://{}", server.addr)).expect("a client");
            tokio::spawn(async move {
                for number in 1..=500 {
                    let text = Publish::text(format!("{channel}{number}"));
                    client.publish(channel, text).await.expect("a receipt");
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
        })
        .collect();
    let mut follower = Follower::of(&channels, &network.url(), Transport::Auto, quick());
    follower.until("long-poll").await;
    for (at, rung) in [(2, "sse-post"), (1, "sse"), (0, "websocket")] {
        network.set(ABOVE[at], None);
        follower.until(rung).await;
    }
    for publishing in publishing {
        soon("the last receipt", publishing)
            .await
            .expect("no panic");
    }
    while follower.messages.len() < 1_500 {
        follower.step().await;
    }
    for channel in channels {
        let texts = follower.messages.iter().map(|(_, _, text)| text.as_str());
        let of_channel: Vec<&str> = texts.filter(|text| text.starts_with(channel)).collect();
        let expected: Vec<String> = (1..=500)
            .map(|number| format!("{channel}{number}"))
            .collect();
        assert_eq!(of_channel, expected);
    }
}

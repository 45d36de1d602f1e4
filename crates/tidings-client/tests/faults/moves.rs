//! What the server counts of moves is what happened: no more, no less, and by the rungs that they were between.

use std::time::Duration;

use conformance::{fault::Kind, http::get, server::TestServer};
use tidings_client::{Timings, Transport};

use crate::{
    follower::Follower,
    network::{ABOVE, Network, refused},
    publisher::Publisher,
    quick, server,
};

const ALL: [Kind; 5] = [
    Kind::Websocket,
    Kind::Sse,
    Kind::SsePost,
    Kind::LongPoll,
    Kind::Poll,
];

/// `FROM REASON TO` as often as it was counted.
async fn counted(server: &TestServer) -> Vec<String> {
    let metrics = get(server.addr, "/metrics").await;
    let lines = metrics.text().lines();
    let counters = lines.filter_map(|line| line.strip_prefix("tidings_client_moves_total"));
    let mut moves = Vec::new();
    for counter in counters {
        let words: Vec<&str> = counter.split('"').collect();
        let [_, from, _, to, _, reason, count] = words[..] else {
            panic!("{counter}")
        };
        let count = count.trim_start_matches('}').trim();
        let count: usize = count.parse().expect("a number");
        moves.extend(vec![format!("{from} {reason} {to}"); count]);
    }
    moves.sort();
    moves
}

/// The rungs are taken away one by one while it is on them, and all given back.
#[tokio::test]
async fn down_the_whole_ladder_and_up_again() {
    let server = server(Duration::from_secs(1), 100_000).await;
    let network = Network::before(server.addr).await;
    let url = format!("http://{}", server.addr);
    let publisher = Publisher::start(&url, "방", Duration::from_millis(5));
    let timings = Timings {
        climb_first: Duration::from_secs(2),
        ..quick()
    };
    let mut follower = Follower::of(&["방"], &network.url(), Transport::Auto, timings);
    for (rung, below) in ALL.iter().zip(&ALL[1..]) {
        follower.until(rung.name()).await;
        if *rung == Kind::LongPoll {
            tried_in_vain(&network, &mut follower).await;
        }
        network.set(*rung, refused());
        network.cut(Some(&[*rung])).await;
        follower.until(below.name()).await;
    }
    network.clear();
    follower.until("websocket").await;
    follower.has_all(publisher.end().await).await;
    let mut told: Vec<String> = follower.moves().into_iter().map(str::to_owned).collect();
    assert!(told.len() > ABOVE.len(), "{told:?}");
    told.sort();
    assert_eq!(counted(&server).await, told);
}

/// Until each rung above was tried: a try that does not arrive is no move.
async fn tried_in_vain(network: &Network, follower: &mut Follower) {
    let opened = follower.history.len();
    let refused = || network.moves().iter().filter(|(_, came)| !came).count();
    let tries = refused();
    while refused() < tries + 3 {
        follower.step().await;
    }
    assert_eq!(follower.history.len(), opened, "{follower}");
}

/// Everything is refused; then everything is let through.
#[tokio::test]
async fn around_a_ladder_of_which_nothing_works() {
    let server = server(Duration::from_secs(1), 100_000).await;
    let network = Network::before(server.addr).await;
    for rung in ALL {
        network.set(rung, refused());
    }
    let url = format!("http://{}", server.addr);
    let publisher = Publisher::start(&url, "방", Duration::from_millis(5));
    let timings = Timings {
        stable: Duration::from_millis(100),
        ..quick()
    };
    let mut follower = Follower::of(&["방"], &network.url(), Transport::Auto, timings);
    let around = "poll blocked websocket";
    while follower
        .moves()
        .iter()
        .filter(|told| **told == around)
        .count()
        < 3
    {
        follower.step().await;
    }
    assert_eq!(counted(&server).await, [""; 0], "nothing came through");
    network.clear();
    follower.until("websocket").await;
    follower.has_all(publisher.end().await).await;
    let told = network.moves().into_iter().filter(|(_, came)| *came);
    let mut told: Vec<String> = told.map(|(told, _)| told).collect();
    told.sort();
    let counted = counted(&server).await.into_iter();
    let counted = counted.map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        format!("{}.{}", words[0], words[1])
    });
    assert_eq!(counted.collect::<Vec<String>>(), told);
}

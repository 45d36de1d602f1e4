//! The client against the real server, with networks between that hold things back: which transports it goes over,
//! and that nothing is lost and nothing comes twice on the way.

mod network;
#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::{collections::VecDeque, time::Duration};

use conformance::server::{Options, TestServer};
use network::{Fault, Network, Way};
use support::{next_event, options, short, soon};
use tidings_client::{
    Client, Event, Payload, Publish, Start, State, SubscribeOptions, Subscription, Timings,
    Transport,
};
use tokio::task::JoinHandle;

/// Climbing within a test, and no second try at once.
fn quick() -> Timings {
    Timings {
        stable: Duration::from_millis(100),
        climb_first: Duration::from_millis(400),
        climb_max: Duration::from_secs(2),
        ..short()
    }
}

/// A subscription that is told everything of.
struct Reader {
    subscription: Subscription,
    /// What was told of the way, in words.
    history: Vec<String>,
    messages: VecDeque<(Option<u64>, String)>,
    /// How often a connection ended.
    waits: u32,
    /// Where a loss is right: how many were told.
    gaps_told: Option<u32>,
}

impl Reader {
    fn start(network: &Network, transport: Transport, timings: Timings) -> Self {
        Self::of(&["방"], network, transport, timings)
    }

    fn of(channels: &[&str], network: &Network, transport: Transport, timings: Timings) -> Self {
        let url = format!("http://{}", network.address);
        let client = Client::builder(&url).timings(timings).build();
        let wanted = SubscribeOptions {
            transport,
            after: Start::Earliest,
            wait: Duration::from_secs(2),
            ..options()
        };
        let subscription = client.expect("a client").subscribe(channels, wanted);
        Self {
            subscription: subscription.expect("a subscription"),
            history: Vec::new(),
            messages: VecDeque::new(),
            waits: 0,
            gaps_told: None,
        }
    }

    async fn step(&mut self) {
        match next_event(&mut self.subscription).await {
            Event::State(State::Open(rung)) => self.history.push(rung.to_string()),
            Event::State(State::Waiting { .. }) => self.waits += 1,
            Event::State(State::Moved { from, to, reason }) => {
                self.history.push(format!("{from} {reason} {to}"));
            }
            Event::Message(message) => {
                let Payload::Text(text) = message.data else {
                    panic!("{message:?}")
                };
                let offset = message.position.map(|position| position.offset);
                self.messages.push_back((offset, text));
            }
            Event::Gap(gap) => match &mut self.gaps_told {
                Some(count) => *count += 1,
                None => panic!("{gap:?}"),
            },
            _ => {}
        }
    }

    /// Until this is the last thing that was told of the way.
    async fn until(&mut self, told: &str) {
        while self.history.last().is_none_or(|last| last != told) {
            self.step().await;
        }
    }

    /// What was told of the way, the same in a row once.
    fn ladder(&self) -> Vec<&str> {
        let mut ladder: Vec<&str> = self.history.iter().map(String::as_str).collect();
        ladder.dedup();
        ladder
    }

    /// All numbers up to the last, each once and in order.
    async fn has_all(&mut self, last: u64) {
        while self
            .messages
            .back()
            .is_none_or(|(offset, _)| *offset != Some(last))
        {
            self.step().await;
        }
        let offsets: Vec<Option<u64>> = self.messages.iter().map(|(offset, _)| *offset).collect();
        let expected: Vec<Option<u64>> = (1..=last).map(Some).collect();
        assert_eq!(offsets, expected);
    }
}

/// Publishes without a pause until it is told to end; gives the last offset.
struct Publisher(tokio::sync::oneshot::Sender<()>, JoinHandle<u64>);

impl Publisher {
    fn start(address: std::net::SocketAddr) -> Self {
        let (end, mut ends) = tokio::sync::oneshot::channel();
        let client = Client::builder(&format!("http://{address}")).timings(short());
        let client = client.build().expect("a client");
        let task = tokio::spawn(async move {
            for number in 0_u64.. {
                let text = Publish::text(number.to_string());
                let receipt = client.publish("방", text).await.expect("a receipt");
                tokio::time::sleep(Duration::from_millis(2)).await;
                if ends.try_recv().is_ok() {
                    return receipt.position.expect("a position").offset;
                }
            }
            unreachable!("numbers do not end")
        });
        Self(end, task)
    }

    async fn end(self) -> u64 {
        self.0.send(()).expect("it publishes");
        soon("the last receipt", self.1).await.expect("no panic")
    }
}

#[tokio::test]
async fn it_goes_down_to_what_gets_through_and_up_when_it_can() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    network.set(Way::WebSocket, Fault::Refused);
    network.set(Way::Sse, Fault::Mute);
    network.set(Way::SsePost, Fault::Refused);
    let publisher = Publisher::start(server.addr);
    let mut reader = Reader::start(&network, Transport::Auto, quick());
    reader.until("long-poll").await;
    let down = [
        "websocket blocked sse",
        "sse mute sse-post",
        "sse-post blocked long-poll",
        "long-poll",
    ];
    assert_eq!(reader.ladder(), down);
    network.set(Way::Sse, Fault::None);
    reader.until("sse").await;
    assert_eq!(reader.ladder()[4..], ["long-poll climbed sse", "sse"]);
    network.set(Way::WebSocket, Fault::None);
    reader.until("websocket").await;
    assert_eq!(reader.ladder()[6..], ["sse climbed websocket", "websocket"]);
    reader.has_all(publisher.end().await).await;
    let told = network.seen("_moved=");
    for moved in [
        "websocket.blocked",
        "sse.mute",
        "sse-post.blocked",
        "long-poll.climbed",
        "sse.climbed",
    ] {
        let carried = told.iter().filter(|line| line.contains(moved)).count();
        assert!(carried >= 1, "{moved}: {told:?}");
    }
}

#[tokio::test]
async fn polls_are_the_last_resort() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    for way in [Way::WebSocket, Way::Sse, Way::SsePost] {
        network.set(way, Fault::Refused);
    }
    network.set(Way::LongPoll, Fault::CutAfter(0));
    let mut reader = Reader::start(&network, Transport::Auto, quick());
    reader.until("poll").await;
    assert_eq!(
        reader.ladder().last_chunk(),
        Some(&["long-poll cut poll", "poll"])
    );
    let publisher = Publisher::start(server.addr);
    network.set(Way::LongPoll, Fault::None);
    reader.until("long-poll").await;
    reader.has_all(publisher.end().await).await;
}

#[tokio::test]
async fn what_is_cut_early_again_and_again_is_left() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    network.set(Way::WebSocket, Fault::CutAfter(900));
    let publisher = Publisher::start(server.addr);
    let timings = Timings {
        stable: Duration::from_secs(5),
        ..quick()
    };
    let mut reader = Reader::start(&network, Transport::Auto, timings);
    reader.until("sse").await;
    let ladder = ["websocket", "websocket cut sse", "sse"];
    assert_eq!(reader.ladder(), ladder);
    assert_eq!(reader.history.len(), 5, "three times: {:?}", reader.history);
    reader.has_all(publisher.end().await).await;
}

#[tokio::test]
async fn a_half_open_connection_is_found_and_left() {
    let heartbeat = Duration::from_millis(150);
    let server = TestServer::limited(|limits| limits.heartbeat = heartbeat).await;
    let network = Network::before(server.addr).await;
    network.set(Way::WebSocket, Fault::StallAfter(600));
    let publisher = Publisher::start(server.addr);
    let timings = Timings {
        climb_first: Duration::from_secs(60),
        ..quick()
    };
    let mut reader = Reader::start(&network, Transport::Auto, timings);
    reader.until("sse").await;
    assert_eq!(
        reader.history,
        ["websocket", "websocket", "websocket silent sse", "sse"]
    );
    reader.has_all(publisher.end().await).await;
}

#[tokio::test]
async fn a_restart_moves_nothing() {
    let server = TestServer::start().await;
    let address = server.addr;
    let network = Network::before(address).await;
    network.set(Way::WebSocket, Fault::Refused);
    let mut reader = Reader::start(&network, Transport::Auto, short());
    reader.until("sse").await;
    server.stop().await;
    // Asked to come back later, and then nobody is there.
    let asked = reader.waits;
    while reader.waits < asked + 3 {
        reader.step().await;
    }
    let again = Options {
        addr: address,
        ..Options::default()
    };
    let _server = TestServer::with(again).await;
    let opened = reader.history.len();
    while reader.history.len() == opened {
        reader.step().await;
    }
    assert_eq!(reader.ladder(), ["websocket blocked sse", "sse"]);
}

#[tokio::test]
async fn a_refresh_opens_anew_beside_what_stands() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    let publisher = Publisher::start(server.addr);
    for transport in [
        Transport::WebSocket,
        Transport::Sse,
        Transport::SsePost,
        Transport::LongPoll,
    ] {
        let mut reader = Reader::start(&network, transport, short());
        let name = transport.to_string();
        reader.until(&name).await;
        for round in 2..=4 {
            reader.subscription.refresh();
            while reader.history.len() < round {
                reader.step().await;
            }
        }
        assert_eq!(reader.history, [&*name; 4]);
        let last = reader
            .messages
            .back()
            .map_or(1, |(offset, _)| offset.expect("a place"));
        reader.has_all(last + 20).await;
    }
    publisher.end().await;
}

/// The rungs above the last with their ways.
const RUNGS: [(&str, Way); 4] = [
    ("websocket", Way::WebSocket),
    ("sse", Way::Sse),
    ("sse-post", Way::SsePost),
    ("long-poll", Way::LongPoll),
];

/// Everything above a rung is held back; it is found, survives a restart of the server, and is left for the top.
async fn goes_down_and_up(held_back: usize, fault: Fault, reason: &str) {
    let server = TestServer::start().await;
    let address = server.addr;
    let network = Network::before(address).await;
    for (_, way) in &RUNGS[..held_back] {
        network.set(*way, fault);
    }
    let timings = Timings {
        climb_first: Duration::from_secs(1),
        climb_max: Duration::from_secs(1),
        ..quick()
    };
    let mut reader = Reader::start(&network, Transport::Auto, timings);
    let rung = RUNGS.get(held_back).map_or("poll", |(name, _)| name);
    reader.until(rung).await;
    let publisher = Publisher::start(address);
    reader.has_all(20).await;
    publisher.end().await;
    for (at, (from, _)) in RUNGS[..held_back].iter().enumerate() {
        let to = RUNGS.get(at + 1).map_or("poll", |(name, _)| name);
        let told = format!("{from} {reason} {to}");
        assert!(
            reader.history.contains(&told),
            "{told}: {:?}",
            reader.history
        );
    }
    server.stop().await;
    let asked = reader.waits;
    while reader.waits < asked + 2 {
        reader.step().await;
    }
    let options = Options {
        addr: address,
        ..Options::default()
    };
    let server = TestServer::with(options).await;
    for (_, way) in &RUNGS[..held_back] {
        network.set(*way, Fault::None);
    }
    // The log is another one: its loss is told, and then nothing is lost.
    reader.gaps_told = Some(0);
    reader.until("websocket").await;
    let down = reader
        .history
        .iter()
        .filter(|told| told.starts_with("poll "))
        .count();
    assert!(
        down <= 1,
        "the restart moved nothing down: {:?}",
        reader.history
    );
    let publisher = Publisher::start(address);
    let last = publisher.end().await;
    while reader
        .messages
        .back()
        .is_none_or(|(offset, _)| *offset != Some(last))
    {
        reader.step().await;
    }
    assert_eq!(reader.gaps_told, Some(1), "the restart is told once");
    drop(server);
}

#[tokio::test]
async fn refused_above_each_rung() {
    for held_back in 1..=3 {
        goes_down_and_up(held_back, Fault::Refused, "blocked").await;
    }
}

#[tokio::test]
async fn mute_above_each_rung() {
    for held_back in 1..=3 {
        goes_down_and_up(held_back, Fault::Mute, "mute").await;
    }
}

#[tokio::test]
async fn broken_above_each_rung() {
    for held_back in 1..=3 {
        goes_down_and_up(held_back, Fault::CutAfter(0), "broken").await;
    }
}

#[tokio::test]
async fn several_channels_climb_together() {
    let server = TestServer::start().await;
    let network = Network::before(server.addr).await;
    for (_, way) in &RUNGS[..3] {
        network.set(*way, Fault::Refused);
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
    let mut reader = Reader::of(&channels, &network, Transport::Auto, quick());
    reader.until("long-poll").await;
    for (at, rung) in [(2, "sse-post"), (1, "sse"), (0, "websocket")] {
        network.set(RUNGS[at].1, Fault::None);
        reader.until(rung).await;
    }
    for publishing in publishing {
        soon("the last receipt", publishing)
            .await
            .expect("no panic");
    }
    while reader.messages.len() < 1_500 {
        reader.step().await;
    }
    for channel in channels {
        let texts = reader.messages.iter().map(|(_, text)| text.as_str());
        let of_channel: Vec<&str> = texts.filter(|text| text.starts_with(channel)).collect();
        let expected: Vec<String> = (1..=500)
            .map(|number| format!("{channel}{number}"))
            .collect();
        assert_eq!(of_channel, expected);
    }
}

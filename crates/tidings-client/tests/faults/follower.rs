//! A subscription that is told everything of.

use std::time::Duration;

use tidings_client::{
    Client, Event, Gap, Payload, Position, Start, State, SubscribeOptions, Subscription, Timings,
    Transport,
};
use tokio::time::timeout;

/// Nothing takes longer, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Follower {
    pub subscription: Subscription,
    /// What was told of the way, in words: a rung that is open, and `FROM REASON TO`.
    pub history: Vec<String>,
    /// Channel, place and text.
    pub messages: Vec<(String, Position, String)>,
    pub gaps: Vec<Gap>,
    /// How often a connection ended.
    pub waits: u32,
}

impl Follower {
    pub fn of(channels: &[&str], url: &str, transport: Transport, timings: Timings) -> Self {
        let client = Client::builder(url).timings(timings).build();
        let wanted = SubscribeOptions {
            transport,
            after: Start::Earliest,
            wait: Duration::from_secs(2),
            poll_interval: Duration::from_millis(5),
            ..SubscribeOptions::default()
        };
        Self::with(&client.expect("a client"), channels, wanted)
    }

    pub fn with(client: &Client, channels: &[&str], wanted: SubscribeOptions) -> Self {
        Self {
            subscription: client.subscribe(channels, wanted).expect("a subscription"),
            history: Vec::new(),
            messages: Vec::new(),
            gaps: Vec::new(),
            waits: 0,
        }
    }

    /// Takes what comes next.
    pub async fn step(&mut self) {
        let next = timeout(PATIENCE, self.subscription.next()).await;
        let event = next.unwrap_or_else(|_| panic!("nothing comes any more: {self}"));
        match event.expect("no end").expect("no error") {
            Event::State(State::Open(rung)) => self.history.push(rung.to_string()),
            Event::State(State::Waiting { .. }) => self.waits += 1,
            Event::State(State::Moved { from, to, reason }) => {
                self.history.push(format!("{from} {reason} {to}"));
            }
            Event::Message(message) => {
                let Payload::Text(text) = message.data else {
                    panic!("{message:?}")
                };
                let position = message.position.expect("a place");
                self.messages.push((message.channel, position, text));
            }
            Event::Gap(gap) => self.gaps.push(gap),
            _ => {}
        }
    }

    /// Until this is the last thing that was told of the way.
    pub async fn until(&mut self, told: &str) {
        let reached = timeout(2 * PATIENCE, async {
            while self.history.last().is_none_or(|last| last != told) {
                self.step().await;
            }
        });
        let reached = reached.await.is_ok();
        assert!(reached, "{told:?} is not told: {self}");
    }

    /// What was told of the way, the same in a row once.
    pub fn ladder(&self) -> Vec<&str> {
        let mut ladder: Vec<&str> = self.history.iter().map(String::as_str).collect();
        ladder.dedup();
        ladder
    }

    /// The moves alone.
    pub fn moves(&self) -> Vec<&str> {
        let told = self.history.iter().map(String::as_str);
        told.filter(|told| told.contains(' ')).collect()
    }

    /// The last offset of its only channel; 0: none.
    pub fn last(&self) -> u64 {
        self.messages.last().map_or(0, |(_, at, _)| at.offset)
    }

    /// Until this offset, and then all offsets up to it, each once and in order, with no gap.
    pub async fn has_all(&mut self, last: u64) {
        while self.last() < last {
            self.step().await;
        }
        let offsets = self.messages.iter().map(|(_, at, _)| at.offset);
        let expected: Vec<u64> = (1..=last).collect();
        assert_eq!(offsets.collect::<Vec<u64>>(), expected, "{self}");
        assert_eq!(self.gaps, [], "{self}");
    }
}

impl std::fmt::Display for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { waits, gaps, .. } = self;
        let (count, way) = (self.messages.len(), self.ladder());
        let last = self.messages.last();
        write!(
            f,
            "{count} messages, last {last:?}, {waits} waits, way {way:?}, gaps {gaps:?}"
        )
    }
}

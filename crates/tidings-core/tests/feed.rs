//! The master property in the core: virtual time, no socket, seeds from proptest. Each reader's
//! offsets are a contiguous run per epoch, or a gap stands between two runs, whatever is published,
//! emptied, ended, evicted, forgotten or cut meanwhile.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use tidings_core::broker::memory::MemoryBroker;
use tidings_core::*;

const CHANNELS: usize = 3;
const READERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// Channel, bytes, and what it is about.
    Publish(usize, usize, usize),
    Whisper(usize),
    Close(usize),
    Clear(usize),
    Sweep,
    Sleep(u64),
    Read(usize, usize, usize),
    /// The reader is cut and comes back with the positions that it has.
    Resume(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..CHANNELS, 0..300usize, 0..3usize).prop_map(|(c, n, t)| Step::Publish(c, n, t)),
        1 => (0..CHANNELS).prop_map(Step::Whisper),
        1 => (0..CHANNELS).prop_map(Step::Close),
        1 => (0..CHANNELS).prop_map(Step::Clear),
        2 => Just(Step::Sweep),
        2 => prop_oneof![0..1_000u64, Just(3_000_000), Just(100_000_000)].prop_map(Step::Sleep),
        10 => (0..READERS, 1..6usize, 1..1_500usize).prop_map(|(r, c, b)| Step::Read(r, c, b)),
        3 => (0..READERS).prop_map(Step::Resume),
    ];
    prop::collection::vec(step, 1..150)
}

struct World {
    hub: Arc<Hub>,
    names: Vec<ChannelName>,
    now: u64,
}

/// A future of the memory broker is never pending.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory broker waits for nothing"),
    }
}

impl World {
    fn new(lag: Lag) -> Self {
        let limits = Limits::default();
        let history = History {
            count: 5,
            bytes: 2_000,
            ..History::default()
        };
        let rules = Rulebook::new(Rules {
            lag,
            ..Rules::open(history, &limits)
        });
        let names = (0..CHANNELS).map(|n| ChannelName::parse(&format!("방:{n}")).expect("a name"));
        Self {
            hub: Hub::new(MemoryBroker::new([3, 4], &limits), rules, limits),
            names: names.collect(),
            now: 0,
        }
    }

    fn now(&self) -> Now {
        Now {
            monotonic: self.now,
            unix: self.now,
        }
    }

    fn draft(&self, channel: usize, bytes: usize) -> Draft {
        let payload = Payload {
            kind: PayloadKind::Binary,
            bytes: Bytes::from(vec![7; bytes]),
            written: bytes,
        };
        Draft::new(self.names[channel].clone(), payload)
    }

    fn publish(&self, draft: Draft) {
        match ready(self.hub.publish(draft, self.now())) {
            Ok(_) | Err(PublishError::Closed(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn reader(&self, positions: &HashMap<usize, Position>) -> Reader {
        let mut feed = Feed::new(None);
        let mut places = Vec::new();
        for (channel, name) in self.names.iter().enumerate() {
            let start = positions
                .get(&channel)
                .map_or(Start::Now, |at| Start::At(*at));
            let (cursor, opened) =
                ready(self.hub.open(name, start, true, self.now())).expect("room");
            places.push((opened.asked, opened.recovered));
            feed.add(name.clone(), cursor, opened, true);
        }
        Reader { feed, places }
    }
}

struct Reader {
    feed: Feed,
    /// By channel: the place after what was given, and whether no loss is to be told first.
    places: Vec<(Position, bool)>,
}

impl Reader {
    fn positions(&self) -> HashMap<usize, Position> {
        self.places
            .iter()
            .map(|place| place.0)
            .enumerate()
            .collect()
    }

    fn read(&mut self, now: u64, count: usize, bytes: usize) {
        let mut budget = Budget::new(count, bytes);
        let mut out = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        if self.feed.poll_ready(&mut cx).is_pending() {
            return;
        }
        self.feed.read(now, &mut budget, &mut out);
        for delivery in &out {
            self.check(delivery);
        }
        // What the feed would hand out as a cursor is what was given.
        for ((_, at), (place, _)) in self.feed.positions().zip(&self.places) {
            assert_eq!(at, *place);
        }
    }

    fn check(&mut self, delivery: &Delivery) {
        let (place, whole) = &mut self.places[delivery.key() as usize];
        match delivery {
            Delivery::Gap(_, gap) => {
                if let Some(from) = gap.from {
                    assert_eq!((gap.epoch, from), (place.epoch, place.offset + 1));
                }
                *whole = true;
            }
            Delivery::Message(_, message) => {
                let Some(at) = message.position else { return };
                assert!(*whole, "a loss is told first");
                assert_eq!(
                    (at.epoch, at.offset),
                    (place.epoch, place.offset + 1),
                    "no hole, no repeat"
                );
            }
            Delivery::Closed(_, at) => {
                let next = at.epoch == place.epoch
                    && (place.offset..=place.offset + 1).contains(&at.offset);
                assert!(*whole && next, "the end follows the last message");
            }
            Delivery::Skip {
                epoch,
                from,
                to,
                reason,
                ..
            } => {
                assert_eq!(
                    *reason,
                    SkipReason::Conflated,
                    "nothing here is anybody's own"
                );
                assert!(*whole, "a loss is told first");
                assert_eq!((*epoch, *from), (place.epoch, place.offset + 1));
                assert!(from <= to);
            }
            Delivery::TooSlow(_, at) => {
                assert_eq!(at, place, "it may come back to where it was");
                return;
            }
        }
        *place = delivery.position().expect("ephemeral ones are done with");
    }
}

fn run(lag: Lag, steps: Vec<Step>) {
    let mut world = World::new(lag);
    let mut readers: Vec<Reader> = (0..READERS)
        .map(|_| world.reader(&HashMap::new()))
        .collect();
    for step in steps {
        match step {
            Step::Publish(channel, bytes, topic) => world.publish(Draft {
                topic: Some(topic.to_string().into()),
                ..world.draft(channel, bytes)
            }),
            Step::Whisper(channel) => world.publish(Draft {
                ephemeral: true,
                ..world.draft(channel, 1)
            }),
            Step::Close(channel) => world.publish(Draft {
                close: true,
                payload: None,
                ..world.draft(channel, 0)
            }),
            Step::Clear(channel) => {
                ready(world.hub.clear(&world.names[channel], world.now())).expect("room");
            }
            Step::Sweep => world.hub.sweep(world.now()),
            Step::Sleep(ms) => world.now += ms,
            Step::Read(reader, count, bytes) => readers[reader].read(world.now, count, bytes),
            Step::Resume(reader) => {
                let positions = readers[reader].positions();
                readers[reader] = world.reader(&positions);
            }
        }
    }
}

/// Every policy, of which the last ends readers soon.
fn lags() -> impl Strategy<Value = Lag> {
    (0..LagPolicy::ALL.len()).prop_map(|index| Lag {
        policy: LagPolicy::ALL[index].1,
        bytes: 500,
        ..Lag::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_contiguous_run_or_a_gap_or_a_skip(lag in lags(), steps in steps()) {
        run(lag, steps);
    }
}

/// What one read gives, in short.
fn told(feed: &mut Feed, now: u64) -> (FeedStatus, Vec<String>) {
    let mut out = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    if feed.poll_ready(&mut cx).is_pending() {
        return (FeedStatus::Waiting, Vec::new());
    }
    let status = feed.read(now, &mut Budget::new(100, 1 << 20), &mut out);
    let told = out.iter().map(|delivery| match delivery {
        Delivery::Message(_, message) => match message.position {
            Some(at) => at.offset.to_string(),
            None => "~".into(),
        },
        Delivery::Skip {
            from, to, reason, ..
        } => format!("{} {from}-{to}", reason.as_str()),
        Delivery::Gap(_, gap) => format!("{} {}", gap.reason.as_str(), gap.to),
        Delivery::Closed(_, at) => format!("closed {}", at.offset),
        Delivery::TooSlow(_, at) => format!("too slow {}", at.offset),
    });
    (status, told.collect())
}

fn lag(policy: LagPolicy) -> Lag {
    Lag {
        policy,
        ..Lag::default()
    }
}

#[test]
fn own_and_conflated_messages_are_told_apart() {
    let world = World::new(lag(LagPolicy::LatestBy));
    let me = ClientId(7);
    let mut feed = Feed::new(Some(me));
    let name = world.names[0].clone();
    let (cursor, opened) =
        ready(world.hub.open(&name, Start::Now, true, world.now())).expect("room");
    feed.add(name, cursor, opened, false);
    // About a: 1, 2 and 4; mine: 2, 3 and 4; the last is about nothing.
    for (topic, mine) in [
        (Some("a"), false),
        (Some("a"), true),
        (Some("b"), true),
        (Some("a"), true),
        (None, false),
    ] {
        world.publish(Draft {
            topic: topic.map(Into::into),
            exclude: mine.then_some(me),
            ..world.draft(0, 1)
        });
    }
    let got = ["conflated 1-2", "own 3-4", "5"].map(str::to_owned);
    assert_eq!(told(&mut feed, 0), (FeedStatus::Waiting, got.into()));
}

#[test]
fn the_latest_of_a_channel_is_what_a_late_reader_gets() {
    let mut world = World::new(lag(LagPolicy::Latest));
    let mut slow = world.reader(&HashMap::new());
    for _ in 0..3 {
        world.publish(world.draft(0, 1));
    }
    world.publish(Draft {
        close: true,
        ..world.draft(0, 1)
    });
    world.now += 600_000;
    // Not even a reader that lags for minutes loses the newest to a gap.
    let got = ["conflated 1-3", "4", "closed 5"].map(str::to_owned);
    assert_eq!(told(&mut slow.feed, world.now).1, got);
}

#[test]
fn a_channel_that_ends_slow_readers_says_where_they_stood() {
    let world = World::new(Lag {
        bytes: 400,
        ..lag(LagPolicy::Disconnect)
    });
    let mut reader = world.reader(&HashMap::new());
    world.publish(world.draft(0, 1));
    assert_eq!(told(&mut reader.feed, 0).1, ["1"]);
    for _ in 0..4 {
        world.publish(world.draft(0, 1));
    }
    let end = (FeedStatus::More, vec!["too slow 1".to_owned()]);
    assert_eq!(told(&mut reader.feed, 0), end);
}

#[test]
fn readers_of_a_channel_are_woken_together_by_its_ticks() {
    let mut world = World::new(Lag {
        every: std::time::Duration::from_millis(100),
        ..Lag::default()
    });
    assert!(world.hub.ticks());
    let mut readers = [(); 2].map(|()| world.reader(&HashMap::new()));
    let mut read = |now| {
        readers
            .each_mut()
            .map(|reader| told(&mut reader.feed, now).1)
    };
    let none = || [Vec::<String>::new(), Vec::new()];
    let both = |got: &[&str]| {
        let got: Vec<_> = got.iter().map(|&text| text.to_owned()).collect();
        [got.clone(), got]
    };
    assert_eq!(read(0), none());
    world.now = 1_000;
    world.publish(world.draft(0, 1));
    assert_eq!(read(1_000), both(&["1"]), "at once after silence");
    for now in [1_010, 1_020, 1_030] {
        world.now = now;
        world.publish(world.draft(0, 1));
        world.publish(Draft {
            ephemeral: true,
            ..world.draft(0, 1)
        });
        assert!(world.hub.tick(world.now()), "some wait");
        assert_eq!(read(now), none());
    }
    world.now = 1_100;
    assert!(!world.hub.tick(world.now()), "nobody waits any more");
    assert_eq!(read(1_100), both(&["2", "~", "3", "~", "4", "~"]));
    // The end does not wait for a tick.
    world.now = 1_110;
    world.publish(Draft {
        close: true,
        payload: None,
        ..world.draft(0, 0)
    });
    assert_eq!(read(1_110), both(&["closed 5"]));
    // Nor does what waits when the rules go.
    for now in [1_300, 1_310] {
        world.now = now;
        world.publish(world.draft(1, 1));
    }
    assert_eq!(read(1_310), both(&["1", "2"]));
    world.now = 1_320;
    world.publish(world.draft(1, 1));
    let rules = Rules::open(History::default(), world.hub.limits());
    world.hub.set_rules(Rulebook::new(rules), world.now());
    assert!(!world.hub.ticks() && !world.hub.tick(world.now()));
    assert_eq!(read(1_320), both(&["3"]));
}

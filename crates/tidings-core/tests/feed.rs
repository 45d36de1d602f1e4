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
    Publish(usize, usize),
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
        12 => (0..CHANNELS, 0..300usize).prop_map(|(c, n)| Step::Publish(c, n)),
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
    fn new() -> Self {
        let limits = Limits::default();
        let history = History {
            count: 5,
            bytes: 2_000,
            ..History::default()
        };
        let rules = Rulebook::new(Rules::open(history, &limits));
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
            let (cursor, opened) = ready(self.hub.open(name, start, self.now())).expect("room");
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
        let lag = LagLimit {
            bytes: u64::MAX,
            age: u64::MAX,
        };
        let mut out = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        if self.feed.poll_ready(&mut cx).is_pending() {
            return;
        }
        self.feed.read(now, &mut budget, lag, &mut out);
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
            Delivery::Skip { .. } => panic!("nothing here is anybody's own"),
        }
        *place = delivery.position().expect("ephemeral ones are done with");
    }
}

fn run(steps: Vec<Step>) {
    let mut world = World::new();
    let mut readers: Vec<Reader> = (0..READERS)
        .map(|_| world.reader(&HashMap::new()))
        .collect();
    for step in steps {
        match step {
            Step::Publish(channel, bytes) => world.publish(world.draft(channel, bytes)),
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn a_contiguous_run_or_a_gap(steps in steps()) {
        run(steps);
    }
}

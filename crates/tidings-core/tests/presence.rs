//! Presence against a plain model: whatever clients do, in whatever order, the members are those of
//! the model, and whoever folds the events after any snapshot gets the same ones.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use tidings_core::broker::memory::MemoryBroker;
use tidings_core::*;

const CHANNELS: usize = 2;
const CLIENTS: u64 = 5;
const AGE: u64 = 3_600_000;

#[derive(Clone, Debug)]
enum Step {
    Stream(usize, u64, u8),
    Poll(usize, u64, u8, u64),
    Release(usize, u64, Release),
    Expire,
    Sweep,
    Clear(usize),
    Snapshot(usize),
    Sleep(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || (0..CHANNELS, 0..CLIENTS);
    let release = prop_oneof![
        (0..30_000u64).prop_map(|grace| Release::Lost { grace }),
        Just(Release::Stream),
        Just(Release::Lease),
    ];
    let step = prop_oneof![
        6 => (who(), 0..2u8).prop_map(|((c, who), info)| Step::Stream(c, who, info)),
        6 => (who(), 0..2u8, 0..60_000u64).prop_map(|((c, who), info, t)| Step::Poll(c, who, info, t)),
        10 => (who(), release).prop_map(|((c, who), release)| Step::Release(c, who, release)),
        6 => Just(Step::Expire),
        1 => Just(Step::Sweep),
        1 => (0..CHANNELS).prop_map(Step::Clear),
        3 => (0..CHANNELS).prop_map(Step::Snapshot),
        6 => prop_oneof![8 => 0..30_000u64, 1 => Just(2 * AGE), 1 => Just(30 * AGE)].prop_map(Step::Sleep),
    ];
    prop::collection::vec(step, 1..120)
}

/// What holds a member in the model: a list, as it was told.
#[derive(Clone, Copy, PartialEq)]
enum Reason {
    Stream,
    Lease(u64),
    Grace(u64),
}

#[derive(Default)]
struct Plain {
    shown: String,
    reasons: Vec<Reason>,
}

impl Plain {
    fn over(&self, now: u64) -> bool {
        self.reasons.iter().all(|reason| match reason {
            Reason::Stream => false,
            Reason::Lease(end) | Reason::Grace(end) => *end <= now,
        })
    }

    fn release(&mut self, release: Release, now: u64) {
        if release == Release::Lease {
            self.reasons.retain(|r| !matches!(r, Reason::Lease(_)));
            return;
        }
        let Some(stream) = self.reasons.iter().position(|r| *r == Reason::Stream) else {
            return;
        };
        match release {
            Release::Lost { grace } => self.reasons[stream] = Reason::Grace(now + grace),
            _ => drop(self.reasons.remove(stream)),
        }
    }
}

type Shown = BTreeMap<ClientId, String>;

/// A snapshot that a reader took.
struct Taken {
    channel: usize,
    members: Shown,
    position: Position,
    /// When, and how often its channel had been emptied.
    at: (u64, usize),
}

struct World {
    broker: Arc<MemoryBroker>,
    rules: Rules,
    names: Vec<ChannelName>,
    model: Vec<BTreeMap<ClientId, Plain>>,
    clears: [usize; CHANNELS],
    taken: Vec<Taken>,
    now: u64,
}

/// A future of the memory broker is never pending.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory broker waits for nothing"),
    }
}

fn shown(member: &Member) -> String {
    String::from_utf8(member.shown.to_vec()).expect("what this test shows")
}

impl World {
    fn new() -> Self {
        let limits = Limits::default();
        let history = History {
            count: 100_000,
            bytes: 1 << 30,
            age: std::time::Duration::from_millis(AGE),
        };
        let name = |n| ChannelName::parse(&format!("방:{n}")).expect("a name");
        Self {
            broker: MemoryBroker::new([5, 6], &limits),
            rules: Rules::open(history, &limits),
            names: (0..CHANNELS).map(|n| name(n).presence()).collect(),
            model: (0..CHANNELS).map(|_| BTreeMap::new()).collect(),
            clears: [0; CHANNELS],
            taken: Vec::new(),
            now: 0,
        }
    }

    fn now(&self) -> Now {
        Now {
            monotonic: self.now,
            unix: 0,
        }
    }

    fn join(&mut self, channel: usize, client: u64, info: u8, hold: Hold) {
        let client = ClientId(client);
        let shows = format!("{{\"client\":\"{client}\",\"info\":{info}}}");
        let arrival = Arrival {
            channel: &self.names[channel],
            rules: &self.rules,
            member: Member {
                client,
                user: None,
                shown: shows.clone().into(),
            },
            hold,
        };
        let joined = ready(self.broker.join(arrival, self.now())).expect("within the limits");
        let new = !self.model[channel].contains_key(&client);
        let plain = self.model[channel].entry(client).or_default();
        assert_eq!(joined.new, new);
        assert_eq!(joined.position.is_some(), plain.shown != shows);
        plain.shown = shows;
        match hold {
            Hold::Stream => {
                plain.reasons.retain(|r| !matches!(r, Reason::Grace(_)));
                plain.reasons.push(Reason::Stream);
            }
            Hold::Until(end) => plain.reasons.push(Reason::Lease(end)),
        }
    }

    fn release(&mut self, channel: usize, client: u64, release: Release) {
        let client = ClientId(client);
        let name = &self.names[channel];
        let left = ready(self.broker.release(name, client, release, self.now()));
        let mut leaves = false;
        if let Some(plain) = self.model[channel].get_mut(&client) {
            plain.release(release, self.now);
            leaves = plain.over(self.now);
        }
        if leaves {
            self.model[channel].remove(&client);
        }
        assert_eq!(left, Ok(leaves));
    }

    fn expire(&mut self) {
        let now = self.now;
        let count = |model: &Vec<BTreeMap<_, _>>| model.iter().map(BTreeMap::len).sum::<usize>();
        let before = count(&self.model);
        for members in &mut self.model {
            members.retain(|_, plain| !plain.over(now));
        }
        assert_eq!(self.broker.expire(self.now()), before - count(&self.model));
        assert_eq!(self.broker.holdings().members, count(&self.model));
    }

    fn members(&self, channel: usize) -> Shown {
        let members = self.model[channel].iter();
        members
            .map(|(&c, plain)| (c, plain.shown.clone()))
            .collect()
    }

    fn snapshot(&mut self, channel: usize) {
        let presence = ready(self.broker.presence(&self.names[channel], 100)).expect("it is there");
        let members = presence.members.iter().map(|m| (m.client, shown(m)));
        let members: Shown = members.collect();
        assert_eq!(presence.count, members.len());
        assert_eq!(members, self.members(channel));
        self.taken.push(Taken {
            channel,
            members,
            position: presence.position,
            at: (self.now, self.clears[channel]),
        });
    }

    /// Reads on from a snapshot; `None` if it is too old for that, which the reader is told.
    fn fold(&self, taken: &Taken) -> Option<Shown> {
        let name = &self.names[taken.channel];
        let log =
            ready(self.broker.open(name, &self.rules, self.now())).expect("within the limits");
        let why = |epoch| self.broker.why_lost(name, epoch);
        let (mut cursor, _) = Cursor::open(&log, Start::At(taken.position), why, self.now);
        let mut members = Some(taken.members.clone());
        let mut budget = Budget::new(usize::MAX, usize::MAX);
        cursor.read(self.now, &mut budget, None, |item| match item {
            tidings_log::Item::Entry(_, message) => {
                if let Some(members) = &mut members {
                    apply(members, &message);
                }
            }
            tidings_log::Item::Gap(_) => members = None,
            tidings_log::Item::Ephemeral(_) | tidings_log::Item::Superseded { .. } => {
                panic!("presence is kept, all of it")
            }
        });
        members
    }

    fn check(&self) {
        for taken in &self.taken {
            match self.fold(taken) {
                Some(members) => assert_eq!(members, self.members(taken.channel)),
                None => {
                    let (at, clears) = taken.at;
                    let cleared = self.clears[taken.channel] != clears;
                    assert!(cleared || at + AGE < self.now, "a gap without a reason");
                }
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Stream(channel, client, info) => self.join(channel, client, info, Hold::Stream),
            Step::Poll(channel, client, info, time) => {
                self.join(channel, client, info, Hold::Until(self.now + time));
            }
            Step::Release(channel, client, release) => self.release(channel, client, release),
            Step::Expire => self.expire(),
            Step::Sweep => self.broker.sweep(self.now()),
            Step::Clear(channel) => {
                let name = &self.names[channel];
                ready(self.broker.clear(name, &self.rules, self.now())).expect("it is there");
                self.clears[channel] += 1;
            }
            Step::Snapshot(channel) => self.snapshot(channel),
            Step::Sleep(time) => self.now += time,
        }
    }
}

/// One event. Nobody comes twice, and nobody leaves who was not there.
fn apply(members: &mut Shown, message: &Message) {
    let text = String::from_utf8(message.payload.bytes.to_vec()).expect("what this test shows");
    let (client, _) = text["{\"client\":\"".len()..]
        .split_once('"')
        .expect("its client");
    let client = (0..CLIENTS)
        .map(ClientId)
        .find(|c| c.to_string() == client)
        .expect("one of this test");
    match message.event.as_ref().map(EventName::as_str) {
        Some("join") => {
            let before = members.insert(client, text.clone());
            assert_ne!(before, Some(text), "a second join tells something new");
        }
        Some("leave") => assert_eq!(members.remove(&client), Some(text), "it had come"),
        other => panic!("no event of presence: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn members_and_events_agree_with_the_model(steps in steps()) {
        let mut world = World::new();
        for channel in 0..CHANNELS {
            world.snapshot(channel);
        }
        for step in steps {
            world.step(step);
            world.check();
        }
        // No ghost stays: when all streams are lost, everybody goes.
        for channel in 0..CHANNELS {
            for client in 0..CLIENTS {
                for _ in 0..120 {
                    world.release(channel, client, Release::Lost { grace: 20_000 });
                }
            }
        }
        world.now += 100_000;
        world.expire();
        prop_assert_eq!(world.broker.holdings().members, 0);
        world.check();
    }
}

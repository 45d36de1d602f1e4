//! What is shared between threads stays one story: a snapshot taken while others come and go fits to
//! the log at its position, and of uses of a ticket that race one is the first.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use tidings_core::broker::memory::MemoryBroker;
use tidings_core::*;

const THREADS: u64 = 3;
const ROUNDS: u64 = 3_000;
const NOW: Now = Now {
    monotonic: 0,
    unix: 0,
};

/// A future of the memory broker is never pending.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory broker waits for nothing"),
    }
}

struct World {
    broker: std::sync::Arc<MemoryBroker>,
    rules: Rules,
    name: ChannelName,
}

type Names = BTreeSet<String>;

impl World {
    fn new() -> Self {
        let limits = Limits::default();
        let history = History {
            count: usize::MAX,
            bytes: usize::MAX,
            ..History::default()
        };
        Self {
            broker: MemoryBroker::new([9, 10], &limits),
            rules: Rules::open(history, &limits),
            name: ChannelName::parse("방:1").expect("a name").presence(),
        }
    }

    /// One of the thread's own eight clients comes, or goes in one of three ways.
    fn churn(&self, thread: u64, round: u64) {
        let client = ClientId(thread * 8 + round % 8);
        let hold = match round % 3 {
            0 => Hold::Until(0),
            _ => Hold::Stream,
        };
        let arrival = Arrival {
            channel: &self.name,
            rules: &self.rules,
            member: Member {
                client,
                user: None,
                shown: client.to_string().into(),
            },
            hold,
        };
        ready(self.broker.join(arrival, NOW)).expect("there is room");
        let release = match round % 5 {
            0 => return,
            1 => Release::Stream,
            _ => Release::Lost { grace: 0 },
        };
        ready(self.broker.release(&self.name, client, release, NOW)).expect("it is there");
        self.broker.expire(NOW);
    }

    fn snapshot(&self) -> (Names, Position) {
        let seen = ready(self.broker.presence(&self.name, 1_000)).expect("it is there");
        let text = |m: &std::sync::Arc<Member>| String::from_utf8_lossy(&m.shown).into_owned();
        (seen.members.iter().map(text).collect(), seen.position)
    }

    fn fold(&self, (mut members, position): (Names, Position)) -> Names {
        let log = ready(self.broker.open(&self.name, &self.rules, NOW)).expect("it is there");
        let why = |_| panic!("nothing was lost");
        let (mut cursor, _) = Cursor::open(&log, Start::At(position), why, 0);
        let mut budget = Budget::new(usize::MAX, usize::MAX);
        cursor.read(0, &mut budget, None, |item| {
            let tidings_log::Item::Entry(_, message) = item else {
                panic!("nothing was lost");
            };
            let text = String::from_utf8_lossy(&message.payload.bytes).into_owned();
            match message.event.as_ref().map(EventName::as_str) {
                Some("join") => assert!(members.insert(text), "nobody comes twice"),
                Some("leave") => assert!(members.remove(&text), "who leaves had come"),
                other => panic!("no event of presence: {other:?}"),
            }
        });
        members
    }
}

#[test]
fn a_snapshot_fits_to_the_log_whoever_comes_and_goes_meanwhile() {
    let world = World::new();
    let running = AtomicUsize::new(THREADS as usize);
    let mut taken = Vec::new();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (world, running) = (&world, &running);
            scope.spawn(move || {
                (0..ROUNDS).for_each(|round| world.churn(thread, round));
                running.fetch_sub(1, Ordering::Release);
            });
        }
        while running.load(Ordering::Acquire) > 0 && taken.len() < 100 {
            taken.push(world.snapshot());
            thread::yield_now();
        }
    });
    world.broker.expire(NOW);
    let (members, _) = world.snapshot();
    assert!(!taken.is_empty());
    for taken in taken {
        assert_eq!(world.fold(taken), members);
    }
    assert_eq!(world.broker.holdings().members, members.len());
}

#[test]
fn of_uses_that_race_one_is_the_first_and_the_others_are_refused() {
    let world = World::new();
    for n in 0..200 {
        let ticket = Ticket {
            digest: [n; 32],
            holder: "it".into(),
            first_use_by: 1,
            until: 1,
        };
        ready(world.broker.issue(ticket, NOW)).expect("there is room");
        let (go, wins) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while !go.load(Ordering::Acquire) {
                        std::hint::spin_loop();
                    }
                    match ready(world.broker.redeem(&[n; 32], None, NOW)) {
                        Ok(redeemed) => {
                            wins.fetch_add(usize::from(redeemed.first), Ordering::Relaxed)
                        }
                        Err(error) => {
                            assert_eq!(error, TicketError::InUse);
                            0
                        }
                    };
                });
            }
            go.store(true, Ordering::Release);
        });
        assert_eq!(wins.into_inner(), 1);
    }
}

//! Very many come and go at once, and nobody reads fast enough: what that costs, and that it costs no
//! memory.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tidings_core::broker::memory::MemoryBroker;
use tidings_core::*;

const CLIENTS: u64 = 10_000;
const READERS: usize = 100;

/// A future of the memory broker is never pending.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the memory broker waits for nothing"),
    }
}

fn at(monotonic: Millis) -> Now {
    Now { monotonic, unix: 0 }
}

fn member(client: u64) -> Member {
    let client = ClientId(client);
    Member {
        client,
        user: None,
        shown: format!("{{\"client\":\"{client}\",\"user\":null,\"info\":null}}").into(),
    }
}

/// Reads all there is; how many messages and how many lost ones.
fn read(feed: &mut Feed) -> (u64, u64) {
    let _ = feed.poll_ready(&mut Context::from_waker(Waker::noop()));
    let mut out = Vec::new();
    while feed.read(0, &mut Budget::new(1_000, 1 << 30), &mut out) == FeedStatus::More {}
    out.iter()
        .fold((0, 0), |(read, lost), delivery| match delivery {
            Delivery::Message(..) => (read + 1, lost),
            Delivery::Gap(_, gap) => {
                let from = gap.from.expect("it is known what was lost");
                (read, lost + gap.to + 1 - from)
            }
            other => panic!("not in presence: {other:?}"),
        })
}

fn each(what: &str, mut of_one: impl FnMut(u64)) {
    let begin = Instant::now();
    (0..CLIENTS).for_each(&mut of_one);
    let ns = begin.elapsed().as_nanos() / u128::from(CLIENTS);
    println!("{what}: {ns} ns each, {CLIENTS} clients, {READERS} readers");
}

#[test]
fn a_storm_is_told_within_bounds() {
    let limits = Limits::default();
    let rules = Rulebook::new(Rules::open(History::default(), &limits));
    let hub = Hub::new(MemoryBroker::new([7, 8], &limits), rules, limits);
    let room = ChannelName::parse("방:1").expect("a name");
    let (feeds, log) = (&mut Vec::new(), room.presence());
    for _ in 0..READERS {
        let (cursor, opened) = ready(hub.open(&log, Start::Now, true, at(0))).expect("it opens");
        let mut feed = Feed::new(None);
        feed.add(log.clone(), cursor, opened, false);
        assert_eq!(read(&mut feed), (0, 0));
        feeds.push(feed);
    }
    each("join", |client| {
        ready(hub.join(&room, member(client), Hold::Stream, at(0))).expect("there is room");
    });
    let held = hub.broker().holdings();
    assert_eq!(held.members as u64, CLIENTS);
    let within = |held: usize| held <= History::OF_PRESENCE.bytes;
    assert!(held.messages <= History::OF_PRESENCE.count && within(held.bytes));
    let kept = held.messages as u64;
    for feed in feeds.iter_mut() {
        assert_eq!(read(feed), (kept, CLIENTS - kept));
    }
    let seen = ready(hub.presence(&room, usize::MAX)).expect("it is there");
    assert_eq!((seen.members.len(), seen.count as u64), (1_000, CLIENTS));
    assert_eq!(seen.position.offset, CLIENTS);
    let grace = 20_000;
    each("stream lost", |client| {
        let lost = Release::Lost { grace };
        assert_eq!(
            ready(hub.release(&room, ClientId(client), lost, at(0))),
            Ok(false)
        );
    });
    let begin = Instant::now();
    for now in 0..1_000 {
        hub.expire(at(now));
    }
    println!(
        "nothing to expire: {} ns",
        begin.elapsed().as_nanos() / 1_000
    );
    let begin = Instant::now();
    hub.expire(at(grace));
    let ns = begin.elapsed().as_nanos() / u128::from(CLIENTS);
    println!("leave: {ns} ns each, all at once");
    for feed in feeds.iter_mut() {
        assert_eq!(read(feed), (kept, CLIENTS - kept), "names are as long");
    }
    assert_eq!(hub.stats().presence_expired.get(), CLIENTS);
    feeds.clear();
    hub.sweep(at(grace + Duration::from_secs(600).as_millis() as Millis));
    let left = hub.broker().holdings();
    assert_eq!((left.channels, left.members, left.bytes), (0, 0, 0));
}

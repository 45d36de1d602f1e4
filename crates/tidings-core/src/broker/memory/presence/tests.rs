use super::*;
use crate::broker::memory::Holdings;
use crate::broker::{Broker, Hold};
use crate::limits::Limits;
use crate::rules::History;
use crate::rules::Rules;

struct Setup {
    broker: Arc<MemoryBroker>,
    rules: Rules,
    name: ChannelName,
}

fn setup(limit: impl FnOnce(&mut Limits)) -> Setup {
    let mut limits = Limits::default();
    limit(&mut limits);
    Setup {
        broker: MemoryBroker::new([1, 2], &limits),
        rules: Rules::open(History::OF_PRESENCE, &limits),
        name: ChannelName::parse("방:1").unwrap().presence(),
    }
}

fn at(monotonic: Millis) -> Now {
    Now { monotonic, unix: 0 }
}

fn member(client: u64, shown: &str) -> Member {
    Member {
        client: ClientId(client),
        user: None,
        shown: shown.to_owned().into(),
    }
}

impl Setup {
    fn join(&self, client: u64, hold: Hold, now: Millis) -> Result<Joined, BrokerError> {
        let arrival = Arrival {
            channel: &self.name,
            rules: &self.rules,
            member: member(client, "{}"),
            hold,
        };
        self.broker.join_now(arrival, at(now))
    }

    fn release(&self, client: u64, release: Release, now: Millis) -> bool {
        self.broker
            .release_now(&self.name, ClientId(client), release, at(now))
    }

    fn alarms(&self) -> usize {
        self.broker.attendance.alarms()
    }

    fn count(&self) -> usize {
        self.broker.presence_now(&self.name, 0).count
    }

    fn head(&self) -> u64 {
        self.broker.presence_now(&self.name, 0).position.offset
    }
}

const LOST: Release = Release::Lost { grace: 20_000 };

#[test]
fn who_comes_back_within_the_grace_was_never_away() {
    let s = setup(|_| {});
    assert!(s.join(1, Hold::Stream, 0).unwrap().new);
    assert!(!s.release(1, LOST, 10_000));
    assert_eq!(s.broker.expire_now(at(29_999)), 0);
    assert!(!s.join(1, Hold::Stream, 29_999).unwrap().new);
    assert_eq!(s.broker.expire_now(at(99_999)), 0, "a stream holds it");
    assert_eq!((s.head(), s.alarms()), (1, 0));
    assert!(!s.release(1, LOST, 100_000));
    assert_eq!(s.broker.expire_now(at(120_000)), 1);
    assert_eq!((s.head(), s.count(), s.alarms()), (2, 0, 0));
}

#[test]
fn who_says_so_leaves_at_once() {
    let s = setup(|_| {});
    for _ in 0..2 {
        s.join(1, Hold::Stream, 0).unwrap();
    }
    assert!(!s.release(1, Release::Stream, 1), "it has another");
    assert!(s.release(1, Release::Stream, 1));
    assert!(!s.release(1, Release::Stream, 1), "it is gone");
    // A stream that took the place of a lost one leaves nothing of that behind.
    s.join(1, Hold::Stream, 2).unwrap();
    s.release(1, LOST, 3);
    s.join(1, Hold::Stream, 4).unwrap();
    assert!(s.release(1, Release::Stream, 5));
    assert_eq!((s.count(), s.alarms()), (0, 0));
}

#[test]
fn a_lease_is_extended_and_holds_beside_streams() {
    let s = setup(|_| {});
    s.join(1, Hold::Until(50), 0).unwrap();
    s.join(1, Hold::Until(40), 0).unwrap();
    s.join(1, Hold::Stream, 0).unwrap();
    assert!(!s.release(1, Release::Stream, 10), "the poll's lease holds");
    for now in 1..=1_000 {
        s.join(1, Hold::Until(now + 50), now).unwrap();
        assert_eq!(s.broker.expire_now(at(now)), 0);
        assert_eq!(s.alarms(), 1);
    }
    assert_eq!(s.broker.expire_now(at(1_049)), 0);
    assert_eq!(s.broker.expire_now(at(1_050)), 1);
    s.join(1, Hold::Until(5_000), 2_000).unwrap();
    s.join(1, Hold::Stream, 2_000).unwrap();
    s.release(1, Release::Lost { grace: 100 }, 2_000);
    s.release(1, Release::Lease, 2_000);
    assert_eq!(s.broker.expire_now(at(2_100)), 1, "its alarm came sooner");
}

#[test]
fn other_information_is_told() {
    let s = setup(|_| {});
    let show = |shown| {
        let arrival = Arrival {
            channel: &s.name,
            rules: &s.rules,
            member: member(1, shown),
            hold: Hold::Until(10),
        };
        s.broker.join_now(arrival, at(0)).unwrap()
    };
    assert!(show("1").position.is_some());
    assert_eq!(show("1").position, None);
    let other = show("2");
    assert!(!other.new && other.position.is_some());
    let seen = s.broker.presence_now(&s.name, 9);
    assert_eq!(*seen.members[0], member(1, "2"));
    assert_eq!((seen.count, seen.position), (1, other.position.unwrap()));
}

#[test]
fn members_are_bounded_in_number_and_bytes() {
    let s = setup(|limits| limits.presence_members = 2);
    for client in [1, 2, 1] {
        s.join(client, Hold::Stream, 0).unwrap();
    }
    assert_eq!(s.join(3, Hold::Stream, 0), Err(BrokerError::TooManyMembers));
    let s = setup(|limits| limits.history_bytes = 100_000);
    let refused = (0..1_000).map(|client| s.join(client, Hold::Stream, 0));
    assert_eq!(
        refused.filter_map(Result::err).next(),
        Some(BrokerError::TooMuchHistory)
    );
    let came = s.count() as u64;
    assert!((100..400).contains(&came), "{came}");
    assert!((0..came).all(|client| s.release(client, Release::Stream, 0)));
    assert_eq!(s.broker.attendance.bytes(), 0);
}

#[test]
fn looking_creates_nothing_and_an_empty_room_goes() {
    let s = setup(|_| {});
    let before = s.broker.presence_now(&s.name, 9).position;
    assert_eq!(s.broker.holdings(), Holdings::default());
    let joined = s.join(1, Hold::Until(400_000), 0).unwrap();
    let first = joined.position.unwrap();
    assert_eq!((first.epoch, first.offset), (before.epoch, 1));
    let hold = s.broker.sweep_all(399_999);
    assert_eq!((hold.channels, hold.members), (1, 1), "its log is kept");
    assert_eq!(hold.messages, 0, "its history is not");
    assert_eq!(s.broker.expire_now(at(400_000)), 1);
    assert_eq!(s.broker.sweep_all(500_000).channels, 1, "the leave is read");
    let idle = s.broker.sweep_all(800_000);
    assert_eq!((idle.channels, idle.remembered, idle.members), (0, 1, 0));
    let seen = s.broker.presence_now(&s.name, 9);
    assert_eq!(
        (seen.position.epoch, seen.position.offset),
        (before.epoch, 2)
    );
    assert_eq!(s.broker.holdings().channels, 0);
}

impl MemoryBroker {
    fn sweep_all(&self, now: Millis) -> Holdings {
        self.sweep(at(now));
        self.holdings()
    }
}

#[test]
fn emptying_the_channel_empties_the_log_and_not_the_room() {
    let s = setup(|_| {});
    s.join(1, Hold::Stream, 0).unwrap();
    let cleared = s.broker.clear_now(&s.name, &s.rules, at(1)).unwrap();
    let seen = s.broker.presence_now(&s.name, 9);
    assert_eq!((seen.count, seen.position), (1, cleared));
    assert!(s.release(1, Release::Stream, 2));
    assert_eq!(s.head(), 1);
}

use super::*;
use crate::message::{Payload, PayloadKind};
use crate::rules::{History, Rules};
use bytes::Bytes;
use tidings_log::{Cursor, Start};

const HOUR: Millis = 3_600_000;

struct Setup {
    broker: Arc<MemoryBroker>,
    rules: Rules,
    name: ChannelName,
}

fn setup() -> Setup {
    let limits = Limits::default();
    let name = ChannelName::parse("room:서울").unwrap();
    Setup {
        broker: MemoryBroker::new([1, 2], &limits),
        rules: Rules::open(History::default(), &limits),
        name,
    }
}

fn at(monotonic: Millis) -> Now {
    Now { monotonic, unix: 0 }
}

impl Setup {
    fn draft(&self, text: &str) -> Draft {
        Draft::new(
            self.name.clone(),
            Payload {
                kind: PayloadKind::Text,
                bytes: Bytes::copy_from_slice(text.as_bytes()),
                written: text.len() + 2,
            },
        )
    }

    fn publish(&self, draft: Draft, now: Millis) -> Result<Receipt, PublishError> {
        let rules = &self.rules;
        self.broker
            .publish_now(Publication { draft, rules }, at(now))
    }

    fn open(&self, start: Start, now: Millis) -> (Cursor<Message>, tidings_log::Opened) {
        let channel = self
            .broker
            .channel(&self.name, &self.rules, at(now))
            .unwrap();
        Cursor::open(
            &channel.log,
            start,
            |epoch| self.broker.why_lost(&self.name, epoch),
            now,
        )
    }

    fn first_gap(&self, start: Start, now: Millis) -> Option<GapReason> {
        let (mut cursor, _) = self.open(start, now);
        let mut gap = None;
        let mut budget = tidings_log::Budget::new(9, 999);
        cursor.read(now, &mut budget, None, |item| {
            if let tidings_log::Item::Gap(g) = item {
                gap = Some(g.reason);
            }
        });
        gap
    }
}

#[test]
fn a_quiet_channel_is_polled_a_thousand_times_across_evictions_without_a_gap() {
    for written in [false, true] {
        let s = setup();
        if written {
            s.publish(s.draft("안녕 👋"), 0).unwrap();
        }
        // Its history has aged away: what is left is a position.
        let mut now = 2 * HOUR;
        let mut position = s.open(Start::Now, now).1.at;
        let mut evictions = 0;
        for _ in 0..1_000 {
            now += 600_000;
            s.broker.sweep(at(now));
            evictions += usize::from(s.broker.holdings().channels == 0);
            assert_eq!(s.first_gap(Start::At(position), now), None);
            let (cursor, opened) = s.open(Start::At(position), now);
            assert!(opened.recovered);
            position = cursor.position();
        }
        assert_eq!(evictions, 1_000);
        let next = s.publish(s.draft("다음"), now).unwrap().position.unwrap();
        assert_eq!(
            (next.epoch, next.offset),
            (position.epoch, position.offset + 1)
        );
    }
}

#[test]
fn a_forgotten_channel_comes_back_with_another_epoch_and_says_so() {
    let s = setup();
    let first = s.publish(s.draft("a"), 0).unwrap().position.unwrap();
    s.broker.sweep(at(2 * HOUR));
    assert_eq!(s.broker.holdings().remembered, 1);
    s.broker.sweep(at(23 * HOUR));
    assert_eq!(
        s.broker.holdings().remembered,
        1,
        "24 h after the last message are not over"
    );
    s.broker.sweep(at(25 * HOUR));
    assert_eq!(s.broker.holdings(), Holdings::default());
    assert_eq!(
        s.first_gap(Start::At(first), 25 * HOUR),
        Some(GapReason::Forgotten)
    );
    let again = s
        .publish(s.draft("b"), 25 * HOUR)
        .unwrap()
        .position
        .unwrap();
    assert_ne!(again.epoch, first.epoch);
    assert_eq!(again.offset, 1);
    // Even the position before the first message: messages were lost after it.
    let zero = Position { offset: 0, ..first };
    assert_eq!(
        s.first_gap(Start::At(zero), 25 * HOUR),
        Some(GapReason::Forgotten)
    );
}

#[test]
fn a_channel_with_a_reader_is_never_forgotten() {
    let s = setup();
    let first = s.publish(s.draft("a"), 0).unwrap().position.unwrap();
    let (cursor, _) = s.open(Start::Now, 0);
    for hour in 1..100 {
        s.broker.sweep(at(hour * HOUR));
    }
    drop(cursor);
    s.broker.sweep(at(120 * HOUR));
    assert_eq!(s.first_gap(Start::At(first), 120 * HOUR), None);
}

#[test]
fn clearing_begins_a_new_epoch_each_time() {
    let s = setup();
    let mut seen = vec![s.publish(s.draft("a"), 0).unwrap().position.unwrap().epoch];
    for _ in 0..10 {
        let cleared = s.broker.clear_now(&s.name, &s.rules, at(0)).unwrap();
        assert_eq!(cleared.offset, 0);
        assert!(!seen.contains(&cleared.epoch));
        seen.push(cleared.epoch);
    }
    let old = Position {
        epoch: seen[3],
        offset: 0,
    };
    assert_eq!(
        s.first_gap(Start::At(old), 0),
        Some(GapReason::EpochChanged)
    );
}

#[test]
fn a_channel_that_was_cleared_and_forgotten_says_so_too() {
    let s = setup();
    s.broker.clear_now(&s.name, &s.rules, at(0)).unwrap();
    let position = s.publish(s.draft("a"), 0).unwrap().position.unwrap();
    s.broker.sweep(at(2 * HOUR));
    s.broker.sweep(at(25 * HOUR));
    assert_eq!(
        s.first_gap(Start::At(position), 25 * HOUR),
        Some(GapReason::Forgotten)
    );
}

#[test]
fn a_repeat_under_a_key_gets_the_first_answer() {
    let s = setup();
    let keyed = |text: &str, key: &str| Draft {
        key: Some(key.into()),
        ..s.draft(text)
    };
    let first = s.publish(keyed("a", "k1"), 0).unwrap();
    let again = s.publish(keyed("a", "k1"), 10).unwrap();
    assert_eq!(
        again,
        Receipt {
            duplicate: true,
            ..first
        }
    );
    assert_eq!(
        s.publish(keyed("b", "k1"), 10),
        Err(PublishError::KeyReused)
    );
    // Another party's key is another key.
    let other = Draft {
        party: Some("영희".into()),
        ..keyed("b", "k1")
    };
    assert_eq!(s.publish(other, 10).unwrap().position.unwrap().offset, 2);
    // After five minutes, and after a clear, the key is new.
    assert!(!s.publish(keyed("a", "k1"), 300_001).unwrap().duplicate);
    s.broker.clear_now(&s.name, &s.rules, at(300_002)).unwrap();
    assert!(!s.publish(keyed("a", "k1"), 300_003).unwrap().duplicate);
}

#[test]
fn a_channel_ends_once() {
    let s = setup();
    let close = |payload: bool| Draft {
        close: true,
        payload: s.draft("끝").payload.filter(|_| payload),
        ..s.draft("")
    };
    let end = s.publish(close(true), 0).unwrap();
    assert_eq!(
        end.position.unwrap().offset,
        2,
        "the last message, then the end"
    );
    assert!(end.closed);
    assert_eq!(s.publish(close(false), 0).unwrap().position, end.position);
    let closed = PublishError::Closed(end.position.unwrap());
    assert_eq!(s.publish(s.draft("late"), 0), Err(closed));
    assert_eq!(
        s.publish(close(true), 0),
        Err(closed),
        "a message must not vanish in silence"
    );
    // The end outlives the history, and the eviction of the log.
    s.broker.sweep(at(2 * HOUR));
    assert_eq!(s.broker.holdings().channels, 0);
    assert_eq!(s.publish(s.draft("late"), 2 * HOUR), Err(closed));
    assert!(s.open(Start::Now, 2 * HOUR).1.past_end);
}

#[test]
fn the_number_of_channels_is_bounded() {
    let limits = Limits {
        channels: 2,
        ..Limits::default()
    };
    let broker = MemoryBroker::new([1, 2], &limits);
    let rules = Rules::open(History::default(), &limits);
    for name in ["a", "b"] {
        assert!(
            broker
                .channel(&ChannelName::parse(name).unwrap(), &rules, at(0))
                .is_ok()
        );
    }
    let c = ChannelName::parse("c").unwrap();
    assert_eq!(
        broker.channel(&c, &rules, at(0)).err(),
        Some(BrokerError::TooManyChannels)
    );
    broker.sweep(at(1));
    assert!(
        broker.channel(&c, &rules, at(1)).is_ok(),
        "idle ones made room"
    );
}

#[test]
fn a_million_idle_channels_cost_little_each() {
    assert!(size_of::<Channel>() <= 64, "{}", size_of::<Channel>());
    assert!(
        size_of::<(ChannelName, Slot)>() <= 64,
        "{}",
        size_of::<(ChannelName, Slot)>()
    );
}

#[test]
fn a_crowd_of_idle_channels_makes_room() {
    let limits = Limits {
        channels: 16,
        ..Limits::default()
    };
    let broker = MemoryBroker::new([1, 2], &limits);
    let name = |n: usize| ChannelName::parse(&format!("n{n}")).unwrap();
    let rules = Rules::open(History::default(), &limits);
    let publish = |n, now| {
        let payload = crate::Payload::empty();
        let draft = Draft::new(name(n), payload);
        broker.publish_now(
            Publication {
                draft,
                rules: &rules,
            },
            at(now),
        )
    };
    for n in 0..16 {
        publish(n, 0).unwrap();
    }
    assert!(publish(16, 0).is_err());
    let stats = ChannelName::parse("$stats").unwrap();
    assert!(
        broker.channel(&stats, &rules, at(0)).is_ok(),
        "the server's own is always there"
    );
    // Their messages have aged away: first remembered, then forgotten down to what is not crowded.
    broker.sweep(at(2 * HOUR));
    broker.sweep(at(2 * HOUR));
    assert!(
        broker.holdings().remembered <= 14,
        "{:?}",
        broker.holdings()
    );
    assert!(publish(16, 2 * HOUR).is_ok());
}

#[test]
fn what_all_channels_retain_together_is_bounded() {
    let limits = Limits {
        history_bytes: 1_000,
        ..Limits::default()
    };
    let broker = MemoryBroker::new([1, 2], &limits);
    let name = |n: usize| ChannelName::parse(&format!("n{n}")).unwrap();
    let rules = Rules::open(History::default(), &limits);
    let publish = |draft, now| {
        broker.publish_now(
            Publication {
                draft,
                rules: &rules,
            },
            at(now),
        )
    };
    let draft = |n| Draft::new(name(n), crate::Payload::empty());
    let held = (0..100)
        .take_while(|n| publish(draft(*n), 0).is_ok())
        .count();
    assert!((5..12).contains(&held), "{held}");
    let full = PublishError::Broker(BrokerError::TooMuchHistory);
    assert_eq!(publish(draft(0), 0), Err(full));
    assert!(
        publish(
            Draft {
                ephemeral: true,
                ..draft(0)
            },
            0
        )
        .is_ok(),
        "what is not kept needs no room"
    );
    broker.clear_now(&name(0), &rules, at(0)).unwrap();
    assert!(
        publish(draft(0), 0).is_ok(),
        "emptied, a channel makes room"
    );
    broker.sweep(at(2 * HOUR));
    assert!(publish(draft(0), 2 * HOUR).is_ok(), "and so does age");
}

//! Readers that fall behind: told, left out or ended, and woken by ticks.
#![cfg(not(loom))]

use std::sync::Arc;
use std::task::{Context, Waker};

use tidings_log::*;

const EPOCH: Position = Position {
    epoch: Position::UNKNOWN.epoch,
    offset: 0,
};

fn log(lag: LagRule) -> Arc<Log<u64>> {
    Log::new(EPOCH, false, terms(lag), Arc::default())
}

fn terms(lag: LagRule) -> Arc<Terms> {
    let retention = Retention {
        count: 100_000,
        bytes: 1 << 20,
        age: u64::MAX,
        ephemeral_count: 8,
        ephemeral_age: 10_000,
    };
    Arc::new(Terms { retention, lag })
}

fn open(log: &Arc<Log<u64>>, start: Start) -> Cursor<u64> {
    Cursor::open(log, start, |_| GapReason::EpochChanged, 0).0
}

fn append(log: &Log<u64>, now: Millis, topic: Option<u64>) -> u64 {
    log.write(now, |w| w.append(100, topic, |at| at.offset))
        .offset
}

/// What a read gives: entries by their offset, and what is told of others.
fn read(cursor: &mut Cursor<u64>, now: Millis) -> (Status, Vec<String>) {
    let mut items = Vec::new();
    let mut budget = Budget::new(1_000, 1 << 20);
    let status = cursor.read(now, &mut budget, None, |item| {
        items.push(match item {
            Item::Entry(offset, _) => offset.to_string(),
            Item::Ephemeral(value) => format!("~{value}"),
            Item::Gap(gap) => format!("{} {:?}-{}", gap.reason.as_str(), gap.from, gap.to),
            Item::Superseded { from, to, .. } => format!("{from}..{to}"),
        });
    });
    (status, items)
}

#[test]
fn a_reader_at_the_tail_that_falls_behind_the_lag_limit_is_told() {
    let log = log(LagRule {
        bytes: 1_000,
        age: 60_000,
        ..LagRule::NONE
    });
    let (mut live, mut late) = (open(&log, Start::Now), open(&log, Start::Earliest));
    assert!(read(&mut live, 0).1.is_empty());
    for _ in 0..11 {
        append(&log, 0, None);
    }
    assert_eq!(read(&mut live, 0).1, ["too_slow Some(1)-11"]);
    // One that was never at the tail is catching up, not slow.
    assert_eq!(read(&mut late, 0).1.len(), 11);
    // And by age: the oldest unread entry is over a minute old.
    append(&log, 1_000, None);
    assert_eq!(read(&mut late, 61_000).1, ["12"]);
    assert_eq!(read(&mut live, 61_001).1, ["too_slow Some(12)-12"]);
}

#[test]
fn a_log_that_ends_slow_readings_leaves_them_where_they_stood() {
    let log = log(LagRule {
        behind: Behind::End,
        bytes: 1_000,
        ..LagRule::NONE
    });
    let mut live = open(&log, Start::Now);
    append(&log, 0, None);
    assert_eq!(read(&mut live, 0), (Status::Tail, vec!["1".into()]));
    for _ in 0..11 {
        append(&log, 0, None);
    }
    for _ in 0..2 {
        assert_eq!(read(&mut live, 0), (Status::TooSlow, vec![]));
    }
    assert_eq!(live.position().offset, 1);
    // It comes back to read history, which is not being slow.
    let mut back = open(&log, Start::At(live.position()));
    assert_eq!(read(&mut back, 0).1.len(), 11);
    // The end alone is nothing that one can be too slow for.
    log.write(0, |w| {
        w.append(2_000, None, |at| at.offset);
        w.end();
    });
    assert_eq!(read(&mut back, 0), (Status::End, vec!["13".into()]));
}

#[test]
fn a_log_that_conflates_gives_the_newest_and_never_a_gap_for_being_slow() {
    let log = log(LagRule {
        behind: Behind::Conflate,
        bytes: 1_000,
        age: 1_000,
        ..LagRule::NONE
    });
    let mut live = open(&log, Start::Now);
    for topic in [1, 2, 1] {
        append(&log, 0, Some(topic));
        read(&mut live, 0);
    }
    // Who keeps up got all; who comes now gets the newest of each.
    assert_eq!(live.position().offset, 3);
    let from_start = || read(&mut open(&log, Start::Earliest), 0).1;
    assert_eq!(from_start(), ["1..1", "2", "3"]);
    append(&log, 0, None);
    for topic in [2, 2, 1, 3, 1] {
        append(&log, 0, Some(topic));
    }
    assert_eq!(from_start(), ["1..3", "4", "5..5", "6", "7..7", "8", "9"]);
    assert_eq!(
        read(&mut live, 100_000).1,
        ["4", "5..5", "6", "7..7", "8", "9"]
    );
    // Under other terms all is there again.
    log.agree(terms(LagRule::NONE), 0);
    assert_eq!(from_start().len(), 9);
}

#[test]
fn a_read_passes_so_many_and_no_more() {
    let log = log(LagRule {
        behind: Behind::Conflate,
        ..LagRule::NONE
    });
    for _ in 0..10_000 {
        append(&log, 0, Some(0));
    }
    let mut cursor = open(&log, Start::Earliest);
    assert_eq!(read(&mut cursor, 0), (Status::More, vec!["1..4096".into()]));
    assert_eq!(
        read(&mut cursor, 0),
        (Status::More, vec!["4097..8192".into()])
    );
    let rest = vec!["8193..9999".to_owned(), "10000".to_owned()];
    assert_eq!(read(&mut cursor, 0), (Status::Tail, rest));
}

#[test]
fn the_end_is_never_superseded_and_a_new_epoch_begins_without_topics() {
    let log = log(LagRule {
        behind: Behind::Conflate,
        ..LagRule::NONE
    });
    append(&log, 0, Some(0));
    log.write(0, |w| {
        w.append(0, None, |at| at.offset);
        w.end();
    });
    let all = read(&mut open(&log, Start::Earliest), 0);
    assert_eq!(all, (Status::End, vec!["1".into(), "2".into()]));
    log.write(0, |w| w.restart(Epoch::from_number(2)));
    append(&log, 0, Some(0));
    append(&log, 0, Some(1));
    assert_eq!(read(&mut open(&log, Start::Earliest), 0).1, ["1", "2"]);
}

/// A reader that waits, and whether it was woken since.
struct Waiting(Cursor<u64>, Arc<Signal>);

impl Waiting {
    fn at(log: &Arc<Log<u64>>) -> Self {
        let mut waiting = Self(open(log, Start::Now), Signal::new());
        waiting.read(0);
        waiting
    }

    fn read(&mut self, now: Millis) -> usize {
        let mut count = 0;
        let mut budget = Budget::new(1_000, 1 << 20);
        self.0
            .read(now, &mut budget, Some((&self.1, 0)), |_| count += 1);
        count
    }

    fn was_woken(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.1.poll_rung(&mut cx, &mut Vec::new()).is_ready()
    }
}

fn ticking(every: Millis) -> LagRule {
    LagRule {
        every,
        ..LagRule::NONE
    }
}

#[test]
fn readers_are_woken_once_in_so_long_and_the_first_write_after_silence_at_once() {
    let log = log(ticking(100));
    let mut reader = Waiting::at(&log);
    let write = |now| {
        log.write(now, |w| {
            w.append(1, None, |at| at.offset);
            w.wants_tick()
        })
    };
    assert!(!write(1_000), "rings at once");
    assert!(reader.was_woken());
    assert_eq!(reader.read(1_000), 1);
    assert!(write(1_001), "somebody is asked for a tick");
    assert!(!write(1_050), "once");
    log.write(1_060, |w| w.whisper(1, 7));
    assert!(log.tick(1_099), "too soon");
    assert!(!reader.was_woken());
    // Who comes between two ticks reads what is there, and waits for the next like all.
    let mut between = Waiting(open(&log, Start::Earliest), Signal::new());
    assert_eq!(between.read(1_099), 3);
    assert!(!log.tick(1_100));
    assert!(reader.was_woken() && between.was_woken());
    assert_eq!((reader.read(1_100), between.read(1_100)), (3, 0));
    assert!(!log.tick(1_150), "nothing new");
    assert!(!reader.was_woken());
    // A write that comes when it is time needs no tick.
    assert!(!write(1_200));
    assert!(reader.was_woken());
}

#[test]
fn a_write_at_the_right_time_does_what_the_tick_was_asked_for() {
    let log = log(ticking(100));
    let mut reader = Waiting::at(&log);
    append(&log, 0, None);
    reader.read(0);
    assert!(log.write(50, |w| {
        w.append(1, None, |at| at.offset);
        w.wants_tick()
    }));
    append(&log, 100, None);
    assert!(reader.was_woken());
    assert_eq!(reader.read(100), 2);
    // Asked already: the tick is still to come.
    assert!(!log.write(120, |w| {
        w.append(1, None, |at| at.offset);
        w.wants_tick()
    }));
    assert!(log.tick(130));
    assert!(!log.tick(200));
    assert!(reader.was_woken());
}

#[test]
fn an_end_a_new_epoch_and_other_terms_do_not_wait() {
    type Change = fn(&Log<u64>);
    let changes: [Change; 3] = [
        |log| log.write(20, |w| w.end()),
        |log| log.write(20, |w| w.restart(Epoch::from_number(9))),
        |log| log.agree(terms(LagRule::NONE), 20),
    ];
    for change in changes {
        let log = log(ticking(1_000));
        let mut reader = Waiting::at(&log);
        append(&log, 0, None);
        assert!(reader.was_woken());
        reader.read(0);
        append(&log, 10, None);
        assert!(!reader.was_woken());
        change(&log);
        assert!(reader.was_woken());
        assert!(!log.tick(5_000), "nothing is left to be told");
    }
}

#[test]
fn an_empty_log_is_small() {
    assert!(size_of::<Log<u64>>() <= 184, "{}", size_of::<Log<u64>>());
}

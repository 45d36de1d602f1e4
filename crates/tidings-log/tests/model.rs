//! The log against a plain model: a `Vec` of everything ever appended, and readers that remember
//! what they were given.
#![cfg(not(loom))]

use std::sync::Arc;

use proptest::prelude::*;
use tidings_log::*;

#[derive(Clone, Debug)]
enum Step {
    /// Bytes, and what it is about.
    Append(usize, Option<u64>),
    /// From now on the log conflates, or does not.
    Conflate(bool),
    Whisper,
    End,
    Restart,
    Sleep(u64),
    Sweep,
    Open(usize, Where),
    Read(usize, usize, usize),
}

#[derive(Clone, Debug)]
enum Where {
    Now,
    Earliest,
    Last(usize),
    /// At the position where this reader stood before.
    Resume,
    Future,
    Unknown,
}

const READERS: usize = 4;
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = prop_oneof![
        1 => Just(Where::Now),
        1 => Just(Where::Earliest),
        1 => (0..6usize).prop_map(Where::Last),
        4 => Just(Where::Resume),
        1 => Just(Where::Future),
        1 => Just(Where::Unknown),
    ];
    let step = prop_oneof![
        12 => (0..40usize, prop::option::of(0..3u64)).prop_map(|(n, t)| Step::Append(n, t)),
        2 => prop::bool::weighted(0.8).prop_map(Step::Conflate),
        2 => Just(Step::Whisper),
        1 => Just(Step::End),
        1 => Just(Step::Restart),
        2 => (0..400u64).prop_map(Step::Sleep),
        1 => Just(Step::Sweep),
        3 => (0..READERS, place).prop_map(|(r, w)| Step::Open(r, w)),
        10 => (0..READERS, 0..8usize, 0..120usize).prop_map(|(r, c, b)| Step::Read(r, c, b)),
    ];
    prop::collection::vec(step, 1..120)
}

#[derive(Debug, PartialEq)]
enum Value {
    Entry(Position),
    Whisper(u64),
}

/// All that ever happened, kept for ever.
#[derive(Default)]
struct Model {
    /// Each entry of the epoch.
    entries: Vec<Entry>,
    whispers: u64,
    ended: bool,
    conflates: bool,
}

#[derive(Clone, Copy)]
struct Entry {
    size: usize,
    time: u64,
    topic: Option<u64>,
}

impl Model {
    fn oldest_kept(&self, r: Retention, now: u64) -> u64 {
        let mut first = 0;
        let kept_bytes = |first: usize| self.entries[first..].iter().map(|e| e.size).sum::<usize>();
        // Age removes from the front only, whatever stands behind.
        while first < self.entries.len()
            && (self.entries[first].time + r.age < now
                || self.entries.len() - first > r.count
                || (kept_bytes(first) > r.bytes && self.entries.len() - first > 1))
        {
            first += 1;
        }
        first as u64 + 1
    }

    /// Whether a newer entry is about the same.
    fn is_superseded(&self, offset: u64) -> bool {
        let (entry, newer) = self.entries[offset as usize - 1..]
            .split_first()
            .expect("an entry");
        entry.topic.is_some() && newer.iter().any(|newer| newer.topic == entry.topic)
    }

    /// What is appended while the log does not conflate is about nothing.
    fn append(&mut self, size: usize, time: u64, topic: Option<u64>) {
        let topic = topic.filter(|_| self.conflates);
        self.entries.push(Entry { size, time, topic });
    }

    fn conflate(&mut self, conflates: bool) {
        self.conflates = conflates;
        if !conflates {
            self.entries.iter_mut().for_each(|entry| entry.topic = None);
        }
    }
}

fn terms(retention: Retention, conflates: bool) -> Arc<Terms> {
    let lag = LagRule {
        behind: if conflates {
            Behind::Conflate
        } else {
            Behind::Gap
        },
        ..LagRule::NONE
    };
    Arc::new(Terms { retention, lag })
}

struct Reader {
    cursor: Cursor<Value>,
    at: Position,
    heard: u64,
    loss_told: bool,
}

fn run(steps: Vec<Step>) {
    let retention = Retention {
        count: 6,
        bytes: 100,
        age: 1_000,
        ephemeral_count: 3,
        ephemeral_age: 10_000,
    };
    let mut epoch_number = 1;
    let first = Position {
        epoch: Epoch::from_number(1),
        offset: 0,
    };
    let meter = Arc::<Meter>::default();
    let log: Arc<Log<Value>> = Log::new(first, false, terms(retention, false), meter.clone());
    let mut model = Model::default();
    let mut epoch = first.epoch;
    let mut now = 0;
    // The oldest kept offset never goes back, even though time-based trimming is lazy.
    let mut readers: Vec<Option<Reader>> = (0..READERS).map(|_| None).collect();
    let mut places: Vec<Option<Position>> = vec![None; READERS];
    for step in steps {
        match step {
            Step::Append(size, topic) if !model.ended => {
                let at = log.write(now, |w| w.append(size, topic, Value::Entry));
                model.append(size, now, topic);
                assert_eq!(at.offset, model.entries.len() as u64);
                assert_eq!(at.epoch, epoch);
            }
            Step::Append(..) => assert!(log.write(now, |w| w.ended())),
            Step::Conflate(conflates) => {
                log.agree(terms(retention, conflates), now);
                model.conflate(conflates);
            }
            Step::Whisper => {
                if log.readers() > 0 {
                    model.whispers += 1;
                }
                log.write(now, |w| w.whisper(1, Value::Whisper(model.whispers)));
            }
            Step::End => {
                if !model.ended && !model.entries.is_empty() {
                    log.write(now, |w| w.end());
                    model.ended = true;
                }
            }
            Step::Restart => {
                epoch_number += 1;
                epoch = Epoch::from_number(epoch_number);
                log.write(now, |w| w.restart(epoch));
                model.entries.clear();
                model.ended = false;
            }
            Step::Sleep(ms) => now += ms,
            Step::Sweep => {
                let snapshot = log.sweep(now);
                assert_eq!(snapshot.oldest, model.oldest_kept(retention, now));
                assert_eq!(snapshot.head.offset, model.entries.len() as u64);
                let kept = &model.entries[snapshot.oldest as usize - 1..];
                assert_eq!(meter.bytes(), kept.iter().map(|entry| entry.size).sum());
            }
            Step::Open(index, place) => {
                readers[index] = None;
                let start = match place {
                    Where::Now => Start::Now,
                    Where::Earliest => Start::Earliest,
                    Where::Last(n) => Start::Last(n),
                    Where::Resume => places[index].map_or(Start::Now, Start::At),
                    Where::Future => Start::At(Position {
                        epoch,
                        offset: model.entries.len() as u64 + 1,
                    }),
                    Where::Unknown => Start::Unknown,
                };
                let head = model.entries.len() as u64;
                let oldest = model.oldest_kept(retention, now);
                let (cursor, opened) = Cursor::open(&log, start, |_| GapReason::EpochChanged, now);
                let (offset, recovered) = match start {
                    Start::Now => (head, true),
                    Start::Earliest => (oldest - 1, true),
                    Start::Last(n) => {
                        let newest = n as u64 + u64::from(model.ended);
                        ((oldest - 1).max(head.saturating_sub(newest)), true)
                    }
                    Start::At(at) if at.epoch == epoch && at.offset <= head => {
                        (at.offset.max(oldest - 1), at.offset >= oldest - 1)
                    }
                    _ => (oldest - 1, false),
                };
                assert_eq!(opened.at, Position { epoch, offset });
                assert_eq!(opened.recovered, recovered);
                let at = match start {
                    Start::At(at) => at,
                    Start::Unknown => Position::UNKNOWN,
                    _ => opened.at,
                };
                assert_eq!(
                    (cursor.position(), opened.asked),
                    (at, at),
                    "until a loss is told"
                );
                readers[index] = Some(Reader {
                    cursor,
                    at,
                    heard: model.whispers,
                    loss_told: recovered,
                });
            }
            Step::Read(index, count, bytes) => {
                let Some(reader) = &mut readers[index] else {
                    continue;
                };
                read(reader, &model, retention, epoch, now, count, bytes);
                places[index] = Some(reader.at);
            }
        }
    }
    drop(readers);
    assert_eq!(log.readers(), 0);
    drop(log);
    assert_eq!(meter.bytes(), 0);
}

fn read(
    reader: &mut Reader,
    model: &Model,
    retention: Retention,
    epoch: Epoch,
    now: u64,
    count: usize,
    bytes: usize,
) {
    let oldest = model.oldest_kept(retention, now);
    let mut budget = Budget::new(count, bytes);
    let mut items = Vec::new();
    let status = reader
        .cursor
        .read(now, &mut budget, None, |item| items.push(item));
    let mut skipped_last = false;
    for item in items {
        let skips = matches!(item, Item::Superseded { .. });
        assert!(
            !(skips && skipped_last),
            "what is left out in a row is told in one"
        );
        skipped_last = skips;
        match item {
            Item::Gap(gap) => {
                assert_eq!(gap.to, oldest - 1);
                assert_eq!(gap.epoch, epoch);
                match gap.from {
                    Some(from) => {
                        assert_eq!(reader.at.epoch, epoch, "a counted gap stays in its epoch");
                        assert_eq!(from, reader.at.offset + 1);
                        assert_eq!(gap.reason, GapReason::Expired);
                        assert!(from <= gap.to);
                    }
                    None => assert!(!reader.loss_told || reader.at.epoch != epoch),
                }
                reader.loss_told = true;
                reader.at = Position {
                    epoch,
                    offset: gap.to,
                };
            }
            Item::Entry(offset, value) => {
                assert!(reader.loss_told, "a loss is told before anything else");
                assert_eq!(reader.at.epoch, epoch);
                assert_eq!(offset, reader.at.offset + 1, "no hole, no repeat");
                assert!(!model.is_superseded(offset), "the newest about its topic");
                assert_eq!(*value, Value::Entry(Position { epoch, offset }));
                reader.at.offset = offset;
            }
            Item::Superseded {
                epoch: of,
                from,
                to,
            } => {
                assert!(reader.loss_told, "a loss is told before anything else");
                assert_eq!((of, reader.at.epoch), (epoch, epoch));
                assert_eq!(from, reader.at.offset + 1, "no hole, no repeat");
                assert!((from..=to).all(|offset| model.is_superseded(offset)));
                reader.at.offset = to;
            }
            Item::Ephemeral(value) => {
                let Value::Whisper(number) = *value else {
                    panic!("an entry among the ephemeral");
                };
                assert!(number > reader.heard, "ephemeral entries keep their order");
                reader.heard = number;
            }
        }
    }
    assert_eq!(reader.cursor.position(), reader.at);
    let at_tail = reader.at.offset == model.entries.len() as u64;
    match status {
        Status::More => assert!(count == 0 || bytes < 200),
        Status::Tail => assert!(at_tail && !model.ended),
        Status::End => assert!(at_tail && model.ended),
        Status::TooSlow => panic!("no reader is too slow here"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn every_reader_sees_a_contiguous_run_or_a_gap(steps in steps()) {
        run(steps);
    }
}

//! Every interleaving of append, read, wait and trim: no wake-up is lost, nothing is read twice.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p tidings-log --test loom --release`
#![cfg(loom)]

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use loom::future::block_on;
use loom::thread;
use tidings_log::*;

fn log(count: usize) -> Arc<Log<u64>> {
    let head = Position {
        epoch: Epoch::from_number(1),
        offset: 0,
    };
    let retention = Retention {
        count,
        bytes: 1 << 20,
        age: u64::MAX,
        ephemeral_count: 4,
        ephemeral_age: 10_000,
    };
    let terms = Terms {
        retention,
        lag: LagRule::NONE,
    };
    Log::new(head, false, Arc::new(terms), Arc::default())
}

/// Reads until the log ends; gives the offsets read, with lost ones as told.
fn follow(log: &Arc<Log<u64>>) -> Vec<u64> {
    let begin = Position {
        epoch: Epoch::from_number(1),
        offset: 0,
    };
    let (mut cursor, _) = Cursor::open(log, Start::At(begin), |_| GapReason::EpochChanged, 0);
    let signal = Signal::new();
    let mut seen = Vec::new();
    loop {
        let mut budget = Budget::new(8, 64);
        let status = cursor.read(0, &mut budget, Some((&signal, 0)), |item| match item {
            Item::Entry(offset, _) => seen.push(offset),
            Item::Gap(gap) => seen.extend(gap.from.expect("one epoch")..=gap.to),
            Item::Ephemeral(_) | Item::Superseded { .. } => {}
        });
        match status {
            Status::End => return seen,
            Status::More => {}
            Status::TooSlow => panic!("no reader is too slow here"),
            Status::Tail => block_on(poll_fn(|cx| {
                let mut keys = Vec::new();
                match signal.poll_rung(cx, &mut keys) {
                    Poll::Ready(()) => Poll::Ready(()),
                    Poll::Pending => Poll::Pending,
                }
            })),
        }
    }
}

#[test]
fn append_against_read_and_wait() {
    loom::model(|| {
        let log = log(8);
        let writer = {
            let log = log.clone();
            thread::spawn(move || {
                log.write(0, |w| w.append(1, None, |at| at.offset));
                log.write(0, |w| {
                    w.append(1, None, |at| at.offset);
                    w.end();
                });
            })
        };
        assert_eq!(follow(&log), [1, 2]);
        writer.join().unwrap();
    });
}

#[test]
fn append_and_trim_against_read_and_wait() {
    loom::model(|| {
        let log = log(1);
        let writer = {
            let log = log.clone();
            thread::spawn(move || {
                log.write(0, |w| w.append(1, None, |at| at.offset));
                log.sweep(0);
                log.write(0, |w| {
                    w.append(1, None, |at| at.offset);
                    w.end();
                });
            })
        };
        assert_eq!(follow(&log), [1, 2]);
        writer.join().unwrap();
    });
}

#[test]
fn two_writers_and_a_reader() {
    loom::model(|| {
        let log = log(8);
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let log = log.clone();
                thread::spawn(move || {
                    log.write(0, |w| {
                        let at = w.append(1, None, |at| at.offset);
                        if at.offset == 2 {
                            w.end();
                        }
                    });
                })
            })
            .collect();
        assert_eq!(follow(&log), [1, 2]);
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

#[test]
fn a_reader_that_leaves_takes_its_note_along() {
    loom::model(|| {
        let log = log(8);
        let (mut cursor, _) = Cursor::open(&log, Start::Now, |_| GapReason::EpochChanged, 0);
        let signal = Signal::new();
        let mut budget = Budget::new(8, 64);
        cursor.read(0, &mut budget, Some((&signal, 0)), |_| {});
        let writer = {
            let log = log.clone();
            thread::spawn(move || {
                log.write(0, |w| w.append(1, None, |at| at.offset));
            })
        };
        drop(cursor);
        writer.join().unwrap();
        assert_eq!(log.readers(), 0);
    });
}

//! A crowd that waits: all are woken, in slices, and who publishes is not held up.
#![cfg(not(loom))]

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tidings_log::*;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_crowd_is_woken_in_slices_and_nobody_is_left_out() {
    let tower = Tower::of_this_thread();
    let head = Position {
        epoch: Epoch::from_number(1),
        offset: 0,
    };
    let retention = Retention {
        count: 10,
        bytes: 1 << 20,
        age: u64::MAX,
        ephemeral_count: 1,
        ephemeral_age: 10_000,
    };
    let terms = Terms {
        retention,
        lag: LagRule::NONE,
    };
    let log = Log::new(head, false, Arc::new(terms), Arc::default());
    let woken = Arc::new(Count::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    let mut readers = Vec::new();
    for _ in 0..1_000 {
        let (mut cursor, _) = Cursor::open(&log, Start::Now, |_| GapReason::EpochChanged, 0);
        let signal = Signal::new();
        let mut budget = Budget::new(1, 1);
        cursor.read(0, &mut budget, Some((&signal, 7)), |_| {});
        assert!(signal.poll_rung(&mut cx, &mut Vec::new()).is_pending());
        readers.push((cursor, signal));
    }
    log.write(0, |w| w.append(1, None, |at| at.offset));
    assert_eq!(
        woken.0.load(Ordering::Relaxed),
        0,
        "the writer only leaves a note"
    );
    let ringer = Arc::new(Count::default());
    let ringer_waker = Waker::from(ringer.clone());
    let mut run = pin!(tower.run(300));
    for seen in [300, 600, 900, 1_000] {
        assert!(
            run.as_mut()
                .poll(&mut Context::from_waker(&ringer_waker))
                .is_pending()
        );
        assert_eq!(woken.0.load(Ordering::Relaxed), seen);
    }
    for (_, signal) in &readers {
        let mut keys = Vec::new();
        assert_eq!(signal.poll_rung(&mut cx, &mut keys), Poll::Ready(()));
        assert_eq!(keys, [7]);
    }
    // With nothing left it sleeps until the next note.
    assert!(
        run.as_mut()
            .poll(&mut Context::from_waker(&ringer_waker))
            .is_pending()
    );
    assert_eq!(ringer.0.load(Ordering::Relaxed), 4);
}

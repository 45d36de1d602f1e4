//! Rings many bells without holding up who publishes.
//!
//! A write to a channel with ten thousand waiting readers must not wake them in place: on a
//! runtime of one thread the writer would then queue behind all of them, and each would write one
//! message at a time instead of what gathers meanwhile. A tower is the bell-ringer of one runtime:
//! a writer leaves it one note, and its task rings some hundreds of bells at a time and lets others
//! run between two.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::sync::{Mutex, lock};
use crate::waiters::Waiter;

/// Up to so many bells are rung in place: a note would cost more than it saves.
const IN_PLACE: usize = 16;

thread_local! {
    static HERE: RefCell<Option<Arc<Tower>>> = const { RefCell::new(None) };
}

/// The bell-ringer of one runtime.
#[derive(Default)]
pub struct Tower {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    notes: VecDeque<Vec<Waiter>>,
    waker: Option<Waker>,
}

impl Tower {
    /// Makes a tower that rings the signals which are made on this thread from now on.
    pub fn of_this_thread() -> Arc<Self> {
        let tower = Arc::new(Self::default());
        HERE.set(Some(tower.clone()));
        tower
    }

    /// The tower of this thread, if it has one.
    pub(crate) fn here() -> Option<Arc<Self>> {
        HERE.with_borrow(Clone::clone)
    }

    /// Rings what writers leave here, `slice` bells at a time. Never ends; runs on the tower's thread.
    pub async fn run(&self, slice: usize) {
        let mut due: Vec<Waiter> = Vec::new();
        poll_fn(|cx| {
            while due.is_empty() {
                let mut state = lock(&self.state);
                match state.notes.pop_front() {
                    Some(note) => due = note,
                    None => {
                        state.waker = Some(cx.waker().clone());
                        return Poll::<()>::Pending;
                    }
                }
            }
            due.drain(due.len().saturating_sub(slice)..)
                .for_each(Waiter::ring);
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn leave(&self, note: Vec<Waiter>) {
        let waker = {
            let mut state = lock(&self.state);
            state.notes.push_back(note);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Rings all, in place or by their towers.
pub(crate) fn ring_all(waiters: Vec<Option<Waiter>>) {
    let few = waiters.len() <= IN_PLACE;
    let waiters = waiters.into_iter().flatten();
    if few {
        return waiters.for_each(Waiter::ring);
    }
    // One entry for each runtime: a handful.
    let mut notes: Vec<(Arc<Tower>, Vec<Waiter>)> = Vec::new();
    for waiter in waiters {
        let Some(tower) = waiter.signal.tower() else {
            waiter.ring();
            continue;
        };
        match notes
            .iter_mut()
            .find(|(known, _)| Arc::ptr_eq(known, tower))
        {
            Some((_, note)) => note.push(waiter),
            None => notes.push((tower.clone(), vec![waiter])),
        }
    }
    for (tower, note) in notes {
        tower.leave(note);
    }
}

//! The bell of one reader: which of its logs have something new.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, lock};
use crate::tower::Tower;

/// Wakes one task and tells it which keys were rung since it last looked.
///
/// A key stands for one log of the reader. Each armed key is rung at most once before it is armed
/// again, so what waits here is bounded by the number of logs; it is a list of notes, never of
/// messages.
pub struct Signal {
    state: Mutex<State>,
    /// Who rings it when many are rung.
    tower: Option<Arc<Tower>>,
}

#[derive(Default)]
struct State {
    rung: Vec<u32>,
    waker: Option<Waker>,
}

impl Signal {
    /// A signal that nobody waits on yet. When many are rung at once, the [`Tower`] of this thread
    /// rings it, if there is one.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            tower: Tower::here(),
        })
    }

    pub(crate) fn tower(&self) -> Option<&Arc<Tower>> {
        self.tower.as_ref()
    }

    /// Rings `key` and wakes the waiting task.
    pub fn ring(&self, key: u32) {
        let waker = {
            let mut state = lock(&self.state);
            state.rung.push(key);
            state.waker.take()
        };
        // Outside the lock: the woken task takes it at once.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Moves the rung keys to `keys`. Pending, with the task registered, when there are none.
    pub fn poll_rung(&self, cx: &mut Context<'_>, keys: &mut Vec<u32>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.rung.is_empty() {
            match &mut state.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        keys.append(&mut state.rung);
        Poll::Ready(())
    }
}

//! Idempotency keys of one channel: the repeat of a publish gets the first answer.

use std::collections::{HashMap, VecDeque};

use tidings_log::Millis;

use super::Receipt;

/// The keys of one channel, oldest first; bounded in number and age.
#[derive(Default)]
pub(super) struct Keys {
    known: HashMap<Box<str>, Known>,
    order: VecDeque<(Millis, Box<str>)>,
}

struct Known {
    fingerprint: u64,
    receipt: Receipt,
}

/// What is known of a key.
pub(super) enum Lookup {
    New,
    Repeat(Receipt),
    Reused,
}

impl Keys {
    pub fn look_up(&self, key: &str, fingerprint: u64) -> Lookup {
        match self.known.get(key) {
            None => Lookup::New,
            Some(known) if known.fingerprint == fingerprint => Lookup::Repeat(known.receipt),
            Some(_) => Lookup::Reused,
        }
    }

    pub fn remember(
        &mut self,
        key: Box<str>,
        fingerprint: u64,
        receipt: Receipt,
        now: Millis,
        count_max: usize,
    ) {
        if self.order.len() >= count_max {
            self.forget_oldest();
        }
        self.order.push_back((now, key.clone()));
        self.known.insert(
            key,
            Known {
                fingerprint,
                receipt,
            },
        );
    }

    /// Forgets keys from before `since`; true when none is left.
    pub fn sweep(&mut self, since: Millis) -> bool {
        while self.order.front().is_some_and(|(time, _)| *time < since) {
            self.forget_oldest();
        }
        self.order.is_empty()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.known.remove(&key);
        }
    }
}

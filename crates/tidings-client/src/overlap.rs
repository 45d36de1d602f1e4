//! Ephemeral messages while two connections are read: they have no place by which the second copy could be told, so
//! what the first connection handed out meanwhile is remembered, a bounded number of it. It knows no connection.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use crate::event::Message;

/// Fingerprints that are kept at most.
const MAX: usize = 4_096;

/// What was handed out since another connection was opened.
#[derive(Debug, Default)]
pub(crate) struct Overlap {
    /// Another connection is being opened.
    recording: bool,
    /// How often each was handed out and not yet seen again.
    seen: HashMap<u64, u32>,
    random: RandomState,
}

impl Overlap {
    /// Another connection is being opened.
    pub(crate) fn begin(&mut self) {
        self.seen.clear();
        self.recording = true;
    }

    /// It is the one that is read from here on.
    pub(crate) fn handed_over(&mut self) {
        self.recording = false;
    }

    /// It is none.
    pub(crate) fn given_up(&mut self) {
        self.recording = false;
        self.seen.clear();
    }

    /// Whether an ephemeral message was handed out before.
    pub(crate) fn is_second(&mut self, message: &Message) -> bool {
        if self.recording {
            if self.seen.len() < MAX {
                *self.seen.entry(self.fingerprint(message)).or_default() += 1;
            }
            return false;
        }
        if self.seen.is_empty() {
            return false;
        }
        let fingerprint = self.fingerprint(message);
        let Some(count) = self.seen.get_mut(&fingerprint) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.seen.remove(&fingerprint);
        }
        true
    }

    fn fingerprint(&self, message: &Message) -> u64 {
        let from = message.from.as_ref();
        self.random.hash_one((
            &message.channel,
            message.time,
            &message.event,
            from.map(|from| (&from.client, &from.user)),
            message.data.as_bytes(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Frame, parse_text};

    fn typing(time: u64) -> Message {
        let text = format!(r#"{{"type":"message","channel":"a","data":"타","time":{time}}}"#);
        match parse_text(&text) {
            Ok(Frame::Message(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_copy_is_dropped_once() {
        let mut overlap = Overlap::default();
        assert!(!overlap.is_second(&typing(1)));
        overlap.begin();
        for time in [2, 2, 3] {
            assert!(!overlap.is_second(&typing(time)), "the first copies");
        }
        overlap.handed_over();
        assert!(overlap.is_second(&typing(2)));
        assert!(overlap.is_second(&typing(2)));
        assert!(!overlap.is_second(&typing(2)), "a third was only one");
        assert!(!overlap.is_second(&typing(1)), "handed out long before");
        assert!(overlap.is_second(&typing(3)));
        overlap.begin();
        assert!(!overlap.is_second(&typing(4)));
        overlap.given_up();
        assert!(!overlap.is_second(&typing(4)));
    }
}

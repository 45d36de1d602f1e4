//! Epochs of channels, derived instead of stored where they can be.
//!
//! A channel never written has the epoch *hash(incarnation, name, …)*: reading it needs no memory. A
//! channel that was forgotten leaves a few bytes here, so that it comes back with another epoch and
//! its old positions are known as forgotten. Only when very many have been forgotten is this, too,
//! let go: then every channel of which nothing else is known gets another epoch.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{PoisonError, RwLock};

use siphasher::sip::SipHasher24;
use tidings_log::Epoch;

use crate::channel::ChannelName;
use crate::limits::Limits;

/// How far back a forgotten epoch is still known as one.
const KNOWN: u32 = 16;

pub(super) struct EpochNames {
    incarnation: [u64; 2],
    forgotten: RwLock<Forgotten>,
    forgotten_max: usize,
}

#[derive(Default)]
struct Forgotten {
    /// By the hash of the name.
    channels: HashMap<u64, Trace>,
    /// How often the list was let go.
    era: u32,
}

/// What is left of a forgotten channel.
#[derive(Clone, Copy)]
struct Trace {
    /// How often it was forgotten in this era.
    times: u32,
    /// Its last epoch.
    epoch: Epoch,
}

#[derive(Hash)]
enum Source {
    Unwritten { era: u32, times: u32 },
    Renewed(u64),
}

impl EpochNames {
    pub fn new(incarnation: [u64; 2]) -> Self {
        Self {
            incarnation,
            forgotten: RwLock::default(),
            forgotten_max: Limits::FORGOTTEN,
        }
    }

    /// The epoch of a channel of which nothing is known.
    pub fn unwritten(&self, name: &ChannelName) -> Epoch {
        let forgotten = self
            .forgotten
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let trace = forgotten.channels.get(&self.hash(name, &()));
        let times = trace.map_or(0, |trace| trace.times);
        self.epoch(
            name,
            &Source::Unwritten {
                era: forgotten.era,
                times,
            },
        )
    }

    /// The epoch of a channel that was emptied; `renewal` is never used twice.
    pub fn renewed(&self, name: &ChannelName, renewal: u64) -> Epoch {
        self.epoch(name, &Source::Renewed(renewal))
    }

    /// From now on the channel has another epoch than `epoch`.
    pub fn forget(&self, name: &ChannelName, epoch: Epoch) {
        let mut forgotten = self
            .forgotten
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let trace = forgotten
            .channels
            .entry(self.hash(name, &()))
            .or_insert(Trace { times: 0, epoch });
        *trace = Trace {
            times: trace.times + 1,
            epoch,
        };
        if forgotten.channels.len() > self.forgotten_max {
            *forgotten = Forgotten {
                channels: HashMap::new(),
                era: forgotten.era + 1,
            };
        }
    }

    /// Whether the channel had this epoch and was forgotten since.
    pub fn was_forgotten(&self, name: &ChannelName, epoch: Epoch) -> bool {
        let forgotten = self
            .forgotten
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let trace = forgotten.channels.get(&self.hash(name, &()));
        let had = |era, times| self.epoch(name, &Source::Unwritten { era, times }) == epoch;
        let times = trace.map_or(0, |trace| trace.times);
        let mut eras = forgotten.era.saturating_sub(KNOWN)..forgotten.era;
        trace.is_some_and(|trace| trace.epoch == epoch)
            || (times.saturating_sub(KNOWN)..times).any(|times| had(forgotten.era, times))
            || eras.any(|era| (0..KNOWN).any(|times| had(era, times)))
    }

    /// The number of what messages are about; nobody outside can choose it.
    pub fn topic(&self, topic: &str) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.incarnation[0], self.incarnation[1]);
        ("topic", topic).hash(&mut hasher);
        hasher.finish()
    }

    fn epoch(&self, name: &ChannelName, source: &Source) -> Epoch {
        // Eight characters: short on the wire, and one chance in 10^12 that a change goes unseen.
        const RANGE: u64 = 36u64.pow(8);
        // Never 0: the epoch of a cursor that nobody could have.
        Epoch::from_number(self.hash(name, source) % (RANGE - 1) + 1)
    }

    fn hash(&self, name: &ChannelName, more: &impl Hash) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.incarnation[0], self.incarnation[1]);
        name.hash(&mut hasher);
        more.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_forgotten_get_another_epoch_until_there_are_too_many() {
        let names = EpochNames {
            forgotten_max: 100,
            ..EpochNames::new([1, 2])
        };
        let quiet = ChannelName::parse("조용한").unwrap();
        let first = names.unwritten(&quiet);
        for n in 0..100 {
            let name = ChannelName::parse(&format!("n{n}")).unwrap();
            let before = names.unwritten(&name);
            names.forget(&name, before);
            assert!(names.was_forgotten(&name, before));
            assert_ne!(names.unwritten(&name), before);
        }
        assert_eq!(names.unwritten(&quiet), first);
        names.forget(&quiet, first);
        assert_ne!(names.unwritten(&quiet), first);
        assert!(names.was_forgotten(&quiet, first));
        assert!(!names.was_forgotten(&quiet, names.unwritten(&quiet)));
    }
}

//! Epochs of channels, derived instead of stored where they can be.
//!
//! A channel never written has the epoch *hash(incarnation, name, generation)*: reading it needs no
//! memory. The generation is that of the name's bucket and grows when a channel of the bucket is
//! forgotten, so a forgotten channel never comes back with an epoch that it had. The price is a
//! fixed table, and in it a rare neighbour: a channel that was never written, is not open, and
//! shares its bucket with one that is being forgotten shows a new epoch, too.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use siphasher::sip::SipHasher24;
use tidings_log::Epoch;

use crate::channel::ChannelName;

const BUCKETS: usize = 1 << 16;
/// How far back a forgotten epoch is still known as one.
const GENERATIONS_KNOWN: u32 = 64;

pub(super) struct EpochNames {
    incarnation: [u64; 2],
    /// Absent until something is forgotten.
    generations: OnceLock<Box<[AtomicU32]>>,
}

#[derive(Hash)]
enum Source {
    Unwritten(u32),
    Renewed(u64),
}

impl EpochNames {
    pub fn new(incarnation: [u64; 2]) -> Self {
        Self {
            incarnation,
            generations: OnceLock::new(),
        }
    }

    /// The epoch of a channel of which nothing is known.
    pub fn unwritten(&self, name: &ChannelName) -> Epoch {
        self.epoch(name, &Source::Unwritten(self.generation(name)))
    }

    /// The epoch of a channel that was emptied; `renewal` is never used twice.
    pub fn renewed(&self, name: &ChannelName, renewal: u64) -> Epoch {
        self.epoch(name, &Source::Renewed(renewal))
    }

    /// From now on the channel has another epoch.
    pub fn forget(&self, name: &ChannelName) {
        let generations = self
            .generations
            .get_or_init(|| (0..BUCKETS).map(|_| AtomicU32::new(0)).collect());
        generations[self.bucket(name)].fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the channel had this epoch and was forgotten since.
    pub fn was_forgotten(&self, name: &ChannelName, epoch: Epoch) -> bool {
        let now = self.generation(name);
        (now.saturating_sub(GENERATIONS_KNOWN)..now)
            .any(|generation| self.epoch(name, &Source::Unwritten(generation)) == epoch)
    }

    fn generation(&self, name: &ChannelName) -> u32 {
        self.generations
            .get()
            .map_or(0, |table| table[self.bucket(name)].load(Ordering::Relaxed))
    }

    fn bucket(&self, name: &ChannelName) -> usize {
        self.hash(name, &()) as usize % BUCKETS
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

//! What the publishers did, for the readers to compare with: which epochs a channel had, how far each
//! one may have come, and where the last one ends.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::checker::{Gap, Place};

/// The publishers' side of one run.
pub struct Ledger {
    /// The names of the channels.
    pub channels: Vec<String>,
    lives: Vec<Mutex<Life>>,
    /// How often an epoch began: whoever waits for one looks again.
    begun: watch::Sender<u64>,
    published: AtomicU64,
    /// The history's count where gaps are part of the run; `None`: nothing may be lost.
    keep: Option<u64>,
}

/// One channel: an epoch begins where it was made, and ends with the `DELETE` that makes the next.
struct Life {
    /// Offsets that each epoch is to reach.
    plan: Vec<u64>,
    /// The epochs so far, each with the offset that was at most asked of the server.
    epochs: Vec<(String, u64)>,
}

impl Ledger {
    /// A run in which channel `i` reaches the offsets `plans[i]`, one after the other.
    pub fn new(channels: Vec<String>, plans: Vec<Vec<u64>>, keep: Option<u64>) -> Self {
        let life = |plan| {
            Mutex::new(Life {
                plan,
                epochs: Vec::new(),
            })
        };
        Self {
            channels,
            lives: plans.into_iter().map(life).collect(),
            begun: watch::Sender::new(0),
            published: AtomicU64::new(0),
            keep,
        }
    }

    fn life<R>(&self, channel: usize, act: impl FnOnce(&mut Life) -> R) -> R {
        act(&mut self.lives[channel]
            .lock()
            .expect("no holder of a life panics"))
    }

    /// A channel begins an epoch.
    pub fn begin(&self, channel: usize, epoch: &str) {
        self.life(channel, |life| life.epochs.push((epoch.to_owned(), 0)));
        self.begun.send_modify(|count| *count += 1);
    }

    /// Waits until an epoch is known: a reader may hear of it before the publisher that made it.
    pub async fn known(&self, channel: usize, epoch: &str) {
        let is_known = |_: &u64| {
            self.life(channel, |life| {
                life.epochs.iter().any(|known| known.0 == epoch)
            })
        };
        // The sender lives as long as the ledger does.
        let _ = self.begun.subscribe().wait_for(is_known).await;
    }

    /// The place of the next message, which may be with the server from now on; `None` where the
    /// epoch has come to its planned end.
    pub fn next(&self, channel: usize) -> Option<Place> {
        self.life(channel, |life| {
            let goal = life.plan[life.epochs.len() - 1];
            let (epoch, asked) = life.epochs.last_mut()?;
            (*asked < goal).then(|| {
                *asked += 1;
                Place {
                    epoch: epoch.clone(),
                    offset: *asked,
                }
            })
        })
    }

    /// Whether another epoch is planned for a channel.
    pub fn has_more_epochs(&self, channel: usize) -> bool {
        self.life(channel, |life| life.epochs.len() < life.plan.len())
    }

    /// The place before anything was published.
    pub fn beginning(&self, channel: usize) -> Place {
        self.life(channel, |life| Place {
            epoch: life.epochs[0].0.clone(),
            offset: 0,
        })
    }

    /// Whether nothing will ever follow `place`.
    pub fn is_end(&self, channel: usize, place: &Place) -> bool {
        self.life(channel, |life| {
            let last = life.epochs.len() == life.plan.len()
                && life
                    .epochs
                    .last()
                    .is_some_and(|epoch| epoch.0 == place.epoch);
            last && Some(&place.offset) == life.plan.last()
        })
    }

    /// Says what is untrue in a gap that a reader at `place` is told now.
    ///
    /// # Errors
    /// A sentence: nothing may be lost in this run, the messages were not old enough to have left
    /// the history, or the epoch did not change.
    pub fn judge(&self, channel: usize, place: &Place, gap: &Gap) -> Result<(), String> {
        let Some(keep) = self.keep else {
            return Err(format!("{gap:?} after {place}, but everything is retained"));
        };
        self.life(channel, |life| {
            let index = |epoch: &str| life.epochs.iter().position(|known| known.0 == epoch);
            let (Some(was), Some(now)) = (index(&place.epoch), index(&gap.epoch)) else {
                return Err(format!(
                    "{gap:?} after {place} names an epoch that never was"
                ));
            };
            let asked = life.epochs[now].1;
            // Nothing leaves the history before `keep` newer ones are there.
            let gone = gap.to == 0 || gap.to + keep <= asked;
            let true_reason = match gap.reason.as_str() {
                "expired" => was == now,
                "epoch_changed" => was < now,
                _ => false,
            };
            match gone && true_reason {
                true => Ok(()),
                false => Err(format!(
                    "{gap:?} after {place} is not true: {asked} were published and {keep} are kept"
                )),
            }
        })
    }

    /// Counts acknowledged messages.
    pub fn acknowledged(&self, count: u64) {
        self.published.fetch_add(count, Ordering::Relaxed);
    }

    /// Messages acknowledged on all channels.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Relaxed)
    }

    /// Where the channels stand, for a report of a failure.
    pub fn state(&self) -> String {
        let lines = self.channels.iter().enumerate().map(|(index, name)| {
            self.life(index, |life| {
                format!("  {name}: plan {:?}, asked {:?}", life.plan, life.epochs)
            })
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

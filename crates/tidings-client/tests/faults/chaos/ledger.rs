//! Judges what comes: each message is the next one and says what was published there, or a gap before it told of
//! exactly what is missing, which the server can have kept no longer.

use std::{collections::BTreeMap, fmt};

use tidings_client::{Gap, GapReason, Position};

use crate::follower::Follower;

/// One for each channel.
pub struct Ledgers {
    /// Messages that the server keeps.
    kept: u64,
    by_channel: BTreeMap<String, Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    epoch: Option<String>,
    /// The last offset that came or was told lost.
    last: u64,
    received: u64,
    gaps: u64,
    lost: u64,
}

impl Ledgers {
    pub fn new(kept: u64) -> Self {
        let by_channel = BTreeMap::new();
        Self { kept, by_channel }
    }

    /// The last offset of a channel that came or was told lost.
    pub fn last(&self, channel: &str) -> u64 {
        self.by_channel.get(channel).map_or(0, |ledger| ledger.last)
    }

    pub fn received(&self) -> u64 {
        self.by_channel.values().map(|ledger| ledger.received).sum()
    }

    /// Takes what came in one step, while so many were published at least.
    pub fn take(&mut self, follower: &mut Follower, published: impl Fn(&str) -> u64) {
        let kept = self.kept;
        for gap in follower.gaps.drain(..) {
            // One more may be on its way than is counted.
            let newest = published(&gap.channel) + 1;
            self.of(gap.channel.clone()).lose(&gap, newest, kept);
        }
        for (channel, at, text) in follower.messages.drain(..) {
            self.of(channel).receive(&at, &text);
        }
    }

    fn of(&mut self, channel: String) -> &mut Ledger {
        self.by_channel.entry(channel).or_default()
    }
}

impl Ledger {
    fn lose(&mut self, gap: &Gap, newest: u64, kept: u64) {
        let told = format!("{gap:?} after {self:?}");
        assert_eq!(gap.reason, GapReason::Expired, "{told}");
        assert_eq!(gap.from, Some(self.last + 1), "{told}");
        assert!(gap.to > self.last, "{told}");
        assert!(newest >= gap.to + kept, "{newest} are kept still: {told}");
        self.lost += gap.to - self.last;
        self.gaps += 1;
        self.last = gap.to;
    }

    fn receive(&mut self, at: &Position, text: &str) {
        let epoch = self.epoch.get_or_insert_with(|| at.epoch.clone());
        assert_eq!(*epoch, at.epoch, "the same server");
        assert_eq!(at.offset, self.last + 1, "{self:?}");
        assert_eq!(text, (at.offset - 1).to_string(), "{self:?}");
        self.last = at.offset;
        self.received += 1;
    }
}

impl fmt::Display for Ledgers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (channel, ledger) in &self.by_channel {
            let Ledger {
                received,
                gaps,
                lost,
                ..
            } = ledger;
            write!(
                f,
                "{channel}: received {received}, {lost} lost in {gaps} gaps; "
            )?;
        }
        Ok(())
    }
}

//! Channels in the order of their names, for the administration: first the names, one shard after the
//! other, then what each channel holds.

use std::collections::BinaryHeap;

use tidings_log::Millis;

use super::{MemoryBroker, Slot, lock};
use crate::broker::{ChannelInfo, ChannelPage, ChannelQuery};
use crate::channel::ChannelName;

impl MemoryBroker {
    pub(super) fn channels_now(&self, query: ChannelQuery<'_>, now: Millis) -> ChannelPage {
        let limit = query.limit.clamp(1, ChannelPage::MAX);
        let names = self.first_names(query, limit);
        let next = (names.len() == limit).then(|| names.last().cloned());
        ChannelPage {
            next: next.flatten(),
            channels: names
                .into_iter()
                .filter_map(|name| self.info(name, now))
                .collect(),
        }
    }

    /// The first names of those wanted. No more than these are held at any time.
    fn first_names(&self, query: ChannelQuery<'_>, limit: usize) -> Vec<ChannelName> {
        let mut first: BinaryHeap<ChannelName> = BinaryHeap::with_capacity(limit + 1);
        for shard in &self.shards {
            for name in lock(shard).keys() {
                let text = name.as_str();
                let wanted =
                    text.starts_with(query.prefix) && query.after.is_none_or(|after| text > after);
                let full = first.len() == limit;
                if !wanted || (full && first.peek().is_some_and(|last| name > last)) {
                    continue;
                }
                first.push(name.clone());
                if full {
                    first.pop();
                }
            }
        }
        first.into_sorted_vec()
    }

    fn info(&self, name: ChannelName, now: Millis) -> Option<ChannelInfo> {
        let members = match name.presence_of() {
            Some(_) => self.members_of(&name),
            None => self.members_of(&name.presence()),
        };
        let shard = self.shard(&name);
        let channel = match shard.get(&name)? {
            Slot::Live(channel) => channel.clone(),
            Slot::Remembered { head, ended, .. } => {
                let (position, ended) = (*head, *ended);
                drop(shard);
                return Some(ChannelInfo {
                    name,
                    position,
                    oldest: position.offset + 1,
                    messages: 0,
                    bytes: 0,
                    readers: 0,
                    ended,
                    members,
                    published: 0,
                    rate: 0.0,
                });
            }
        };
        drop(shard);
        let held = channel.log.snapshot();
        Some(ChannelInfo {
            name,
            position: held.head,
            oldest: held.oldest,
            messages: held.head.offset + 1 - held.oldest,
            bytes: held.bytes,
            readers: channel.log.readers(),
            ended: held.ended,
            members,
            published: channel.traffic.total(),
            rate: channel.traffic.rate(now),
        })
    }

    fn members_of(&self, presence: &ChannelName) -> usize {
        self.live(presence).map_or(0, |channel| channel.members())
    }
}

#[cfg(test)]
mod tests;

//! A session's cursors, read as one: fair between channels, in order within each.
//!
//! A feed holds positions, not messages. What a read returns is on its way into a socket; the next
//! read comes when that is written.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use tidings_log::{Budget, Cursor, Epoch, Gap, Item, Millis, Opened, Position, Signal, Status};

use crate::channel::ChannelName;
use crate::message::{ClientId, Kind, Message};

/// A channel's place in a feed.
pub type Key = u32;

/// Messages that one channel gets before the next has its turn.
const TURN: usize = 16;

/// What a read gives to a session, in order.
#[derive(Debug)]
pub enum Delivery {
    /// A message.
    Message(Key, Arc<Message>),
    /// Messages are lost.
    Gap(Key, Gap),
    /// Offsets `from..=to` are not for this reader.
    Skip {
        /// Whose.
        key: Key,
        /// The epoch of both offsets.
        epoch: Epoch,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
        /// Why.
        reason: SkipReason,
    },
    /// The channel has ended; its reading is over.
    Closed(Key, Position),
    /// The reader is too slow for the channel, which ends such readings, with the session. It may come
    /// back with the position, which stands after all that it was given.
    TooSlow(Key, Position),
}

/// Why offsets are not for a reader: a closed list, part of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// It sent them itself, and wants no echo.
    Own,
    /// There are newer ones about the same.
    Conflated,
}

impl SkipReason {
    /// The reason as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Conflated => "conflated",
        }
    }
}

impl Delivery {
    /// The channel that it belongs to.
    pub fn key(&self) -> Key {
        match self {
            Self::Message(key, _)
            | Self::Gap(key, _)
            | Self::Closed(key, _)
            | Self::TooSlow(key, _)
            | Self::Skip { key, .. } => *key,
        }
    }

    /// The position that a reader has after it and did not have before; `None` for an ephemeral message
    /// and for the end of one that is too slow.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Message(_, message) => message.position,
            Self::Gap(_, gap) => Some(Position {
                epoch: gap.epoch,
                offset: gap.to,
            }),
            Self::Skip { epoch, to, .. } => Some(Position {
                epoch: *epoch,
                offset: *to,
            }),
            Self::Closed(_, position) => Some(*position),
            Self::TooSlow(..) => None,
        }
    }
}

/// Where a read left the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedStatus {
    /// There is more to read now.
    More,
    /// Nothing until the bell rings.
    Waiting,
}

struct Subscription {
    channel: ChannelName,
    cursor: Cursor<Message>,
    opened: Opened,
    /// In the queue of those with something to read.
    queued: bool,
    closed: bool,
    /// The end of which the reader was told before: it came back with the position past it.
    end_told: Option<Position>,
}

/// The cursors of one session.
pub struct Feed {
    subscriptions: Vec<Option<Subscription>>,
    signal: Arc<Signal>,
    ready: VecDeque<Key>,
    rung: Vec<Key>,
    /// False: it is read once, so no bell is armed.
    waits: bool,
    /// Whose reader this is: messages that exclude it are skipped.
    reader: Option<ClientId>,
}

impl Feed {
    /// A feed without channels.
    pub fn new(reader: Option<ClientId>) -> Self {
        Self {
            subscriptions: Vec::new(),
            signal: Signal::new(),
            ready: VecDeque::new(),
            rung: Vec::new(),
            waits: true,
            reader,
        }
    }

    /// A feed that is read once: its channels leave no note in the logs.
    pub fn that_does_not_wait(reader: Option<ClientId>) -> Self {
        Self {
            waits: false,
            ..Self::new(reader)
        }
    }

    /// It is another client's from now on.
    pub fn set_reader(&mut self, reader: ClientId) {
        self.reader = Some(reader);
    }

    /// The bell of all its channels. Rung with a key that is no channel's, it wakes the reader for
    /// another reason.
    pub fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }

    /// Adds a channel; its reading begins with the next read. A reader that comes back past the end
    /// of a channel (`end_told`) is not told of it again.
    pub fn add(
        &mut self,
        channel: ChannelName,
        cursor: Cursor<Message>,
        opened: Opened,
        end_told: bool,
    ) -> Key {
        let subscription = Subscription {
            channel,
            cursor,
            opened,
            queued: true,
            closed: false,
            end_told: (end_told && opened.past_end).then_some(opened.at),
        };
        let free = self.subscriptions.iter().position(Option::is_none);
        let index = free.unwrap_or_else(|| {
            if self.subscriptions.is_empty() {
                // Most feeds have one channel, and a vector would begin with four places.
                self.subscriptions.reserve_exact(1);
            }
            self.subscriptions.push(None);
            self.subscriptions.len() - 1
        });
        self.subscriptions[index] = Some(subscription);
        let key = index as Key;
        self.ready.push_back(key);
        key
    }

    /// Ends the reading of a channel and gives the place after what was read.
    pub fn remove(&mut self, key: Key) -> Option<Position> {
        let subscription = self.subscriptions.get_mut(key as usize)?.take()?;
        self.ready.retain(|&ready| ready != key);
        Some(subscription.cursor.position())
    }

    /// The key of a channel.
    pub fn find(&self, channel: &ChannelName) -> Option<Key> {
        let same = |s: &Option<Subscription>| s.as_ref().is_some_and(|s| s.channel == *channel);
        Some(self.subscriptions.iter().position(same)? as Key)
    }

    /// The channel of a key.
    pub fn channel(&self, key: Key) -> Option<&ChannelName> {
        Some(&self.subscriptions.get(key as usize)?.as_ref()?.channel)
    }

    /// All channels with their keys.
    pub fn channels(&self) -> impl Iterator<Item = (Key, &ChannelName)> {
        let with_key =
            |(index, s): (usize, &Option<Subscription>)| s.as_ref().map(|_| index as Key);
        let keys = self.subscriptions.iter().enumerate().filter_map(with_key);
        keys.zip(self.subscriptions.iter().flatten().map(|s| &s.channel))
    }

    /// All channels, in the order of their keys, with how their reading began.
    pub fn openings(&self) -> impl Iterator<Item = (&ChannelName, &Opened)> {
        self.subscriptions
            .iter()
            .flatten()
            .map(|s| (&s.channel, &s.opened))
    }

    /// All channels, in the order of their keys, with the place after what was read.
    pub fn positions(&self) -> impl Iterator<Item = (&ChannelName, Position)> {
        self.subscriptions
            .iter()
            .flatten()
            .map(|s| (&s.channel, s.cursor.position()))
    }

    /// How many channels it has, ended ones included.
    pub fn len(&self) -> usize {
        self.subscriptions.iter().flatten().count()
    }

    /// Whether it has no channel.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every channel has ended, and there is one.
    pub fn all_closed(&self) -> bool {
        !self.is_empty() && self.subscriptions.iter().flatten().all(|s| s.closed)
    }

    /// Whether every channel had ended before its reading began, and there is one.
    pub fn all_past_end(&self) -> bool {
        !self.is_empty()
            && self
                .subscriptions
                .iter()
                .flatten()
                .all(|s| s.opened.past_end)
    }

    /// Ready when a read may give something.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Registered even when there is work: the bell of a channel must not be missed.
        while self.signal.poll_rung(cx, &mut self.rung).is_ready() {
            for key in self.rung.drain(..) {
                let Some(Some(subscription)) = self.subscriptions.get_mut(key as usize) else {
                    continue;
                };
                if !subscription.queued && !subscription.closed {
                    subscription.queued = true;
                    self.ready.push_back(key);
                }
            }
        }
        if self.ready.is_empty() {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }

    /// Reads what there is, up to `budget`, one turn per channel.
    pub fn read(
        &mut self,
        now: Millis,
        budget: &mut Budget,
        out: &mut Vec<Delivery>,
    ) -> FeedStatus {
        while let Some(key) = self.ready.pop_front() {
            let Some(Some(subscription)) = self.subscriptions.get_mut(key as usize) else {
                continue;
            };
            subscription.queued = false;
            let alone = self.ready.is_empty();
            let turn = if alone {
                budget.count
            } else {
                budget.count.min(TURN)
            };
            let mut share = Budget {
                count: turn,
                ..*budget
            };
            let start = out.len();
            let bell = self.waits.then_some((&self.signal, key));
            let status = subscription
                .cursor
                .read(now, &mut share, bell, |item| match item {
                    Item::Gap(gap) => out.push(Delivery::Gap(key, gap)),
                    Item::Superseded { epoch, from, to } => out.push(Delivery::Skip {
                        key,
                        epoch,
                        from,
                        to,
                        reason: SkipReason::Conflated,
                    }),
                    Item::Ephemeral(message) | Item::Entry(_, message) => {
                        push_message(out, start, key, message, self.reader);
                    }
                });
            let used = turn - share.count;
            *budget = Budget {
                count: budget.count - used,
                ..share
            };
            match status {
                Status::Tail => {}
                Status::End => {
                    subscription.closed = true;
                    let end = subscription.cursor.position();
                    if subscription.end_told != Some(end) {
                        out.push(Delivery::Closed(key, end));
                    }
                }
                Status::TooSlow => {
                    out.push(Delivery::TooSlow(key, subscription.cursor.position()));
                    subscription.queued = true;
                    self.ready.push_front(key);
                    return FeedStatus::More;
                }
                Status::More => {
                    subscription.queued = true;
                    self.ready.push_back(key);
                    if budget.count == 0 || used == 0 {
                        return FeedStatus::More;
                    }
                }
            }
        }
        FeedStatus::Waiting
    }
}

/// Adds a message, or a skip where it is not for this reader; those that follow each other are one.
fn push_message(
    out: &mut Vec<Delivery>,
    start: usize,
    key: Key,
    message: Arc<Message>,
    reader: Option<ClientId>,
) {
    if message.kind == Kind::End {
        // Told by `Closed`, which also comes when the entry itself is gone.
        return;
    }
    if message.exclude.is_none() || message.exclude != reader {
        return out.push(Delivery::Message(key, message));
    }
    let Some(position) = message.position else {
        return;
    };
    if let Some(Delivery::Skip { to, reason, .. }) = out[start..].last_mut()
        && *reason == SkipReason::Own
    {
        *to = position.offset;
        return;
    }
    out.push(Delivery::Skip {
        key,
        epoch: position.epoch,
        from: position.offset,
        to: position.offset,
        reason: SkipReason::Own,
    });
}

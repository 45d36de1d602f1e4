//! Where a reader stands on each of its channels. One value decides what a connection asks for, which messages
//! were seen already, and whether anything is missing between two of them. Pure: it neither reads nor writes.

use std::{collections::HashMap, sync::Arc};

use crate::{
    Error,
    event::{Closed, Event, Gap, GapReason, Hello, Message, Position, Resumed, Skip},
};

/// Where a subscription starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what is published from now on.
    #[default]
    Now,
    /// With the oldest retained message.
    Earliest,
    /// With the newest so many of each channel, then live.
    Last(u32),
    /// After this cursor, on all channels: a position of a single channel, or what [`crate::Subscription::cursors`]
    /// or the server gave.
    Cursor(String),
    /// After one cursor for each channel, in the order of the channels.
    Cursors(Vec<String>),
}

/// What is asked of the server for one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum After {
    Last(u32),
    /// `now`, `earliest`, a position or an opaque cursor.
    Cursor(Arc<str>),
}

/// A channel and where to go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) name: Arc<str>,
    pub(crate) after: After,
}

/// What [`Places::accept`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// It goes on where the reader stood.
    Next,
    /// It was handed out before.
    Duplicate,
    /// It is new, and this loss before it was not told by the server.
    After(Gap),
}

#[derive(Clone, Debug)]
struct Place {
    name: Arc<str>,
    /// What to ask for as long as `cursor_first` or nothing better is known.
    asked: After,
    /// The last entry that was handed out, skipped or told as lost.
    last: Option<Position>,
    /// `asked` is newer than `last`: an opaque cursor came after the last entry.
    cursor_first: bool,
    /// The channel ended for this reader.
    done: bool,
}

/// The places of all channels of a subscription, in the order of its channels.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    places: Vec<Place>,
    by_name: HashMap<Arc<str>, usize>,
}

impl Places {
    /// # Errors
    ///
    /// [`Error::Argument`] for no channel, a name twice, or a wrong count of cursors.
    pub(crate) fn new(channels: &[&str], start: &Start) -> Result<Self, Error> {
        let argument = |text: &str| Err(Error::Argument(text.to_owned()));
        if channels.is_empty() {
            return argument("no channel to follow");
        }
        let asked: Vec<After> = match start {
            Start::Now => vec![After::Cursor("now".into()); channels.len()],
            Start::Earliest => vec![After::Cursor("earliest".into()); channels.len()],
            Start::Last(count) => vec![After::Last(*count); channels.len()],
            Start::Cursor(cursor) => vec![After::Cursor(cursor.as_str().into()); channels.len()],
            Start::Cursors(cursors) => cursors
                .iter()
                .map(|cursor| After::Cursor(cursor.as_str().into()))
                .collect(),
        };
        if asked.len() != channels.len() {
            return argument("as many cursors as channels are needed");
        }
        let place = |(name, asked): (&&str, After)| Place {
            name: Arc::from(*name),
            asked,
            last: None,
            cursor_first: true,
            done: false,
        };
        let places: Vec<Place> = channels.iter().zip(asked).map(place).collect();
        let by_name: HashMap<_, _> = places
            .iter()
            .enumerate()
            .map(|(at, place)| (place.name.clone(), at))
            .collect();
        if by_name.len() != places.len() {
            return argument("a channel is named twice");
        }
        Ok(Self { places, by_name })
    }

    /// What a connection asks for: every channel that has not ended.
    pub(crate) fn asks(&self) -> Vec<Ask> {
        self.places
            .iter()
            .filter(|place| !place.done)
            .map(|place| Ask {
                name: place.name.clone(),
                after: place.after(),
            })
            .collect()
    }

    /// Whether every channel has ended.
    pub(crate) fn all_done(&self) -> bool {
        self.places.iter().all(|place| place.done)
    }

    /// The channels that have not ended.
    pub(crate) fn open_channels(&self) -> Vec<String> {
        self.places
            .iter()
            .filter(|place| !place.done)
            .map(|place| place.name.to_string())
            .collect()
    }

    /// The last known position of each channel that has one.
    pub(crate) fn positions(&self) -> Vec<(String, Position)> {
        self.places
            .iter()
            .filter_map(|place| Some((place.name.to_string(), place.last.clone()?)))
            .collect()
    }

    /// One cursor for each channel, once every channel has a place of its own.
    pub(crate) fn cursors(&self) -> Option<Vec<String>> {
        self.places.iter().map(Place::cursor).collect()
    }

    /// Takes note of an event and says what it is to the reader. State and greetings are always next.
    pub(crate) fn accept(&mut self, event: &Event) -> Accept {
        match event {
            Event::Hello(hello) => self.greet(hello),
            Event::Subscribed(subscribed) => self.resume(&subscribed.channel, &subscribed.resumed),
            Event::Message(Message {
                channel,
                position: Some(position),
                ..
            }) => {
                return self.advance(channel, position.offset, position);
            }
            Event::Gap(gap) => return self.lose(gap),
            Event::Skip(skip) => return self.skip(skip),
            Event::Closed(closed) => return self.close(closed),
            Event::Unsubscribed(unsubscribed) => return self.end(&unsubscribed.channel, None),
            Event::State(_) | Event::Message(_) | Event::Expiring { .. } => {}
        }
        Accept::Next
    }

    /// A poll's cursor, which stands behind everything that its answer carried, for the channels it was asked for.
    pub(crate) fn take_cursor(&mut self, cursor: &Arc<str>) {
        let single = self.places.len() == 1;
        for place in self.places.iter_mut().filter(|place| !place.done) {
            if single && place.last.is_none() {
                place.last = cursor.parse().ok();
            }
            place.asked = After::Cursor(cursor.clone());
            place.cursor_first = true;
        }
    }

    fn place(&mut self, channel: &str) -> Option<&mut Place> {
        let at = *self.by_name.get(channel)?;
        self.places.get_mut(at)
    }

    fn greet(&mut self, hello: &Hello) {
        for (channel, resumed) in &hello.channels {
            self.resume(channel, resumed);
        }
    }

    /// A resume with loss moves nothing: the gap that follows does, so that a cut in between cannot hide it. One that
    /// begins before what came meanwhile over another connection moves nothing either.
    fn resume(&mut self, channel: &str, resumed: &Resumed) {
        if let Some(place) = self.place(channel)
            && resumed.recovered
            && place.cursor_first
            && !place.is_at_or_behind(&resumed.position)
        {
            place.stand_at(resumed.position.clone());
        }
    }

    /// Goes on to `to`, expecting that `from` is the very next offset.
    fn advance(&mut self, channel: &str, from: u64, to: &Position) -> Accept {
        let Some(place) = self.place(channel) else {
            return Accept::Next;
        };
        let untold = match &place.last {
            None => None,
            Some(last) if last.epoch != to.epoch => Some(None),
            Some(last) if to.offset <= last.offset => return Accept::Duplicate,
            Some(last) if from > last.offset + 1 => Some(Some(last.offset + 1)),
            Some(_) => None,
        };
        place.stand_at(to.clone());
        match untold {
            None => Accept::Next,
            Some(first) => Accept::After(Gap {
                channel: channel.to_owned(),
                epoch: to.epoch.clone(),
                from: first,
                to: from.saturating_sub(1),
                reason: GapReason::Untold,
            }),
        }
    }

    fn skip(&mut self, skip: &Skip) -> Accept {
        let to = Position {
            epoch: skip.epoch.clone(),
            offset: skip.to,
        };
        self.advance(&skip.channel, skip.from, &to)
    }

    fn lose(&mut self, gap: &Gap) -> Accept {
        let Some(place) = self.place(&gap.channel) else {
            return Accept::Next;
        };
        let to = Position {
            epoch: gap.epoch.clone(),
            offset: gap.to,
        };
        if place.is_at_or_behind(&to) {
            return Accept::Duplicate;
        }
        place.stand_at(to);
        Accept::Next
    }

    fn close(&mut self, closed: &Closed) -> Accept {
        self.end(&closed.channel, closed.position.as_ref())
    }

    fn end(&mut self, channel: &str, position: Option<&Position>) -> Accept {
        let Some(place) = self.place(channel) else {
            return Accept::Next;
        };
        if place.done {
            return Accept::Duplicate;
        }
        if let Some(position) = position {
            place.stand_at(position.clone());
        }
        place.done = true;
        Accept::Next
    }
}

impl Place {
    /// Whether everything up to `position` was handed out.
    fn is_at_or_behind(&self, position: &Position) -> bool {
        let behind =
            |last: &Position| last.epoch == position.epoch && position.offset <= last.offset;
        self.last.as_ref().is_some_and(behind)
    }

    fn stand_at(&mut self, position: Position) {
        self.last = Some(position);
        self.cursor_first = false;
    }

    fn after(&self) -> After {
        match &self.last {
            Some(last) if !self.cursor_first => After::Cursor(last.to_string().into()),
            _ => self.asked.clone(),
        }
    }

    /// A cursor that stands for a place, not for a moment.
    fn cursor(&self) -> Option<String> {
        match self.after() {
            After::Last(_) => None,
            After::Cursor(cursor) if &*cursor == "now" => None,
            After::Cursor(cursor) => Some(cursor.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;

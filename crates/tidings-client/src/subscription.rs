//! A subscription: a task (`supervisor`) that keeps a connection to the server, over whatever transport works, and
//! hands what it hears to the reader through a short, bounded queue. While the reader is slow nothing is read from the
//! socket: the server sees a cursor that lags. The task resumes by what it has put into the queue; the positions
//! that the reader sees are those of what it has taken out.

use std::{sync::Arc, time::Duration};

use hyper::header::HeaderValue;
use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc};

use crate::{
    Error,
    client::Inner,
    codes,
    envelope::WireError,
    error::Refusal,
    event::{Event, Position, State, Transport, Unsubscribed},
    places::{Accept, Places, Start},
    supervisor::Supervisor,
    transport::Task,
};

/// Events between the task and the reader. A few, so that reading ahead costs little memory.
const QUEUE: usize = 16;

/// How to follow.
#[derive(Clone, Debug)]
pub struct SubscribeOptions {
    /// The way to read. Default [`Transport::Auto`].
    pub transport: Transport,
    /// Where to start. Default [`Start::Now`].
    pub after: Start,
    /// Pause between short polls. The server may ask for a longer one. Default 2 s.
    pub poll_interval: Duration,
    /// How long a long poll waits at the server, which may clamp it. Default 30 s.
    pub wait: Duration,
    /// Whether the reader is a member of its channels, for others to see. Default [`Join::No`].
    pub join: Join,
}

/// Membership of the channels that are followed.
#[derive(Clone, Debug, Default)]
pub enum Join {
    /// It only reads.
    #[default]
    No,
    /// It is a member, and others see this of it, at most 1 KiB of JSON, unless its token says something else.
    As(Option<Arc<RawValue>>),
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            transport: Transport::Auto,
            after: Start::Now,
            poll_interval: Duration::from_secs(2),
            wait: Duration::from_secs(30),
            join: Join::No,
        }
    }
}

/// What the task hands to the reader.
enum Item {
    Event(Event),
    /// A poll's cursor, behind all events that stand before it.
    Cursor(Arc<str>),
    Error(Error),
}

/// Channels that are being followed. Dropping it ends the connection.
#[derive(Debug)]
pub struct Subscription {
    items: mpsc::Receiver<Item>,
    places: Places,
    refresh: Arc<Notify>,
    _task: Task<()>,
}

impl Subscription {
    pub(crate) fn start(
        inner: Arc<Inner>,
        channels: &[&str],
        options: SubscribeOptions,
        session: Option<HeaderValue>,
    ) -> Result<Self, Error> {
        let places = Places::new(channels, &options.after)?;
        let (sender, items) = mpsc::channel(QUEUE);
        let feed = Feed {
            places: places.clone(),
            items: sender,
        };
        let refresh = Arc::new(Notify::new());
        let supervisor = Supervisor::new(inner, options, feed, refresh.clone(), session);
        Ok(Self {
            items,
            places,
            refresh,
            _task: Task(tokio::spawn(supervisor.run())),
        })
    }

    /// The next event; an error is the last one. `None`: all channels have ended, or the error was handed out.
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        loop {
            match self.items.recv().await? {
                Item::Event(event) => {
                    self.places.accept(&event);
                    return Some(Ok(event));
                }
                Item::Cursor(cursor) => self.places.take_cursor(&cursor),
                Item::Error(error) => {
                    self.items.close();
                    return Some(Err(error));
                }
            }
        }
    }

    /// The network is another one: the transport in use is opened anew and the better ones are tried, beside the
    /// connection that stands; without one it is tried at once. After a sleep of the machine this happens by itself.
    pub fn refresh(&self) {
        self.refresh.notify_one();
    }

    /// The last place of each channel that was handed out by [`Self::next`], in the order of the channels.
    /// A channel of which nothing is known yet is left out.
    #[must_use]
    pub fn positions(&self) -> Vec<(String, Position)> {
        self.places.positions()
    }

    /// What to keep in order to go on later with [`Start::Cursors`]: one cursor for each channel, in the order of
    /// the channels. `None` until every channel has a place.
    #[must_use]
    pub fn cursors(&self) -> Option<Vec<String>> {
        self.places.cursors()
    }
}

/// Drops what was seen, tells what is missing, and hands on the rest.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) places: Places,
    items: mpsc::Sender<Item>,
}

/// The reader dropped the subscription.
#[derive(Debug)]
pub(crate) struct Gone;

impl Feed {
    /// Hands on an event.
    pub(crate) async fn pass(&mut self, event: Event) -> Result<(), Gone> {
        match self.places.accept(&event) {
            Accept::Duplicate => return Ok(()),
            Accept::Next => {}
            Accept::After(gap) => self.send(Item::Event(Event::Gap(gap))).await?,
        }
        self.send(Item::Event(event)).await
    }

    /// Tells the reader about the connection.
    pub(crate) async fn tell(&mut self, state: State) -> Result<(), Gone> {
        self.send(Item::Event(Event::State(state))).await
    }

    /// Takes the cursor of a poll.
    pub(crate) async fn take_cursor(&mut self, cursor: Arc<str>) -> Result<(), Gone> {
        self.places.take_cursor(&cursor);
        self.send(Item::Cursor(cursor)).await
    }

    /// The last thing that is told.
    pub(crate) async fn fail(&mut self, error: Error) {
        // Nobody is there to be told.
        let _ = self.send(Item::Error(error)).await;
    }

    async fn send(&mut self, item: Item) -> Result<(), Gone> {
        self.items.send(item).await.map_err(|_| Gone)
    }
}

/// Why nobody but the server ended the reading of a channel.
pub(crate) fn lost_right(event: &Event) -> Option<Error> {
    let Event::Unsubscribed(Unsubscribed { channel, reason }) = event else {
        return None;
    };
    let code = reason.clone()?;
    Some(Error::from(Refusal {
        detail: Some(format!("{channel} may no longer be read")),
        code: Some(code),
        ..Refusal::default()
    }))
}

impl WireError {
    /// The complaint as an error of its own.
    pub(crate) fn into_error(self) -> Error {
        let known = self.code.as_deref().and_then(codes::is_temporary);
        Error::from(Refusal {
            code: self.code,
            detail: self.message,
            retry_after: self.retry,
            temporary: known.or(self.temporary).unwrap_or(true),
            ..Refusal::default()
        })
    }
}

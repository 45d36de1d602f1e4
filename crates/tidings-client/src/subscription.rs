//! A subscription: a task that keeps a connection to the server, over whatever transport works, and hands what
//! it hears to the reader through a short, bounded queue. While the reader is slow nothing is read from the
//! socket: the server sees a cursor that lags. The task resumes by what it has put into the queue; the positions
//! that the reader sees are those of what it has taken out.

use std::{sync::Arc, time::Duration};

use hyper::header::HeaderValue;
use serde_json::value::RawValue;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    Error,
    client::Inner,
    connector::{Cause, Connector, Verdict},
    envelope::{Frame, WireError},
    error::Refusal,
    event::{Closed, Event, Position, State, Transport, Unsubscribed},
    places::{Accept, Places, Start},
    transport::Attempt,
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
    task: JoinHandle<()>,
}

impl Subscription {
    pub(crate) fn start(
        inner: Arc<Inner>,
        channels: &[&str],
        options: SubscribeOptions,
    ) -> Result<Self, Error> {
        let places = Places::new(channels, &options.after)?;
        let (sender, items) = mpsc::channel(QUEUE);
        let feed = Feed {
            places: places.clone(),
            session: None,
            items: sender,
        };
        let task = tokio::spawn(run(inner, feed, options));
        Ok(Self {
            items,
            places,
            task,
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

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps a connection until all channels end, the server refuses for good, or the reader is gone.
async fn run(inner: Arc<Inner>, mut feed: Feed, options: SubscribeOptions) {
    let mut connector = Connector::new(options.transport, inner.timings.clone());
    loop {
        let transport = connector.transport();
        if feed.tell(State::Connecting(transport)).await.is_err() {
            return;
        }
        let Some(ended) = Attempt::new(&inner, &options, transport, &mut feed)
            .run()
            .await
        else {
            return;
        };
        match connector.ended(ended, Instant::now().into_std(), fastrand::f64()) {
            Verdict::Done => return,
            Verdict::Fail(error) => {
                let _ = feed.items.send(Item::Error(error)).await;
                return;
            }
            Verdict::Retry { reason, delay } => {
                if feed.tell(State::Waiting { reason, delay }).await.is_err() {
                    return;
                }
                sleep(delay).await;
            }
        }
    }
}

/// Why a connection need not be read any further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The reader dropped the subscription.
    Gone,
    /// What was read ends the connection.
    End(Cause),
    /// The server complained about the connection. WebSocket tells by the close code that follows what it means.
    Complaint(WireError),
}

/// Takes frames from a transport, drops what was seen, tells what is missing, and hands on the rest.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) places: Places,
    /// What makes this the same client on the next connection.
    pub(crate) session: Option<HeaderValue>,
    items: mpsc::Sender<Item>,
}

impl Feed {
    /// Takes one frame.
    pub(crate) async fn take(&mut self, frame: Frame) -> Result<(), Stop> {
        match frame {
            Frame::Hello(hello) => {
                self.keep_session(hello.session.as_deref());
                self.pass(Event::Hello(hello)).await
            }
            Frame::Subscribed(_, subscribed) => self.pass(Event::Subscribed(subscribed)).await,
            Frame::Unsubscribed(unsubscribed) => self.pass(Event::Unsubscribed(unsubscribed)).await,
            Frame::Message(message) => self.pass(Event::Message(message)).await,
            Frame::Gap(gap) => self.pass(Event::Gap(gap)).await,
            Frame::Skip(skip) => self.pass(Event::Skip(skip)).await,
            Frame::Closed(closed) => self.pass(Event::Closed(closed)).await,
            Frame::Expiring(within) => self.pass(Event::Expiring { within }).await,
            Frame::Reconnect(after) => Err(Stop::End(Cause::Asked(after))),
            Frame::Error(error) => Err(Stop::Complaint(error)),
            Frame::Other => Ok(()),
        }
    }

    pub(crate) fn keep_session(&mut self, session: Option<&str>) {
        if let Some(mut session) = session.and_then(|text| HeaderValue::from_str(text).ok()) {
            session.set_sensitive(true);
            self.session = Some(session);
        }
    }

    /// Tells the reader about the connection.
    pub(crate) async fn tell(&mut self, state: State) -> Result<(), Stop> {
        self.send(Item::Event(Event::State(state))).await
    }

    /// Takes the cursor of a poll.
    pub(crate) async fn take_cursor(&mut self, cursor: &str) -> Result<(), Stop> {
        let cursor: Arc<str> = cursor.into();
        self.places.take_cursor(&cursor);
        self.send(Item::Cursor(cursor)).await
    }

    /// The server said that all channels have ended, without naming each.
    pub(crate) async fn close_all(&mut self) -> Stop {
        for channel in self.places.open_channels() {
            if let Err(stop) = self
                .pass(Event::Closed(Closed {
                    channel,
                    position: None,
                }))
                .await
            {
                return stop;
            }
        }
        Stop::End(Cause::AllClosed)
    }

    async fn pass(&mut self, event: Event) -> Result<(), Stop> {
        match self.places.accept(&event) {
            Accept::Duplicate => return Ok(()),
            Accept::Next => {}
            Accept::After(gap) => self.send(Item::Event(Event::Gap(gap))).await?,
        }
        let refused = lost_right(&event);
        self.send(Item::Event(event)).await?;
        match (self.places.all_done(), refused) {
            (false, _) => Ok(()),
            (true, None) => Err(Stop::End(Cause::AllClosed)),
            (true, Some(error)) => Err(Stop::End(Cause::Final(error))),
        }
    }

    async fn send(&mut self, item: Item) -> Result<(), Stop> {
        match self.items.send(item).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Stop::Gone),
        }
    }
}

/// Why nobody but the server ended the reading of a channel.
fn lost_right(event: &Event) -> Option<Error> {
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
        Error::from(Refusal {
            code: self.code,
            detail: self.message,
            retry_after: self.retry,
            temporary: self.temporary.unwrap_or(true),
            ..Refusal::default()
        })
    }
}

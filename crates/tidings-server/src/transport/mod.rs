//! The transports: each a thin reader of the same feed.
//!
//! A [`Session`] knows what it says and nothing of sockets; a [`wire`] knows its carrier and nothing
//! of what is said; the [`pump`] runs one on the other. A session is asked for bytes when the wire
//! has taken the last ones, so what a slow reader has not read stands in the log and nowhere else.

mod long_poll;
mod outbox;
pub mod poll;
pub mod pump;
mod sse;
pub mod websocket;
pub mod wire;

use std::task::Context;

use bytes::Bytes;
use tidings_core::{Action, ChannelName, Delivery, Feed, Key, Opened, Position};
use tidings_protocol::envelope::{Notice, Place};
use tidings_protocol::{Code, Problem};
use tokio::time::Instant;

pub use long_poll::LongPoll;
pub use outbox::Outbox;
pub use sse::{Sse, passing_refusal as sse_refusal};
pub use websocket::WebSocket;

use crate::app::App;
use crate::identity::Stay;
use crate::stats::Transport;

/// A reading that takes its connection over. Boxed: a future holds what is moved through it more
/// than once, and a small session must not cost what the largest costs.
pub enum Stream {
    LongPoll(Box<LongPoll>),
    Sse(Box<Sse>),
    WebSocket(Box<WebSocket>),
}

/// What a reading does between the socket and its feed.
pub trait Session {
    /// Which one it is.
    const TRANSPORT: Transport;

    /// Puts what is to be said into `out`, which is empty; registers the task where there is
    /// nothing yet.
    fn fill(&mut self, cx: &mut Context<'_>, out: &mut Outbox);

    /// Takes bytes from the peer. They are only offered while [`wants_input`](Self::wants_input).
    fn input(&mut self, bytes: &[u8]);

    /// Whether more bytes may come.
    fn wants_input(&self) -> bool;

    /// Bytes that were held back have left the socket: the peer reads.
    fn drained(&mut self) {}

    /// The client's right has ended: what it has not taken yet is not for it any more.
    fn is_over(&self) -> bool {
        false
    }

    /// When it wants to be asked again whatever happens.
    fn deadline(&self) -> Instant;

    /// What becomes of the connection once `out` is written; `None` while it goes on.
    fn end(&self) -> Option<End>;
}

/// How a session ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The connection ends; what the peer still says is read and dropped for a moment, so that it
    /// sees the last bytes instead of a reset.
    Close,
    /// The connection ends at once.
    Cut,
    /// The connection takes another request, which begins with these bytes.
    NextRequest(Bytes),
}

/// What is told of a delivery that is no message; counted here, whatever the transport.
fn notice_of<'a>(app: &App, channel: &'a ChannelName, delivery: &Delivery) -> Notice<'a> {
    match delivery {
        Delivery::Gap(_, gap) => {
            app.hub.stats().gap(gap.reason);
            Notice::Gap(channel, *gap)
        }
        Delivery::Skip {
            epoch,
            from,
            to,
            reason,
            ..
        } => {
            app.hub.stats().skipped.add(to - from + 1);
            Notice::Skip {
                channel,
                epoch: *epoch,
                from: *from,
                to: *to,
                reason: *reason,
            }
        }
        Delivery::Closed(_, position) => Notice::Closed(channel, *position),
        Delivery::Message(..) | Delivery::TooSlow(..) => {
            unreachable!("a message is sent as it is, and an end of the session is no notice")
        }
    }
}

/// Why the session of a reader that is too slow ends; counted here.
fn too_slow(channel: &ChannelName, position: Position) -> Problem {
    let detail = format!(
        "this reader of `{channel}` fell further behind than the channel waits; come back with after={position}, and read faster"
    );
    Problem::new(Code::TooSlow, detail)
}

/// The place at which a channel's reading begins, as a hello tells it.
fn place_of<'a>((channel, opened): (&'a ChannelName, &Opened)) -> (&'a ChannelName, Place) {
    let place = Place {
        at: opened.at,
        recovered: opened.recovered,
    };
    (channel, place)
}

/// A channel that a reader may read no more.
pub struct Lost {
    /// What its key was.
    pub key: Key,
    channel: ChannelName,
    /// The place after what was read.
    pub position: Position,
    /// Why.
    pub problem: Problem,
}

impl Lost {
    /// How the reader is told.
    pub fn notice(&self) -> Notice<'_> {
        Notice::Unsubscribed {
            id: None,
            channel: &self.channel,
            position: self.position,
            reason: Some(self.problem.code.as_str()),
        }
    }
}

/// Ends the reading of those channels that the client may no longer read; the others go on.
fn lost_rights(app: &App, stay: &Stay, feed: &mut Feed) -> Vec<Lost> {
    let claims = stay.claims();
    let may =
        |channel: &ChannelName| app.may(Action::Subscribe, channel, &claims, Some(stay.client()));
    let denied =
        |(key, channel): (Key, &ChannelName)| Some((key, channel.clone(), may(channel).err()?));
    let lost: Vec<_> = feed.channels().filter_map(denied).collect();
    let end = |(key, channel, problem)| Lost {
        key,
        channel,
        position: feed.remove(key).expect("found a moment ago"),
        problem,
    };
    lost.into_iter().map(end).collect()
}

//! Server-Sent Events: the feed as a stream of events.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{
    Budget, ChannelName, Delivery, Feed, FeedStatus, Key, Limits, Opened, Position,
};
use tidings_protocol::Problem;
use tidings_protocol::cursor::{self, NameHash};
use tidings_protocol::envelope::{Hello, Notice};
use tidings_protocol::sse;
use tokio::time::Instant;

use super::{End, Outbox, Session, lost_rights, notice_of, place_of, too_slow};
use crate::app::App;
use crate::clock::spread;
use crate::identity::{News, Stay, identity, session};
use crate::presence::Membership;
use crate::reading::Reading;
use crate::stats::Transport;

/// A stream of events.
pub struct Sse {
    app: Arc<App>,
    feed: Feed,
    raw: bool,
    /// The place after what was written, by key; the feed itself may be ahead.
    places: Vec<(NameHash, Position)>,
    stage: Stage,
    /// When it last said something.
    spoke: Instant,
    stay: Stay,
    /// The channels that it is a member of.
    membership: Option<Box<Membership>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Live,
    Ended,
}

impl Sse {
    /// A stream over `feed`.
    pub fn new(
        app: &Arc<App>,
        feed: Feed,
        reading: &Reading,
        membership: Option<Box<Membership>>,
    ) -> Self {
        let client = reading.who.client.unwrap_or_else(|| app.new_client());
        Self {
            stay: Stay::new(app, client, &reading.who, feed.signal()),
            membership,
            app: app.clone(),
            feed,
            raw: reading.raw,
            places: Vec::new(),
            stage: Stage::Begin,
            spoke: Instant::now(),
        }
    }

    fn begin(&mut self, out: &mut Outbox) {
        let asked = |(name, opened): (&ChannelName, &Opened)| (NameHash::of(name), opened.asked);
        self.places = self.feed.openings().map(asked).collect();
        let claims = self.stay.claims();
        let session = session::sign(&self.app, self.stay.client(), &claims);
        let hello = Notice::Hello(Hello {
            identity: identity(self.stay.client(), &session, &claims),
            transport: "sse",
            limits: self.app.limits(),
            channels: self.feed.openings().map(place_of).collect(),
        });
        let retry = spread(self.app.limits().retry);
        out.push(sse::notice(
            Some(&self.cursor()),
            Some(millis(retry)),
            &hello,
        ));
    }

    fn cursor(&self) -> String {
        let mut text = String::new();
        cursor::write(&self.places, &mut text);
        text
    }

    fn say_goodbye(&mut self, out: &mut Outbox) {
        let after_ms = millis(spread(self.app.limits().retry));
        out.push(sse::notice(
            None,
            Some(after_ms),
            &Notice::Reconnect { after_ms },
        ));
        self.stage = Stage::Ended;
    }

    /// Acts on what has happened to the client.
    fn hear(&mut self, news: News, out: &mut Outbox) {
        match news {
            News::Ended(problem) => {
                if let Some(membership) = &mut self.membership {
                    // It does not come back by itself.
                    membership.say_goodbye();
                }
                self.fail(&problem, out);
            }
            News::Expiring(in_ms) => out.push(sse::notice(None, None, &Notice::Expiring { in_ms })),
            News::Rights => self.look_at_rights(out),
        }
    }

    /// Ends what the client may no longer read or be seen in, and the stream with the last channel.
    fn look_at_rights(&mut self, out: &mut Outbox) {
        let lost = lost_rights(&self.app, &self.stay, &mut self.feed);
        for lost in &lost {
            self.places[lost.key as usize].1 = lost.position;
            let cursor = self.cursor();
            out.push(sse::notice(Some(&cursor), None, &lost.notice()));
        }
        if let Some(membership) = &mut self.membership {
            membership.keep_allowed(&self.stay.claims());
        }
        if let Some(last) = lost.last()
            && self.feed.is_empty()
        {
            self.fail(&last.problem, out);
        }
    }

    /// Tells why, and ends.
    fn fail(&mut self, problem: &Problem, out: &mut Outbox) {
        self.app.stats.refused(problem);
        let retry = problem
            .code
            .temporary()
            .then(|| millis(spread(self.app.limits().retry)));
        let notice = Notice::Error {
            id: None,
            problem,
            retry_ms: retry,
        };
        out.push(sse::notice(None, retry, &notice));
        self.stage = Stage::Ended;
    }

    /// Ends the stream of a reader that is too slow. It has the place to come back to as its last id.
    fn give_up(&mut self, key: Key, position: Position, out: &mut Outbox) {
        let problem = too_slow(self.channel(key), position);
        self.fail(&problem, out);
    }

    fn channel(&self, key: Key) -> &ChannelName {
        let channel = self.feed.channel(key);
        channel.expect("a delivery's channel is in its feed")
    }

    fn read(&mut self, out: &mut Outbox) -> FeedStatus {
        let limits = self.app.limits();
        let mut budget = Budget::new(usize::MAX, limits.flush_bytes);
        let mut deliveries = Vec::new();
        let now = self.app.monotonic();
        let status = self.feed.read(now, &mut budget, &mut deliveries);
        let exact = self.places.len() <= Limits::EXACT_CURSOR_CHANNELS;
        let last = deliveries
            .iter()
            .rposition(|delivery| delivery.position().is_some());
        for (index, delivery) in deliveries.iter().enumerate() {
            if let Delivery::TooSlow(key, position) = delivery {
                self.give_up(*key, *position, out);
                break;
            }
            let with_id = exact || Some(index) == last;
            self.push(delivery, with_id, out);
        }
        status
    }

    fn push(&mut self, delivery: &Delivery, with_id: bool, out: &mut Outbox) {
        let key = delivery.key() as usize;
        if let Some(position) = delivery.position() {
            self.places[key].1 = position;
        }
        let Delivery::Message(_, message) = delivery else {
            return out.push(self.notice(delivery));
        };
        let event = sse::event(message, self.raw);
        if self.places.len() == 1 || message.position.is_none() {
            return out.push_message(event.clone());
        }
        if with_id {
            out.push(sse::id_line(&self.cursor()));
        }
        out.push_message(sse::after_id(event));
    }

    fn notice(&self, delivery: &Delivery) -> String {
        let channel = self.channel(delivery.key());
        match delivery {
            Delivery::Closed(_, position) if self.raw => {
                format!("{}{}", sse::id_line(&position.to_string()), sse::RAW_END)
            }
            _ => sse::notice(
                Some(&self.cursor()),
                None,
                &notice_of(&self.app, channel, delivery),
            ),
        }
    }
}

impl Session for Sse {
    const TRANSPORT: Transport = Transport::Sse;

    fn fill(&mut self, cx: &mut Context<'_>, out: &mut Outbox) {
        if self.stage == Stage::Ended {
            return;
        }
        if self.stage == Stage::Begin {
            self.begin(out);
            self.stage = Stage::Live;
        }
        while let Some(news) = self.stay.news() {
            self.hear(news, out);
            if self.stage == Stage::Ended {
                return;
            }
        }
        let ready = self.feed.poll_ready(cx).is_ready();
        if ready && self.read(out) == FeedStatus::Waiting && self.feed.all_closed() {
            self.stage = Stage::Ended;
        } else if self.stage == Stage::Live && self.app.stopping() {
            self.say_goodbye(out);
        }
        let now = Instant::now();
        if out.is_empty() && now >= self.spoke + self.app.limits().heartbeat {
            out.push(sse::notice(None, None, &Notice::Ping));
        }
        if !out.is_empty() {
            self.spoke = now;
        }
    }

    /// A reader has nothing to say after its request.
    fn input(&mut self, _bytes: &[u8]) {}

    fn wants_input(&self) -> bool {
        true
    }

    fn is_over(&self) -> bool {
        self.stay.is_over()
    }

    fn deadline(&self) -> Instant {
        let due = self.spoke + self.app.limits().heartbeat;
        self.stay.deadline().map_or(due, |news| news.min(due))
    }

    fn end(&self) -> Option<End> {
        (self.stage == Stage::Ended).then_some(End::Close)
    }
}

/// The one block that answers SSE when a refusal will pass: any status but 200 would end an
/// `EventSource` for good.
pub fn passing_refusal(id: Option<&str>, retry: Duration, notice: &Notice<'_>) -> Bytes {
    Bytes::from(sse::notice(id, Some(millis(retry)), notice))
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

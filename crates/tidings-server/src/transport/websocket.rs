//! WebSocket: the feed as frames, and commands the other way.

mod commands;
mod raw;
mod standing;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use serde_json::value::RawValue;
use tidings_core::{Budget, ChannelName, Claims, Cursor, Delivery, Feed, Limits, Message, Opened};
use tidings_protocol::allowance::Allowance;
use tidings_protocol::envelope::{self, Hello, Notice};
use tidings_protocol::websocket::{
    self as ws, CloseCode, ControlPayload, Decoder, Deflate, Event, MessageKind,
};
use tidings_protocol::{Code, Problem};
use tokio::time::Instant;

use super::{End, Outbox, Session, lost_rights, notice_of, place_of, too_slow};
use crate::address::AddressKey;
use crate::app::App;
use crate::clock::spread;
use crate::identity::{Stay, Who, identity, session};
use crate::presence::Membership;
use crate::reading::Reading;
use crate::stats::Transport;

/// How often what was received a message may inflate to, for long, without being charged for it.
const INFLATES: u64 = 8;

/// A WebSocket connection.
pub struct WebSocket {
    app: Arc<App>,
    feed: Feed,
    stay: Stay,
    address: Option<AddressKey>,
    raw: Option<Raw>,
    /// The channels that it is a member of.
    membership: Option<Box<Membership>>,
    decoder: Decoder,
    /// What was agreed on about compression.
    deflate: Option<Deflate>,
    /// Bytes behind a command that is being carried out.
    unread: Bytes,
    /// The command that is being carried out. One at a time: their order is the client's.
    running: Option<Running>,
    /// What is said before anything of the feed.
    replies: VecDeque<Bytes>,
    stage: Stage,
    /// A channel has ended since the last one was subscribed to.
    has_ended: bool,
    /// When something was last said.
    spoke: Instant,
    /// When the client last gave a sign of life.
    heard: Instant,
    /// When it was last asked for one.
    asked: Instant,
    /// Since when a message of the client is on its way.
    incomplete: Option<Instant>,
    /// Bytes that its messages may still inflate to.
    inflates: Allowance,
    /// Pings and pongs that it may still send.
    control_frames: Allowance,
    /// Until then it must have said who it is, or read something that anybody may.
    auth_by: Option<Instant>,
}

/// A connection that carries payloads alone, of one channel.
struct Raw {
    channel: ChannelName,
    echo: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Begin,
    Live,
    /// A close frame was queued at this time; the client's answer is awaited.
    Closing(Instant),
    Ended,
}

type Running = Pin<Box<dyn Future<Output = Done> + Send>>;

/// What a command that had to wait came to.
enum Done {
    /// This is said.
    Reply(String),
    /// A channel is read from here on, and this is said before its messages.
    Subscribed {
        channels: Vec<Subscribed>,
        membership: Option<Membership>,
        id: Option<Box<RawValue>>,
    },
    /// A token was good.
    Verified {
        claims: Arc<Claims>,
        session: Option<String>,
        id: Option<Box<RawValue>>,
    },
    /// A raw publish succeeded: nothing is said.
    Silence,
    /// The connection ends.
    Failed(Problem),
}

/// A channel that was opened for a connection.
struct Subscribed {
    channel: ChannelName,
    cursor: Cursor<Message>,
    opened: Opened,
}

impl WebSocket {
    /// A connection that reads `feed`.
    pub fn new(
        app: &Arc<App>,
        feed: Feed,
        reading: &Reading,
        membership: Option<Box<Membership>>,
        address: Option<AddressKey>,
        deflate: Option<Deflate>,
    ) -> Self {
        let mut socket = Self::bare(app, feed, &reading.who, address, deflate);
        socket.membership = membership;
        let unknown = reading.who.claims.is_anonymous() && socket.feed.is_empty();
        socket.auth_by = (unknown && !via_open(app)).then(|| Instant::now() + Limits::AUTH_TIME);
        socket.raw = reading.raw.then(|| Raw {
            channel: reading.channels[0].name.clone(),
            echo: reading.echo,
        });
        socket
    }

    /// A connection that is told why it cannot be, and closed.
    pub fn refused(
        app: &Arc<App>,
        problem: &Problem,
        address: Option<AddressKey>,
        deflate: Option<Deflate>,
    ) -> Self {
        let mut socket = Self::bare(app, Feed::new(None), &Who::nobody(), address, deflate);
        socket.stage = Stage::Live;
        socket.fail(problem);
        socket
    }

    fn bare(
        app: &Arc<App>,
        feed: Feed,
        who: &Who,
        address: Option<AddressKey>,
        deflate: Option<Deflate>,
    ) -> Self {
        let now = Instant::now();
        let client = who.client.unwrap_or_else(|| app.new_client());
        Self {
            stay: Stay::new(app, client, who, feed.signal()),
            app: app.clone(),
            feed,
            address,
            raw: None,
            membership: None,
            auth_by: None,
            decoder: Decoder::new(app.limits().command_bytes, deflate),
            deflate,
            unread: Bytes::new(),
            running: None,
            replies: VecDeque::new(),
            stage: Stage::Begin,
            has_ended: false,
            spoke: now,
            heard: now,
            asked: now,
            incomplete: None,
            inflates: Allowance::new(
                Limits::INFLATED,
                Limits::INFLATED_PER_SECOND,
                app.monotonic(),
            ),
            control_frames: Allowance::new(
                Limits::CONTROL_FRAMES,
                Limits::CONTROL_FRAMES_PER_SECOND,
                app.monotonic(),
            ),
        }
    }

    /// The hello and the place of each channel: the first words.
    fn begin(&mut self, out: &mut Outbox) {
        self.stage = Stage::Live;
        if self.raw.is_some() {
            return;
        }
        let claims = self.stay.claims();
        let session = session::sign(&self.app, self.stay.client(), &claims);
        let hello = Notice::Hello(Hello {
            identity: identity(self.stay.client(), &session, &claims),
            transport: "websocket",
            limits: self.app.limits(),
            channels: self.feed.openings().map(place_of).collect(),
        });
        out.push(text(&hello));
    }

    fn say(&mut self, notice: &Notice<'_>) {
        self.replies.push_back(text(notice));
    }

    /// Tells why, and closes.
    fn fail(&mut self, problem: &Problem) {
        self.fail_with(problem, &problem.detail);
    }

    /// Tells why, and closes with a reason that is for the program.
    fn fail_with(&mut self, problem: &Problem, reason: &str) {
        if self.raw.is_none() {
            self.say(&Notice::Error {
                id: None,
                problem,
                retry_ms: problem.code.temporary().then(|| match problem.after {
                    Some(after) => after.as_millis() as u64,
                    None => self.retry_ms(),
                }),
            });
        }
        let code =
            CloseCode::new(problem.code.close_code()).expect("the table holds valid close codes");
        self.close(code, reason);
    }

    fn close(&mut self, code: CloseCode, reason: &str) {
        if matches!(self.stage, Stage::Begin | Stage::Live) {
            self.replies.push_back(ws::close_frame(code, reason));
            self.stage = Stage::Closing(Instant::now());
            self.running = None;
            self.unread = Bytes::new();
        }
    }

    fn retry_ms(&self) -> u64 {
        spread(self.app.limits().retry).as_millis() as u64
    }

    fn say_goodbye(&mut self) {
        if self.stage != Stage::Live {
            return;
        }
        let after_ms = self.retry_ms();
        if self.raw.is_none() {
            self.say(&Notice::Reconnect { after_ms });
        }
        self.close(CloseCode::GOING_AWAY, "the server goes away; come back");
    }

    /// Carries out what was read, as far as the one running command lets it.
    fn advance(&mut self, cx: &mut Context<'_>) {
        loop {
            if let Some(running) = &mut self.running {
                let Poll::Ready(done) = running.as_mut().poll(cx) else {
                    return;
                };
                self.running = None;
                self.finish(done);
            }
            if self.unread.is_empty() || self.is_busy() {
                return;
            }
            let mut unread = std::mem::take(&mut self.unread);
            let taken = self.take(&unread);
            unread.advance(taken);
            self.unread = unread;
        }
    }

    /// A command is being carried out, answers wait for the socket, or the hello is not said yet.
    fn is_busy(&self) -> bool {
        self.running.is_some()
            || self.replies.len() >= Limits::REPLIES
            || self.stage == Stage::Begin
    }

    /// Takes bytes until they are over or a command has to wait; gives how many.
    fn take(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !self.is_busy() {
            match self.decoder.decode(&mut rest) {
                Ok(Some(event)) => self.event(event),
                Ok(None) => break,
                Err(error) => {
                    self.app.stats.frame_errors.add(1);
                    self.close(error.close_code(), &error.to_string());
                    return bytes.len();
                }
            }
        }
        if self.decoder.is_idle() {
            self.incomplete = None;
        } else {
            self.incomplete.get_or_insert_with(Instant::now);
        }
        bytes.len() - rest.len()
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Close(frame) => self.closed_by_peer(frame.as_ref()),
            _ if self.stage != Stage::Live && self.stage != Stage::Begin => {}
            Event::Ping(payload) if self.may_send_control() => {
                self.replies.push_back(ws::pong_frame(&payload));
            }
            Event::Pong(_) if self.may_send_control() => {}
            Event::Ping(_) | Event::Pong(_) => {
                self.too_much("pings or pongs: one in a heartbeat is enough");
            }
            Event::Message { kind, data } => {
                self.incomplete = None;
                if self.deflate.is_none() || self.may_inflate(data.len()) {
                    self.message(kind, data);
                } else {
                    self.too_much("messages that inflate to so much more than they are");
                }
            }
        }
    }

    fn message(&mut self, kind: MessageKind, data: Bytes) {
        match (&self.raw, kind) {
            (Some(_), kind) => self.publish_raw(kind, data),
            (None, MessageKind::Text) => self.command(&data),
            (None, MessageKind::Binary) => self.binary_command(&data),
        }
    }

    fn too_much(&mut self, what: &str) {
        let problem = Problem::new(Code::TooManyFrames, format!("too many {what}"));
        self.app.stats.refused(&problem);
        self.fail(&problem);
    }

    fn may_inflate(&mut self, len: usize) -> bool {
        self.inflates.refill(self.app.monotonic());
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.inflates.spend(len).is_ok()
    }

    fn may_send_control(&mut self) -> bool {
        self.control_frames.refill(self.app.monotonic());
        self.control_frames.spend(1).is_ok()
    }

    fn closed_by_peer(&mut self, frame: Option<&ws::CloseFrame>) {
        if !matches!(self.stage, Stage::Closing(_)) {
            self.replies.push_back(ws::close_reply(frame));
        }
        if let (Some(membership), Some(CloseCode::NORMAL)) =
            (&mut self.membership, frame.map(|frame| frame.code))
        {
            membership.say_goodbye();
        }
        self.running = None;
        self.stage = Stage::Ended;
    }

    fn read_feed(&mut self, cx: &mut Context<'_>, out: &mut Outbox) {
        if self.feed.poll_ready(cx).is_pending() {
            return;
        }
        let limits = self.app.limits();
        let mut budget = Budget::new(usize::MAX, limits.flush_bytes);
        let mut deliveries = Vec::new();
        let now = self.app.monotonic();
        self.feed.read(now, &mut budget, &mut deliveries);
        for delivery in &deliveries {
            if matches!(self.stage, Stage::Live) {
                self.deliver(delivery, out);
            }
            if let Delivery::Closed(key, _) = delivery {
                // It is read no more, and may be subscribed to anew.
                if let (Some(membership), Some(ended)) =
                    (&mut self.membership, self.feed.channel(*key))
                {
                    membership.retain(|channel| channel != ended);
                }
                self.feed.remove(*key);
                self.has_ended = true;
            }
        }
    }

    fn deliver(&mut self, delivery: &Delivery, out: &mut Outbox) {
        if let Delivery::Message(_, message) = delivery {
            let frame = envelope::websocket_frame(message, self.raw.is_some(), self.deflate);
            return out.push_message(frame.clone());
        }
        let channel = self
            .feed
            .channel(delivery.key())
            .expect("a delivery's channel is in its feed");
        if let Delivery::TooSlow(_, position) = delivery {
            let problem = too_slow(channel, *position);
            self.app.stats.refused(&problem);
            return self.fail_with(&problem, &position.to_string());
        }
        let notice = notice_of(&self.app, channel, delivery);
        if self.raw.is_some() {
            return self.tell_raw(delivery);
        }
        out.push(text(&notice));
    }

    /// Asks for a sign of life, or gives up waiting for one.
    fn keep_alive(&mut self, now: Instant) {
        let heartbeat = self.app.limits().heartbeat;
        if now.duration_since(self.heard) >= 2 * heartbeat {
            self.app.stats.heartbeat_timeouts.add(1);
            let problem = Problem::new(
                Code::NoHeartbeat,
                "nothing was heard of the client for two heartbeats",
            );
            self.app.stats.refused(&problem);
            self.fail(&problem);
        } else if self.message_due().is_some_and(|due| now >= due) {
            let problem = Problem::new(
                Code::RequestTimeout,
                "a message that was begun did not become whole in time",
            );
            self.app.stats.refused(&problem);
            self.fail(&problem);
        } else if self.auth_by.is_some_and(|by| now >= by) {
            self.auth_by = None;
            if self.stay.claims().is_anonymous() && self.feed.is_empty() {
                let problem = Problem::new(
                    Code::Unauthorized,
                    "nobody said who this is: send {\"type\":\"auth\",\"token\":…} first",
                );
                self.app.stats.refused(&problem);
                self.fail(&problem);
            }
        } else if now >= self.ping_due() {
            self.asked = now;
            if self.raw.is_none() {
                self.say(&Notice::Ping);
            }
            self.replies
                .push_back(ws::ping_frame(&ControlPayload::default()));
        }
    }

    /// When the message that is on its way must be whole.
    fn message_due(&self) -> Option<Instant> {
        Some(self.incomplete? + self.app.limits().body_time)
    }

    /// A ping is due after a heartbeat in which nothing was said, or nothing was heard or asked.
    fn ping_due(&self) -> Instant {
        self.spoke.min(self.heard.max(self.asked)) + self.app.limits().heartbeat
    }
}

impl Session for WebSocket {
    const TRANSPORT: Transport = Transport::WebSocket;

    fn fill(&mut self, cx: &mut Context<'_>, out: &mut Outbox) {
        let now = Instant::now();
        if self.stage == Stage::Begin {
            self.begin(out);
        }
        while self.stage == Stage::Live
            && let Some(news) = self.stay.news()
        {
            self.hear(news);
        }
        self.advance(cx);
        if self.stage == Stage::Live {
            self.keep_alive(now);
        }
        if self.app.stopping() {
            self.say_goodbye();
        }
        self.replies.drain(..).for_each(|reply| out.push(reply));
        if self.stage == Stage::Live {
            self.read_feed(cx, out);
            if self.has_ended && self.feed.is_empty() && self.running.is_none() {
                self.close(CloseCode::NORMAL, "all channels have ended");
            }
            // A feed that has just ended closes behind its last message.
            self.replies.drain(..).for_each(|reply| out.push(reply));
        }
        if let Stage::Closing(since) = self.stage
            && out.is_empty()
            && (self.decoder.is_finished() || now >= since + Limits::LINGER)
        {
            self.stage = Stage::Ended;
        }
        if !out.is_empty() {
            self.spoke = now;
        }
    }

    fn input(&mut self, bytes: &[u8]) {
        self.heard = Instant::now();
        self.inflates.earn(INFLATES * bytes.len() as u64);
        let taken = self.take(bytes);
        self.unread = Bytes::copy_from_slice(&bytes[taken..]);
    }

    fn wants_input(&self) -> bool {
        self.unread.is_empty()
            && !self.is_busy()
            && self.stage != Stage::Ended
            && !self.decoder.is_finished()
    }

    fn drained(&mut self) {
        self.heard = Instant::now();
    }

    fn is_over(&self) -> bool {
        self.stay.is_over()
    }

    fn deadline(&self) -> Instant {
        match self.stage {
            Stage::Closing(since) => since + Limits::LINGER,
            _ => {
                let due = self.ping_due();
                let due = due.min(self.heard + 2 * self.app.limits().heartbeat);
                let others = [self.message_due(), self.auth_by, self.stay.deadline()];
                others.into_iter().flatten().fold(due, Instant::min)
            }
        }
    }

    fn end(&self) -> Option<End> {
        let ended = self.stage == Stage::Ended && self.replies.is_empty();
        // A peer that has let the time for its answer pass gets no more of it.
        ended.then_some(if self.decoder.is_finished() {
            End::Close
        } else {
            End::Cut
        })
    }
}

fn via_open(app: &App) -> bool {
    app.policy().auth.open
}

fn text(notice: &Notice<'_>) -> Bytes {
    ws::text_frame(notice.to_json().as_bytes())
}

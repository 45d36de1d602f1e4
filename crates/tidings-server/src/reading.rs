//! What a request wants to read: the same for all transports, from a URL or from the body of
//! `POST /read`.

mod wishes;

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName};
use http::request;
use tidings_core::{Action, BrokerError, ChannelName, Claims, ClientId, Feed, Start};
use tidings_protocol::command::Read;
use tidings_protocol::cursor::Cursor;
use tidings_protocol::start::{After, StartRule};
use tidings_protocol::{Code, Problem};

use crate::access::single;
use crate::app::App;
use crate::identity::Who;
use crate::presence::{JoinWish, Joins, Membership};
use crate::publish::Publisher;
use crate::query::{Query, check_seconds, invalid};
use crate::stats::Transport;

use wishes::transport;
pub use wishes::{Wishes, asked, wishes};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The query parameters of a reading.
const PARAMETERS: &[&str] = &[
    "name",
    "after",
    "last",
    "wait",
    "limit",
    "transport",
    "format",
    "echo",
    "presence",
    "join",
    "info",
    "user",
    "ticket",
];

/// A reading, understood and allowed.
pub struct Reading {
    pub transport: Transport,
    pub channels: Vec<Wanted>,
    rule: StartRule,
    /// How long a poll waits.
    pub wait: Duration,
    /// Messages of a poll at most.
    pub limit: usize,
    /// The payload alone.
    pub raw: bool,
    /// Raw WebSocket: what the client sends comes back to it.
    pub echo: bool,
    /// Who reads.
    pub who: Who,
    /// The channels that the reader is a member of, and what others see of it.
    pub joins: Option<Box<Joins>>,
}

/// A channel that is wanted, and where it starts.
pub struct Wanted {
    pub name: ChannelName,
    after: Option<After>,
    last: Option<usize>,
}

impl Reading {
    /// Reads it from a URL: `path` is the channel of the path, if there is one.
    pub fn from_url(
        app: &App,
        path: Option<ChannelName>,
        query: &Query,
        headers: &HeaderMap,
        wishes: Wishes,
        who: Who,
    ) -> Result<Self, Problem> {
        query.only(PARAMETERS)?;
        if path.is_some() && query.all("name").next().is_some() {
            return Err(invalid(
                "the channel stands in the path; `name` belongs to /channels".into(),
            ));
        }
        let mut names: Vec<ChannelName> = path.into_iter().collect();
        for name in query.all("name") {
            names.push(ChannelName::parse(name)?);
        }
        let wait = query.seconds("wait")?;
        let transport = transport(query.one("transport")?, wishes, wait)?;
        app.stats.moved(query.moved, transport, false);
        if names.is_empty() && transport != Transport::WebSocket {
            return Err(invalid(
                "which channel? GET /channels/NAME, or /channels?name=NAME&name=…".into(),
            ));
        }
        let mut reading = Self {
            transport,
            channels: Vec::with_capacity(names.len()),
            rule: StartRule {
                last_event_id: last_event_id(headers)?,
                after: None,
                last: query.number("last")?,
            },
            wait: wait.unwrap_or(Duration::ZERO),
            limit: query
                .number("limit")?
                .unwrap_or(app.limits().poll_messages_default),
            raw: raw(query.one("format")?)?,
            echo: query.flag("echo")?.unwrap_or(true),
            joins: None,
            who,
        };
        let afters: Vec<After> = query.all("after").map(After::parse).collect();
        reading.set_channels(names, afters)?;
        let join = JoinWish::new(query.flag("join")?.unwrap_or(false), query.one("info")?)?;
        let joins = vec![join; reading.channels.len()];
        let reads_presence = query.flag("presence")?.unwrap_or(false);
        reading.wish_presence(app, reads_presence, joins)?;
        reading.check(app)
    }

    /// Reads it from the body of `POST /read`.
    pub fn from_body(
        app: &App,
        body: Read,
        query: &Query,
        headers: &HeaderMap,
        wishes: Wishes,
        who: Who,
    ) -> Result<Self, Problem> {
        query.only(&["user", "ticket"])?;
        let wait = body
            .wait
            .map(|wait| check_seconds("wait", wait))
            .transpose()?;
        let transport = transport(body.transport.as_deref(), wishes, wait)?;
        if transport == Transport::WebSocket {
            return Err(invalid(
                "a WebSocket is opened by GET /channels, not by POST /read".into(),
            ));
        }
        app.stats.moved(query.moved, transport, true);
        let joins = JoinWish::of_body(&body)?;
        let mut channels = Vec::with_capacity(body.channels.len());
        for channel in body.channels {
            channels.push(Wanted {
                name: ChannelName::parse(&channel.name)?,
                after: channel.after.as_deref().map(After::parse),
                last: channel.last,
            });
        }
        if channels.is_empty() {
            return Err(invalid("`channels` names at least one channel".into()));
        }
        let mut reading = Self {
            transport,
            channels,
            rule: StartRule {
                last_event_id: last_event_id(headers)?,
                after: body.after.as_deref().map(After::parse),
                last: body.last,
            },
            wait: wait.unwrap_or(Duration::ZERO),
            limit: body.limit.unwrap_or(app.limits().poll_messages_default),
            raw: raw(body.format.as_deref())?,
            echo: true,
            joins: None,
            who,
        };
        reading.wish_presence(app, body.presence, joins)?;
        reading.check(app)
    }

    fn set_channels(
        &mut self,
        names: Vec<ChannelName>,
        mut afters: Vec<After>,
    ) -> Result<(), Problem> {
        let per_name = afters.len() > 1;
        if per_name && afters.len() != names.len() {
            return Err(invalid(format!(
                "`after` stands once for all, or once per `name` in the same order; here are {} for {} channels",
                afters.len(),
                names.len()
            )));
        }
        if !per_name {
            self.rule.after = afters.pop();
        }
        let mut afters = afters.into_iter();
        let wanted = |name| Wanted {
            name,
            after: afters.next(),
            last: None,
        };
        self.channels = names.into_iter().map(wanted).collect();
        Ok(())
    }

    fn check(mut self, app: &App) -> Result<Self, Problem> {
        let limits = app.limits();
        if matches!(self.transport, Transport::Sse | Transport::WebSocket) {
            // A stream is a client; others are one when they say which.
            self.who.client.get_or_insert_with(|| app.new_client());
        }
        for wanted in &mut self.channels {
            wanted.name = own_inbox(wanted.name.clone(), &self.who.claims, self.who.client)?;
        }
        if self.channels.len() > limits.channels_per_connection {
            return Err(Problem::new(
                Code::TooManyChannels,
                format!(
                    "one connection reads at most {} channels",
                    limits.channels_per_connection
                ),
            ));
        }
        self.check_names(app)?;
        if self.limit == 0 {
            return Err(invalid("`limit` is at least 1".into()));
        }
        self.check_raw()?;
        self.limit = self.limit.min(limits.poll_messages);
        self.wait = self.wait.min(limits.wait);
        self.rule.last = self.rule.last.map(|last| last.min(limits.poll_messages));
        for channel in &mut self.channels {
            channel.last = channel.last.map(|last| last.min(limits.poll_messages));
        }
        Ok(self)
    }

    /// All or nothing: one channel that may not be read refuses the reading.
    fn check_names(&self, app: &App) -> Result<(), Problem> {
        let mut sorted: Vec<&ChannelName> =
            self.channels.iter().map(|wanted| &wanted.name).collect();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(invalid(format!("the channel `{}` stands twice", pair[0])));
        }
        let Who { claims, client, .. } = &self.who;
        let denied: Vec<_> = self
            .channels
            .iter()
            .filter_map(|wanted| {
                let denied = app.may(Action::Subscribe, &wanted.name, claims, *client);
                Some((&wanted.name, denied.err()?))
            })
            .collect();
        let Some((_, first)) = denied.first() else {
            return Ok(());
        };
        let names: Vec<_> = denied.iter().map(|(name, _)| format!("`{name}`")).collect();
        let detail = format!("{}: {}", names.join(", "), first.detail);
        let channels = denied.iter().map(|(name, _)| name.to_string()).collect();
        Err(Problem::new(first.code, detail).about(channels))
    }

    /// Each channel's presence is read with it, or the reader is seen there.
    fn wish_presence(
        &mut self,
        app: &App,
        reads: bool,
        joins: Vec<JoinWish>,
    ) -> Result<(), Problem> {
        let about: Vec<ChannelName> = self.channels.iter().map(|w| w.name.clone()).collect();
        let wishes = about.iter().cloned().zip(joins);
        self.joins = Joins::of(app, &self.who, wishes)?.map(Box::new);
        if reads {
            let presence = about.iter().map(|name| Wanted {
                name: name.presence(),
                after: None,
                last: None,
            });
            self.channels.extend(presence);
        }
        Ok(())
    }

    fn check_raw(&self) -> Result<(), Problem> {
        if !self.raw {
            return match self.echo {
                true => Ok(()),
                false => Err(invalid("`echo` in the URL belongs to a raw WebSocket; elsewhere say it with each message".into())),
            };
        }
        if matches!(self.transport, Transport::Poll | Transport::LongPoll) {
            return Err(invalid(
                "format=raw is for streams: SSE and WebSocket".into(),
            ));
        }
        if self.channels.len() != 1 {
            return Err(invalid("format=raw is for one channel".into()));
        }
        Ok(())
    }

    /// Charges for what others are told of the reader.
    pub fn charge_joins(&self, app: &App, head: &request::Parts) -> Result<(), Problem> {
        match &self.joins {
            Some(joins) => joins.charge(app, &Publisher::of(app, &self.who, head)),
            None => Ok(()),
        }
    }

    /// Makes the reader a member for as long as its stream is open.
    pub async fn join(&self, app: &Arc<App>) -> Result<Option<Box<Membership>>, Problem> {
        match &self.joins {
            Some(joins) => {
                let client = self.who.client.expect("a stream is a client");
                let membership = joins.for_a_stream(app, &self.who.claims, client).await;
                membership.map(Some)
            }
            None => Ok(None),
        }
    }

    /// Makes the reader a member until it should have asked again.
    pub async fn join_for_a_poll(&self, app: &App) -> Result<(), Problem> {
        match &self.joins {
            Some(joins) => joins.for_a_poll(app, &self.who, self.wait).await,
            None => Ok(()),
        }
    }

    /// Opens a cursor on each channel.
    pub async fn open(&self, app: &App) -> Result<Feed, BrokerError> {
        let otherwise = match self.transport {
            Transport::Poll => Start::Last(self.limit),
            _ => Start::Now,
        };
        let now = app.now();
        let mut feed = match self.transport {
            Transport::Poll => Feed::that_does_not_wait(self.who.client),
            _ => Feed::new(self.who.client),
        };
        for wanted in &self.channels {
            let start =
                self.rule
                    .resolve(&wanted.name, wanted.after.as_ref(), wanted.last, otherwise);
            let Who { claims, client, .. } = &self.who;
            let history = app
                .may(Action::History, &wanted.name, claims, *client)
                .is_ok();
            let (cursor, opened) = app.hub.open(&wanted.name, start, history, now).await?;
            let end_told = matches!(start, Start::At(_)) && self.transport != Transport::WebSocket;
            feed.add(wanted.name.clone(), cursor, opened, end_told);
        }
        Ok(feed)
    }
}

/// `@` and `~` alone are one's own inboxes. The name of a client's inbox is that of a client.
pub fn own_inbox(
    name: ChannelName,
    claims: &Claims,
    me: Option<ClientId>,
) -> Result<ChannelName, Problem> {
    let own = match name.as_str() {
        "@" => claims.user.as_ref().map(|user| format!("@{user}")),
        "~" => me.map(|me| format!("~{me}")),
        other => {
            let client = other.strip_prefix('~').map(str::parse::<ClientId>);
            return match client {
                Some(Err(error)) => Err(Problem::new(Code::InvalidName, error.to_string())),
                _ => Ok(name),
            };
        }
    };
    match own {
        Some(own) => Ok(ChannelName::parse(&own)?),
        None if name.as_str() == "@" => Err(Problem::new(
            Code::Unauthorized,
            "`@` is the inbox of a user, and nobody knows which user this is: send a token",
        )),
        None => Err(invalid(
            "`~` is the inbox of a client: send Tidings-Session, which POST /session gives".into(),
        )),
    }
}

/// The query of a request.
pub fn query(head: &request::Parts) -> Result<Query, Problem> {
    Query::of(head)
}

fn raw(format: Option<&str>) -> Result<bool, Problem> {
    match format {
        None => Ok(false),
        Some("raw") => Ok(true),
        Some(_) => Err(invalid(
            "`format` is raw, or absent for the envelope".into(),
        )),
    }
}

/// An empty header is what a client sends that has no id yet.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Cursor>, Problem> {
    if !headers.contains_key(&LAST_EVENT_ID) {
        return Ok(None);
    }
    // Bytes that no server gave: a position that cannot be honoured, not a broken request.
    match single(headers, &LAST_EVENT_ID) {
        Ok(text) => Ok(text.filter(|text| !text.is_empty()).map(Cursor::parse)),
        Err(_) => Ok(Some(Cursor::Garbage)),
    }
}

//! Who is there: how readers become members of a channel and cease to be, and the answer that lists
//! them. What a member is to others is its id, its user and what its token or itself says of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::request;
use serde_json::value::RawValue;
use tidings_core::broker::{Hold, Member, Presence, Release};
use tidings_core::{Action, ChannelName, Claims, ClientId, Limits};
use tidings_protocol::command::{Read, ReadChannel};
use tidings_protocol::{Code, Problem, envelope, payload};

use crate::app::App;
use crate::charge::charge_publisher;
use crate::identity::{Who, identify};
use crate::publish::Publisher;
use crate::query::invalid;
use crate::reading::{own_inbox, query};
use crate::reply::{Answer, json};

/// Whether a reader wants to be seen in a channel, and what others see of it.
#[derive(Clone)]
pub struct JoinWish {
    joins: bool,
    info: Option<Arc<str>>,
}

impl JoinWish {
    /// Checks it; `info` is JSON.
    pub fn new(joins: bool, info: Option<&str>) -> Result<Self, Problem> {
        if info.is_some() && !joins {
            return Err(invalid("`info` goes with `join=true`".into()));
        }
        let info = info.map(check_info).transpose()?;
        Ok(Self { joins, info })
    }

    /// The wish about each channel of a body: what stands there goes before what is said for all.
    pub fn of_body(body: &Read) -> Result<Vec<Self>, Problem> {
        let joins = |channel: &ReadChannel| channel.join.unwrap_or(body.join);
        let some = body.join || body.channels.iter().any(joins);
        let all = Self::new(some, body.info.as_deref().map(RawValue::get))?;
        let wish = |channel: &ReadChannel| match (&channel.info, joins(channel)) {
            (None, true) => Ok(all.clone()),
            (own, joins) => Self::new(joins, own.as_deref().map(RawValue::get)),
        };
        body.channels.iter().map(wish).collect()
    }
}

/// The channels that a reader is to be a member of, and what others see of it there.
pub struct Joins(Vec<(ChannelName, Option<Arc<str>>)>);

impl Joins {
    /// Checks what is wished for; `None` where nothing is.
    pub fn of(
        app: &App,
        who: &Who,
        wishes: impl Iterator<Item = (ChannelName, JoinWish)>,
    ) -> Result<Option<Self>, Problem> {
        let wanted = wishes.filter(|(_, wish)| wish.joins);
        let wanted: Vec<_> = wanted.map(|(name, wish)| (name, wish.info)).collect();
        for (channel, _) in &wanted {
            app.may(Action::Presence, channel, &who.claims, who.client)
                .map_err(|denied| {
                    Problem::new(denied.code, format!("`{channel}`: {}", denied.detail))
                })?;
        }
        Ok((!wanted.is_empty()).then_some(Self(wanted)))
    }

    /// Charges for what others are told of it.
    pub fn charge(&self, app: &App, publisher: &Publisher) -> Result<(), Problem> {
        let bytes = |(_, info): &(_, Option<Arc<str>>)| info.as_ref().map_or(0, |info| info.len());
        charge_publisher(app, publisher, self.0.len(), self.0.iter().map(bytes).sum())
    }

    /// For as long as a stream is open.
    pub async fn for_a_stream(
        &self,
        app: &Arc<App>,
        claims: &Claims,
        client: ClientId,
    ) -> Result<Box<Membership>, Problem> {
        let mut membership = Box::new(Membership::new(app, client));
        membership.join(self, claims).await?;
        Ok(membership)
    }

    /// Until the next poll should have come.
    pub async fn for_a_poll(&self, app: &App, who: &Who, wait: Duration) -> Result<(), Problem> {
        let Some(client) = who.client else {
            let detail =
                "a poll joins as a client: send Tidings-Session, which POST /session gives";
            return Err(invalid(detail.into()));
        };
        let lease = wait + app.limits().presence_lease;
        let until = app.monotonic() + lease.as_millis() as u64;
        for (channel, info) in &self.0 {
            let member = member(client, &who.claims, info.as_deref());
            let hold = Hold::Until(until);
            app.hub.join(channel, member, hold, app.now()).await?;
        }
        Ok(())
    }
}

/// Valid JSON of a bounded size: it stands in every event of its member.
pub fn check_info(text: &str) -> Result<Arc<str>, Problem> {
    if text.len() > Limits::PRESENCE_INFO_BYTES {
        let max = Limits::PRESENCE_INFO_BYTES;
        return Err(invalid(format!("`info` has at most {max} bytes")));
    }
    // As a payload: nested no deeper than every reader of the channel can read.
    match payload::json(text.as_bytes()) {
        Ok(info) => Ok(String::from_utf8_lossy(&info.bytes).into()),
        Err(problem) => Err(invalid(format!(
            "`info` is JSON, and a name alone stands in quotes, as info=\"Alice\": {}",
            problem.detail
        ))),
    }
}

/// What a token says of its holder goes before what the holder says: others rely on it.
fn member(client: ClientId, claims: &Claims, info: Option<&str>) -> Member {
    let info = claims.info.as_deref().or(info);
    Member {
        client,
        user: claims.user.clone(),
        shown: envelope::member(client, claims.user.as_deref(), info).into(),
    }
}

/// The channels that a stream is a member of. Dropped without a word, it leaves the client the time
/// of a lease to come back, and nobody is told anything if it does.
pub struct Membership {
    app: Arc<App>,
    client: ClientId,
    channels: Vec<ChannelName>,
    said_goodbye: bool,
}

impl Membership {
    /// Of no channel yet.
    pub fn new(app: &Arc<App>, client: ClientId) -> Self {
        Self {
            app: app.clone(),
            client,
            channels: Vec::new(),
            said_goodbye: false,
        }
    }

    /// Makes the stream a member of more channels.
    pub async fn join(&mut self, joins: &Joins, claims: &Claims) -> Result<(), Problem> {
        for (channel, info) in &joins.0 {
            let member = member(self.client, claims, info.as_deref());
            let now = self.app.now();
            self.app
                .hub
                .join(channel, member, Hold::Stream, now)
                .await?;
            self.channels.push(channel.clone());
        }
        Ok(())
    }

    /// Takes over what another one of the same client holds.
    pub fn absorb(&mut self, mut other: Self) {
        self.channels.append(&mut other.channels);
    }

    /// Leaves those channels for which `stays` is false, at once.
    pub fn retain(&mut self, mut stays: impl FnMut(&ChannelName) -> bool) {
        let (kept, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.channels)
            .into_iter()
            .partition(|channel| stays(channel));
        self.channels = kept;
        release(&self.app, self.client, left, Release::Stream);
    }

    /// Leaves those channels that the client may no longer read or be seen in, at once.
    pub fn keep_allowed(&mut self, claims: &Claims) {
        let (app, me) = (self.app.clone(), Some(self.client));
        let may = |action, channel: &ChannelName| app.may(action, channel, claims, me).is_ok();
        self.retain(|channel| may(Action::Subscribe, channel) && may(Action::Presence, channel));
    }

    /// The client ends on purpose: it has left as soon as the stream has.
    pub fn say_goodbye(&mut self) {
        self.said_goodbye = true;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let grace = self.app.limits().presence_lease.as_millis() as u64;
        let how = match self.said_goodbye {
            true => Release::Stream,
            false => Release::Lost { grace },
        };
        release(
            &self.app,
            self.client,
            std::mem::take(&mut self.channels),
            how,
        );
    }
}

/// In a task of its own: a broker over a network takes its time, and who drops something does not
/// wait.
fn release(app: &Arc<App>, client: ClientId, channels: Vec<ChannelName>, how: Release) {
    if channels.is_empty() {
        return;
    }
    let app = app.clone();
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        // The process ends, and its broker with it.
        return;
    };
    runtime.spawn(async move {
        for channel in channels {
            if let Err(error) = app.hub.release(&channel, client, how, app.now()).await {
                // Its lease will end by itself.
                tracing::warn!(%error, "a member could not be let go");
            }
        }
    });
}

/// `GET /channels/NAME/presence`, `GET /presence?name=NAME`: who is there, and the cursor from which
/// to read on in `$presence:NAME`.
pub async fn answer(
    app: &App,
    head: &request::Parts,
    of: Option<ChannelName>,
) -> Result<Answer, Problem> {
    let mut query = query(head)?;
    let channel = match of {
        Some(channel) => channel,
        None => query.take_name()?,
    };
    query.only(&["by", "limit", "user", "ticket"])?;
    let who = identify(app, head, &query, None).await?;
    let channel = own_inbox(channel, &who.claims, who.client)?;
    app.may(Action::Presence, &channel, &who.claims, who.client)?;
    let most = app.limits().presence_snapshot;
    let limit = query.number("limit")?.unwrap_or(most).min(most);
    let presence = app.hub.presence(&channel, limit).await?;
    match query.one("by")? {
        None | Some("client") => Ok(json(by_client(&presence))),
        Some("user") => Ok(json(by_user(&presence))),
        Some(_) => Err(Problem::new(
            Code::InvalidParameter,
            "`by` is client, or user, which puts the clients of a user together",
        )),
    }
}

fn by_client(presence: &Presence) -> String {
    let shown: Vec<&str> = presence.members.iter().map(|m| shown(m)).collect();
    format!("{{\"clients\":[{}],{}}}", shown.join(","), rest(presence))
}

/// The clients of each user together; those without a user are on their own.
fn by_user(presence: &Presence) -> String {
    let mut users: BTreeMap<(Option<&str>, Option<ClientId>), Vec<&str>> = BTreeMap::new();
    for member in &presence.members {
        let user = member.user.as_deref();
        let alone = user.is_none().then_some(member.client);
        users.entry((user, alone)).or_default().push(shown(member));
    }
    let entry = |((user, _), clients): (&(Option<&str>, _), &Vec<&str>)| {
        let user = serde_json::to_string(user).expect("a string serialises");
        format!("{{\"user\":{user},\"clients\":[{}]}}", clients.join(","))
    };
    let users: Vec<String> = users.iter().map(entry).collect();
    format!("{{\"users\":[{}],{}}}", users.join(","), rest(presence))
}

fn shown(member: &Member) -> &str {
    std::str::from_utf8(&member.shown).expect("made here, of text")
}

fn rest(presence: &Presence) -> String {
    format!(
        "\"count\":{},\"cursor\":\"{}\"",
        presence.count, presence.position
    )
}

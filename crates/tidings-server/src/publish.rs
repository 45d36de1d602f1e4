//! Publishing over HTTP: one message, a batch, and the end or emptying of a channel.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::header::{self, HeaderName};
use http::{HeaderMap, request};
use tidings_core::{
    Action, ChannelName, Claims, ClientId, Draft, EventName, Limits, Payload, PayloadKind, Realm,
    Sender,
};
use tidings_protocol::command::{Batch, Outgoing, parse_body};
use tidings_protocol::{Code, Problem, envelope, payload};

use crate::access::single;
use crate::address::AddressKey;
use crate::app::App;
use crate::charge::address;
use crate::charge::{charge, delivered};
use crate::identity::{Who, session};
use crate::query::{Query, invalid};
use crate::reading::own_inbox;
use crate::reply::{Answer, json};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Who publishes.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// What is known of them.
    pub claims: Arc<Claims>,
    /// The client, where it is one.
    pub client: Option<ClientId>,
    /// Where they are.
    pub address: Option<AddressKey>,
}

impl Publisher {
    /// Who asks by a request.
    pub fn of(app: &App, who: &Who, head: &request::Parts) -> Self {
        Self {
            claims: who.claims.clone(),
            client: who.client,
            address: address(app, head),
        }
    }

    /// As readers see them. What a sender says of itself gets nowhere.
    fn sender(&self) -> Sender {
        Sender {
            client: self.client,
            user: self.claims.user.clone(),
        }
    }

    /// Whose an idempotency key of theirs is.
    fn party(&self) -> Option<Box<str>> {
        let client = || self.client.map(|client| format!("\u{2}{client}").into());
        session::bound_to(&self.claims)
            .map(|party| party.as_ref().into())
            .or_else(client)
    }

    /// Whether they may end or empty a channel: who may publish to it. An inbox is ended by whom it
    /// belongs to, and by backends: others write there, too.
    fn may_end(&self, app: &App, channel: &ChannelName) -> Result<(), Problem> {
        if self.claims.is_admin() && channel.realm() != Realm::Server {
            return Ok(());
        }
        if channel.realm() == Realm::Inbox && !self.claims.is_backend() {
            app.may(Action::Subscribe, channel, &self.claims, self.client)?;
        }
        self.may(app, channel)
    }

    /// Whether they are still who they were when they were asked: a body takes its time.
    pub fn look_again(&self, app: &App) -> Result<(), Problem> {
        app.check_revoked(&self.claims, self.client)?;
        let now_s = app.now().unix / 1000;
        match self.claims.expires {
            Some(expires) if expires <= now_s => Err(Problem::new(
                Code::TokenExpired,
                "the token ended while the request was on its way",
            )),
            _ => Ok(()),
        }
    }

    /// Whether they may publish to a channel, and it is one.
    pub fn may(&self, app: &App, channel: &ChannelName) -> Result<(), Problem> {
        app.may(Action::Publish, channel, &self.claims, self.client)
    }
}

/// `POST /channels/NAME`: the body is the message.
pub async fn one(
    app: &App,
    publisher: &Publisher,
    channel: ChannelName,
    query: &Query,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Answer, Problem> {
    query.only(&[
        "event",
        "ephemeral",
        "close",
        "key",
        "topic",
        "echo",
        "exclude",
        "user",
        "ticket",
    ])?;
    let close = query.flag("close")?.unwrap_or(false);
    let key = single(headers, &IDEMPOTENCY_KEY)?.map(str::to_owned);
    let key = key.or(query.one("key")?.map(str::to_owned));
    let content_type = single(headers, &header::CONTENT_TYPE)?;
    let nothing = close && body.is_empty();
    let draft = Draft {
        event: event_name(app, query.one("event")?)?,
        payload: match nothing {
            true => None,
            false => Some(payload::from_body(content_type, compact(body))?),
        },
        ephemeral: query.flag("ephemeral")?.unwrap_or(false),
        close,
        party: key.is_some().then(|| publisher.party()).flatten(),
        key: key.as_deref().map(check_key).transpose()?,
        topic: query.one("topic")?.map(check_topic).transpose()?,
        from: publisher.sender(),
        exclude: excluded(publisher, query.flag("echo")?, query.one("exclude")?)?,
        ..empty_draft(channel)
    };
    if close {
        publisher.may_end(app, &draft.channel)?;
    }
    let draft = checked(app, draft)?;
    charge(app, publisher, std::slice::from_ref(&draft))?;
    publish(app, publisher, draft).await.map(json)
}

/// `POST /publish`: many messages, all checked before the first is published.
pub async fn batch(
    app: &App,
    publisher: &Publisher,
    query: &Query,
    body: &[u8],
) -> Result<Answer, Problem> {
    query.only(&["user", "ticket"])?;
    let batch: Batch<'_> = parse_body(body, "{\"messages\":[{\"channel\":…,\"data\":…}]}")?;
    let max = app.limits().batch_messages;
    if batch.messages.is_empty() {
        return Err(Problem::new(
            Code::BadRequest,
            "`messages` holds at least one message",
        ));
    }
    if batch.messages.len() > max {
        let detail = format!(
            "a batch holds up to {max} messages; this one {}",
            batch.messages.len()
        );
        return Err(Problem::new(Code::BatchTooLarge, detail));
    }
    let mut drafts = Vec::with_capacity(batch.messages.len());
    for (index, message) in batch.messages.iter().enumerate() {
        let draft = draft(app, publisher, message).map_err(|problem| {
            Problem::new(
                problem.code,
                format!("messages[{index}]: {}", problem.detail),
            )
        })?;
        drafts.push(draft);
    }
    charge(app, publisher, &drafts)?;
    let mut results = Vec::with_capacity(drafts.len());
    for draft in drafts {
        // One that fails now (its channel has ended) does not undo the others; its result says so.
        results.push(match publish(app, publisher, draft).await {
            Ok(receipt) => receipt,
            Err(problem) => {
                app.stats.refused(&problem);
                String::from_utf8_lossy(&problem.to_json()).into_owned()
            }
        });
    }
    Ok(json(format!("{{\"results\":[{}]}}", results.join(","))))
}

/// `DELETE /channels/NAME`.
pub async fn clear(
    app: &App,
    publisher: &Publisher,
    channel: ChannelName,
    query: &Query,
) -> Result<Answer, Problem> {
    query.only(&["user", "ticket"])?;
    publisher.may_end(app, &channel)?;
    let position = app.hub.clear(&channel, app.now()).await?;
    let name = serde_json::to_string(channel.as_str()).expect("a string serialises");
    Ok(json(format!(
        "{{\"channel\":{name},\"epoch\":\"{}\",\"offset\":{}}}",
        position.epoch, position.offset
    )))
}

/// Checks a message of a command or batch: name, right, event, key, payload and size.
pub fn draft(app: &App, publisher: &Publisher, message: &Outgoing<'_>) -> Result<Draft, Problem> {
    let channel = ChannelName::parse(&message.channel)?;
    let channel = own_inbox(channel, &publisher.claims, publisher.client)?;
    publisher.may(app, &channel)?;
    let draft = Draft {
        event: event_name(app, message.event.as_deref())?,
        payload: Some(payload::from_data(
            message.data,
            message.encoding.as_deref(),
        )?),
        ephemeral: message.ephemeral,
        party: message.key.is_some().then(|| publisher.party()).flatten(),
        key: message.key.as_deref().map(check_key).transpose()?,
        topic: message.topic.as_deref().map(check_topic).transpose()?,
        from: publisher.sender(),
        exclude: excluded(publisher, message.echo, message.exclude.as_deref())?,
        ..empty_draft(channel)
    };
    checked(app, draft)
}

/// The client that a message is not for: who sends it (`echo=false`), or whom a backend names.
fn excluded(
    publisher: &Publisher,
    echo: Option<bool>,
    exclude: Option<&str>,
) -> Result<Option<ClientId>, Problem> {
    match (echo, exclude) {
        (Some(false), None) => publisher.client.map(Some).ok_or_else(|| {
            invalid(
                "`echo=false` leaves out the client that sends: say which by Tidings-Session, or use a WebSocket"
                    .into(),
            )
        }),
        (_, Some(client)) if publisher.claims.is_backend() => client
            .parse()
            .map(Some)
            .map_err(|_| invalid("`exclude` is a client's id, as `hello` says it".into())),
        (_, Some(_)) => Err(invalid(
            "`exclude` is for backends; a client leaves out itself with `echo=false`".into(),
        )),
        _ => Ok(None),
    }
}

/// The message as the rules of its channel have it.
fn checked(app: &App, mut draft: Draft) -> Result<Draft, Problem> {
    draft.ephemeral |= app.hub.rules(&draft.channel).ephemeral && draft.payload.is_some();
    check(app, &mut draft)?;
    Ok(draft)
}

/// Refuses what is no message: a payload over the limit of its channel, an end that nobody keeps. Finds
/// what it is about, where the rules of its channel say how.
pub fn check(app: &App, draft: &mut Draft) -> Result<(), Problem> {
    if draft.ephemeral && draft.close {
        return Err(invalid(
            "a channel's last message is not ephemeral: leave out `ephemeral` or `close`".into(),
        ));
    }
    let rules = app.hub.rules(&draft.channel);
    let max = rules.message_bytes;
    if let Some(payload) = &draft.payload
        && payload.bytes.len() > max
    {
        return Err(too_large(&draft.channel, max));
    }
    if let Some(pointer) = rules.lag.pointer() {
        draft.topic = draft.payload.as_ref().and_then(|p| topic_at(p, pointer));
    }
    Ok(())
}

/// What a payload is about: the value at the pointer, as JSON.
fn topic_at(payload: &Payload, pointer: &str) -> Option<Box<str>> {
    let is_json = payload.kind == PayloadKind::Json;
    let topic = is_json.then(|| payload::at_pointer(&payload.bytes, pointer))?;
    topic.map(Into::into)
}

/// A message over the limit of its channel.
pub fn too_large(channel: &ChannelName, max: usize) -> Problem {
    let detail = format!(
        "a message in `{channel}` has at most {max} bytes; send less, or a link to the rest"
    );
    Problem::new(Code::MessageTooLarge, detail)
}

/// Publishes what was checked; gives the answer as JSON.
async fn publish(app: &App, publisher: &Publisher, draft: Draft) -> Result<String, Problem> {
    let channel = draft.channel.clone();
    let receipt = app.hub.publish(draft, app.now()).await?;
    if !receipt.duplicate {
        delivered(app, publisher, receipt.subscribers);
    }
    if receipt.subscribers > 0 {
        readers_first().await;
    }
    let receipt = envelope::Receipt {
        channel: &channel,
        receipt,
    };
    Ok(receipt.to_json())
}

/// Lets the readers that were just woken on this thread write before their publisher does: they wait
/// for the message, and it only for the receipt. One turn, without asking the kernel for news.
async fn readers_first() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn event_name(app: &App, name: Option<&str>) -> Result<Option<EventName>, Problem> {
    let parse = |name| EventName::parse(name, app.limits().event_bytes);
    Ok(name.map(parse).transpose()?)
}

/// Checks and takes an idempotency key.
pub fn check_key(key: &str) -> Result<Box<str>, Problem> {
    if key.is_empty() || key.len() > Limits::KEY_BYTES || !key.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(Problem::new(
            Code::InvalidKey,
            format!(
                "an idempotency key has 1 to {} visible ASCII characters, such as a UUID",
                Limits::KEY_BYTES
            ),
        ));
    }
    Ok(key.into())
}

/// Checks and takes what a message is about.
pub fn check_topic(topic: &str) -> Result<Box<str>, Problem> {
    if topic.is_empty() || topic.len() > Limits::TOPIC_BYTES || topic.contains(char::is_control) {
        return Err(invalid(format!(
            "`topic` has 1 to {} bytes of UTF-8 and no control character",
            Limits::TOPIC_BYTES
        )));
    }
    Ok(topic.into())
}

fn empty_draft(channel: ChannelName) -> Draft {
    Draft::new(channel, Payload::empty())
}

/// A copy of its own: a small body is often a slice of a large read buffer, which a retained
/// message must not keep alive.
fn compact(body: Bytes) -> Bytes {
    Bytes::copy_from_slice(&body)
}

/// A draft of what a raw WebSocket publishes.
pub fn raw_draft(
    app: &App,
    publisher: &Publisher,
    channel: ChannelName,
    payload: Payload,
    echo: bool,
) -> Result<Draft, Problem> {
    publisher.may(app, &channel)?;
    let draft = Draft {
        from: publisher.sender(),
        exclude: publisher.client.filter(|_| !echo),
        ..Draft::new(channel, payload)
    };
    checked(app, draft)
}

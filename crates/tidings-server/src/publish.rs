//! Publishing over HTTP: one message, a batch, and the end or emptying of a channel.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{self, HeaderName};
use tidings_core::{
    Action, ChannelName, Claims, ClientId, Draft, EventName, Limits, Payload, Sender,
};
use tidings_protocol::command::{Batch, Outgoing, parse_body};
use tidings_protocol::{Code, Problem, envelope, payload};

use crate::access::single;
use crate::app::App;
use crate::query::{Query, invalid};
use crate::reply::{Answer, json};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// `POST /channels/NAME`: the body is the message.
pub async fn one(
    app: &App,
    channel: ChannelName,
    query: &Query,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Answer, Problem> {
    query.only(&["event", "ephemeral", "close", "key", "user"])?;
    may_publish(app, &channel)?;
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
        key: key.as_deref().map(check_key).transpose()?,
        from: Sender {
            client: None,
            user: query.user(),
        },
        ..empty_draft(channel)
    };
    check(app, &draft)?;
    publish(app, draft).await.map(json)
}

/// `POST /publish`: many messages, all checked before the first is published.
pub async fn batch(app: &App, query: &Query, body: &[u8]) -> Result<Answer, Problem> {
    query.only(&["user"])?;
    let from = Sender {
        client: None,
        user: query.user(),
    };
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
        let draft = draft(app, message, &from, None).map_err(|problem| {
            Problem::new(
                problem.code,
                format!("messages[{index}]: {}", problem.detail),
            )
        })?;
        drafts.push(draft);
    }
    let mut results = Vec::with_capacity(drafts.len());
    for draft in drafts {
        // One that fails now (its channel has ended) does not undo the others; its result says so.
        results.push(match publish(app, draft).await {
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
pub async fn clear(app: &App, channel: ChannelName, query: &Query) -> Result<Answer, Problem> {
    query.only(&["user"])?;
    may_publish(app, &channel)?;
    let position = app.hub.clear(&channel, app.now()).await?;
    let name = serde_json::to_string(channel.as_str()).expect("a string serialises");
    Ok(json(format!(
        "{{\"channel\":{name},\"epoch\":\"{}\",\"offset\":{}}}",
        position.epoch, position.offset
    )))
}

/// Checks a message of a command or batch: name, right, event, key, payload and size.
pub fn draft(
    app: &App,
    message: &Outgoing<'_>,
    from: &Sender,
    me: Option<ClientId>,
) -> Result<Draft, Problem> {
    let channel = ChannelName::parse(&message.channel)?;
    may_publish(app, &channel)?;
    let exclude = match message.echo {
        Some(false) if me.is_none() => {
            return Err(invalid(
                "`echo` works on a WebSocket, where the server knows who you are".into(),
            ));
        }
        Some(false) => me,
        _ => None,
    };
    let draft = Draft {
        event: event_name(app, message.event.as_deref())?,
        payload: Some(payload::from_data(
            message.data,
            message.encoding.as_deref(),
        )?),
        ephemeral: message.ephemeral,
        key: message.key.as_deref().map(check_key).transpose()?,
        from: from.clone(),
        exclude,
        ..empty_draft(channel)
    };
    check(app, &draft)?;
    Ok(draft)
}

/// Refuses what is no message: a payload over the limit of its channel, an end that nobody keeps.
pub fn check(app: &App, draft: &Draft) -> Result<(), Problem> {
    if draft.ephemeral && draft.close {
        return Err(invalid(
            "a channel's last message is not ephemeral: leave out `ephemeral` or `close`".into(),
        ));
    }
    let max = app.hub.rules(&draft.channel).message_bytes;
    match &draft.payload {
        Some(payload) if payload.bytes.len() > max => Err(too_large(&draft.channel, max)),
        _ => Ok(()),
    }
}

/// A message over the limit of its channel.
pub fn too_large(channel: &ChannelName, max: usize) -> Problem {
    let detail = format!(
        "a message in `{channel}` has at most {max} bytes; send less, or a link to the rest"
    );
    Problem::new(Code::MessageTooLarge, detail)
}

/// Whether clients may publish there.
pub fn may_publish(app: &App, channel: &ChannelName) -> Result<(), Problem> {
    takes_messages(app)?;
    let anonymous = Claims::anonymous();
    Ok(app.hub.may(Action::Publish, channel, &anonymous, None)?)
}

/// Whether clients may publish at all.
pub fn takes_messages(app: &App) -> Result<(), Problem> {
    match app.access.read_only {
        false => Ok(()),
        true => Err(Problem::new(
            Code::Forbidden,
            "clients only read here: the application publishes",
        )),
    }
}

/// Publishes what was checked; gives the answer as JSON.
async fn publish(app: &App, draft: Draft) -> Result<String, Problem> {
    let channel = draft.channel.clone();
    let receipt = app.hub.publish(draft, app.now()).await?;
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

fn empty_draft(channel: ChannelName) -> Draft {
    Draft::new(channel, Payload::empty())
}

/// A copy of its own: a small body is often a slice of a large read buffer, which a retained
/// message must not keep alive.
fn compact(body: Bytes) -> Bytes {
    Bytes::copy_from_slice(&body)
}

/// A draft without more than channel, payload and sender: what a raw WebSocket publishes.
pub fn raw_draft(
    channel: ChannelName,
    payload: Payload,
    from: Sender,
    exclude: Option<ClientId>,
) -> Draft {
    Draft {
        from,
        exclude,
        ..Draft::new(channel, payload)
    }
}

/// Who publishes on a WebSocket.
pub fn sender(client: ClientId, user: Option<&Arc<str>>) -> Sender {
    Sender {
        client: Some(client),
        user: user.cloned(),
    }
}

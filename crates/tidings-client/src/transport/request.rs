//! How a reading is asked for: names and places in a URL where they fit, else in the body of `POST /read`, or in
//! commands on a WebSocket. It sends nothing.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    Error,
    client::Inner,
    endpoint::Target,
    places::{After, Ask},
    subscription::Join,
};

/// Longer request targets go into a body: everything between accepts a target of this many bytes.
const MAX_TARGET: usize = 2_000;

/// Messages in one answer to a poll, the most that the protocol allows.
const POLL_LIMIT: u32 = 1_000;

#[derive(Default, Serialize)]
struct Read<'a> {
    channels: Vec<Channel<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(flatten)]
    member: Member<'a>,
}

/// The fields that make the reader a member of its channels.
#[derive(Default, Serialize)]
struct Member<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    join: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<&'a RawValue>,
}

impl<'a> From<&'a Join> for Member<'a> {
    fn from(join: &'a Join) -> Self {
        match join {
            Join::No => Self {
                join: None,
                info: None,
            },
            Join::As(info) => Self {
                join: Some(true),
                info: info.as_deref(),
            },
        }
    }
}

#[derive(Serialize)]
struct Channel<'a> {
    name: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
}

/// A place as the fields `after` or `last`.
#[derive(Serialize)]
struct Place<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u32>,
}

#[derive(Serialize)]
struct Auth<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: u64,
    token: &'a str,
}

#[derive(Serialize)]
struct Subscribe<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: u64,
    channel: &'a str,
    #[serde(flatten)]
    place: Place<'a>,
    #[serde(flatten)]
    member: Member<'a>,
}

impl<'a> From<&'a After> for Place<'a> {
    fn from(after: &'a After) -> Self {
        match after {
            After::Last(count) => Self {
                after: None,
                last: Some(*count),
            },
            After::Cursor(cursor) => Self {
                after: Some(cursor),
                last: None,
            },
        }
    }
}

/// The request target of a reading, if it can be said and fits.
pub(super) fn target(asks: &[Ask], join: &Join) -> Option<Target> {
    let target = match asks {
        [ask] => Target::channel(&ask.name),
        _ => asks.iter().fold(Target::path("/channels"), |target, ask| {
            target.with("name", &ask.name)
        }),
    };
    let target = member(places(target, asks)?, join);
    (target.len() <= MAX_TARGET).then_some(target)
}

fn member(target: Target, join: &Join) -> Target {
    match join {
        Join::No => target,
        Join::As(None) => target.with("join", "true"),
        Join::As(Some(info)) => target.with("join", "true").with("info", info.get()),
    }
}

/// One place for all, or one cursor for each. A mixture with `last` has no form in a URL.
fn places(target: Target, asks: &[Ask]) -> Option<Target> {
    let first = &asks.first()?.after;
    if asks.iter().all(|ask| ask.after == *first) {
        return Some(match first {
            After::Last(count) => target.with("last", &count.to_string()),
            After::Cursor(cursor) => target.with("after", cursor),
        });
    }
    asks.iter()
        .try_fold(target, |target, ask| match &ask.after {
            After::Last(_) => None,
            After::Cursor(cursor) => Some(target.with("after", cursor)),
        })
}

/// The request of an SSE stream.
pub(super) fn stream(
    inner: &Inner,
    asks: &[Ask],
    join: &Join,
    moved: Option<&str>,
) -> Result<Request<Full<Bytes>>, Error> {
    match target(asks, join) {
        Some(target) => get(inner, telling(target, moved)),
        None => posted_stream(inner, asks, join, moved),
    }
}

/// The same as the answer to a `POST`.
pub(super) fn posted_stream(
    inner: &Inner,
    asks: &[Ask],
    join: &Join,
    moved: Option<&str>,
) -> Result<Request<Full<Bytes>>, Error> {
    let asked = Read {
        transport: Some("sse"),
        ..asked(asks, join)
    };
    read(inner, &asked, moved)
}

/// A poll's request, with the seconds to wait.
pub(super) fn poll(
    inner: &Inner,
    asks: &[Ask],
    wait: Option<u64>,
    join: &Join,
    moved: Option<&str>,
) -> Result<Request<Full<Bytes>>, Error> {
    let Some(target) = target(asks, join) else {
        let asked = Read {
            wait,
            limit: Some(POLL_LIMIT),
            ..asked(asks, join)
        };
        return read(inner, &asked, moved);
    };
    let target = target.with("limit", &POLL_LIMIT.to_string());
    let target = match wait {
        Some(seconds) => target.with("wait", &seconds.to_string()),
        None => target,
    };
    get(inner, telling(target, moved))
}

/// Tells the server that this transport is not the one of before, and why.
pub(super) fn telling(target: Target, moved: Option<&str>) -> Target {
    match moved {
        Some(moved) => target.with("_moved", moved),
        None => target,
    }
}

pub(super) fn get(inner: &Inner, target: Target) -> Result<Request<Full<Bytes>>, Error> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = inner.endpoint.uri(target)?;
    Ok(request)
}

/// The request that shows a newer token for open streams.
pub(super) fn session(inner: &Inner) -> Result<Request<Full<Bytes>>, Error> {
    let mut request = get(inner, Target::path("/session"))?;
    *request.method_mut() = Method::POST;
    Ok(request)
}

fn read(
    inner: &Inner,
    asked: &Read<'_>,
    moved: Option<&str>,
) -> Result<Request<Full<Bytes>>, Error> {
    let mut request = Request::new(Full::new(body(asked).into()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = inner.endpoint.uri(telling(Target::path("/read"), moved))?;
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

fn asked<'a>(asks: &'a [Ask], join: &'a Join) -> Read<'a> {
    let channel = |ask: &'a Ask| Channel {
        name: &ask.name,
        place: (&ask.after).into(),
    };
    Read {
        channels: asks.iter().map(channel).collect(),
        member: join.into(),
        ..Read::default()
    }
}

fn body(asked: &Read<'_>) -> Vec<u8> {
    serde_json::to_vec(asked).expect("strings and numbers are serialisable")
}

/// The command that adds a channel to a WebSocket.
pub(super) fn subscribe(id: u64, ask: &Ask, join: &Join) -> String {
    let command = Subscribe {
        kind: "subscribe",
        id,
        channel: &ask.name,
        place: (&ask.after).into(),
        member: join.into(),
    };
    serde_json::to_string(&command).expect("strings and numbers are serialisable")
}

/// The command that shows a newer token on a WebSocket.
pub(super) fn auth(id: u64, token: &str) -> String {
    let command = Auth {
        kind: "auth",
        id,
        token,
    };
    serde_json::to_string(&command).expect("strings and numbers are serialisable")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str, after: &str) -> Ask {
        Ask {
            name: name.into(),
            after: After::Cursor(after.into()),
        }
    }

    fn of(asks: &[Ask]) -> Option<Target> {
        target(asks, &Join::No)
    }

    fn last(name: &str, count: u32) -> Ask {
        Ask {
            name: name.into(),
            after: After::Last(count),
        }
    }

    #[test]
    fn places_stand_once_or_for_each() {
        let expected = Target::channel("방").with("after", "k-1");
        assert_eq!(of(&[ask("방", "k-1")]), Some(expected));
        let names = || {
            Target::path("/channels")
                .with("name", "a")
                .with("name", "b/c")
        };
        assert_eq!(
            of(&[ask("a", "now"), ask("b/c", "now")]),
            Some(names().with("after", "now"))
        );
        let each = names().with("after", "k-1").with("after", "f-2");
        assert_eq!(of(&[ask("a", "k-1"), ask("b/c", "f-2")]), Some(each));
        assert_eq!(
            of(&[last("a", 9), last("b/c", 9)]),
            Some(names().with("last", "9"))
        );
    }

    #[test]
    fn what_no_url_can_say_goes_into_a_body() {
        let asks = [ask("a", "k-1"), last("방", 9)];
        assert_eq!(of(&asks), None);
        let expected = r#"{"channels":[{"name":"a","after":"k-1"},{"name":"방","last":9}],"wait":30,"limit":1000}"#;
        assert_eq!(
            body(&Read {
                wait: Some(30),
                limit: Some(1_000),
                ..asked(&asks, &Join::No)
            }),
            expected.as_bytes()
        );
        let many: Vec<Ask> = (0..300)
            .map(|n| ask(&format!("channel-{n}"), "now"))
            .collect();
        assert_eq!(of(&many), None);
        assert!(
            !body(&asked(&many, &Join::No))
                .windows(4)
                .any(|word| word == b"wait")
        );
    }

    #[test]
    fn commands_are_json() {
        let expected = r#"{"type":"subscribe","id":3,"channel":"방 \" 7","after":"k-1"}"#;
        assert_eq!(subscribe(3, &ask("방 \" 7", "k-1"), &Join::No), expected);
        assert_eq!(
            subscribe(4, &last("a", 2), &Join::No),
            r#"{"type":"subscribe","id":4,"channel":"a","last":2}"#
        );
    }

    #[test]
    fn a_member_says_so_in_every_form() {
        let info = RawValue::from_string(r#"{"name":"앨리스"}"#.into()).expect("JSON");
        let join = Join::As(Some(info.into()));
        let expected = Target::channel("a")
            .with("after", "k-1")
            .with("join", "true")
            .with("info", r#"{"name":"앨리스"}"#);
        assert_eq!(target(&[ask("a", "k-1")], &join), Some(expected));
        let end = r#","join":true,"info":{"name":"앨리스"}}"#;
        assert!(subscribe(1, &ask("a", "k-1"), &join).ends_with(end));
        assert!(body(&asked(&[ask("a", "k-1")], &join)).ends_with(end.as_bytes()));
    }
}

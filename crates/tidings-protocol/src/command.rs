//! What clients say in JSON: WebSocket commands, batches, and the body of `POST /read`.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::codes::{Code, Problem};

/// A command on a WebSocket.
#[derive(Debug)]
pub struct Command<'a> {
    /// Repeated in the answer: a number or a string of at most 64 bytes.
    pub id: Option<&'a RawValue>,
    /// What to do.
    pub action: Action<'a>,
}

/// What to do.
#[derive(Debug)]
pub enum Action<'a> {
    /// Read a channel.
    Subscribe {
        /// Which.
        channel: Cow<'a, str>,
        /// Where to start.
        after: Option<Cow<'a, str>>,
        /// With the newest so many.
        last: Option<usize>,
        /// With the channel that tells who is there.
        presence: bool,
        /// As one of those who are there.
        join: bool,
        /// What others see of a member.
        info: Option<&'a RawValue>,
    },
    /// Say who one is.
    Auth {
        /// The token; without one, who one is stays as it is, and there is a session.
        token: Option<Cow<'a, str>>,
        /// What this client was before.
        session: Option<Cow<'a, str>>,
    },
    /// Read a channel no more.
    Unsubscribe {
        /// Which.
        channel: Cow<'a, str>,
    },
    /// Publish a message.
    Publish(Outgoing<'a>),
    /// Answer with a pong.
    Ping {
        /// Given back as it is.
        time: Option<&'a RawValue>,
    },
    /// The client's answer to a ping of the server.
    Pong,
}

/// A message that a client or backend sends, in a command or a batch.
#[derive(Debug, Deserialize)]
pub struct Outgoing<'a> {
    /// Where to.
    #[serde(borrow)]
    pub channel: Cow<'a, str>,
    /// Its event name.
    #[serde(borrow, default)]
    pub event: Option<Cow<'a, str>>,
    /// JSON, or a string by `encoding`.
    #[serde(borrow, default, deserialize_with = "present")]
    pub data: Option<&'a RawValue>,
    /// `text` or `base64`.
    #[serde(borrow, default)]
    pub encoding: Option<Cow<'a, str>>,
    /// Not kept.
    #[serde(default)]
    pub ephemeral: bool,
    /// False: not to oneself.
    #[serde(default)]
    pub echo: Option<bool>,
    /// Not to this client.
    #[serde(borrow, default)]
    pub exclude: Option<Cow<'a, str>>,
    /// Idempotency key.
    #[serde(borrow, default)]
    pub key: Option<Cow<'a, str>>,
    /// What it is about.
    #[serde(borrow, default)]
    pub topic: Option<Cow<'a, str>>,
}

/// The body of `POST /publish`.
#[derive(Debug, Deserialize)]
pub struct Batch<'a> {
    /// In the order in which they are published.
    #[serde(borrow)]
    pub messages: Vec<Outgoing<'a>>,
}

/// The body of `POST /read`.
#[derive(Debug, Deserialize)]
pub struct Read {
    /// The channels and where each starts.
    pub channels: Vec<ReadChannel>,
    /// Where the others start.
    #[serde(default)]
    pub after: Option<String>,
    /// The newest so many of each of the others.
    #[serde(default)]
    pub last: Option<usize>,
    /// Seconds to wait for something.
    #[serde(default)]
    pub wait: Option<f64>,
    /// Messages at most.
    #[serde(default)]
    pub limit: Option<usize>,
    /// `poll` or `sse`, over what `Accept` says.
    #[serde(default)]
    pub transport: Option<String>,
    /// `raw` for the payload alone.
    #[serde(default)]
    pub format: Option<String>,
    /// What this client was before.
    #[serde(default)]
    pub session: Option<String>,
    /// With the channels that tell who is there.
    #[serde(default)]
    pub presence: bool,
    /// As one of those who are there.
    #[serde(default)]
    pub join: bool,
    /// What others see of a member.
    #[serde(default)]
    pub info: Option<Box<RawValue>>,
}

/// The body of `POST /session`.
#[derive(Debug, Default, Deserialize)]
pub struct Session {
    /// What this client was before.
    #[serde(default)]
    pub session: Option<String>,
}

/// A channel of `POST /read`.
#[derive(Debug, Deserialize)]
pub struct ReadChannel {
    /// Its name.
    pub name: String,
    /// Where it starts.
    #[serde(default)]
    pub after: Option<String>,
    /// With the newest so many.
    #[serde(default)]
    pub last: Option<usize>,
    /// Whether as one of those who are there, over what is said for all.
    #[serde(default)]
    pub join: Option<bool>,
    /// What others see of the member here, over what is said for all.
    #[serde(default)]
    pub info: Option<Box<RawValue>>,
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    channel: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    after: Option<Cow<'a, str>>,
    #[serde(default)]
    last: Option<usize>,
    #[serde(borrow, default)]
    time: Option<&'a RawValue>,
    #[serde(borrow, default)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    session: Option<Cow<'a, str>>,
    #[serde(default)]
    presence: bool,
    #[serde(default)]
    join: bool,
    #[serde(borrow, default)]
    info: Option<&'a RawValue>,
}

const EXAMPLE: &str =
    r#"a command is a JSON object such as {"type":"subscribe","id":1,"channel":"room:7"}"#;

fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

/// Why a command was refused, with its id where it could be read.
pub type Refused<'a> = (Option<&'a RawValue>, Problem);

impl<'a> Command<'a> {
    /// Parses one text frame.
    pub fn parse(text: &'a str) -> Result<Self, Refused<'a>> {
        // serde would read a list as a struct, too, by position.
        if !is_object(text.as_bytes()) {
            return Err((None, invalid(EXAMPLE.into())));
        }
        let header: Header<'a> = match serde_json::from_str(text) {
            Ok(header) => header,
            Err(error) => return Err((id_of(text), not_a_command(&error))),
        };
        let id = match scalar("id", header.id) {
            Ok(id) => id,
            Err(problem) => return Err((None, problem)),
        };
        let action = action(header, text).map_err(|problem| (id, problem))?;
        Ok(Self { id, action })
    }
}

fn action<'a>(header: Header<'a>, text: &'a str) -> Result<Action<'a>, Problem> {
    let channel = |of: &str| {
        let missing = || invalid(format!("`{of}` needs a `channel`"));
        header.channel.clone().ok_or_else(missing)
    };
    match header.kind.as_deref() {
        Some("subscribe") => Ok(Action::Subscribe {
            channel: channel("subscribe")?,
            after: header.after,
            last: header.last,
            presence: header.presence,
            join: header.join,
            info: header.info,
        }),
        Some("auth") if header.token.is_none() && header.session.is_none() => Err(invalid(
            "`auth` needs a `token`, a `session`, or both".into(),
        )),
        Some("auth") => Ok(Action::Auth {
            token: header.token,
            session: header.session,
        }),
        Some("unsubscribe") => Ok(Action::Unsubscribe {
            channel: channel("unsubscribe")?,
        }),
        Some("publish") => {
            channel("publish")?;
            let outgoing = serde_json::from_str(text).map_err(|error| not_a_command(&error))?;
            Ok(Action::Publish(outgoing))
        }
        Some("ping") => Ok(Action::Ping {
            time: scalar("time", header.time)?,
        }),
        Some("pong") => Ok(Action::Pong),
        Some(other) => Err(invalid(format!(
            "there is no command `{}`; there are subscribe, unsubscribe, publish, auth and ping",
            other.chars().take(40).collect::<String>()
        ))),
        None => Err(invalid(
            "a command has a `type`: subscribe, unsubscribe, publish, auth or ping".into(),
        )),
    }
}

/// An id that came with a command which is wrong elsewhere.
fn id_of(text: &str) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow, default)]
        id: Option<&'a RawValue>,
    }
    let only: OnlyId<'_> = serde_json::from_str(text).ok()?;
    scalar("id", only.id).ok().flatten()
}

/// A value that is given back as it is: small, and no object or list.
fn scalar<'a>(name: &str, value: Option<&'a RawValue>) -> Result<Option<&'a RawValue>, Problem> {
    const BYTES_MAX: usize = 64;
    match value {
        Some(value) if value.get().len() > BYTES_MAX || value.get().starts_with(['{', '[']) => {
            Err(invalid(format!(
                "`{name}` is a number or a string of at most {BYTES_MAX} bytes"
            )))
        }
        value => Ok(value),
    }
}

/// What is wrong, without quoting a client's text at length back to it.
fn brief(error: &serde_json::Error) -> String {
    const CHARS_MAX: usize = 200;
    error.to_string().chars().take(CHARS_MAX).collect()
}

/// Parses the body of a request.
pub fn parse_body<'a, T: Deserialize<'a>>(body: &'a [u8], shape: &str) -> Result<T, Problem> {
    if !is_object(body) {
        return Err(Problem::new(
            Code::BadRequest,
            format!("the body is not {shape}"),
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            Code::BadRequest,
            format!("the body is not {shape}: {}", brief(&error)),
        )
    })
}

fn not_a_command(error: &serde_json::Error) -> Problem {
    invalid(format!("{EXAMPLE}: {}", brief(error)))
}

fn invalid(detail: String) -> Problem {
    Problem::new(Code::InvalidCommand, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let c = Command::parse(
            r#"{"type":"subscribe","id":1,"channel":"방:7","after":"k3f9-41","new":{}}"#,
        )
        .unwrap();
        assert_eq!(c.id.unwrap().get(), "1");
        assert!(
            matches!(c.action, Action::Subscribe { channel, after: Some(_), last: None, .. } if channel == "방:7")
        );
        let c = Command::parse(r#"{"type":"publish","channel":"a\n","data":null,"echo":false}"#)
            .unwrap();
        let Action::Publish(out) = c.action else {
            panic!()
        };
        assert_eq!(out.data.unwrap().get(), "null");
        assert_eq!((out.channel.as_ref(), out.echo), ("a\n", Some(false)));
        let c = Command::parse(r#"{"type":"publish","channel":"a","data":1,"topic":"B\u0054C"}"#)
            .unwrap();
        let Action::Publish(out) = c.action else {
            panic!()
        };
        assert_eq!(out.topic.as_deref(), Some("BTC"));
        let c = Command::parse(r#"{"type":"publish","channel":"a"}"#).unwrap();
        assert!(matches!(
            c.action,
            Action::Publish(Outgoing { data: None, .. })
        ));
    }

    #[test]
    fn wrong_commands_keep_their_id() {
        for (text, id) in [
            ("", None),
            ("[]", None),
            (r#"{"id":7}"#, Some("7")),
            (r#"{"id":"x","type":"auth"}"#, Some("\"x\"")),
            (r#"{"id":{},"type":"ping"}"#, None),
            (r#"{"id":3,"type":"subscribe"}"#, Some("3")),
            (r#"{"id":4,"type":"subscribe","channel":5}"#, Some("4")),
            (
                r#"{"id":5,"type":"publish","channel":"a","ephemeral":"yes"}"#,
                Some("5"),
            ),
            (r#"{"type":"ping","type":"ping","id":6}"#, None),
        ] {
            let (got, problem) = Command::parse(text).unwrap_err();
            assert_eq!(problem.code, Code::InvalidCommand, "{text}");
            if !text.contains("\"type\":\"ping\",") {
                assert_eq!(got.map(|id| id.get()), id, "{text}");
            }
        }
    }
}

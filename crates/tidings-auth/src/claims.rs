//! What is said of somebody, from JSON to [`Claims`]: the payload of a token, and the answer of an
//! authorizer. Who said it is known before; members without a meaning here are passed over.

use std::sync::Arc;

use serde_json::{Map, Value};
use tidings_core::{Claims, Grants, Limits, PatternError, Patterns, Role};

/// The latest time that is believed to be one: the end of the year 9999, in Unix seconds.
pub const LATEST: u64 = 253_402_300_799;

/// The longest `jti` in bytes.
const ID_BYTES: usize = 128;

/// The largest `info` in bytes of JSON without white space.
const INFO_BYTES: usize = 1024;

/// What is wrong with a claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// It has to be there.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// It is of another kind.
    #[error("`{0}` has to be {1}")]
    Kind(&'static str, &'static str),
    /// A list of patterns is none.
    #[error("`channels.{0}`: {1}")]
    Patterns(&'static str, PatternError),
    /// A member of `channels` that means nothing.
    #[error("`channels` has the members subscribe, publish and presence, and not {0}")]
    UnknownMember(String),
    /// Its `exp` has passed.
    #[error("it has expired")]
    Expired,
    /// Its `nbf` is still to come.
    #[error("it is not valid yet (`nbf`)")]
    NotYetValid,
    /// Its `iat` is still to come.
    #[error("it was issued in the future (`iat`); compare the clocks")]
    FromTheFuture,
}

/// Reads claims and checks their times: `now` is Unix time in seconds, `leeway` the seconds by which
/// clocks may differ. `issuer` is the name of a backend that has no `sub`.
///
/// | member | |
/// |---|---|
/// | `exp` | when it ends; required. `leeway` prolongs nothing: its streams end then, too |
/// | `nbf`, `iat` | not valid before |
/// | `sub` | the user: 1–255 bytes without white space and control characters |
/// | `jti` | its own id, 1–128 bytes |
/// | `channels` | `{"subscribe": […], "publish": […], "presence": […]}`: up to 64 patterns each |
/// | `info` | what others see in presence: JSON of at most 1 KiB |
/// | `inbox` | whether `@USER` may be read; true if absent |
/// | `backend`, `admin` | it is a part of the application, by the name `sub`; without `backend`, `admin` means nothing |
///
/// Times are JSON integers from 0 to [`LATEST`] (RFC 7519 section 2 would allow fractions).
///
/// # Errors
///
/// [`ClaimError`].
pub fn read_claims(
    members: &Map<String, Value>,
    issuer: &str,
    now: u64,
    leeway: u64,
) -> Result<Claims, ClaimError> {
    let expires = time(members, "exp")?.ok_or(ClaimError::Missing("exp"))?;
    let issued = time(members, "iat")?;
    let begins = time(members, "nbf")?;
    if now >= expires {
        return Err(ClaimError::Expired);
    }
    let soon = now.saturating_add(leeway);
    if begins.is_some_and(|begins| begins > soon) {
        return Err(ClaimError::NotYetValid);
    }
    // Else it would outlive "nothing that was issued before now".
    if issued.is_some_and(|issued| issued > soon) {
        return Err(ClaimError::FromTheFuture);
    }
    let subject = name(members, "sub", Limits::USER_BYTES)?;
    let role = role(members, subject.as_ref(), issuer)?;
    let is_client = role == Role::Client;
    Ok(Claims {
        user: subject.filter(|_| is_client),
        role,
        grants: grants(members)?,
        inbox: flag(members, "inbox")?.unwrap_or(true),
        info: info(members)?,
        expires: Some(expires),
        issued,
        id: name(members, "jti", ID_BYTES)?,
    })
}

fn time(members: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, ClaimError> {
    let Some(value) = members.get(name) else {
        return Ok(None);
    };
    // A float is no integer, whatever its value.
    match value.as_u64() {
        Some(time) if time <= LATEST => Ok(Some(time)),
        _ => Err(ClaimError::Kind(
            name,
            "a whole number of Unix seconds, not a text and without fraction",
        )),
    }
}

fn name(
    members: &Map<String, Value>,
    name: &'static str,
    bytes_max: usize,
) -> Result<Option<Arc<str>>, ClaimError> {
    let kind = "a text of 1 to 255 bytes (`jti`: 128) without white space and control characters";
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if is_name(text, bytes_max) => Ok(Some(text.as_str().into())),
        Some(_) => Err(ClaimError::Kind(name, kind)),
    }
}

fn is_name(text: &str, bytes_max: usize) -> bool {
    let bad = |c: char| c.is_control() || c.is_whitespace();
    !text.is_empty() && text.len() <= bytes_max && !text.chars().any(bad)
}

fn flag(members: &Map<String, Value>, name: &'static str) -> Result<Option<bool>, ClaimError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(ClaimError::Kind(name, "true or false")),
    }
}

fn role(
    members: &Map<String, Value>,
    subject: Option<&Arc<str>>,
    issuer: &str,
) -> Result<Role, ClaimError> {
    if flag(members, "backend")? != Some(true) {
        // What applications call an admin is theirs.
        return Ok(Role::Client);
    }
    Ok(Role::Backend {
        name: subject.cloned().unwrap_or_else(|| issuer.into()),
        admin: flag(members, "admin")?.unwrap_or(false),
    })
}

fn grants(members: &Map<String, Value>) -> Result<Grants, ClaimError> {
    let mut grants = Grants::default();
    let channels = match members.get("channels") {
        None => return Ok(grants),
        Some(Value::Object(channels)) => channels,
        Some(_) => return Err(ClaimError::Kind("channels", "an object")),
    };
    for (action, list) in channels {
        match action.as_str() {
            "subscribe" => grants.subscribe = patterns("subscribe", list)?,
            "publish" => grants.publish = patterns("publish", list)?,
            "presence" => grants.presence = patterns("presence", list)?,
            other => return Err(ClaimError::UnknownMember(showable(other))),
        }
    }
    Ok(grants)
}

fn patterns(action: &'static str, list: &Value) -> Result<Patterns, ClaimError> {
    let no_list = || ClaimError::Kind(action, "a list of patterns, each a text");
    let list = list.as_array().ok_or_else(no_list)?;
    let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    Patterns::parse(texts.ok_or_else(no_list)?).map_err(|error| ClaimError::Patterns(action, error))
}

/// A misspelt name helps whoever reads the error; anything else is not for logs.
fn showable(member: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    match member.len() <= 32 && member.bytes().all(plain) {
        true => format!("`{member}`"),
        false => "another".into(),
    }
}

fn info(members: &Map<String, Value>) -> Result<Option<Arc<str>>, ClaimError> {
    let value = match members.get("info") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.to_string(),
    };
    match value.len() <= INFO_BYTES {
        true => Ok(Some(value.into())),
        false => Err(ClaimError::Kind("info", "at most 1 KiB of JSON")),
    }
}

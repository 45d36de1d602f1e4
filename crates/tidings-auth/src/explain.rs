//! What is in a token, for a person who wonders why it is refused. Nothing is verified, and nobody
//! is let in by it.

use serde_json::{Map, Value, json};

use crate::claims::{ClaimError, read_claims};
use crate::token::{self, TOKEN_BYTES_MAX};
use crate::verifier::TokenError;

/// The header and the claims of a token as JSON, with remarks: `{"header", "claims", "remarks"}`.
/// `now` is Unix time in seconds. Without its signature: what is printed lets nobody in.
///
/// # Errors
///
/// [`TokenError`] if it cannot be taken apart.
pub fn explain(text: &str, now: u64) -> Result<Value, TokenError> {
    if text.len() > 4 * TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    let [header, payload, _] = token::parts(text)?;
    let header = token::object(header, "the header")?;
    let claims = token::object(payload, "the payload")?;
    let mut remarks = vec!["the signature was not verified".to_owned()];
    if let Err(error) = token::split(text) {
        remarks.push(error.to_string());
    }
    if header
        .get("alg")
        .and_then(Value::as_str)
        .is_some_and(|alg| alg.eq_ignore_ascii_case("none"))
    {
        remarks.push("it is not signed at all (`alg` none)".into());
    }
    remarks.extend(remarks_on_claims(&claims, now));
    Ok(json!({ "header": header, "claims": claims, "remarks": remarks }))
}

fn remarks_on_claims(claims: &Map<String, Value>, now: u64) -> Vec<String> {
    let read = match read_claims(claims, "", now, 0) {
        Ok(read) => read,
        Err(ClaimError::Expired) => {
            let expires = claims.get("exp").and_then(Value::as_u64).unwrap_or(now);
            return vec![format!(
                "it expired {} ago",
                span(now.saturating_sub(expires))
            )];
        }
        Err(error) => return vec![error.to_string()],
    };
    let left = read.expires.map(|expires| expires.saturating_sub(now));
    let mut remarks = vec![format!(
        "it is valid for another {}",
        span(left.unwrap_or(0))
    )];
    let grants = &read.grants;
    if grants.subscribe.is_empty() && grants.publish.is_empty() && grants.presence.is_empty() {
        remarks.push("it names no channels: it only says who somebody is".into());
    }
    if read.user.is_none() && !read.is_backend() {
        remarks.push("it names no user (`sub`)".into());
    }
    remarks
}

/// A time in the largest unit of which it has two, as people say it.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

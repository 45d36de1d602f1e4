//! The form of a token (RFC 7515 section 7.1): three parts, and what its header says. Nothing here
//! is verified; it is what has to be known to verify it.

use base64::Engine;
use serde_json::{Map, Value};

use crate::json::parse_object;
use crate::key::Algorithm;
use crate::verifier::TokenError;

/// The longest token in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 << 10;

/// The longest `kid` in bytes.
const KEY_ID_BYTES: usize = 128;

/// A token in its parts.
pub struct Token<'a> {
    /// With which algorithm it says to be signed.
    pub algorithm: Algorithm,
    /// With which key.
    pub key_id: Option<String>,
    /// Its claims.
    pub payload: Map<String, Value>,
    /// What is signed.
    pub message: &'a str,
    /// The signature, as text.
    pub signature: &'a str,
}

/// Takes a token apart.
pub fn split(text: &str) -> Result<Token<'_>, TokenError> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong);
    }
    let [header, payload, signature] = parts(text)?;
    let header = object(header, "the header")?;
    let (algorithm, key_id) = read_header(&header)?;
    if signature.is_empty() {
        return Err(TokenError::Malformed("it has no signature"));
    }
    Ok(Token {
        algorithm,
        key_id,
        payload: object(payload, "the payload")?,
        message: &text[..text.len() - signature.len() - 1],
        signature,
    })
}

/// The three parts as text.
pub fn parts(text: &str) -> Result<[&str; 3], TokenError> {
    let parts: Vec<&str> = text.splitn(6, '.').collect();
    match parts[..] {
        [header, payload, signature] => Ok([header, payload, signature]),
        [_, _, _, _, _] => Err(TokenError::Unsupported("it is encrypted (JWE)")),
        _ => Err(TokenError::Malformed("it does not have three parts")),
    }
}

/// A part as the JSON object that it is.
pub fn object(part: &str, name: &'static str) -> Result<Map<String, Value>, TokenError> {
    let bytes = crate::BASE64
        .decode(part)
        .map_err(|_| TokenError::Malformed("a part of it is no base64url without padding"))?;
    parse_object(&bytes).map_err(|error| TokenError::NoObject(name, error))
}

/// `jku`, `jwk`, `x5u` and `x5c` are not looked at: a token does not bring its own key.
fn read_header(header: &Map<String, Value>) -> Result<(Algorithm, Option<String>), TokenError> {
    for (member, why) in [
        ("crit", "its header has `crit`"),
        ("b64", "its header has `b64`"),
        ("cty", "it holds another token (`cty`)"),
        ("enc", "it is encrypted (`enc`)"),
        ("zip", "it is compressed (`zip`)"),
    ] {
        if header.contains_key(member) {
            return Err(TokenError::Unsupported(why));
        }
    }
    check_type(header.get("typ"))?;
    let algorithm = match header.get("alg") {
        Some(Value::String(name)) => Algorithm::parse(name).ok_or(TokenError::Algorithm)?,
        _ => return Err(TokenError::Malformed("its header has no `alg`")),
    };
    let key_id = match header.get("kid") {
        None => None,
        Some(Value::String(id)) if id.len() <= KEY_ID_BYTES => Some(id.clone()),
        Some(_) => {
            return Err(TokenError::Malformed(
                "`kid` is no text of at most 128 bytes",
            ));
        }
    };
    Ok((algorithm, key_id))
}

/// An issuer signs more than tokens for access: those of a logout, of events, of a proof say so.
/// RFC 8725 section 3.11, RFC 9068 section 4.
fn check_type(typ: Option<&Value>) -> Result<(), TokenError> {
    const KNOWN: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];
    match typ {
        None => Ok(()),
        Some(Value::String(typ)) if KNOWN.contains(&typ.to_ascii_lowercase().as_str()) => Ok(()),
        Some(_) => Err(TokenError::Unsupported("it is of another type (`typ`)")),
    }
}

//! JSON Web Keys and their sets (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use base64::Engine;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use super::{Algorithm, KeyError, VerificationKey};
use crate::json::parse_object;

/// Keys that are taken of a set at most.
const SET_KEYS: usize = 64;

/// The largest set in bytes.
const SET_BYTES: usize = 256 << 10;

/// Why a set of keys is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Too large.
    #[error("a set of keys has at most 256 KiB")]
    TooLarge,
    /// Not what it should be.
    #[error("this is no set of keys: {{\"keys\":[…]}}")]
    NoSet,
    /// Too many.
    #[error("a set has at most {SET_KEYS} keys")]
    TooMany,
    /// Not one key that can be used.
    #[error("no key of the set is a public RS256, ES256 or EdDSA key for signatures")]
    NoKeys,
    /// The issuer's keys are configured, not fetched.
    #[error("the keys of this issuer are configured")]
    NotRemote,
}

/// Reads a set (RFC 7517 section 5). Keys that cannot be used are passed over, symmetric ones
/// among them: what is published is no secret.
pub fn read_set(json: &[u8]) -> Result<Vec<VerificationKey>, JwksError> {
    if json.len() > SET_BYTES {
        return Err(JwksError::TooLarge);
    }
    let set = parse_object(json).map_err(|_| JwksError::NoSet)?;
    let list = set.get("keys").and_then(Value::as_array);
    let list = list.ok_or(JwksError::NoSet)?;
    if list.len() > SET_KEYS {
        return Err(JwksError::TooMany);
    }
    let keys: Vec<_> = list
        .iter()
        .filter_map(|key| read(key.as_object()?).ok())
        .collect();
    match keys.is_empty() {
        true => Err(JwksError::NoKeys),
        false => Ok(keys),
    }
}

/// Reads one key.
pub fn read(members: &Map<String, Value>) -> Result<VerificationKey, KeyError> {
    if members.contains_key("d") {
        return Err(KeyError::Private);
    }
    check_purpose(members)?;
    let (algorithm, key) = match text(members, "kty")? {
        "RSA" => (Algorithm::Rs256, rsa(members)?),
        "EC" if text(members, "crv")? == "P-256" => (Algorithm::Es256, p256(members)?),
        "OKP" if text(members, "crv")? == "Ed25519" => (Algorithm::EdDsa, ed25519(members)?),
        _ => return Err(KeyError::NoJwk),
    };
    // RFC 9864 names the curve; older keys the family.
    let names: &[&str] = match algorithm {
        Algorithm::EdDsa => &["EdDSA", "Ed25519"],
        ref algorithm => &[algorithm.as_str()],
    };
    match members.get("alg") {
        None => {}
        Some(Value::String(name)) if names.contains(&name.as_str()) => {}
        Some(_) => return Err(KeyError::Purpose),
    }
    let id = match members.get("kid") {
        None => None,
        Some(Value::String(id)) => Some(id.clone()),
        Some(_) => return Err(KeyError::NoJwk),
    };
    Ok(VerificationKey { id, algorithm, key })
}

fn check_purpose(members: &Map<String, Value>) -> Result<(), KeyError> {
    let for_signatures = members.get("use").is_none_or(|it| it == "sig");
    let to_verify = members.get("key_ops").is_none_or(|operations| {
        let list = operations.as_array();
        list.is_some_and(|list| list.iter().any(|operation| operation == "verify"))
    });
    match for_signatures && to_verify {
        true => Ok(()),
        false => Err(KeyError::Purpose),
    }
}

fn rsa(members: &Map<String, Value>) -> Result<DecodingKey, KeyError> {
    let (n, e) = (bytes(members, "n")?, bytes(members, "e")?);
    // RFC 7518 section 6.3.1.1 forbids leading zeros, and some write them.
    let n = &n[n.iter().take_while(|&&b| b == 0).count()..];
    if !(256..=1024).contains(&n.len()) || !is_exponent(&e) {
        return Err(KeyError::Unsupported);
    }
    PublicKeyComponents { n, e: &e[..] }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| KeyError::Unsupported)?;
    Ok(DecodingKey::from_rsa_raw_components(n, &e))
}

/// Under an exponent of 1 everything would be its own signature, and a large one makes verifying
/// slow. The library takes both; most have 65537, some 3.
fn is_exponent(e: &[u8]) -> bool {
    let number = e
        .iter()
        .fold(0, |number: u64, &b| number << 8 | u64::from(b));
    e.len() <= 5 && (3..1 << 33).contains(&number) && number % 2 == 1
}

fn p256(members: &Map<String, Value>) -> Result<DecodingKey, KeyError> {
    let point = [vec![4], bytes(members, "x")?, bytes(members, "y")?].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).map_err(|_| KeyError::NoJwk)?;
    Ok(DecodingKey::from_ec_der(&point))
}

fn ed25519(members: &Map<String, Value>) -> Result<DecodingKey, KeyError> {
    let point = bytes(members, "x")?;
    if point.len() != 32 {
        return Err(KeyError::NoJwk);
    }
    ParsedPublicKey::new(&ED25519, &point).map_err(|_| KeyError::NoJwk)?;
    Ok(DecodingKey::from_ed_der(&point))
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, KeyError> {
    members
        .get(name)
        .and_then(Value::as_str)
        .ok_or(KeyError::NoJwk)
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, KeyError> {
    crate::BASE64
        .decode(text(members, name)?)
        .map_err(|_| KeyError::NoJwk)
}

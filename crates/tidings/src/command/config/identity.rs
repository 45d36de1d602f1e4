//! Checks of tokens, keys and sessions: what must be set, and what fits what. Secrets and keys that
//! stand in files are read by whoever serves.

use std::collections::BTreeMap;

use tidings_core::May;

use super::check::{Sources, Whole};
use super::fault::Wrong;
use super::lookup::join;
use super::{Algorithm, Config, TokenSource};

/// The form of the name of a token's issuer or of a key.
pub fn name(name: &str) -> Result<(), Wrong> {
    let valid = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(valid) {
        return Ok(());
    }
    let fix = "write a name of up to 64 bytes: letters, digits, -, _ and .";
    Err(Wrong::new("this name is none".into(), fix.into()))
}

/// Whom channels let do what, where nobody said it: everybody on an open server, else who has a token
/// or key that names the channel.
pub fn settle(config: &mut Config, sources: &Sources) {
    if config.is_open() {
        return;
    }
    let by_token = May::BY_TOKEN;
    for (key, field, audience) in [
        (
            "may.subscribe",
            &mut config.may.subscribe,
            by_token.subscribe,
        ),
        ("may.publish", &mut config.may.publish, by_token.publish),
        ("may.presence", &mut config.may.presence, by_token.presence),
        ("may.history", &mut config.may.history, by_token.history),
    ] {
        if !sources.contains_key(key) {
            *field = audience;
        }
    }
}

/// What is wrong although each value alone is right.
pub fn check(whole: &mut Whole<'_>) {
    let auth = &whole.config.auth;
    if auth.session_secret.is_some() && auth.session_secret_file.is_some() {
        let what = "auth.session_secret and auth.session_secret_file are both set";
        whole.fault("auth.session_secret_file", what, "leave one of them out");
    }
    for (name, source) in &whole.config.tokens {
        token(whole, name, source);
    }
    keys(whole);
}

fn token(whole: &mut Whole<'_>, name: &str, source: &TokenSource) {
    let table = join(&["tokens".to_owned(), name.to_owned()]);
    let key = |key: &str| format!("{table}.{key}");
    let materials = [
        ("secret", source.secret.is_some()),
        ("secret_file", source.secret_file.is_some()),
        ("key_file", source.key_file.is_some()),
        ("jwks", source.jwks.is_some()),
    ];
    // What is wrong by itself is told, and what would fit it is not known.
    let told = |(inner, _): &(&str, bool)| whole.is_told(&key(inner));
    if whole.is_told(&key("algorithm")) || materials.iter().any(told) {
        return;
    }
    if !whole.is_set(&key("algorithm")) {
        let fix = format!(
            "write {} = \"HS256\" (a shared secret), \"RS256\", \"ES256\" or \"EdDSA\" (a public key)",
            key("algorithm")
        );
        return whole.fault(
            &table,
            "it has no algorithm: none is guessed from a token",
            fix,
        );
    }
    let set: Vec<&str> = materials
        .iter()
        .filter(|(_, set)| *set)
        .map(|(inner, _)| *inner)
        .collect();
    let fitting = match source.algorithm {
        Algorithm::Hs256 => ["secret", "secret_file"],
        _ => ["key_file", "jwks"],
    };
    match set.as_slice() {
        [] => {
            let fix = format!("set {} or {}", key(fitting[0]), fitting[1]);
            whole.fault(&table, "it has nothing to check tokens with", fix);
        }
        [one] if fitting.contains(one) => extras(whole, &key, source),
        [one] => {
            let algorithm = named(source.algorithm);
            let what = match source.algorithm {
                Algorithm::Hs256 => {
                    format!("{one} is no shared secret, which {algorithm} is checked with")
                }
                _ => format!("{one} is no public key, which {algorithm} is checked with"),
            };
            let fix = format!(
                "set {} or {} in its place, or another algorithm",
                key(fitting[0]),
                fitting[1]
            );
            whole.fault(&key(one), what, fix);
        }
        [first, second, ..] => {
            let what =
                format!("{first} and {second} are both set: tokens are checked with one of them");
            let fix = "leave one out, or make a table of its own for it, as [tokens.NAME2]";
            whole.fault(&key(second), what, fix);
        }
    }
}

/// What a set of keys needs and what it has itself.
fn extras(whole: &mut Whole<'_>, key: &dyn Fn(&str) -> String, source: &TokenSource) {
    if source.jwks.is_none() {
        return;
    }
    if source.kid.is_some() {
        let what = "a key set names its keys itself";
        whole.fault(&key("kid"), what, format!("leave {} out", key("kid")));
    }
    let many = whole.config.tokens.len() > 1;
    if many && source.issuer.is_none() && !whole.is_told(&key("issuer")) {
        let what = "a key set among several token sources needs its issuer: else every unknown token would ask for its keys";
        let fix = format!("set {} to the claim `iss` of its tokens", key("issuer"));
        whole.fault(&key("jwks"), what, fix);
    }
}

fn named(algorithm: Algorithm) -> &'static str {
    let found = Algorithm::ALL.iter().find(|(_, known)| *known == algorithm);
    found.map_or("", |(name, _)| name)
}

fn keys(whole: &mut Whole<'_>) {
    let mut seen: BTreeMap<[u8; 32], String> = BTreeMap::new();
    for (name, api_key) in &whole.config.keys {
        let table = join(&["keys".to_owned(), name.clone()]);
        let hash = format!("{table}.hash");
        if whole.is_told(&hash) {
            continue;
        }
        if !whole.is_set(&hash) {
            let fix = format!("`tidings key new` makes a key and prints its {hash}");
            whole.fault(&table, "it has no hash, so no key would be it", fix);
        } else if let Some(other) = seen.get(&api_key.hash) {
            let what = format!("{other} has the same hash: a key has one name");
            whole.fault(
                &hash,
                what,
                "make another key by `tidings key new`, or leave one out",
            );
        } else {
            seen.insert(api_key.hash, table);
        }
    }
}

//! What somebody shows to be known: tokens, sets of keys, claims, keys, hashes, sessions, patterns.
//!
//! Never a panic, whatever the bytes; nothing is believed that nobody signed; what is written down
//! about a token is JSON.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tidings_auth::{
    Issuer, KeySource, Sessions, VerificationKey, Verifier, explain, parse_object, read_claims,
};
use tidings_core::{ChannelName, ClientId, Patterns};

const NOW: u64 = 1_800_000_000;

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let key = VerificationKey::from_secret(&[7; 32]).expect("as long as it must be");
    let of = |name: &str, keys| Issuer {
        name: name.into(),
        issuer: (name != "any").then(|| name.into()),
        audience: None,
        keys,
    };
    let remote = KeySource::Remote {
        url: "https://id.example/keys".into(),
        algorithm: None,
    };
    let issuers = vec![
        of("any", KeySource::Static(vec![key])),
        of("remote", remote),
    ];
    Verifier::new(issuers).expect("two issuers")
});

static SESSIONS: LazyLock<Sessions> =
    LazyLock::new(|| Sessions::new(&[9; 32]).expect("as long as it must be"));

fuzz_target!(|input: &[u8]| {
    let _ = VERIFIER.install(1, input);
    let _ = VerificationKey::from_pem(input);
    let _ = VerificationKey::from_jwk(input);
    if let Ok(object) = parse_object(input) {
        let _ = read_claims(&object, "any", NOW, 5);
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    assert!(VERIFIER.verify(text, NOW).is_err(), "nobody signed it");
    let _ = explain(text, NOW);
    let _ = tidings_auth::parse_hash(text);
    assert!(
        SESSIONS.verify(text, None, NOW).is_err(),
        "nobody signed it"
    );
    round_trip(text);
    matches(text);
});

/// A session is of one party.
fn round_trip(user: &str) {
    let session = SESSIONS.sign(ClientId(7), Some(user), NOW);
    assert_eq!(SESSIONS.verify(&session, Some(user), NOW), Ok(ClientId(7)));
    assert!(SESSIONS.verify(&session, None, NOW).is_err());
}

/// Patterns cost no more than the product of the lengths, and none covers an inbox by `*`.
fn matches(text: &str) {
    let Some((pattern, name)) = text.split_once('\n') else {
        return;
    };
    let (Ok(patterns), Ok(name)) = (Patterns::parse([pattern]), ChannelName::parse(name)) else {
        return;
    };
    if patterns.matches(&name) && name.as_str().starts_with(['@', '~', '$']) {
        assert_eq!(pattern.as_bytes()[0], name.as_str().as_bytes()[0]);
    }
}

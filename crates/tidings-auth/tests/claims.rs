//! What becomes of the claims of a good token, and that no text at all breaks anything.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidings_auth::{explain, read_claims};
use tidings_core::{Claims, Role};

fn verified(claims: Value) -> Claims {
    let key = &keys()[0];
    let token = token(&key.signing, json!({ "alg": "HS256" }), claims);
    verifier_of(vec![key.verifying.clone()])
        .verify(&token, NOW)
        .unwrap()
}

#[test]
fn a_user() {
    let claims = verified(json!({
        "sub": "alice", "exp": NOW + 60, "iat": NOW, "nbf": NOW, "jti": "t1",
        "channels": { "subscribe": ["room:*"], "publish": ["room:7"], "presence": ["*"] },
        "info": { "n": [1, 2.5], "name": "앨리스" }, "inbox": false, "email": "a@example.com",
        "admin": true,
    }));
    let list = |patterns: &tidings_core::Patterns| patterns.iter().collect::<Vec<_>>().join(" ");
    assert_eq!(claims.user.as_deref(), Some("alice"));
    assert_eq!(
        claims.role,
        Role::Client,
        "an application's `admin` is nothing here"
    );
    assert_eq!(list(&claims.grants.subscribe), "room:*");
    assert_eq!(list(&claims.grants.publish), "room:7");
    assert_eq!(list(&claims.grants.presence), "*");
    assert_eq!(
        claims.info.as_deref(),
        Some(r#"{"n":[1,2.5],"name":"앨리스"}"#)
    );
    assert_eq!((claims.expires, claims.issued), (Some(NOW + 60), Some(NOW)));
    assert_eq!((claims.id.as_deref(), claims.inbox), (Some("t1"), false));
}

#[test]
fn nobody_in_particular_and_backends() {
    let claims = verified(json!({ "exp": NOW + 60 }));
    assert_eq!(
        (claims.user, claims.role, claims.inbox),
        (None, Role::Client, true)
    );
    let backend = |more: Value| {
        let mut all = json!({ "exp": NOW + 60, "backend": true });
        all.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        verified(all)
    };
    let role = |name: &str, admin| Role::Backend {
        name: name.into(),
        admin,
    };
    let named = backend(json!({ "sub": "app" }));
    assert_eq!((named.user, named.role), (None, role("app", false)));
    assert_eq!(
        backend(json!({})).role,
        role("main", false),
        "by the issuer's name"
    );
    assert_eq!(backend(json!({ "admin": true })).role, role("main", true));
    assert_eq!(
        verified(json!({ "exp": NOW + 60, "backend": false, "admin": true })).role,
        Role::Client
    );
}

#[test]
fn a_token_is_explained() {
    let remarks = |token: &str| explain(token, NOW).unwrap()["remarks"].to_string();
    let of = |header: Value, claims: Value| token(&keys()[0].signing, header, claims);
    let hs = || json!({ "alg": "HS256" });
    let full = explain(&of(hs(), claims()), NOW).unwrap();
    assert_eq!((&full["header"], &full["claims"]), (&hs(), &claims()));
    for (token, said) in [
        (of(hs(), claims()), "another 60 s"),
        (of(hs(), claims()), "names no channels"),
        (of(hs(), json!({ "exp": NOW - 7_200 })), "expired 2 h ago"),
        (of(hs(), json!({ "sub": "a" })), "`exp` is missing"),
        (
            of(
                hs(),
                json!({ "exp": NOW + 1, "channels": { "publish": [""] } }),
            ),
            "channels.publish",
        ),
        (of(json!({ "alg": "none" }), claims()), "not signed at all"),
        (of(json!({ "alg": "HS256", "crit": [] }), claims()), "crit"),
    ] {
        assert!(
            remarks(&token).contains(said),
            "{said}: {}",
            remarks(&token)
        );
    }
    assert!(explain("", NOW).is_err());
    let signature = of(hs(), claims()).rsplit_once('.').unwrap().1.to_owned();
    assert!(!full.to_string().contains(&signature));
}

/// JSON of any shape, with the names that mean something.
fn anything() -> impl Strategy<Value = Value> {
    let name = proptest::sample::select(vec![
        "exp",
        "nbf",
        "iat",
        "sub",
        "jti",
        "aud",
        "iss",
        "channels",
        "subscribe",
        "publish",
        "presence",
        "info",
        "inbox",
        "backend",
        "admin",
        "alg",
        "kid",
        "typ",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name.clone(), inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_breaks_anything(text in ".{0,200}") {
        let verifier = verifier_of(vec![keys()[0].verifying.clone()]);
        prop_assert!(verifier.verify(&text, NOW).is_err());
        let _ = explain(&text, NOW);
    }

    #[test]
    fn no_signed_json_breaks_anything(header in anything(), claims in anything(), now in any::<u64>()) {
        let key = &keys()[0];
        let verifier = verifier_of(vec![key.verifying.clone()]);
        let odd = token(&key.signing, header, json!({ "exp": NOW + 60 }));
        let _ = (verifier.verify(&odd, now), explain(&odd, now));
        let odd = token(&key.signing, json!({ "alg": "HS256" }), claims);
        let _ = (verifier.verify(&odd, now), explain(&odd, now));
    }

    /// What is believed ends in the future and begins in the past, within the leeway.
    #[test]
    fn times_hold(exp in any::<u64>(), nbf in any::<u64>(), iat in any::<u64>(), now in any::<u64>(), leeway in 0u64..300) {
        let members = json!({ "exp": exp, "nbf": nbf, "iat": iat });
        let read = read_claims(members.as_object().unwrap(), "i", now, leeway);
        if read.is_ok() {
            prop_assert!(now < exp);
            prop_assert!(u128::from(nbf) <= u128::from(now) + u128::from(leeway));
            prop_assert!(u128::from(iat) <= u128::from(now) + u128::from(leeway));
        }
    }

    /// Every change of one character of a token is noticed.
    #[test]
    fn a_forged_token_is_none(at in any::<prop::sample::Index>(), to in 33u8..127) {
        let key = &keys()[0];
        let good = token(&key.signing, json!({ "alg": "HS256" }), claims());
        let mut forged = good.clone().into_bytes();
        let at = at.index(forged.len());
        prop_assume!(forged[at] != to);
        forged[at] = to;
        let forged = String::from_utf8(forged).unwrap();
        let verifier = verifier_of(vec![key.verifying.clone()]);
        prop_assert!(verifier.verify(&good, NOW).is_ok());
        prop_assert!(verifier.verify(&forged, NOW).is_err());
    }
}

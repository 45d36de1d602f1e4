//! Every way in which a token can be right or wrong, one row each: what is done to a good token, and
//! what has to be said of it.

#![allow(clippy::unwrap_used)]

mod common;

use base64::Engine;
use common::*;
use serde_json::{Value, json};
use tidings_auth::{
    Algorithm, ClaimError, Issuer, KeySource, TokenError, VerificationKey, Verifier,
};

/// What a row expects.
enum Expected {
    Good,
    Is(TokenError),
    Like(fn(&TokenError) -> bool),
}

use Expected::{Good, Is, Like};

fn malformed(error: &TokenError) -> bool {
    matches!(error, TokenError::Malformed(_) | TokenError::NoObject(..))
}

fn unsupported(error: &TokenError) -> bool {
    matches!(error, TokenError::Unsupported(_))
}

fn claim(error: &TokenError) -> bool {
    matches!(error, TokenError::Claim(_))
}

fn check(verifier: &Verifier, row: &str, token: &str, expected: &Expected) {
    let got = verifier.verify(token, NOW);
    match (expected, &got) {
        (Good, Ok(_)) => {}
        (Is(error), Err(got)) if error == got => {}
        (Like(is), Err(got)) if is(got) => {}
        _ => panic!("{row}: {got:?}"),
    }
    if let Err(error) = got {
        shows_nothing_of(token, &error);
    }
}

/// No error holds eight characters in a row of any part of the token.
fn shows_nothing_of(token: &str, error: &TokenError) {
    let (plain, debug) = (error.to_string(), format!("{error:?}"));
    for part in token.split('.') {
        for at in (0..part.len().min(4_000).saturating_sub(8)).step_by(3) {
            if let Some(piece) = part.get(at..at + 8) {
                assert!(!plain.contains(piece) && !debug.contains(piece), "{plain}");
            }
        }
    }
}

#[test]
fn algorithms() {
    for key in keys() {
        let verifier = verifier_of(vec![key.verifying.clone()]);
        let own = key.signing.algorithm();
        let good = token(&key.signing, json!({ "alg": own.as_str() }), claims());
        check(&verifier, own.as_str(), &good, &Good);

        // CVE-2015-9235 and its kin: what a header says never selects how a key is used.
        for name in [
            "none", "None", "NONE", "nOnE", "", "HS256", "hs256", "HS384", "HS512", "RS256",
            "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES256K", "ES384", "ES512",
            "EdDSA", "Ed25519", "RSA-OAEP", "dir",
        ] {
            if name == own.as_str() {
                continue;
            }
            let row = format!("{name} with a key for {}", own.as_str());
            let signed = token(&key.signing, json!({ "alg": name }), claims());
            check(&verifier, &row, &signed, &Is(TokenError::Algorithm));
            let (message, _) = signed.rsplit_once('.').unwrap();
            check(
                &verifier,
                &row,
                &format!("{message}."),
                &Like(|error| *error == TokenError::Algorithm || malformed(error)),
            );
        }
        for alg in [json!(null), json!(1), json!(["HS256"]), json!({})] {
            let signed = token(&key.signing, json!({ "alg": alg }), claims());
            check(&verifier, "alg of another kind", &signed, &Like(malformed));
        }
        let without = token(&key.signing, json!({ "typ": "JWT" }), claims());
        check(&verifier, "no alg", &without, &Like(malformed));
    }
}

/// CVE-2016-10555, CVE-2024-54150: a public key is no secret for HMAC, in any of its forms.
#[test]
fn a_public_key_is_no_secret() {
    for key in keys() {
        let verifier = verifier_of(vec![key.verifying.clone()]);
        for secret in [
            key.pem.as_bytes(),
            key.pem.trim_end().as_bytes(),
            &key.der,
            &key.jwk,
        ] {
            let Ok(forger) = tidings_auth::SigningKey::from_secret(secret) else {
                continue;
            };
            if key.signing.algorithm() == Algorithm::Hs256 {
                continue;
            }
            let forged = token(&forger, json!({ "alg": "HS256" }), claims());
            check(
                &verifier,
                "signed with the public key",
                &forged,
                &Is(TokenError::Algorithm),
            );
        }
    }
}

#[test]
fn signatures() {
    for (key, other) in keys().iter().zip(more_keys()) {
        let verifier = verifier_of(vec![key.verifying.clone()]);
        let alg = json!({ "alg": key.signing.algorithm().as_str() });
        let good = token(&key.signing, alg.clone(), claims());
        let (message, signature) = good.rsplit_once('.').unwrap();
        let bytes = BASE64.decode(signature).unwrap();
        let with = |bytes: &[u8]| format!("{message}.{}", BASE64.encode(bytes));
        let flipped = |at: usize| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            with(&bytes)
        };
        let foreign = token(&other.signing, alg, claims());
        let mut changed = claims();
        changed["sub"] = json!("mallory");
        let swapped = format!(
            "{}.{}.{signature}",
            message.split('.').next().unwrap(),
            BASE64.encode(changed.to_string())
        );
        let wrong = || Is(TokenError::Signature);
        for (row, token, expected) in [
            ("as it was", good.clone(), Good),
            ("first bit", flipped(0), wrong()),
            ("last bit", flipped(bytes.len() - 1), wrong()),
            ("cut", with(&bytes[..bytes.len() - 1]), wrong()),
            ("longer", with(&[&bytes[..], &[0]].concat()), wrong()),
            ("one byte", with(&[0]), wrong()),
            // CVE-2022-21449: of r = s = 0.
            ("zeros", with(&vec![0; bytes.len()]), wrong()),
            ("empty", format!("{message}."), Like(malformed)),
            ("none", message.to_owned(), Like(malformed)),
            ("not base64", format!("{message}.!"), wrong()),
            ("padded", format!("{good}="), wrong()),
            ("of other claims", swapped, wrong()),
            ("of another key", foreign, wrong()),
        ] {
            check(&verifier, row, &token, &expected);
        }
    }
}

#[test]
fn forms() {
    let key = &keys()[0];
    let verifier = verifier_of(vec![key.verifying.clone()]);
    let good = token(&key.signing, json!({ "alg": "HS256" }), claims());
    let raw = |header: &str, payload: &str| raw_token(&key.signing, header, payload);
    let padded = |bytes: usize| {
        let mut claims = claims();
        claims["x"] = json!("y".repeat(bytes));
        token(&key.signing, json!({ "alg": "HS256" }), claims)
    };
    let exp = NOW + 60;
    let header = r#"{"alg":"HS256"}"#;
    for (row, token, expected) in [
        ("nothing", String::new(), Like(malformed)),
        ("one part", "a".into(), Like(malformed)),
        ("dots", "..".into(), Like(malformed)),
        ("a key of a backend", "tdk_app_AAAA".into(), Like(malformed)),
        ("four parts", format!("{good}.a"), Like(malformed)),
        ("JWE: five parts", format!("{good}.a.b"), Like(unsupported)),
        ("six parts", format!("{good}.a.b.c"), Like(malformed)),
        ("white space before", format!(" {good}"), Like(malformed)),
        (
            "line end after",
            format!("{good}\n"),
            Is(TokenError::Signature),
        ),
        ("8 KiB", padded(5_900), Good),
        ("more than 8 KiB", padded(6_200), Is(TokenError::TooLong)),
        ("a megabyte", "a.".repeat(1 << 19), Is(TokenError::TooLong)),
        (
            "not UTF-8",
            raw_token_bytes(&key.signing, header, b"{\"exp\":1,\"a\":\"\xff\"}"),
            Like(malformed),
        ),
        ("payload is a list", raw(header, "[]"), Like(malformed)),
        ("payload is a text", raw(header, "\"a\""), Like(malformed)),
        ("payload is empty", raw(header, ""), Like(malformed)),
        ("two values", raw(header, "{}{}"), Like(malformed)),
        (
            "deep",
            raw(header, &format!("{{\"a\":{}", "[".repeat(4_000))),
            Like(malformed),
        ),
        (
            "exp twice",
            raw(header, &format!(r#"{{"exp":1,"exp":{exp}}}"#)),
            Like(malformed),
        ),
        (
            "exp twice, one escaped",
            raw(header, &format!(r#"{{"exp":1,"\u0065xp":{exp}}}"#)),
            Like(malformed),
        ),
        (
            "twice, within",
            raw(
                header,
                &format!(r#"{{"exp":{exp},"channels":{{"publish":[],"publish":["*"]}}}}"#),
            ),
            Like(malformed),
        ),
        (
            "alg twice",
            raw(
                r#"{"alg":"none","alg":"HS256"}"#,
                &format!(r#"{{"exp":{exp}}}"#),
            ),
            Like(malformed),
        ),
        (
            "once each",
            raw(header, &format!(r#"{{"exp":{exp}}}"#)),
            Good,
        ),
    ] {
        check(&verifier, row, &token, &expected);
    }
}

#[test]
fn headers() {
    let key = &keys()[0];
    let verifier = verifier_of(vec![key.verifying.clone()]);
    let unsupported = || Like(unsupported);
    for (member, value, expected) in [
        ("crit", json!(["exp"]), unsupported()),
        ("crit", json!([]), unsupported()),
        ("b64", json!(false), unsupported()),
        ("b64", json!(true), unsupported()),
        ("cty", json!("JWT"), unsupported()),
        ("enc", json!("A256GCM"), unsupported()),
        ("zip", json!("DEF"), unsupported()),
        ("typ", json!("JWT"), Good),
        ("typ", json!("jwt"), Good),
        ("typ", json!("at+jwt"), Good),
        ("typ", json!("logout+jwt"), unsupported()),
        ("typ", json!("dpop+jwt"), unsupported()),
        ("typ", json!(1), unsupported()),
        // Never looked at, so never fetched: the key is still the configured one.
        ("jku", json!("http://127.0.0.1:1/jwks"), Good),
        ("x5u", json!("http://127.0.0.1:1/cert"), Good),
        ("x5c", json!(["AAAA"]), Good),
        ("unknown", json!({ "a": 1 }), Good),
    ] {
        let mut header = json!({ "alg": "HS256" });
        header[member] = value;
        let row = header.to_string();
        check(
            &verifier,
            &row,
            &token(&key.signing, header, claims()),
            &expected,
        );
    }
    // CVE-2018-0114: signed with a key that the token brings.
    let stranger = &keys()[1];
    let configured = verifier_of(vec![keys()[1].verifying.clone().with_id("mine")]);
    let jwk: Value = serde_json::from_slice(&more_keys()[1].jwk).unwrap();
    let header = json!({ "alg": stranger.signing.algorithm().as_str(), "jwk": jwk });
    let forged = token(&more_keys()[1].signing, header, claims());
    check(&configured, "jwk", &forged, &Is(TokenError::Signature));
}

#[test]
fn key_ids() {
    let (a, b) = (&keys()[2], &more_keys()[2]);
    let verifier = verifier_of(vec![
        a.verifying.clone().with_id("a"),
        b.verifying.clone().with_id("b"),
    ]);
    let unknown = || Is(TokenError::UnknownKey { issuer: 0 });
    for (kid, expected) in [
        (json!("a"), Good),
        (json!("b"), Is(TokenError::Signature)),
        (json!("c"), unknown()),
        (json!(""), unknown()),
        (json!("A"), unknown()),
        (json!("a\0"), unknown()),
        (json!("../../../../dev/null"), unknown()),
        (json!("a' UNION SELECT 'secret"), unknown()),
        (json!("x".repeat(128)), unknown()),
        (json!("x".repeat(129)), Like(malformed)),
        (json!("x".repeat(5_000)), Like(malformed)),
        (json!(1), Like(malformed)),
        (json!(null), Like(malformed)),
        (json!(["a"]), Like(malformed)),
    ] {
        let header = json!({ "alg": a.signing.algorithm().as_str(), "kid": kid });
        let row = header.to_string();
        check(
            &verifier,
            &row,
            &token(&a.signing, header, claims()),
            &expected,
        );
    }
    let without = json!({ "alg": a.signing.algorithm().as_str() });
    for key in [a, b] {
        let token = token(&key.signing, without.clone(), claims());
        check(
            &verifier,
            "no kid: every key of the algorithm",
            &token,
            &Good,
        );
    }
    let named = json!({ "alg": a.signing.algorithm().as_str(), "kid": "whatever" });
    let nameless = verifier_of(vec![a.verifying.clone()]);
    check(
        &nameless,
        "a key without id",
        &token(&a.signing, named, claims()),
        &Good,
    );
}

/// CVE-2026-25537: a time that is none is an error and not an absent one.
#[test]
fn times() {
    let key = &keys()[0];
    let verifier = verifier_of(vec![key.verifying.clone()]);
    let check_payload = |row: &str, payload: &str, expected: &Expected| {
        check(
            &verifier,
            row,
            &raw_token(&key.signing, r#"{"alg":"HS256"}"#, payload),
            expected,
        );
    };
    let exp = NOW + 60;
    let no_times = [
        "null",
        "true",
        "\"1800000060\"",
        "\"\"",
        "1800000060.0",
        "1800000060.5",
        "1.8e9",
        "-1",
        "-1800000060",
        "-0.0",
        "1e308",
        "-1e308",
        "18446744073709551616",
        "18446744073709551615",
        "253402300800",
        "[]",
        "[1800000060]",
        "{}",
    ];
    for name in ["exp", "nbf", "iat"] {
        for time in no_times {
            let others = if name == "exp" {
                String::new()
            } else {
                format!(r#""exp":{exp},"#)
            };
            let row = format!("{name}: {time}");
            check_payload(
                &row,
                &format!(r#"{{{others}"{name}":{time}}}"#),
                &Like(claim),
            );
        }
        check_payload(
            "no number",
            &format!(r#"{{"{name}":1e999}}"#),
            &Like(malformed),
        );
        check_payload(
            "no number",
            &format!(r#"{{"{name}":NaN}}"#),
            &Like(malformed),
        );
        check_payload(
            "no number",
            &format!(r#"{{"{name}":01800000060}}"#),
            &Like(malformed),
        );
    }
    let missing = || Is(TokenError::Claim(ClaimError::Missing("exp")));
    let future = || Is(TokenError::Claim(ClaimError::FromTheFuture));
    for (payload, expected) in [
        (json!({}), missing()),
        (json!({ "Exp": exp, "EXP": exp, "exp ": exp }), missing()),
        (json!({ "exp": 0 }), Is(TokenError::Expired)),
        (json!({ "exp": NOW - 1 }), Is(TokenError::Expired)),
        (json!({ "exp": NOW }), Is(TokenError::Expired)),
        (json!({ "exp": NOW + 1 }), Good),
        (json!({ "exp": 253_402_300_799_u64 }), Good),
        (json!({ "exp": exp, "nbf": NOW + 5 }), Good),
        (
            json!({ "exp": exp, "nbf": NOW + 6 }),
            Is(TokenError::NotYetValid),
        ),
        (json!({ "exp": exp, "nbf": 0 }), Good),
        (json!({ "exp": exp, "iat": NOW + 5 }), Good),
        (json!({ "exp": exp, "iat": NOW + 6 }), future()),
        (json!({ "exp": exp, "iat": 0 }), Good),
    ] {
        check_payload(&payload.to_string(), &payload.to_string(), &expected);
    }
    let strict = verifier_of(vec![key.verifying.clone()]).with_leeway(0);
    let begins = token(
        &key.signing,
        json!({ "alg": "HS256" }),
        json!({ "exp": exp, "nbf": NOW + 1 }),
    );
    check(
        &strict,
        "without leeway",
        &begins,
        &Is(TokenError::NotYetValid),
    );
    assert!(strict.verify(&begins, u64::MAX).is_err());
}

#[test]
fn audiences() {
    let key = &keys()[0];
    let with = |audience: Option<&str>| {
        let audience = audience.map(str::to_owned);
        verifier(vec![Issuer {
            audience,
            ..issuer("main", None, vec![key.verifying.clone()])
        }])
    };
    let (ours, none) = (with(Some("rt")), with(None));
    let foreign = || Is(TokenError::Audience);
    for (aud, expected, expected_of_none) in [
        (json!("rt"), Good, foreign()),
        (json!(["rt"]), Good, foreign()),
        (json!(["other", "rt"]), Good, foreign()),
        (json!("other"), foreign(), foreign()),
        (json!("rt "), foreign(), foreign()),
        (json!("RT"), foreign(), foreign()),
        (json!(["r", "t"]), foreign(), foreign()),
        (json!([]), foreign(), foreign()),
        (json!(null), Like(claim), Like(claim)),
        (json!(1), Like(claim), Like(claim)),
        (json!(["rt", 1]), Like(claim), Like(claim)),
        (json!({ "rt": true }), Like(claim), Like(claim)),
    ] {
        let mut claims = claims();
        claims["aud"] = aud;
        let row = claims.to_string();
        let token = token(&key.signing, json!({ "alg": "HS256" }), claims);
        check(&ours, &row, &token, &expected);
        check(&none, &row, &token, &expected_of_none);
    }
    let without = token(&key.signing, json!({ "alg": "HS256" }), claims());
    check(&ours, "no aud", &without, &foreign());
    check(&none, "no aud", &without, &Good);
}

/// CVE-2026-49998: keys of equal ids of two issuers are two keys.
#[test]
fn issuers() {
    let key = |at: usize| (&keys()[at], keys()[at].verifying.clone().with_id("1"));
    let ((a, key_a), (b, key_b), (c, key_c)) = (
        key(1),
        (
            &more_keys()[1],
            more_keys()[1].verifying.clone().with_id("1"),
        ),
        key(0),
    );
    let verifier = verifier(vec![
        issuer("a", Some("https://a.example"), vec![key_a]),
        issuer("b", Some("https://b.example"), vec![key_b]),
        issuer("c", None, vec![key_c]),
    ]);
    let (wrong, algorithm) = (|| Is(TokenError::Signature), || Is(TokenError::Algorithm));
    for (signer, iss, expected) in [
        (a, json!("https://a.example"), Good),
        (b, json!("https://b.example"), Good),
        (a, json!("https://b.example"), wrong()),
        (b, json!("https://a.example"), wrong()),
        (c, json!("https://a.example"), algorithm()),
        (c, json!("https://elsewhere.example"), Good),
        (a, json!("https://elsewhere.example"), algorithm()),
        (a, json!("https://a.example/"), algorithm()),
        (a, json!("HTTPS://A.example"), algorithm()),
        (a, json!(null), Like(claim)),
        (a, json!(["https://a.example"]), Like(claim)),
    ] {
        let mut claims = claims();
        claims["iss"] = iss;
        let row = claims.to_string();
        let header = json!({ "alg": signer.signing.algorithm().as_str(), "kid": "1" });
        check(
            &verifier,
            &row,
            &token(&signer.signing, header, claims),
            &expected,
        );
    }
    let only_a = common::verifier(vec![issuer(
        "a",
        Some("https://a.example"),
        vec![a.verifying.clone()],
    )]);
    let nobodys = token(
        &a.signing,
        json!({ "alg": a.signing.algorithm().as_str() }),
        claims(),
    );
    check(&only_a, "no iss", &nobodys, &Is(TokenError::UnknownIssuer));
}

#[test]
fn claims_of_channels_and_names() {
    let key = &keys()[0];
    let verifier = verifier_of(vec![key.verifying.clone()]);
    for (member, value, expected) in [
        ("channels", json!({}), Good),
        (
            "channels",
            json!({ "subscribe": ["a", "b:*"], "publish": [], "presence": ["*"] }),
            Good,
        ),
        ("channels", json!({ "subscribe": vec!["a"; 64] }), Good),
        (
            "channels",
            json!({ "subscribe": vec!["a"; 65] }),
            Like(claim),
        ),
        ("channels", json!({ "subscribe": [""] }), Like(claim)),
        ("channels", json!({ "subscribe": ["a b"] }), Like(claim)),
        (
            "channels",
            json!({ "subscribe": ["x".repeat(256)] }),
            Like(claim),
        ),
        ("channels", json!({ "subscribe": "a" }), Like(claim)),
        ("channels", json!({ "subscribe": [1] }), Like(claim)),
        ("channels", json!({ "subscribe": null }), Like(claim)),
        (
            "channels",
            json!({ "subcribe": ["a"] }),
            Is(TokenError::Claim(ClaimError::UnknownMember(
                "`subcribe`".into(),
            ))),
        ),
        (
            "channels",
            json!({ "a\nb": ["a"] }),
            Is(TokenError::Claim(ClaimError::UnknownMember(
                "another".into(),
            ))),
        ),
        ("channels", json!([]), Like(claim)),
        ("channels", json!(null), Like(claim)),
        ("sub", json!("앨리스"), Good),
        ("sub", json!("x".repeat(255)), Good),
        ("sub", json!("x".repeat(256)), Like(claim)),
        ("sub", json!(""), Like(claim)),
        ("sub", json!("a b"), Like(claim)),
        ("sub", json!("a\u{0}"), Like(claim)),
        ("sub", json!("a\u{2028}"), Like(claim)),
        ("sub", json!(7), Like(claim)),
        ("sub", json!(null), Like(claim)),
        ("jti", json!("x".repeat(128)), Good),
        ("jti", json!("x".repeat(129)), Like(claim)),
        ("jti", json!(1), Like(claim)),
        ("info", json!("x".repeat(1022)), Good),
        ("info", json!("x".repeat(1023)), Like(claim)),
        ("info", json!(null), Good),
        ("inbox", json!("false"), Like(claim)),
        ("inbox", json!(0), Like(claim)),
        ("backend", json!("true"), Like(claim)),
        ("backend", json!(1), Like(claim)),
        ("admin", json!("an application's own"), Good),
    ] {
        let mut claims = claims();
        claims[member] = value;
        let row = claims.to_string();
        check(
            &verifier,
            &row,
            &token(&key.signing, json!({ "alg": "HS256" }), claims),
            &expected,
        );
    }
}

#[test]
fn a_key_that_is_not_there_yet() {
    let remote = KeySource::Remote {
        url: "https://a.example/jwks".into(),
        algorithm: None,
    };
    let verifier = verifier(vec![Issuer {
        keys: remote,
        ..issuer("a", None, Vec::new())
    }]);
    let key = &keys()[3];
    let alg = key.signing.algorithm().as_str();
    let token = |kid: &str| token(&key.signing, json!({ "alg": alg, "kid": kid }), claims());
    check(
        &verifier,
        "before",
        &token("k"),
        &Is(TokenError::UnknownKey { issuer: 0 }),
    );
    let jwk = |kid: &str| {
        let mut jwk: Value = serde_json::from_slice(&key.jwk).unwrap();
        jwk["kid"] = json!(kid);
        json!({ "keys": [jwk] }).to_string()
    };
    assert_eq!(verifier.install(0, jwk("k").as_bytes()), Ok(1));
    check(&verifier, "then", &token("k"), &Good);
    assert!(verifier.install(0, b"{\"keys\":[]}").is_err());
    check(&verifier, "the last good ones stay", &token("k"), &Good);
    assert_eq!(verifier.install(0, jwk("l").as_bytes()), Ok(1));
    check(
        &verifier,
        "replaced",
        &token("k"),
        &Is(TokenError::UnknownKey { issuer: 0 }),
    );
    let none: Vec<VerificationKey> = Vec::new();
    assert!(Verifier::new(vec![issuer("a", None, none)]).is_err());
}

//! Keys as they are configured and fetched: which are taken, and what is said of those that are not.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use serde_json::{Value, json};
use tidings_auth::{
    Algorithm, JwksError, KeyError, KeySource, MintError, SigningKey, VerificationKey,
};

#[test]
fn a_key_is_for_the_algorithm_of_its_kind() {
    for (key, algorithm) in keys().iter().zip(Algorithm::ALL) {
        assert_eq!(key.verifying.algorithm(), algorithm);
        assert_eq!(key.signing.algorithm(), algorithm);
        if algorithm == Algorithm::Hs256 {
            continue;
        }
        let of_jwk = VerificationKey::from_jwk(&key.jwk).unwrap();
        assert_eq!(of_jwk.algorithm(), algorithm);
        let token = key.signing.mint(None, claims().as_object().unwrap());
        let verified = verifier_of(vec![of_jwk])
            .verify(&token.unwrap(), NOW)
            .unwrap();
        assert_eq!(verified.user.as_deref(), Some("alice"));
    }
}

#[test]
fn what_is_no_public_key() {
    let rsa = &keys()[1];
    let refused = |pem: &str| VerificationKey::from_pem(pem.as_bytes()).unwrap_err();
    assert_eq!(refused(&rsa.private_pem), KeyError::Private);
    assert!(
        refused(&rsa.private_pem)
            .to_string()
            .contains("openssl pkey")
    );
    for label in ["RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        assert_eq!(refused(&pem(label, &rsa.der)), KeyError::Private);
    }
    assert_eq!(
        refused(&pem("CERTIFICATE", &rsa.der)),
        KeyError::Certificate
    );
    assert_eq!(
        refused(&pem("PUBLIC KEY", b"no DER")),
        KeyError::Unsupported
    );
    assert_eq!(refused(""), KeyError::NoPem);
    assert_eq!(refused("a secret"), KeyError::NoPem);
    assert_eq!(refused(&rsa.pem.replace("-----END", "")), KeyError::NoPem);
    assert_eq!(
        VerificationKey::from_secret(&[7; 31]).unwrap_err(),
        KeyError::ShortSecret(31)
    );
}

/// Keys that `openssl genrsa 1024` and `openssl ecparam -name secp384r1` made.
#[test]
fn weak_and_other_keys() {
    let rsa_1024 = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCewFu4LtPy1g5WQxMbCGilxK45
l4wo/NeLIQK42DHxC41Y8SNXETYYDbX406ctKqqCx/XxF0MOkCJry3fz/ZyfDE3U
ECAKtaaEqmMworJzLpZPKIda8WE4WAm3gKWP0XJ+wt64yt3plA4hkBVwS63d+DnS
pHD2yLGLLIyKF6DzBwIDAQAB
-----END PUBLIC KEY-----
";
    let p384 = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE9N+TA7wLDZaTqo77gd4pCURW6lfHuOPs
zYivItSuieDFp67P4ehCWXIcYD9EW8lLcKEGnHUpjG/TV2GBVwDNUuknE7LSQeKa
+iKUsydcJUUmBpbqQuXJgICCmF8FS6Am
-----END PUBLIC KEY-----
";
    for pem in [rsa_1024, p384] {
        let refused = VerificationKey::from_pem(pem.as_bytes()).unwrap_err();
        assert_eq!(refused, KeyError::Unsupported, "{pem}");
    }
}

#[test]
fn json_web_keys() {
    let [_, rsa, p256, ed25519] = keys();
    let with = |key: &Key, member: &str, value: Value| {
        let mut jwk: Value = serde_json::from_slice(&key.jwk).unwrap();
        jwk[member] = value;
        VerificationKey::from_jwk(jwk.to_string().as_bytes())
    };
    for (key, member, value, expected) in [
        (rsa, "alg", json!("RS256"), Ok(())),
        (rsa, "alg", json!("PS256"), Err(KeyError::Purpose)),
        (rsa, "alg", json!("RS512"), Err(KeyError::Purpose)),
        (rsa, "alg", json!("HS256"), Err(KeyError::Purpose)),
        (rsa, "alg", json!(null), Err(KeyError::Purpose)),
        (p256, "alg", json!("ES256"), Ok(())),
        (p256, "alg", json!("ES384"), Err(KeyError::Purpose)),
        (ed25519, "alg", json!("EdDSA"), Ok(())),
        (ed25519, "alg", json!("Ed25519"), Ok(())),
        (rsa, "use", json!("sig"), Ok(())),
        (rsa, "use", json!("enc"), Err(KeyError::Purpose)),
        (rsa, "key_ops", json!(["verify"]), Ok(())),
        (rsa, "key_ops", json!(["encrypt"]), Err(KeyError::Purpose)),
        (rsa, "d", json!("AQ"), Err(KeyError::Private)),
        (rsa, "kid", json!(1), Err(KeyError::NoJwk)),
        (rsa, "kty", json!("oct"), Err(KeyError::NoJwk)),
        (rsa, "n", json!("AQAB"), Err(KeyError::Unsupported)),
        (rsa, "e", json!("AQ"), Err(KeyError::Unsupported)),
        (rsa, "e", json!("Ag"), Err(KeyError::Unsupported)),
        (rsa, "e", json!("Av____8"), Err(KeyError::Unsupported)),
        (rsa, "e", json!("AgAAAAAB"), Err(KeyError::Unsupported)),
        (rsa, "e", json!(""), Err(KeyError::Unsupported)),
        (rsa, "n", json!("!"), Err(KeyError::NoJwk)),
        (p256, "crv", json!("P-384"), Err(KeyError::NoJwk)),
        (p256, "x", json!("AQAB"), Err(KeyError::NoJwk)),
        // A point that is not on the curve.
        (p256, "y", json!("A".repeat(43)), Err(KeyError::NoJwk)),
        (ed25519, "crv", json!("X25519"), Err(KeyError::NoJwk)),
        (ed25519, "x", json!("AQAB"), Err(KeyError::NoJwk)),
    ] {
        let row = format!("{member}: {value}");
        assert_eq!(with(key, member, value).map(|_| ()), expected, "{row}");
    }
    let named = with(rsa, "kid", json!("k1")).unwrap();
    assert_eq!(named.id(), Some("k1"));
    let twice = br#"{"kty":"RSA","kty":"oct"}"#;
    assert_eq!(
        VerificationKey::from_jwk(twice).unwrap_err(),
        KeyError::NoJwk
    );
}

#[test]
fn sets_of_keys() {
    let remote = KeySource::Remote {
        url: "https://a.example/".into(),
        algorithm: None,
    };
    let verifier = verifier(vec![
        tidings_auth::Issuer {
            keys: remote,
            ..issuer("a", None, Vec::new())
        },
        issuer("b", Some("b"), vec![keys()[0].verifying.clone()]),
    ]);
    assert_eq!(
        verifier.remotes().collect::<Vec<_>>(),
        [(0, "https://a.example/")]
    );
    let jwk = |at: usize| serde_json::from_slice::<Value>(&keys()[at].jwk).unwrap();
    let secret = json!({ "kty": "oct", "k": "A".repeat(43), "alg": "HS256" });
    let set = |keys: Vec<Value>| json!({ "keys": keys, "more": 1 }).to_string();
    let install = |json: String| verifier.install(0, json.as_bytes());
    assert_eq!(
        install(set(vec![jwk(1), secret.clone(), json!(7), jwk(3)])),
        Ok(2)
    );
    for (json, expected) in [
        (set(vec![]), JwksError::NoKeys),
        (set(vec![secret]), JwksError::NoKeys),
        (set(vec![jwk(3); 65]), JwksError::TooMany),
        ("x".into(), JwksError::NoSet),
        ("[]".into(), JwksError::NoSet),
        ("{}".into(), JwksError::NoSet),
        (r#"{"keys":{}}"#.into(), JwksError::NoSet),
        (r#"{"keys":[],"keys":[]}"#.into(), JwksError::NoSet),
        (" ".repeat(257 << 10), JwksError::TooLarge),
    ] {
        assert_eq!(install(json), Err(expected));
    }
    for at in [1, 2] {
        let taken = verifier.install(at, set(vec![jwk(1)]).as_bytes());
        assert_eq!(taken, Err(JwksError::NotRemote));
    }
}

#[test]
fn what_does_not_sign() {
    let refused = |pem: &str| SigningKey::from_pem(pem.as_bytes()).unwrap_err();
    assert_eq!(refused(&keys()[1].pem), MintError::Public);
    assert_eq!(refused(""), MintError::NoPem);
    assert_eq!(
        refused(&pem("PRIVATE KEY", b"no DER")),
        MintError::Unsupported
    );
    assert_eq!(
        refused(&pem("ENCRYPTED PRIVATE KEY", b"?")),
        MintError::Encrypted
    );
    let short = SigningKey::from_secret(b"short").unwrap_err();
    assert_eq!(short, MintError::Secret(KeyError::ShortSecret(5)));
    assert_eq!(format!("{:?}", keys()[0].signing), "SigningKey(HS256)");
    assert!(!format!("{:?}", keys()[0].verifying).contains("1, 1"));
}

//! A server that asks who comes, and those who come.

use conformance::http::fetch;
use conformance::server::{Options, TestServer};
use serde_json::json;
use tidings_auth::{
    ApiKey, ApiKeys, Issuer, KeySource, KeyText, SigningKey, VerificationKey, Verifier, parse_hash,
};
use tidings_core::{Grants, History, Limits, May, Patterns, Rulebook, Rules};
use tidings_server::outbound::Outbound;
use tidings_server::{Auth, Tokens};

pub const SECRET: &[u8] = b"a secret of at least 32 bytes, for tests";

/// Who asks.
pub struct Credentials {
    pub alice: String,
    pub mallory: String,
    pub other: String,
}

pub fn token(user: &str) -> String {
    let rooms = json!(["room:*"]);
    let claims = json!({
        "sub": user,
        "iat": 1_700_000_000,
        "exp": 4_000_000_000u64,
        "channels": {"subscribe": rooms, "publish": rooms, "presence": rooms},
    });
    let key = SigningKey::from_secret(SECRET).unwrap();
    key.mint(None, claims.as_object().unwrap()).unwrap()
}

pub fn key(name: &str, admin: bool) -> (String, ApiKey) {
    let text = KeyText::generate(name, [admin.into(); 32]).unwrap();
    let key = ApiKey {
        name: name.into(),
        hash: parse_hash(&text.hash()).unwrap(),
        grants: Grants {
            subscribe: Patterns::parse(["other:*"]).unwrap(),
            ..Grants::default()
        },
        admin,
    };
    (text.as_str().to_owned(), key)
}

pub fn credentials() -> Credentials {
    Credentials {
        alice: token("alice"),
        mallory: token("mallory"),
        other: key("other", false).0,
    }
}

/// A server that asks who comes, and does what their tokens name.
pub async fn keyed(change: impl FnOnce(&mut Limits)) -> TestServer {
    keyed_by(change, |_| {}).await
}

/// The same by other rules.
pub async fn keyed_by(
    change: impl FnOnce(&mut Limits),
    rule: impl FnOnce(&mut Rules),
) -> TestServer {
    let mut limits = Limits {
        auth_failures_per_address: 0,
        ..Limits::default()
    };
    change(&mut limits);
    let issuer = Issuer {
        name: "app".into(),
        issuer: None,
        audience: None,
        keys: KeySource::Static(vec![VerificationKey::from_secret(SECRET).unwrap()]),
    };
    let verifier = Verifier::new(vec![issuer]).unwrap();
    let auth = Auth {
        tokens: Tokens::new(verifier, Outbound::new(None, false).unwrap()).unwrap(),
        keys: ApiKeys::new(vec![key("other", false).1, key("ops", true).1]).unwrap(),
        open: false,
        ..Auth::open()
    };
    let mut rules = Rules {
        may: May::BY_TOKEN,
        ..Rules::open(History::default(), &limits)
    };
    rule(&mut rules);
    TestServer::with(Options {
        limits,
        rules: Some(Rulebook::new(rules)),
        access: tidings_server::AccessRules::default(),
        auth,
        ..Options::default()
    })
    .await
}

pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

pub async fn revoke(server: &TestServer, user: &str) {
    let body = format!("{{\"user\":\"{user}\"}}");
    let headers = bearer(&key("ops", true).0);
    let answer = fetch(
        server.addr,
        "POST",
        "/admin/revoke",
        &headers,
        body.as_bytes(),
    );
    assert_eq!(answer.await.status, 200);
}

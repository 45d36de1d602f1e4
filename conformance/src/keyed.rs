//! A server that asks who somebody is, and what it takes: tokens and keys.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::server::{Options, TestServer};
use serde_json::{Value, json};
use tidings_auth::{
    ApiKey, ApiKeys, Issuer, KeySource, KeyText, SigningKey, VerificationKey, Verifier, sha256,
};
use tidings_core::{Grants, History, Limits, May, Patterns, Rulebook, Rules};
use tidings_server::outbound::Outbound;
use tidings_server::{AccessRules, Auth, Extension, Policy, Tokens};

const SECRET: &[u8; 32] = b"a secret of thirty-two bytes, ok";

/// The key of a backend that may use the administration, and of one that may not.
pub fn keys() -> [String; 2] {
    [[7; 32], [8; 32]].map(|random| {
        let key = KeyText::generate("backend", random).expect("a name");
        key.as_str().to_owned()
    })
}

/// A token with these claims, good for so many seconds.
pub fn token(seconds: i64, mut claims: Value) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    claims["exp"] = json!(now.as_secs().cast_signed() + seconds);
    let key = SigningKey::from_secret(SECRET).expect("long enough");
    key.mint(None, claims.as_object().expect("an object"))
        .expect("signed")
}

fn auth() -> Auth {
    let issuer = Issuer {
        name: "main".into(),
        issuer: None,
        audience: None,
        keys: KeySource::Static(vec![
            VerificationKey::from_secret(SECRET).expect("long enough"),
        ]),
    };
    let verifier = Verifier::new(vec![issuer]).expect("one issuer");
    let outbound = Outbound::new(None, true).expect("a client");
    let grants = Grants {
        subscribe: Patterns::all(),
        publish: Patterns::all(),
        presence: Patterns::all(),
    };
    let [admin, other] = keys();
    let key = |name: &str, text: &str, admin| ApiKey {
        name: name.into(),
        hash: sha256(text.as_bytes()),
        grants: grants.clone(),
        admin,
    };
    Auth {
        tokens: Tokens::new(verifier, outbound).expect("no remote keys"),
        keys: ApiKeys::new(vec![
            key("admin", &admin, true),
            key("other", &other, false),
        ])
        .expect("two keys"),
        open: false,
        ..Auth::open()
    }
}

fn rules() -> Rulebook {
    Rulebook::new(Rules {
        may: May::BY_TOKEN,
        ..Rules::open(History::default(), &Limits::default())
    })
}

/// A server that asks for tokens and keys.
pub async fn start() -> TestServer {
    start_with(None).await
}

/// The same with paths of its own.
pub async fn start_with(extension: Option<Arc<dyn Extension>>) -> TestServer {
    let options = Options {
        auth: auth(),
        rules: Some(rules()),
        extension,
        ..Options::default()
    };
    TestServer::with(options).await
}

/// From now on the administration of such a server is elsewhere.
pub fn put_administration_elsewhere(server: &TestServer) {
    let policy = Policy {
        access: AccessRules::default(),
        auth: auth(),
        admin_elsewhere: true,
    };
    server.app.reload(policy, rules());
}

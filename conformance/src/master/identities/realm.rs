//! A keyed server whose rules change, and what mints its tokens.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tidings_auth::{
    ApiKey, ApiKeys, Issuer, KeySource, KeyText, Sessions, SigningKey, VerificationKey, Verifier,
};
use tidings_core::{Audience, Grants, History, Limits, May, Patterns, Rulebook, Rules};
use tidings_server::outbound::Outbound;
use tidings_server::{AccessRules, Auth, Policy, Tokens};

use super::truth::{Audiences, NAMESPACES, Namespace};
use crate::server::{Options, TestServer};

const SECRET: &[u8] = b"thirty-two bytes of no randomness";

/// The cookie that may hold a token.
pub const COOKIE: &str = "tidings_token";

/// The page that clients are on.
pub const ORIGIN: &str = "http://localhost:3000";

/// The server and who signs for it.
pub struct Realm {
    /// The server.
    pub server: TestServer,
    /// The backend's key, which may publish and administrate.
    pub key: String,
    signing: SigningKey,
    messages: usize,
}

impl Realm {
    /// A server whose history holds so many messages.
    pub async fn start(messages: u64) -> Self {
        let key = KeyText::generate("app", [7; 32]).expect("a name of a key");
        let (key, messages) = (key.as_str().to_owned(), messages as usize + 1);
        let options = Options {
            limits: limits(),
            rules: Some(rulebook(messages, [Audience::Token; 2])),
            access: access(),
            auth: auth(&key),
            ..Options::default()
        };
        Self {
            server: TestServer::with(options).await,
            key,
            signing: SigningKey::from_secret(SECRET).expect("a long secret"),
            messages,
        }
    }

    /// Lets these audiences subscribe from now on.
    pub fn rule(&self, audiences: Audiences) {
        let policy = Policy {
            access: access(),
            auth: auth(&self.key),
            admin_elsewhere: false,
        };
        let rules = rulebook(self.messages, audiences);
        self.server.app.reload(policy, rules);
    }

    /// A token with these claims.
    pub fn mint(&self, claims: Value) -> String {
        let claims: Map<String, Value> = serde_json::from_value(claims).expect("an object");
        self.signing.mint(None, &claims).expect("HMAC cannot fail")
    }

    /// `Authorization` of the backend.
    pub fn backend(&self) -> String {
        format!(
            "Authorization: Bearer {}\r\nContent-Type: application/json\r\n",
            self.key
        )
    }
}

/// A token that no server takes: signed with another secret.
pub fn forged(user: &str, now_s: u64) -> String {
    let signing = SigningKey::from_secret(&[b'x'; 32]).expect("a long secret");
    let claims = json!({"sub": user, "exp": now_s + 60, "channels": {"subscribe": ["*"]}});
    let claims: Map<String, Value> = serde_json::from_value(claims).expect("an object");
    signing.mint(None, &claims).expect("HMAC cannot fail")
}

/// Bad tokens are part of a run, and its rate is the run's own.
fn limits() -> Limits {
    Limits {
        auth_failures_per_address: 0,
        subscribes_per_address: 0,
        ..Limits::default()
    }
}

fn access() -> AccessRules {
    AccessRules {
        origins: vec![ORIGIN.into()],
        ..AccessRules::default()
    }
}

fn auth(key: &str) -> Auth {
    let issuer = Issuer {
        name: "run".into(),
        issuer: None,
        audience: None,
        keys: KeySource::Static(vec![
            VerificationKey::from_secret(SECRET).expect("a long secret"),
        ]),
    };
    let verifier = Verifier::new(vec![issuer]).expect("one issuer");
    let outbound = Outbound::new(None, false).expect("no roots are asked for");
    let all = || Patterns::parse(["*"]).expect("a pattern");
    let backend = ApiKey {
        name: "app".into(),
        hash: tidings_auth::sha256(key.as_bytes()),
        grants: Grants {
            subscribe: all(),
            publish: all(),
            presence: all(),
        },
        admin: true,
    };
    Auth {
        // One clock: a token ends when it says.
        tokens: Tokens::new(verifier.with_leeway(0), outbound).expect("no issuer is remote"),
        keys: ApiKeys::new(vec![backend]).expect("one key"),
        sessions: Sessions::new(SECRET).expect("a long secret"),
        cookie: Some(COOKIE.into()),
        open: false,
        ..Auth::open()
    }
}

fn rulebook(messages: usize, audiences: Audiences) -> Rulebook {
    let history = History {
        count: messages,
        bytes: 4 << 30,
        age: Duration::from_secs(24 * 3600),
    };
    let open = Rules::open(history, &limits());
    let mut book = Rulebook::new(Rules {
        may: May::BY_TOKEN,
        ..open.clone()
    });
    for (namespace, subscribe) in NAMESPACES.into_iter().zip(audiences) {
        let history = match namespace {
            Namespace::Past => Audience::Anyone,
            Namespace::Live => Audience::Backend,
        };
        let may = May {
            subscribe,
            history,
            ..May::BY_TOKEN
        };
        book.set(
            namespace.name(),
            Rules {
                may,
                ..open.clone()
            },
        );
    }
    book
}

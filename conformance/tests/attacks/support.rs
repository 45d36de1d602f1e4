//! A server that asks who somebody is, the tokens that it believes, and a bystander that must not
//! suffer from any attack.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use conformance::http::{Answer, fetch};
use conformance::server::{Options, TestServer};
use conformance::ws::Ws;
use serde_json::{Value, json};
use tidings_auth::{
    ApiKey, ApiKeys, Issuer, KeySource, KeyText, SigningKey, VerificationKey, Verifier, parse_hash,
};
use tidings_core::{Grants, History, Limits, May, Patterns, Rulebook, Rules};
use tidings_protocol::Code;
use tidings_server::outbound::Outbound;
use tidings_server::{AccessRules, App, Auth, Tokens};
use tokio::time::timeout;

/// What the server and the application share.
pub const SECRET: &[u8] = b"a secret that only two of them know";
/// The one foreign site whose pages may come.
pub const ORIGIN: &str = "https://app.example";
/// The cookie that may hold a token.
pub const COOKIE: &str = "tidings_token";
/// Longer than anything takes on a busy machine: reached only by what hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// `work`, unless it hangs.
pub async fn patiently<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it comes to an end")
}

/// Waits until it is so.
pub async fn until(mut is_so: impl FnMut() -> bool) {
    patiently(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A server with keys and tokens.
pub async fn keyed() -> TestServer {
    keyed_with(|_| {}).await
}

/// The same with changes.
pub async fn keyed_with(change: impl FnOnce(&mut Options)) -> TestServer {
    let mut options = Options {
        auth: auth(vec![issuer("main", None, SECRET)]),
        access: AccessRules {
            origins: vec![ORIGIN.into()],
            ..AccessRules::default()
        },
        ..Options::default()
    };
    change(&mut options);
    let rules = Rules {
        may: May::BY_TOKEN,
        ..Rules::open(History::default(), &options.limits)
    };
    options.rules.get_or_insert_with(|| Rulebook::new(rules));
    TestServer::with(options).await
}

/// The same with other limits.
pub async fn keyed_limited(change: impl FnOnce(&mut Limits)) -> TestServer {
    keyed_with(|options| change(&mut options.limits)).await
}

/// Who is believed by a server of these issuers.
pub fn auth(issuers: Vec<Issuer>) -> Auth {
    let verifier = Verifier::new(issuers).expect("they go together");
    let outbound = Outbound::new(None, false).expect("nothing to read");
    Auth {
        tokens: Tokens::new(verifier, outbound).expect("no URLs that are none"),
        keys: ApiKeys::new(vec![key("backend", false), key("admin", true)])
            .expect("they go together"),
        cookie: Some(COOKIE.into()),
        open: false,
        ..Auth::open()
    }
}

/// An issuer with a shared secret, whose key is called `1`.
pub fn issuer(name: &str, iss: Option<&str>, secret: &[u8]) -> Issuer {
    let key = VerificationKey::from_secret(secret).expect("long enough");
    Issuer {
        name: name.into(),
        issuer: iss.map(str::to_owned),
        audience: None,
        keys: KeySource::Static(vec![key.with_id("1")]),
    }
}

fn key(name: &str, admin: bool) -> ApiKey {
    let all = || Patterns::parse(["*", "@*", "~*"]).expect("patterns");
    ApiKey {
        name: name.into(),
        hash: parse_hash(&text_of(name).hash()).expect("a hash"),
        grants: Grants {
            subscribe: all(),
            publish: all(),
            presence: all(),
        },
        admin,
    }
}

/// The text of a key; that of another name is of nobody.
pub fn text_of(name: &str) -> KeyText {
    KeyText::generate(name, [7; 32]).expect("a name")
}

/// The line that shows a key.
pub fn with_key(name: &str) -> String {
    bearer(text_of(name).as_str())
}

/// The line that shows a token.
pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// What a good token of this user says: an hour, and all channels of the application.
pub fn claims(user: &str) -> Value {
    let all = json!({"subscribe": ["*"], "publish": ["*"], "presence": ["*"]});
    json!({"sub": user, "exp": now() + 3600, "channels": all})
}

/// Unix time in seconds.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").as_secs()
}

/// A good token of this user.
pub fn token(user: &str) -> String {
    sign(&claims(user))
}

/// A token with these claims, by the secret that is believed.
pub fn sign(claims: &Value) -> String {
    signed(SECRET, &json!({"alg": "HS256", "kid": "1"}), claims)
}

/// A token with this header and these claims, whatever they are.
pub fn signed(secret: &[u8], header: &Value, claims: &Value) -> String {
    let key = SigningKey::from_secret(secret).expect("long enough");
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = key.signature(message.as_bytes()).expect("signed");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// How often something was refused by this code.
pub fn refusals(server: &TestServer, code: Code) -> u64 {
    server.app.stats().refusals[code.index()].get()
}

/// The status and the code of a refusal.
pub fn told(answer: &Answer) -> (u16, String) {
    let code = match answer.body.is_empty() {
        true => String::new(),
        false => answer.json()["code"].as_str().unwrap_or("").to_owned(),
    };
    (answer.status, code)
}

/// A refusal as [`told`] gives it.
pub fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Publishes as the backend does.
pub async fn publish(server: &TestServer, target: &str, body: &str) -> Answer {
    let headers = format!("{}Content-Type: text/plain\r\n", with_key("backend"));
    fetch(server.addr, "POST", target, &headers, body.as_bytes()).await
}

/// An open WebSocket whose hello was read.
pub async fn socket(server: &TestServer, target: &str, headers: &str) -> (Ws, Value) {
    let http = conformance::http::Http::connect(server.addr).await;
    let mut ws = Ws::over(http, target, headers).await.expect("a WebSocket");
    let hello = patiently(ws.json()).await.expect("a first word");
    (ws, hello)
}

/// One request on a connection of its own.
pub async fn ask(
    server: &TestServer,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Answer {
    fetch(server.addr, method, target, headers, body.as_bytes()).await
}

/// A session of this user with the client that it is of.
pub async fn session(server: &TestServer, token: &str) -> (String, String) {
    let answer = fetch(server.addr, "POST", "/session", &bearer(token), b"").await;
    let json = answer.json();
    let text = |field: &str| json[field].as_str().expect("a text").to_owned();
    (text("session"), text("client"))
}

/// Someone who reads a channel, and wants to go on doing so.
pub struct Bystander<'a> {
    ws: Ws,
    server: &'a TestServer,
}

impl<'a> Bystander<'a> {
    pub async fn new(server: &'a TestServer) -> Self {
        let headers = with_key("backend");
        let (ws, hello) = socket(server, "/channels/bystander", &headers).await;
        assert_eq!(hello["type"], "hello", "{hello}");
        Self { ws, server }
    }

    /// A message goes the whole way, and no connection ended by a panic.
    pub async fn lives(&mut self) {
        patiently(async {
            let answer = publish(self.server, "/channels/bystander", "소식").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let message = self.ws.json().await.expect("the connection lives");
            assert_eq!(message["data"], "소식");
        })
        .await;
        let app: &Arc<App> = &self.server.app;
        assert_eq!(app.stats().panics.get(), 0);
    }
}

//! Tokens that are none, in every place where one can stand, and what they must not make the server
//! do. Each way in which a token can be wrong is a row of `crates/tidings-auth/tests/matrix.rs`.

use conformance::http::{fetch, get};
use conformance::server::TestServer;
use serde_json::{Value, json};
use tidings_auth::{Issuer, KeySource};
use tidings_protocol::Code;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{
    Bystander, COOKIE, ORIGIN, SECRET, auth, bearer, claims, is, issuer, keyed, keyed_limited,
    keyed_with, now, patiently, refusals, sign, signed, socket, token, told,
};

/// Tokens that say they are alice's, each wrong in one way.
fn wrong() -> Vec<(&'static str, String)> {
    let header = json!({"alg": "HS256", "kid": "1"});
    let good = token("alice");
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let with_header = |header: Value| signed(SECRET, &header, &claims("alice"));
    let with_claim = |name: &str, value: Value| {
        let mut claims = claims("alice");
        claims[name] = value;
        sign(&claims)
    };
    let mut timeless = claims("alice");
    timeless.as_object_mut().expect("an object").remove("exp");
    vec![
        ("alg none", with_header(json!({"alg": "none"}))),
        (
            "alg None without a signature",
            format!(
                "{}.",
                with_header(json!({"alg": "None"}))
                    .rsplit_once('.')
                    .expect("three parts")
                    .0
            ),
        ),
        (
            "the algorithm of another key",
            with_header(json!({"alg": "RS256", "kid": "1"})),
        ),
        ("no signature", format!("{message}.")),
        ("two parts", message.to_owned()),
        (
            "five parts, as of a JWE",
            format!("{good}.{signature}.{signature}"),
        ),
        (
            "crit",
            with_header(json!({"alg": "HS256", "kid": "1", "crit": ["exp"]})),
        ),
        (
            "nested",
            with_header(json!({"alg": "HS256", "kid": "1", "cty": "JWT"})),
        ),
        (
            "another secret",
            signed(
                b"another secret of thirty-two bytes",
                &header,
                &claims("alice"),
            ),
        ),
        ("a changed byte", format!("{message}x.{signature}")),
        ("exp as a text", with_claim("exp", json!("9999999999"))),
        ("exp as a float", with_claim("exp", json!(9999999999.5))),
        ("exp 1e308", with_claim("exp", json!(1e308))),
        ("exp negative", with_claim("exp", json!(-1))),
        ("exp null", with_claim("exp", json!(null))),
        ("no exp", sign(&timeless)),
        ("nbf as a text", with_claim("nbf", json!("0"))),
        ("nbf to come", with_claim("nbf", json!(now() + 600))),
        ("iat to come", with_claim("iat", json!(now() + 600))),
        (
            "an audience that is not asked for",
            with_claim("aud", json!(["a", "b"])),
        ),
        (
            "kid of a path",
            with_header(json!({"alg": "HS256", "kid": "../../../../dev/null"})),
        ),
        (
            "kid of SQL",
            with_header(json!({"alg": "HS256", "kid": "1' UNION SELECT 'a"})),
        ),
    ]
}

#[tokio::test]
async fn a_token_that_is_none_is_none_wherever_it_stands() {
    let server = keyed_limited(|limits| limits.auth_failures_per_address = 0).await;
    let mut bystander = Bystander::new(&server).await;
    let before = refusals(&server, Code::Unauthorized);
    let origin = format!("Origin: {ORIGIN}\r\n");
    for (row, token) in wrong() {
        let by_header = fetch(server.addr, "GET", "/channels/x", &bearer(&token), b"").await;
        let cookie = format!("{origin}Cookie: {COOKIE}={token}\r\n");
        let by_cookie = fetch(server.addr, "GET", "/channels/x", &cookie, b"").await;
        let events = format!("{}Accept: text/event-stream\r\n", bearer(&token));
        let by_events = fetch(server.addr, "GET", "/channels/x", &events, b"").await;
        for answer in [&by_header, &by_cookie, &by_events] {
            assert_eq!(told(answer), is(401, "unauthorized"), "{row}");
            assert!(answer.header("www-authenticate").is_some(), "{row}");
        }
        let protocol = format!("{origin}Sec-WebSocket-Protocol: tidings.v1, bearer.{token}\r\n");
        for headers in [bearer(&token), protocol] {
            let (mut ws, first) = socket(&server, "/channels/x", &headers).await;
            assert_eq!(
                (&first["type"], &first["code"]),
                (&json!("error"), &json!("unauthorized")),
                "{row}"
            );
            let close = patiently(ws.frame()).await.expect("a close");
            assert_eq!(close.close_code(), Some(4021), "{row}");
        }
    }
    let rows = wrong().len() as u64;
    assert_eq!(refusals(&server, Code::Unauthorized), before + 5 * rows);
    let good = fetch(
        server.addr,
        "GET",
        "/channels/x",
        &bearer(&token("alice")),
        b"",
    )
    .await;
    assert_eq!(good.status, 200, "the good one is one");
    bystander.lives().await;
}

#[tokio::test]
async fn a_token_that_is_none_does_not_make_a_socket_somebody() {
    let server = keyed_limited(|limits| limits.auth_failures_per_address = 0).await;
    let (mut ws, _) = socket(&server, "/channels", "").await;
    for (row, token) in wrong() {
        ws.command(json!({"type": "auth", "id": 1, "token": token}))
            .await;
        let answer = patiently(ws.json()).await.expect("an answer");
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("error"), &json!("unauthorized")),
            "{row}"
        );
        ws.command(json!({"type": "subscribe", "id": 2, "channel": "x"}))
            .await;
        let answer = patiently(ws.json()).await.expect("an answer");
        assert_eq!(answer["code"], "unauthorized", "{row}");
    }
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let server = keyed().await;
    let mut claims = claims("alice");
    claims["exp"] = json!(now() - 60);
    let expired = sign(&claims);
    let answer = fetch(server.addr, "GET", "/channels/x", &bearer(&expired), b"").await;
    assert_eq!(told(&answer), is(401, "token_expired"));
}

/// A place that must not be asked anything.
struct Trap(TcpListener);

impl Trap {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    fn url(&self) -> String {
        format!("http://{}/jwks", self.0.local_addr().expect("bound"))
    }

    /// Connections are accepted in their order: the first one is the test's own.
    async fn nobody_came(self) -> bool {
        let at = self.0.local_addr().expect("bound");
        let own = TcpStream::connect(at).await.expect("it listens");
        let (_, first) = patiently(self.0.accept()).await.expect("a connection");
        first == own.local_addr().expect("connected")
    }
}

async fn asks_with(server: &TestServer, token: &str) {
    for headers in [
        bearer(token),
        format!("Origin: {ORIGIN}\r\nCookie: {COOKIE}={token}\r\n"),
    ] {
        let answer = fetch(server.addr, "GET", "/channels/x", &headers, b"").await;
        assert_eq!(told(&answer), is(401, "unauthorized"), "{headers}");
    }
}

#[tokio::test]
async fn where_keys_are_from_is_never_the_token_s_to_say() {
    let server = keyed_limited(|limits| limits.auth_failures_per_address = 0).await;
    let trap = Trap::new().await;
    let forger = b"the secret of somebody else, as long";
    for name in ["jku", "x5u", "jwk", "x5c", "kid"] {
        let value = match name {
            "jwk" => json!({"kty": "oct", "k": "dGhlIHNlY3JldCBvZiBzb21lYm9keSBlbHNlLCBhcyBsb25n"}),
            "x5c" => json!([trap.url()]),
            _ => json!(trap.url()),
        };
        let mut header = json!({"alg": "HS256", "kid": "1"});
        header[name] = value;
        asks_with(&server, &signed(forger, &header, &claims("alice"))).await;
    }
    assert!(trap.nobody_came().await);
}

/// CVE-2026-32301: what is not verified leads nowhere.
#[tokio::test]
async fn an_issuer_of_an_unverified_token_is_not_asked() {
    let trap = Trap::new().await;
    let server = keyed_with(|options| {
        options.limits.auth_failures_per_address = 0;
        options.auth = auth(vec![issuer("main", Some("https://login.example"), SECRET)]);
    })
    .await;
    let (url, header) = (trap.url(), json!({"alg": "HS256", "kid": "2"}));
    for iss in [
        url.clone(),
        url.replace("/jwks", ""),
        format!(
            "https://login.example@{}",
            url.trim_start_matches("http://")
        ),
        "https://login.example/../x".to_owned(),
    ] {
        let mut claims = claims("alice");
        claims["iss"] = json!(iss);
        asks_with(&server, &signed(SECRET, &header, &claims)).await;
    }
    assert!(trap.nobody_came().await);
}

/// Keys that are fetched are fetched from where the configuration says, however often a token names
/// another key: once at the start, and not again within the time between two fetches.
#[tokio::test]
async fn unknown_keys_do_not_make_the_server_ask_at_each_token() {
    let provider = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/jwks", provider.local_addr().expect("bound"));
    let remote = Issuer {
        name: "remote".into(),
        issuer: Some("https://login.example".into()),
        audience: None,
        keys: KeySource::Remote {
            url,
            algorithm: None,
        },
    };
    let server = keyed_with(|options| {
        options.limits.auth_failures_per_address = 0;
        options.auth = auth(vec![remote]);
    })
    .await;
    let (mut first, _) = patiently(provider.accept())
        .await
        .expect("keys are fetched");
    // The public key of RFC 8037 appendix A.2.
    let jwk = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let length = jwk.len();
    let keys =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{jwk}");
    first.write_all(keys.as_bytes()).await.expect("taken");
    drop(first);
    let mut of_theirs = claims("alice");
    of_theirs["iss"] = json!("https://login.example");
    let asks = (0..50).map(|at| {
        let kid = format!("unknown-{at}");
        let token = signed(SECRET, &json!({"alg": "EdDSA", "kid": kid}), &of_theirs);
        let addr = server.addr;
        tokio::spawn(async move { fetch(addr, "GET", "/channels/x", &bearer(&token), b"").await })
    });
    for answer in asks.collect::<Vec<_>>() {
        let answer = patiently(answer).await.expect("answered");
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    assert!(Trap(provider).nobody_came().await);
}

/// CVE-2026-49998: a key is its issuer's, whatever it is called.
#[tokio::test]
async fn keys_of_one_name_of_two_issuers_are_two_keys() {
    let (a, b) = (
        b"the secret of the first of the two issuers",
        b"the secret of the second of two issuers..",
    );
    let server = keyed_with(|options| {
        options.auth = auth(vec![
            issuer("a", Some("https://a.example"), a),
            issuer("b", Some("https://b.example"), b),
        ]);
    })
    .await;
    let header = json!({"alg": "HS256", "kid": "1"});
    // The good ones first: what is remembered of them must not help the others.
    for (secret, iss, status) in [
        (&a[..], "https://a.example", 200),
        (&b[..], "https://b.example", 200),
        (&a[..], "https://b.example", 401),
        (&b[..], "https://a.example", 401),
        (&a[..], "https://c.example", 401),
    ] {
        let mut claims = claims("alice");
        claims["iss"] = json!(iss);
        let token = signed(secret, &header, &claims);
        let answer = fetch(server.addr, "GET", "/channels/x", &bearer(&token), b"").await;
        assert_eq!(answer.status, status, "{iss}");
    }
    assert_eq!(
        get(server.addr, "/channels/x").await.status,
        401,
        "nobody is nobody still"
    );
}

//! Against a real server on this machine, which answers as it should not, too.

use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tidings_auth::{Issuer, KeySource, SigningKey, TokenError, Verifier};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

use super::*;
use crate::tls::{TlsKeys, TlsOptions};

const NOW: u64 = 1_800_000_000;

/// What a server got.
#[derive(Debug)]
struct Got {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Value,
}

type Reply = Response<Full<Bytes>>;

fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = StatusCode::from_u16(status).unwrap();
    reply
}

/// A server that tells what it gets and answers as `answer` says. Its URL, without a path.
async fn server<F>(
    answer: impl Fn() -> F + Clone + Send + 'static,
) -> (String, mpsc::UnboundedReceiver<Got>)
where
    F: Future<Output = Reply> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, tell.clone(), answer.clone()));
        }
    });
    (url, told)
}

async fn serve<IO, F>(
    io: IO,
    tell: mpsc::UnboundedSender<Got>,
    answer: impl Fn() -> F + Clone + Send + 'static,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (tell, answer) = (tell.clone(), answer.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let _ = tell.send(Got {
                method: head.method,
                path: head.uri.to_string(),
                headers: head.headers,
                body: serde_json::from_slice(&body).unwrap_or(Value::Null),
            });
            Ok::<_, Infallible>(answer().await)
        }
    });
    let http = hyper::server::conn::http1::Builder::new();
    // A client that goes away early is no matter here.
    let _ = http.serve_connection(TokioIo::new(io), service).await;
}

fn outbound() -> Outbound {
    Outbound::new(None, false).unwrap()
}

fn authorizer(url: &str) -> Authorizer {
    let options = AuthorizerOptions {
        timeout: Duration::from_secs(20),
        ..AuthorizerOptions::new(format!("{url}/who"))
    };
    Authorizer::new(outbound(), options).unwrap()
}

fn ask(cookie: &HeaderValue) -> Ask<'_> {
    Ask {
        cookie: Some(cookie),
        authorization: None,
        origin: Some("https://app.example"),
        user_agent: Some("Browser/1"),
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
    }
}

static COOKIE: HeaderValue = HeaderValue::from_static("sid=canary");

fn alice() -> String {
    json!({ "sub": "alice", "exp": NOW + 600, "channels": { "subscribe": ["room:*"] } }).to_string()
}

#[tokio::test]
async fn the_application_is_asked_with_what_came() {
    let (url, mut got) = server(|| async { reply(200, alice()) }).await;
    let bearer = HeaderValue::from_static("Bearer canary2");
    let full = Ask {
        authorization: Some(&bearer),
        ..ask(&COOKIE)
    };
    let claims = authorizer(&url).ask(&full, NOW).await.unwrap();
    assert_eq!(claims.user.as_deref(), Some("alice"));
    assert_eq!(claims.expires, Some(NOW + 600));
    let got = got.recv().await.unwrap();
    assert_eq!((got.method, got.path.as_str()), (Method::POST, "/who"));
    assert_eq!(got.headers["cookie"], COOKIE);
    assert_eq!(got.headers["authorization"], bearer);
    assert_eq!(got.headers["host"], url.trim_start_matches("http://"));
    assert_eq!(
        got.body,
        json!({ "address": "192.0.2.7", "origin": "https://app.example", "user_agent": "Browser/1" })
    );
}

#[tokio::test]
async fn only_a_clear_yes_is_one() {
    let huge = "x".repeat(300 << 10);
    let refused = |error: &AuthorizerError| *error == AuthorizerError::Refused;
    let unavailable = |error: &AuthorizerError| matches!(error, AuthorizerError::Unavailable(_));
    type Is = fn(&AuthorizerError) -> bool;
    let rows: Vec<(u16, String, Is)> = vec![
        (401, alice(), refused),
        (403, alice(), refused),
        (200, String::new(), unavailable),
        (200, "yes".into(), unavailable),
        (200, "{}".into(), unavailable),
        (
            200,
            json!({ "sub": "a", "exp": "1" }).to_string(),
            unavailable,
        ),
        (
            200,
            json!({ "sub": "a", "exp": NOW - 60 }).to_string(),
            unavailable,
        ),
        (
            200,
            json!({ "sub": "a", "exp": NOW + 1, "ttl": 1 }).to_string(),
            unavailable,
        ),
        (
            200,
            json!({ "sub": "a", "ttl": -1 }).to_string(),
            unavailable,
        ),
        (
            200,
            json!({ "sub": "a", "ttl": 60, "channels": { "a": [] } }).to_string(),
            unavailable,
        ),
        (
            200,
            format!(r#"{{"sub":"a","sub":"b","exp":{}}}"#, NOW + 1),
            unavailable,
        ),
        (200, huge, unavailable),
        (201, alice(), unavailable),
        (204, String::new(), unavailable),
        (302, alice(), unavailable),
        (400, alice(), unavailable),
        (404, alice(), unavailable),
        (500, alice(), unavailable),
        (503, alice(), unavailable),
    ];
    for (status, body, is) in rows {
        let row = format!("{status} {}", body.get(..60).unwrap_or(&body));
        let (url, mut got) = server(move || {
            let mut reply = reply(status, body.clone());
            reply
                .headers_mut()
                .insert(LOCATION, HeaderValue::from_static("/elsewhere"));
            async { reply }
        })
        .await;
        let authorizer = authorizer(&url);
        let error = authorizer.ask(&ask(&COOKIE), NOW).await.unwrap_err();
        assert!(is(&error), "{row}: {error:?}");
        assert!(!error.to_string().contains("canary"), "{error}");
        got.recv().await.unwrap();
        assert!(got.try_recv().is_err(), "{row}: no redirect is followed");
        assert!(authorizer.ask(&ask(&COOKIE), NOW).await.is_err());
        got.recv().await.expect("a failure is not kept");
    }
}

#[tokio::test]
async fn who_does_not_answer_is_not_waited_for() {
    let (url, _got) = server(std::future::pending::<Reply>).await;
    let options = AuthorizerOptions {
        timeout: Duration::from_millis(50),
        ..AuthorizerOptions::new(url)
    };
    let slow = Authorizer::new(outbound(), options).unwrap();
    let error = slow.ask(&ask(&COOKIE), NOW).await.unwrap_err();
    assert!(matches!(error, AuthorizerError::Unavailable(_)), "{error}");

    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let gone = authorizer(&format!("http://{closed}"));
    let error = gone.ask(&ask(&COOKIE), NOW).await.unwrap_err();
    assert!(error.to_string().contains("cannot be reached"), "{error}");
}

#[tokio::test]
async fn nothing_is_asked_without_credentials() {
    let (url, mut got) = server(|| async { reply(200, alice()) }).await;
    let nobody = Ask {
        cookie: None,
        ..ask(&COOKIE)
    };
    let authorizer = authorizer(&url);
    assert_eq!(
        authorizer.ask(&nobody, NOW).await,
        Err(AuthorizerError::Refused)
    );
    assert!(got.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_is_kept_for_a_while() {
    let (url, mut got) = server(|| async { reply(200, alice()) }).await;
    let authorizer = authorizer(&url);
    let mut asked_at = async |now, ask: Ask<'_>| {
        authorizer.ask(&ask, now).await.unwrap();
        let asked = got.try_recv().is_ok();
        assert!(got.try_recv().is_err());
        asked
    };
    let (other, joined) = (
        HeaderValue::from_static("sid=b"),
        HeaderValue::from_static("sid=canarysid=b"),
    );
    let as_authorization = Ask {
        cookie: None,
        authorization: Some(&COOKIE),
        ..ask(&COOKIE)
    };
    let of_origin = Ask {
        origin: None,
        ..ask(&COOKIE)
    };
    let both = Ask {
        authorization: Some(&other),
        ..ask(&COOKIE)
    };
    for (now, ask, expected) in [
        (NOW, ask(&COOKIE), true),
        (NOW + 59, ask(&COOKIE), false),
        (NOW + 59, ask(&other), true),
        (NOW + 59, as_authorization, true),
        (NOW + 59, of_origin, true),
        (NOW + 59, both, true),
        (NOW + 59, self::ask(&joined), true),
        (NOW + 60, self::ask(&COOKIE), true),
        (NOW + 599, self::ask(&COOKIE), true),
        (NOW + 599, self::ask(&COOKIE), false),
    ] {
        assert_eq!(asked_at(now, ask).await, expected, "{now} {ask:?}");
    }
    // It ends sooner than it would be kept.
    let ended = authorizer.ask(&ask(&COOKIE), NOW + 600).await;
    assert!(
        matches!(ended, Err(AuthorizerError::Unavailable(_))),
        "{ended:?}"
    );
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let (url, mut got) = server(|| async { reply(200, alice()) }).await;
    let options = AuthorizerOptions {
        cache_entries: 10,
        ..AuthorizerOptions::new(url)
    };
    let authorizer = Authorizer::new(outbound(), options).unwrap();
    let cookies: Vec<HeaderValue> = (0..30)
        .map(|at| HeaderValue::from_str(&format!("sid={at}")).unwrap())
        .collect();
    for cookie in &cookies {
        authorizer.ask(&ask(cookie), NOW).await.unwrap();
        got.recv().await.unwrap();
        assert!(authorizer.kept() <= 10);
    }
    authorizer.ask(&ask(&cookies[29]), NOW).await.unwrap();
    assert!(got.try_recv().is_err(), "the last is kept");
    authorizer.ask(&ask(&cookies[0]), NOW).await.unwrap();
    assert!(got.try_recv().is_ok(), "the first is not");
}

#[tokio::test]
async fn equal_questions_are_asked_once() {
    let release = Arc::new(Notify::new());
    let asked = Arc::new(AtomicUsize::new(0));
    let (url, mut got) = server({
        let (release, asked) = (release.clone(), asked.clone());
        move || {
            let (release, asked) = (release.clone(), asked.clone());
            async move {
                asked.fetch_add(1, SeqCst);
                release.notified().await;
                reply(200, alice())
            }
        }
    })
    .await;
    let authorizer = Arc::new(authorizer(&url));
    let ask_once = || {
        let authorizer = authorizer.clone();
        tokio::spawn(async move { authorizer.ask(&ask(&COOKIE), NOW).await })
    };
    // The one that sends gives up: another has to take over.
    let first = ask_once();
    got.recv().await.unwrap();
    let others: Vec<_> = (0..20).map(|_| ask_once()).collect();
    tokio::task::yield_now().await;
    first.abort();
    got.recv().await.unwrap();
    assert_eq!(asked.load(SeqCst), 2);
    release.notify_waiters();
    for other in others {
        assert!(other.await.unwrap().is_ok());
    }
    assert_eq!(asked.load(SeqCst), 2, "and one only");
}

#[tokio::test]
async fn keys_are_fetched_and_fetched_again() {
    let jwk = |kid: &str| {
        json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "kid": kid,
            // RFC 8037 appendix A.2.
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }]})
        .to_string()
    };
    let answers = Arc::new(std::sync::Mutex::new(vec![
        jwk("a"),
        "no keys".into(),
        jwk("b"),
    ]));
    let (url, mut got) = server(move || {
        let mut reply = reply(200, answers.lock().unwrap().remove(0));
        reply
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
        async { reply }
    })
    .await;
    let issuer = Issuer {
        name: "id".into(),
        issuer: None,
        audience: None,
        keys: KeySource::Remote {
            url: format!("{url}/keys"),
            algorithm: None,
        },
    };
    let verifier = Arc::new(Verifier::new(vec![issuer]).unwrap());
    let token = |kid: &str| signed_by_rfc_8037(kid);
    let unknown = Err(TokenError::UnknownKey { issuer: 0 });
    assert_eq!(verifier.verify(&token("a"), NOW), unknown);

    let jwks = Jwks::new(verifier.clone(), outbound()).unwrap();
    let mut ended = jwks.fetches(0).unwrap();
    let task = tokio::spawn(jwks.clone().run());
    ended.wait_for(|ended| *ended == 1).await.unwrap();
    let first = got.recv().await.unwrap();
    assert_eq!((first.method, first.path.as_str()), (Method::GET, "/keys"));
    assert!(verifier.verify(&token("a"), NOW).is_ok());
    assert_eq!(verifier.verify(&token("b"), NOW), unknown);

    // Many ask for a key that is not there: one fetch, after the cool-down.
    for _ in 0..100 {
        jwks.unknown_key(0);
        tokio::task::yield_now().await;
    }
    pass(Duration::from_secs(28)).await;
    jwks.unknown_key(0);
    tokio::task::yield_now().await;
    assert_eq!(*ended.borrow(), 1, "too soon");
    pass(Duration::from_secs(3)).await;
    ended.wait_for(|ended| *ended == 2).await.unwrap();
    assert!(
        verifier.verify(&token("a"), NOW).is_ok(),
        "no keys came, so those of before stay"
    );

    // After a failure it is tried again without anybody's asking.
    pass(Duration::from_secs(3)).await;
    ended.wait_for(|ended| *ended == 3).await.unwrap();
    assert!(verifier.verify(&token("b"), NOW).is_ok());
    assert_eq!(verifier.verify(&token("a"), NOW), unknown);
    task.abort();
}

/// The clock goes on by this. It stands still meanwhile, so that no deadline passes on the way.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// A token of the key of RFC 8037 appendix A.1.
fn signed_by_rfc_8037(kid: &str) -> String {
    let pem = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";
    let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
    let claims = json!({ "sub": "alice", "exp": NOW + 60 });
    key.mint(Some(kid), claims.as_object().unwrap()).unwrap()
}

#[tokio::test]
async fn trust_is_in_authorities_only() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let keys = TlsKeys::from_pem(
        cert.pem().as_bytes(),
        signing_key.serialize_pem().as_bytes(),
        TlsOptions::default(),
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, mut got) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = keys.accept(stream).await {
                // HTTP/1.1 is what ALPN agreed on.
                tokio::spawn(serve(stream, tell.clone(), || async {
                    reply(200, alice())
                }));
            }
        }
    });
    let ask_at = async |host: &str, outbound: Outbound| {
        let options = AuthorizerOptions {
            timeout: Duration::from_secs(20),
            ..AuthorizerOptions::new(format!("https://{host}:{port}/"))
        };
        Authorizer::new(outbound, options)?
            .ask(&ask(&COOKIE), NOW)
            .await
            .map_err(|error| OutboundError::Unreachable(error.to_string()))
    };
    let trusting = || Outbound::new(Some(cert.pem().as_bytes()), false).unwrap();
    ask_at("localhost", trusting()).await.unwrap();
    got.recv().await.unwrap();
    let wrong_name = ask_at("127.0.0.1", trusting()).await.unwrap_err();
    assert!(
        wrong_name.to_string().contains("TLS failed"),
        "{wrong_name}"
    );
    assert!(ask_at("localhost", outbound()).await.is_err());
    assert!(
        got.try_recv().is_err(),
        "nothing is sent to whom nobody trusts"
    );
    for bad in [
        "",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let refused = Outbound::new(Some(bad.as_bytes()), false);
        assert!(
            matches!(refused, Err(OutboundError::Authorities(_))),
            "{bad}"
        );
    }
}

//! The application is asked who somebody is.

use conformance::server::{Options, TestServer};
use serde_json::{Value, json};
use tidings_server::outbound::{Authorizer, AuthorizerOptions, Outbound};
use tidings_server::{Auth, Tokens};

use crate::support::{
    Application, BACKEND, Kind, Reader, auth, bearer, get, options, post, publish, refused_ws,
    sse_refusal,
};

const PAGE: &str = "Cookie: sid=canary; theme=dark\r\nOrigin: https://app.example\r\n";
const TARGET: &str = "/channels?name=room:1";

fn alice() -> Value {
    json!({"sub": "alice", "ttl": 60, "channels": {"subscribe": ["room:*"]}})
}

/// A server that asks this application, and knows no issuer.
async fn asking(application: &Application) -> TestServer {
    let outbound = Outbound::new(None, false).expect("no authorities to read");
    let options_of = AuthorizerOptions::new(application.url.as_str());
    let authorizer = Authorizer::new(outbound, options_of).expect("a URL on this machine");
    TestServer::with(Options {
        auth: Auth {
            tokens: Tokens::none(),
            authorizer: Some(authorizer),
            ..auth()
        },
        ..options()
    })
    .await
}

#[tokio::test]
async fn a_cookie_is_claims_and_the_answer_is_kept() {
    let application = Application::start(200, alice()).await;
    let server = asking(&application).await;
    for kind in Kind::ALL {
        let mut reader = Reader::open(kind, &server, TARGET, PAGE).await;
        if kind != Kind::LongPoll {
            assert_eq!(reader.hello["user"], "alice");
            assert!(reader.hello["expires"].is_u64());
        }
        publish(&server, "room:1", json!("소식")).await;
        assert_eq!(reader.told().await["data"], "소식");
    }
    assert_eq!(application.asked(), 1, "it is asked once");
    let asked = application.last();
    assert_eq!(asked["cookie"], "sid=canary; theme=dark");
    let other = PAGE.replace("canary", "other");
    assert_eq!(get(server.addr, TARGET, &other).await.status, 200);
    assert_eq!(application.asked(), 2, "another cookie is another question");
    let denied = get(server.addr, "/channels/hall:1", PAGE).await;
    assert_eq!(
        (denied.status, &denied.json()["code"]),
        (403, &json!("forbidden"))
    );
}

#[tokio::test]
async fn it_is_not_asked_about_what_does_not_count() {
    let application = Application::start(200, alice()).await;
    let server = asking(&application).await;
    assert_eq!(get(server.addr, TARGET, "").await.status, 401);
    assert_eq!(get(server.addr, "/channels/open:1", "").await.status, 200);
    let (cookie, _) = PAGE.split_once("\r\n").expect("two lines");
    let alone = format!("{cookie}\r\n");
    assert_eq!(get(server.addr, TARGET, &alone).await.status, 401);
    let foreign = format!("{alone}Origin: https://evil.example\r\n");
    assert_eq!(get(server.addr, TARGET, &foreign).await.status, 403);
    assert_eq!(
        get(server.addr, TARGET, &bearer(&BACKEND)).await.status,
        200
    );
    assert_eq!(application.asked(), 0);
    let own = bearer("what only the application knows");
    assert_eq!(get(server.addr, TARGET, &own).await.status, 200);
    let asked = application.last();
    assert_eq!(
        asked["authorization"],
        "Bearer what only the application knows"
    );
    assert!(!asked.contains_key("cookie"));
}

#[tokio::test]
async fn whom_it_refuses_is_refused() {
    for status in [401, 403] {
        let application = Application::start(status, "{}").await;
        let server = asking(&application).await;
        for target in [TARGET, "/channels?name=open:1"] {
            let answer = get(server.addr, target, PAGE).await;
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (401, &json!("unauthorized"))
            );
            assert!(answer.header("www-authenticate").is_some());
            let refused = refused_ws(server.addr, target, PAGE).await;
            assert_eq!(refused, (json!("unauthorized"), Some(4021)));
        }
        application.answers(200, alice());
        assert_eq!(
            get(server.addr, TARGET, PAGE).await.status,
            200,
            "a refusal is not kept"
        );
    }
}

/// Nobody is let in, and all are told to come back.
async fn is_unavailable(server: &TestServer, target: &str) {
    let answer = get(server.addr, target, PAGE).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["code"], "authorizer_unavailable");
    let seconds: u64 = answer
        .header("retry-after")
        .expect("when")
        .parse()
        .expect("a number");
    assert!(seconds > 0);
    let error = sse_refusal(server, target, PAGE).await;
    assert_eq!(error["code"], "authorizer_unavailable");
    let refused = refused_ws(server.addr, target, PAGE).await;
    assert_eq!(refused, (json!("authorizer_unavailable"), Some(4103)));
}

#[tokio::test]
async fn while_it_is_down_nobody_is_let_in_and_who_is_in_stays() {
    let application = Application::start(200, alice()).await;
    let server = asking(&application).await;
    let mut open = Reader::open(Kind::Sse, &server, TARGET, PAGE).await;
    let other = PAGE.replace("canary", "other");
    drop(application);
    assert_eq!(
        get(server.addr, TARGET, PAGE).await.status,
        200,
        "the answer is kept"
    );
    assert_eq!(get(server.addr, TARGET, &other).await.status, 503);
    publish(&server, "room:1", json!(1)).await;
    assert_eq!(open.told().await["data"], 1);
}

#[tokio::test]
async fn what_is_no_clear_answer_lets_nobody_in() {
    for (status, body) in [
        (500, json!({})),
        (302, json!({})),
        (200, json!("alice")),
        (200, json!({"sub": "alice"})),
        (200, json!({"sub": 7, "ttl": 60})),
    ] {
        let application = Application::start(status, body).await;
        let server = asking(&application).await;
        for target in [TARGET, "/channels?name=open:1"] {
            is_unavailable(&server, target).await;
        }
    }
    let application = Application::start(200, alice()).await;
    let server = asking(&application).await;
    drop(application);
    is_unavailable(&server, TARGET).await;
}

#[tokio::test]
async fn who_it_vouches_for_gets_a_session_and_no_ticket() {
    let application = Application::start(200, alice()).await;
    let server = asking(&application).await;
    let told = post(server.addr, "/session", PAGE, &json!({})).await.json();
    assert_eq!(told["user"], "alice");
    let ticket = post(server.addr, "/tickets", PAGE, &json!({})).await;
    assert_eq!(ticket.status, 400, "{}", ticket.text());
}

#[tokio::test]
async fn its_claims_end_when_it_says() {
    let mut soon = alice();
    soon["ttl"] = 2.into();
    let application = Application::start(200, soon).await;
    let server = asking(&application).await;
    let mut reader = Reader::open(Kind::WebSocket, &server, TARGET, PAGE).await;
    reader.ends_with("token_expired", 4022).await;
    assert_eq!(
        get(server.addr, TARGET, PAGE).await.status,
        200,
        "it is asked again"
    );
    assert_eq!(application.asked(), 2);
}

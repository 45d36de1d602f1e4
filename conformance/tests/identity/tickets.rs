//! Tickets: what stands in a URL for a token and a session.

use std::sync::Arc;
use std::time::Duration;

use conformance::http::Answer;
use conformance::server::{Options, TestServer};
use serde_json::{Value, json};
use tidings_server::Auth;
use tokio::sync::Barrier;

use crate::support::{
    ADMIN, BACKEND, Kind, Reader, administrate, ask, auth, bearer, get, next_second, now, options,
    publish, raw_ws, refused_ws, session, sse, start, token, token_of, with_session,
};

const APP: &str = "Origin: https://app.example\r\n";

/// Longer than a ticket is in use after it was used first.
const EXCLUSIVE: Duration = Duration::from_millis(1_050);

async fn ticket_of(server: &TestServer, headers: &str) -> Value {
    let answer = ask(server.addr, "/tickets", headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn target(ticket: &Value) -> String {
    let ticket = ticket["ticket"].as_str().expect("a ticket");
    format!("/channels?name=room:1&ticket={ticket}")
}

async fn code(server: &TestServer, target: &str, headers: &str) -> (u16, Value) {
    let answer: Answer = get(server.addr, target, headers).await;
    let code = match answer.status {
        200 => Value::Null,
        _ => answer.json()["code"].clone(),
    };
    (answer.status, code)
}

fn refused() -> (u16, Value) {
    (401, json!("unauthorized"))
}

#[tokio::test]
async fn a_ticket_is_a_token_and_a_session() {
    let server = start().await;
    let alice = token_of("alice");
    let told = session(&server, &alice).await;
    let own = with_session(&alice, told["session"].as_str().unwrap());
    for kind in [Kind::WebSocket, Kind::Sse] {
        let ticket = ticket_of(&server, &own).await;
        assert_eq!(ticket["client"], told["client"]);
        assert_eq!(ticket["first_use_ms"], 30_000);
        let reader = Reader::open(kind, &server, &target(&ticket), "").await;
        assert_eq!(reader.hello["client"], told["client"]);
        assert_eq!(reader.hello["user"], "alice");
    }
    let ticket = ticket_of(&server, &bearer(&alice)).await;
    let publish = target(&ticket);
    assert_eq!(ask(server.addr, &publish, "").await.status, 200);
    let read = get(server.addr, "/channels/room:1", &bearer(&alice))
        .await
        .json();
    let from = json!({"client": ticket["client"], "user": "alice"});
    assert_eq!(read["messages"][0]["from"], from);
}

#[tokio::test]
async fn of_eight_uses_at_once_one_is_good() {
    let server = Arc::new(start().await);
    for transport in ["poll", "sse", "websocket"] {
        let ticket = ticket_of(&server, &bearer(&token_of("alice"))).await;
        let target = format!("{}&transport={transport}", target(&ticket));
        let barrier = Arc::new(Barrier::new(8));
        let uses: Vec<_> = (0..8)
            .map(|_| {
                let (server, barrier) = (server.clone(), barrier.clone());
                let target = target.clone();
                tokio::spawn(async move {
                    barrier.wait().await;
                    is_good(&server, transport, &target).await
                })
            })
            .collect();
        let mut good = 0;
        for one in uses {
            good += usize::from(one.await.expect("no panic"));
        }
        assert_eq!(good, 1, "{transport}");
    }
}

async fn is_good(server: &TestServer, transport: &str, target: &str) -> bool {
    match transport {
        "websocket" => {
            let mut socket = raw_ws(server.addr, target, "").await;
            // Refused, it is told so after a hello.
            let mut told = Vec::new();
            while let Some(next) = socket.json().await {
                let subscribed = next["channels"]["room:1"].is_object();
                told.push(next["code"].clone());
                if subscribed {
                    return true;
                }
            }
            assert_eq!(told.last(), Some(&json!("unauthorized")));
            false
        }
        "sse" => match sse(server.addr, target, "").await {
            Ok(_) => true,
            Err(answer) => {
                assert_eq!(answer.status, 401);
                false
            }
        },
        _ => match code(server, target, "").await {
            (200, _) => true,
            other => {
                assert_eq!(other, refused());
                false
            }
        },
    }
}

#[tokio::test]
async fn a_ticket_goes_on_for_the_origin_that_used_it() {
    let server = start().await;
    let ticket = ticket_of(&server, &bearer(&token_of("alice"))).await;
    let url = target(&ticket);
    let mut first = Reader::open(Kind::Sse, &server, &url, APP).await;
    assert_eq!(code(&server, &url, APP).await, refused(), "in use");
    publish(&server, "room:1", json!("하나")).await;
    first.told().await;
    let after = format!("{url}&after={}", first.cursor);
    drop(first);
    tokio::time::sleep(EXCLUSIVE).await;
    for foreign in [
        "",
        "Origin: http://localhost\r\n",
        "Origin: https://evil.example\r\n",
    ] {
        let (status, _) = code(&server, &url, foreign).await;
        assert!(matches!(status, 401 | 403), "{foreign}");
    }
    let own = format!("Origin: http://{}\r\n", server.addr);
    assert_eq!(code(&server, &url, &own).await, refused());
    publish(&server, "room:1", json!("둘")).await;
    for _ in 0..2 {
        let mut again = Reader::open(Kind::Sse, &server, &after, APP).await;
        assert_eq!(again.hello["client"], ticket["client"]);
        assert_eq!(again.told().await["data"], "둘");
    }
}

#[tokio::test]
async fn a_ticket_is_used_soon_or_never() {
    let server = TestServer::with(Options {
        auth: Auth {
            ticket_time: Duration::from_millis(100),
            ..auth()
        },
        ..options()
    })
    .await;
    let ticket = ticket_of(&server, &bearer(&token_of("alice"))).await;
    assert_eq!(ticket["first_use_ms"], 100);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(code(&server, &target(&ticket), "").await, refused());
    let refused = refused_ws(server.addr, &target(&ticket), "").await;
    assert_eq!(refused, (json!("unauthorized"), Some(4021)));
}

#[tokio::test]
async fn a_ticket_ends_with_its_token() {
    let server = start().await;
    next_second().await;
    let ends = now() + 2;
    let claims = json!({"sub": "alice", "exp": ends, "channels": {"subscribe": ["room:*"]}});
    let ticket = ticket_of(&server, &bearer(&token(claims))).await;
    let url = target(&ticket);
    let mut reader = Reader::open(Kind::Sse, &server, &url, APP).await;
    assert_eq!(reader.hello["expires"], ends);
    reader.ends_with("token_expired", 4022).await;
    let (status, _) = code(&server, &url, APP).await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_ticket_goes_with_a_revocation() {
    let server = start().await;
    let alice = token(json!({"sub": "alice", "jti": "t1", "channels": {"subscribe": ["room:*"]}}));
    let (used, fresh) = (
        ticket_of(&server, &bearer(&alice)).await,
        ticket_of(&server, &bearer(&alice)).await,
    );
    let mut reader = Reader::open(Kind::Sse, &server, &target(&used), APP).await;
    administrate(&server, "/admin/revoke", &json!({"token": "t1"})).await;
    reader.ends_with("revoked", 4023).await;
    tokio::time::sleep(EXCLUSIVE).await;
    for ticket in [used, fresh] {
        assert_eq!(
            code(&server, &target(&ticket), APP).await,
            (401, json!("revoked"))
        );
    }
}

#[tokio::test]
async fn who_gets_a_ticket() {
    let server = start().await;
    for key in [&BACKEND, &ADMIN] {
        let answer = ask(server.addr, "/tickets", &bearer(key)).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (403, &json!("forbidden"))
        );
    }
    let answer = ask(server.addr, "/tickets", "").await;
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (401, &json!("unauthorized")),
        "a ticket stands for a token"
    );
    for wrong in ["", "t1_", "garbage"] {
        let url = format!("/channels?name=open:1&ticket={wrong}");
        assert_eq!(code(&server, &url, "").await.0, 401, "{wrong:?}");
    }
    assert_eq!(get(server.addr, "/tickets", "").await.status, 405);
}

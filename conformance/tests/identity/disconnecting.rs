//! Ending connections of who may come back.

use serde_json::{Value, json};

use crate::support::{
    ADMIN, Kind, Reader, administrate, bearer, post, publish, session, start, token, token_of,
    with_session,
};

const TARGET: &str = "/channels?name=room:1";

async fn is_disconnected_and_comes_back(whom: impl Fn(&Value) -> Value) {
    let server = start().await;
    let claims = json!({"sub": "alice", "jti": "t1", "channels": {"subscribe": ["room:*"]}});
    let alice = token(claims);
    let told = session(&server, &alice).await;
    let headers = with_session(&alice, told["session"].as_str().expect("a session"));
    let bob = bearer(&token_of("bob"));
    let mut bob = Reader::open(Kind::Sse, &server, TARGET, &bob).await;
    for kind in Kind::ALL {
        let mut reader = Reader::open(kind, &server, TARGET, &headers).await;
        let answer = administrate(&server, "/admin/disconnect", &whom(&told)).await;
        assert_eq!(answer["disconnected"], 1);
        reader.ends_with("disconnected", 4104).await;
        let missed = json!(format!("{kind:?}"));
        publish(&server, "room:1", missed.clone()).await;
        assert_eq!(bob.told().await["data"], missed);
        let after = match reader.cursor.as_str() {
            "" => "last=1".to_owned(),
            cursor => format!("after={cursor}"),
        };
        let target = format!("{TARGET}&{after}");
        let mut again = Reader::open(Kind::WebSocket, &server, &target, &headers).await;
        assert_eq!(again.hello["client"], told["client"]);
        assert_eq!(again.told().await["data"], missed);
    }
}

#[tokio::test]
async fn a_user_may_come_back() {
    is_disconnected_and_comes_back(|_| json!({"user": "alice"})).await;
}

#[tokio::test]
async fn a_client_may_come_back() {
    is_disconnected_and_comes_back(|told| json!({"client": told["client"]})).await;
}

#[tokio::test]
async fn the_holder_of_a_token_may_come_back() {
    is_disconnected_and_comes_back(|_| json!({"token": "t1"})).await;
}

#[tokio::test]
async fn whom_is_said_in_one_way() {
    let server = start().await;
    let headers = bearer(&ADMIN);
    for target in ["/admin/disconnect", "/admin/revoke"] {
        for body in [
            json!({}),
            json!({"user": "a", "token": "b"}),
            json!({"client": "nobody"}),
            json!({"usr": "a"}),
            json!({"user": 1}),
            json!([]),
        ] {
            let answer = post(server.addr, target, &headers, &body).await;
            assert_eq!(answer.status, 400, "{target} {body}: {}", answer.text());
        }
        let unknown = post(server.addr, target, &headers, &json!({"user": "nobody"})).await;
        assert_eq!(unknown.json()["disconnected"], 0);
    }
    let body = json!({"user": "a", "for": 1});
    let answer = post(server.addr, "/admin/disconnect", &headers, &body).await;
    assert_eq!(answer.status, 400);
}

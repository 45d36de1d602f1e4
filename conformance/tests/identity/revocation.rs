//! Revoking users, clients and tokens.

use std::time::{Duration, Instant};

use conformance::server::TestServer;
use serde_json::{Value, json};

use crate::support::{
    Kind, Reader, administrate, authenticate, bearer, everything, get, next_second, now, post,
    publish, refused_ws, session, start, token, token_of, with_session, ws,
};

const TARGET: &str = "/channels?name=room:1";

/// A client of Alice with a reading of each kind.
struct Client {
    token: String,
    session: String,
    id: Value,
    readers: Vec<Reader>,
}

async fn client(server: &TestServer, token_id: &str) -> Client {
    let token = token(json!({"sub": "alice", "jti": token_id, "channels": everything()}));
    let told = session(server, &token).await;
    let session = told["session"].as_str().expect("a session").to_owned();
    let headers = with_session(&token, &session);
    let mut readers = Vec::new();
    for kind in Kind::ALL {
        readers.push(Reader::open(kind, server, TARGET, &headers).await);
    }
    Client {
        id: told["client"].clone(),
        token,
        session,
        readers,
    }
}

impl Client {
    async fn is_ended(&mut self, began: Instant) {
        for reader in &mut self.readers {
            reader.ends_with("revoked", 4023).await;
        }
        assert!(began.elapsed() < Duration::from_secs(1));
    }

    /// Comes back with all that it has.
    async fn is_refused(&self, server: &TestServer) {
        let headers = with_session(&self.token, &self.session);
        let after = format!("{TARGET}&after={}", self.readers[1].cursor);
        for target in [
            after.clone(),
            format!("{after}&transport=sse"),
            format!("{after}&wait=9"),
        ] {
            let answer = get(server.addr, &target, &headers).await;
            assert_eq!(answer.status, 401, "{target}");
            assert_eq!(answer.json()["code"], "revoked");
        }
        let refused = refused_ws(server.addr, &after, &headers).await;
        assert_eq!(refused, (json!("revoked"), Some(4023)));
        let publish = post(server.addr, "/channels/room:1", &headers, &json!(1)).await;
        assert_eq!(
            (publish.status, &publish.json()["code"]),
            (401, &json!("revoked"))
        );
        for target in ["/session", "/tickets"] {
            assert_eq!(
                post(server.addr, target, &headers, &json!({})).await.status,
                401
            );
        }
    }
}

/// Revokes, and sees that this ends the client and not another user's.
async fn revoke(server: &TestServer, client: &mut Client, whom: Value) -> Value {
    let bystander = bearer(&token_of("bob"));
    let mut bystander = Reader::open(Kind::WebSocket, server, TARGET, &bystander).await;
    publish(server, "room:1", json!("전에")).await;
    for reader in client.readers.iter_mut().chain([&mut bystander]) {
        assert_eq!(reader.told().await["data"], "전에");
    }
    let own = with_session(&client.token, &client.session);
    client.readers[2] = Reader::open(Kind::LongPoll, server, TARGET, &own).await;
    let began = Instant::now();
    let answer = administrate(server, "/admin/revoke", &whom).await;
    assert_eq!(answer["disconnected"], 1);
    client.is_ended(began).await;
    client.is_refused(server).await;
    publish(server, "room:1", json!("danach")).await;
    assert_eq!(bystander.told().await["data"], "danach");
    answer
}

async fn comes_in(server: &TestServer, headers: &str) {
    let mut reader = Reader::open(Kind::WebSocket, server, TARGET, headers).await;
    publish(server, "room:1", json!("wieder")).await;
    assert_eq!(reader.told().await["data"], "wieder");
}

#[tokio::test]
async fn a_user_is_out_until_a_token_is_issued_later() {
    let server = start().await;
    let mut alice = client(&server, "t1").await;
    revoke(&server, &mut alice, json!({"user": "alice", "for": 600})).await;
    let (mut socket, _) = ws(server.addr, "/channels/open:1", "").await;
    assert_eq!(
        authenticate(&mut socket, &alice.token).await["code"],
        "revoked"
    );
    next_second().await;
    let later = token_of("alice");
    comes_in(&server, &with_session(&later, &alice.session)).await;
    assert_eq!(authenticate(&mut socket, &later).await["user"], "alice");
    let older = token(json!({"sub": "alice", "iat": 1, "channels": everything()}));
    assert_eq!(get(server.addr, TARGET, &bearer(&older)).await.status, 401);
    assert!(server.app.stats().revoked.get() >= 1);
}

#[tokio::test]
async fn a_client_is_out_and_other_clients_of_the_user_are_not() {
    let server = start().await;
    let mut alice = client(&server, "t1").await;
    let other = bearer(&alice.token);
    let mut other = Reader::open(Kind::Sse, &server, "/channels?name=room:2", &other).await;
    let id = alice.id.clone();
    revoke(&server, &mut alice, json!({"client": id})).await;
    publish(&server, "room:2", json!(1)).await;
    assert_eq!(other.told().await["data"], 1);
    comes_in(&server, &bearer(&alice.token)).await;
}

#[tokio::test]
async fn a_token_is_out_and_another_one_is_good() {
    let server = start().await;
    let mut alice = client(&server, "t1").await;
    revoke(&server, &mut alice, json!({"token": "t1"})).await;
    let next = token(json!({"sub": "alice", "jti": "t2", "channels": everything()}));
    comes_in(&server, &with_session(&next, &alice.session)).await;
}

#[tokio::test]
async fn a_revocation_is_over_after_its_time() {
    let server = start().await;
    let token = token_of("alice");
    let whom = json!({"user": "alice", "for": 1});
    let answer = administrate(&server, "/admin/revoke", &whom).await;
    let until = answer["until"].as_u64().expect("a time");
    loop {
        let status = get(server.addr, TARGET, &bearer(&token)).await.status;
        if status == 200 {
            break;
        }
        assert_eq!(status, 401);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(now() > until);
}

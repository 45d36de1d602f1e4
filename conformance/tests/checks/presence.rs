//! Who may no longer be seen is not, and the word is no name that is kept.

use conformance::http::{Http, fetch, get, post};
use conformance::server::TestServer;
use conformance::ws::HANDSHAKE;
use serde_json::json;
use tidings_auth::SigningKey;

use crate::keyed::{SECRET, bearer, keyed, token};

/// Who may no longer be seen leaves at once, whatever the transport.
#[tokio::test]
async fn a_right_to_presence_that_is_lost_ends_membership() {
    let server = keyed(|_| {}).await;
    let bob = bearer(&token("bob"));
    for (user, headers) in [
        ("alice", "Accept: text/event-stream\r\n"),
        ("carol", HANDSHAKE),
    ] {
        let room = format!("room:{user}");
        let known = bearer(&token(user));
        let own = session(&server, &known).await;
        let mut http = Http::connect(server.addr).await;
        let target = format!("/channels/{room}?join=true");
        http.request("GET", &target, &format!("{headers}{known}{own}"), b"")
            .await;
        assert!(matches!(http.head().await.status, 101 | 200));
        let target = format!("/channels/{room}/presence");
        let there = fetch(server.addr, "GET", &target, &bob, b"").await.json();
        assert_eq!(there["count"], 1);

        session(&server, &format!("{}{own}", bearer(&unseen(user)))).await;
        let cursor = there["cursor"].as_str().unwrap();
        let target = format!("/channels/$presence:{room}?wait=10&after={cursor}");
        let told = fetch(server.addr, "GET", &target, &bob, b"").await.json();
        assert_eq!(told["messages"][0]["event"], "leave", "{told}");
    }
}

/// A newer token, without the right to be seen.
fn unseen(user: &str) -> String {
    let claims = json!({
        "sub": user, "iat": 1_700_000_001, "exp": 4_000_000_000u64,
        "channels": {"subscribe": ["room:*"]},
    });
    let key = SigningKey::from_secret(SECRET).unwrap();
    key.mint(None, claims.as_object().unwrap()).unwrap()
}

/// The session of who asks, as a header.
async fn session(server: &TestServer, headers: &str) -> String {
    let answer = fetch(server.addr, "POST", "/session", headers, b"").await;
    let session = answer.json()["session"].as_str().unwrap().to_owned();
    format!("Tidings-Session: {session}\r\n")
}

/// What ends like an operation may be a channel.
#[tokio::test]
async fn a_channel_may_be_called_presence() {
    let server = TestServer::start().await;
    let answer = post(server.addr, "/channels/presence", "1").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let there = get(server.addr, "/channels/presence/presence").await;
    assert_eq!(there.json()["count"], 0);
}

//! Commands of a WebSocket, and what a raw one sends.

use conformance::http::Http;
use conformance::ws::Ws;
use serde_json::json;
use tidings_auth::SigningKey;

use crate::keyed::{SECRET, bearer, credentials, keyed, revoke, token};
use crate::operations::{closed, command};
use crate::table::Table;

#[tokio::test]
async fn commands() {
    let (table, who) = (Table::read(), credentials());
    let server = keyed(|limits| limits.message_bytes = 32).await;
    revoke(&server, "mallory").await;
    let narrow = keyed(|limits| limits.channels_per_connection = 0).await;
    let crowded = keyed(|limits| limits.channels = 0).await;
    let subscribe = |channel: &str| json!({"type":"subscribe","id":1,"channel":channel});
    let publish =
        |channel: &str, data: &str| json!({"type":"publish","id":1,"channel":channel,"data":data});
    let auth = |token: &str| json!({"type":"auth","id":1,"token":token});
    let long = "x".repeat(40);
    let rows = [
        ("`subscribe`", "name", &server, subscribe(" ")),
        ("`subscribe`", "right", &server, subscribe("other:1")),
        ("`subscribe`", "size", &narrow, subscribe("room:1")),
        ("`subscribe`", "broker", &crowded, subscribe("room:1")),
        ("`publish`", "name", &server, publish("", "")),
        ("`publish`", "right", &server, publish("other:1", "")),
        ("`publish`", "size", &server, publish("room:1", &long)),
        ("`publish`", "broker", &crowded, publish("room:1", "")),
        (
            "`unsubscribe`",
            "name",
            &server,
            json!({"type":"unsubscribe","channel":"room:1"}),
        ),
        ("`auth`", "credentials", &server, auth("nonsense")),
        ("`auth`", "right", &server, auth(&token("bob"))),
    ];
    for (name, check, server, of) in rows {
        table.holds(name, check, &command(server, &who.alice, of).await);
    }
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await.expect("a hello");
    ws.command(auth(&who.mallory)).await;
    let code = ws.json().await.unwrap()["code"].clone();
    table.holds(
        "`auth`",
        "revocation",
        &format!("error {}", code.as_str().unwrap()),
    );
}

/// It cannot say the code, but by the number.
#[tokio::test]
async fn raw_messages() {
    let table = Table::read();
    let server = keyed(|limits| limits.message_bytes = 32).await;
    for (check, channels, payload) in [
        ("right", json!({"subscribe":["room:*"]}), "x".to_owned()),
        (
            "size",
            json!({"subscribe":["room:*"],"publish":["room:*"]}),
            "x".repeat(40),
        ),
    ] {
        let claims = json!({"sub":"alice","exp":4_000_000_000u64,"channels":channels});
        let signing = SigningKey::from_secret(SECRET).unwrap();
        let token = signing.mint(None, claims.as_object().unwrap()).unwrap();
        let http = Http::connect(server.addr).await;
        let mut ws = Ws::over(http, "/channels/room:1?format=raw", &bearer(&token))
            .await
            .unwrap();
        ws.send(1, payload.as_bytes()).await;
        let close = closed(ws).await;
        let named = table.answer("raw message", check).unwrap();
        assert!(named.starts_with(&format!("{close} ")), "{check}: {close}");
    }
}

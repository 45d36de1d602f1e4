//! What the tests of presence share: somebody who watches who comes and goes.

use std::time::Duration;

use conformance::server::TestServer;
use serde_json::Value;

use super::{BACKEND, Kind, Reader, bearer, get, limited};

/// Who comes and goes in the room.
pub const EVENTS: &str = "/channels?name=$presence:room:1";
/// The room, as one of those who are there.
pub const JOIN: &str = "/channels?name=room:1&join=true";

/// A server on which who is lost is gone after two seconds.
pub async fn hasty() -> TestServer {
    limited(|limits| limits.presence_lease = Duration::from_secs(2)).await
}

/// Reads who comes and goes, as the application.
pub async fn watcher(server: &TestServer, from: &str) -> Reader {
    let target = format!("{EVENTS}{from}");
    Reader::open(Kind::WebSocket, server, &target, &bearer(&BACKEND)).await
}

/// What it is told next: the event, and about whom.
pub async fn told(watcher: &mut Reader) -> (String, Value) {
    let told = watcher.told().await;
    let event = told["event"]
        .as_str()
        .unwrap_or_else(|| panic!("no event: {told}"));
    (event.to_owned(), told["data"].clone())
}

/// Who is there.
pub async fn snapshot(server: &TestServer, query: &str) -> Value {
    let target = format!("/channels/room:1/presence{query}");
    let answer = get(server.addr, &target, &bearer(&BACKEND)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// How many are there.
pub async fn count(server: &TestServer) -> Value {
    snapshot(server, "?limit=0").await["count"].clone()
}

/// What [`told`] gives.
pub fn event(name: &str, data: Value) -> (String, Value) {
    (name.into(), data)
}

//! What clients tell of their moves between transports is counted, and decides nothing.

use conformance::http::{fetch, get};
use conformance::server::TestServer;
use conformance::sse::Events;
use conformance::ws::Ws;

/// The lines of the metric, without its name.
async fn moves(server: &TestServer) -> Vec<String> {
    let metrics = get(server.addr, "/metrics").await;
    let lines = metrics.text().lines();
    let mut moves: Vec<String> = lines
        .filter_map(|line| line.strip_prefix("tidings_client_moves_total"))
        .map(str::to_owned)
        .collect();
    moves.sort();
    moves
}

#[tokio::test]
async fn moves_are_counted_by_where_from_where_to_and_why() {
    let server = TestServer::start().await;
    assert_eq!(moves(&server).await, [""; 0]);
    let events = "/channels/x?_moved=websocket.blocked";
    let _sse = Events::open(server.addr, events, "").await.expect("events");
    let _again = Events::open(server.addr, events, "").await.expect("events");
    let _ws = Ws::connect(server.addr, "/channels?_moved=sse.climbed")
        .await
        .expect("a WebSocket");
    get(
        server.addr,
        "/channels/x?_moved=sse-post.mute&transport=poll",
    )
    .await;
    get(server.addr, "/channels/x?_moved=sse-post.cut&wait=0.01").await;
    let body = br#"{"channels":[{"name":"x"}],"transport":"sse"}"#;
    let mut http = conformance::http::Http::connect(server.addr).await;
    http.request("POST", "/read?_moved=sse.silent", "", body)
        .await;
    assert_eq!(http.head().await.status, 200);
    let label = |from, to, reason, count| {
        format!("{{from=\"{from}\",to=\"{to}\",reason=\"{reason}\"}} {count}")
    };
    let expected = [
        label("sse", "sse-post", "silent", 1),
        label("sse", "websocket", "climbed", 1),
        label("sse-post", "long-poll", "cut", 1),
        label("sse-post", "poll", "mute", 1),
        label("websocket", "sse", "blocked", 2),
    ];
    assert_eq!(moves(&server).await, expected);
}

#[tokio::test]
async fn what_is_no_move_is_ignored() {
    let server = TestServer::start().await;
    for told in [
        "",
        "=",
        "=sse",
        "=sse.",
        "=sse.bored",
        "=pigeon.cut",
        "=SSE.cut",
        "=poll.cut",
        "=sse.cut%22%7D",
        "=%ff",
        "=%",
    ] {
        let answer = get(server.addr, &format!("/channels/x?_moved{told}")).await;
        assert_eq!(answer.status, 200, "{told}");
    }
    let publish = "/channels/x?_moved=sse.cut";
    assert_eq!(
        fetch(server.addr, "POST", publish, "", b"1").await.status,
        200
    );
    assert_eq!(moves(&server).await, [""; 0]);
}

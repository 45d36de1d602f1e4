//! Requests that two parsers may read as two different things, on raw sockets.
//!
//! Every row is followed, in the same write, by a second request, `GET /healthz`. A row that is
//! refused ends its connection, so that what stands behind a doubtful end of a message is never
//! taken for a request (RFC 9112 section 11.2). It does not test what a well-formed request means.

mod exchange;
// One row, one line.
#[rustfmt::skip]
mod rows;

use conformance::http::get;
use conformance::server::TestServer;
use exchange::{Row, Seen, exchange};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_answered_as_two() {
    let server = TestServer::limited(|limits| {
        limits.head_time = Duration::from_millis(500);
        limits.body_time = Duration::from_millis(500);
    })
    .await;
    let rows = rows::all();
    let mut wrong = Vec::new();
    for row in &rows {
        let seen = exchange(server.addr, &row.bytes).await;
        if !row.expected.is_met_by(&seen) {
            wrong.push(tell(row, &seen));
        }
    }
    let smuggled = get(server.addr, "/channels/smuggled").await.json();
    assert_eq!(smuggled["messages"].as_array().map(Vec::len), Some(0));
    assert!(
        wrong.is_empty(),
        "{} of {} rows:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

fn tell(row: &Row, seen: &Seen) -> String {
    format!("  {}: expected {:?}, saw {seen}", row.name, row.expected)
}

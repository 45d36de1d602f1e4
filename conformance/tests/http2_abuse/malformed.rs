//! Requests and frames that must not be: what is wrong with a request ends its stream, what is wrong
//! with a frame ends the connection, and neither is ever answered as if it were right, but for what does
//! no harm (`requests::passed_over`).

mod frames;
mod requests;

use std::fmt;

use conformance::http2::{Http2, get, kind};
use conformance::server::TestServer;

use crate::support::{metric, patiently, stored};

/// What becomes of stream 1, or of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Answered, and the connection goes on.
    Status(u16),
    /// RST_STREAM with this code, and the connection goes on.
    Reset(u32),
    /// GOAWAY with this code, and the end.
    GoAway(u32),
    /// The end without a word.
    Closed,
}
use Fate::{GoAway, Reset, Status};

/// PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR (RFC 9113 section 7).
const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const FRAME_SIZE: u32 = 6;

struct Row {
    name: &'static str,
    bytes: Vec<u8>,
    expected: Fate,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {:?}", self.name, self.expected)
    }
}

fn row(name: &'static str, bytes: Vec<u8>, expected: Fate) -> Row {
    Row {
        name,
        bytes,
        expected,
    }
}

async fn fate(server: &TestServer, bytes: &[u8]) -> Fate {
    let mut http2 = Http2::connect(server.addr).await;
    // The server may be gone before all is written.
    let _ = http2.try_send(bytes).await;
    let fate = loop {
        let Some(frame) = patiently(http2.frame()).await else {
            return Fate::Closed;
        };
        match (frame.kind, frame.stream) {
            (kind::GOAWAY, _) => return GoAway(frame.code().expect("a code")),
            (kind::RST_STREAM, 1) => break Reset(frame.code().expect("a code")),
            (kind::HEADERS, 1) => break Status(frame.status().expect("a head")),
            _ => {}
        }
    };
    let _ = http2.try_send(&get(9, "/healthz")).await;
    match patiently(http2.answer(9)).await {
        Some((200, ..)) => fate,
        other => panic!("it does not go on after {fate:?}: {other:?}"),
    }
}

async fn judge(rows: Vec<Row>) {
    let server = TestServer::start().await;
    let mut wrong = Vec::new();
    let mut errors = 0;
    for row in rows {
        let seen = fate(&server, &row.bytes).await;
        if seen != row.expected {
            wrong.push(format!("{row}, seen {seen:?}"));
        }
        errors += u64::from(matches!(seen, GoAway(1..)));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // Counted when the connection has ended, which its client may see before.
    crate::support::wait_for(&server, "tidings_connections", 1).await;
    assert_eq!(metric(&server, "tidings_http2_errors_total").await, errors);
    assert_eq!(metric(&server, "tidings_panics_total").await, 0);
    assert_eq!(stored(&server, "x").await, 0, "nothing was published");
}

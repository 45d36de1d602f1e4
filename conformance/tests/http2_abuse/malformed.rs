//! Requests and frames that must not be: what is wrong with a request ends its stream, what is wrong
//! with a frame ends the connection, and neither is ever answered as if it were right.

use std::fmt;

use conformance::http2::{
    ACK, END_HEADERS, END_STREAM, Http2, INITIAL_WINDOW_SIZE, field, frame, get, headers, kind,
    post, request, reset, settings, window,
};
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

/// A GET of `/healthz` with these further fields.
fn with(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(
        1,
        END_STREAM,
        &[&request("GET", "/healthz")[..], fields].concat(),
    )
}

/// A head of these fields alone.
fn bare(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(1, END_STREAM, fields)
}

/// A publish with these further fields and this body, in one frame each.
fn publish(fields: &[(&str, &str)], body: &[&[u8]]) -> Vec<u8> {
    let mut bytes = headers(
        1,
        0,
        &[&request("POST", "/channels/x")[..], fields].concat(),
    );
    for (at, part) in body.iter().enumerate() {
        let last = u8::from(at + 1 == body.len());
        bytes.extend(frame(kind::DATA, last, 1, part));
    }
    bytes
}

/// RFC 9113 section 8.2.
#[tokio::test]
async fn fields() {
    judge(vec![
        row("nothing wrong", with(&[("x", "y")]), Status(200)),
        row(
            "connection",
            with(&[("connection", "close")]),
            Reset(PROTOCOL),
        ),
        row("keep-alive", with(&[("keep-alive", "5")]), Reset(PROTOCOL)),
        row(
            "proxy-connection",
            with(&[("proxy-connection", "close")]),
            Reset(PROTOCOL),
        ),
        row(
            "transfer-encoding",
            with(&[("transfer-encoding", "chunked")]),
            Reset(PROTOCOL),
        ),
        row(
            "upgrade",
            with(&[("upgrade", "websocket")]),
            Reset(PROTOCOL),
        ),
        row("te: gzip", with(&[("te", "gzip")]), Reset(PROTOCOL)),
        row(
            "te: trailers, gzip",
            with(&[("te", "trailers, gzip")]),
            Reset(PROTOCOL),
        ),
        row("te: trailers", with(&[("te", "trailers")]), Status(200)),
        row(
            "upper-case name",
            with(&[("X-Upper", "y")]),
            GoAway(PROTOCOL),
        ),
        row("empty name", with(&[("", "y")]), GoAway(PROTOCOL)),
        row("space in a name", with(&[("a b", "y")]), GoAway(PROTOCOL)),
        row("colon in a name", with(&[("a:b", "y")]), GoAway(PROTOCOL)),
        row(
            "line end in a name",
            with(&[("a\r\nb", "y")]),
            GoAway(PROTOCOL),
        ),
        row("8-bit name", with(&[("é", "y")]), GoAway(PROTOCOL)),
        row("CR in a value", with(&[("x", "a\rb")]), GoAway(PROTOCOL)),
        row("LF in a value", with(&[("x", "a\nb")]), GoAway(PROTOCOL)),
        row(
            "CRLF in a value",
            with(&[("x", "a\r\nhost: evil")]),
            GoAway(PROTOCOL),
        ),
        row("NUL in a value", with(&[("x", "a\0b")]), GoAway(PROTOCOL)),
    ])
    .await;
}

/// RFC 9113 section 8.3.
#[tokio::test]
async fn pseudo_fields() {
    let [method, scheme, path, authority] = request("GET", "/healthz");
    judge(vec![
        row(
            "no :method",
            bare(&[scheme, path, authority]),
            Reset(PROTOCOL),
        ),
        row(
            "no :scheme",
            bare(&[method, path, authority]),
            Reset(PROTOCOL),
        ),
        row(
            "no :path",
            bare(&[method, scheme, authority]),
            Reset(PROTOCOL),
        ),
        row("none", bare(&[("a", "b")]), Reset(PROTOCOL)),
        row(
            "two :method",
            bare(&[method, method, scheme, path, authority]),
            Reset(PROTOCOL),
        ),
        row(
            "two :scheme",
            bare(&[method, scheme, scheme, path, authority]),
            Reset(PROTOCOL),
        ),
        row(
            "two :path",
            bare(&[method, scheme, path, path, authority]),
            Reset(PROTOCOL),
        ),
        row(
            "two :authority",
            bare(&[method, scheme, path, authority, authority]),
            Reset(PROTOCOL),
        ),
        row(
            "a :status",
            bare(&[method, scheme, path, authority, (":status", "200")]),
            Reset(PROTOCOL),
        ),
        row(
            "an unknown one",
            bare(&[method, scheme, path, authority, (":foo", "x")]),
            GoAway(PROTOCOL),
        ),
        row(
            "one behind a field",
            bare(&[method, scheme, ("a", "b"), path, authority]),
            Reset(PROTOCOL),
        ),
        row(
            "empty :path",
            bare(&[method, scheme, (":path", ""), authority]),
            Reset(PROTOCOL),
        ),
        row(
            "space in :path",
            bare(&[method, scheme, (":path", "/a b"), authority]),
            Reset(PROTOCOL),
        ),
        row(
            "CRLF in :path",
            bare(&[method, scheme, (":path", "/a\r\nb"), authority]),
            Reset(PROTOCOL),
        ),
        row(
            "CRLF in :method",
            bare(&[(":method", "G\r\nT"), scheme, path, authority]),
            GoAway(PROTOCOL),
        ),
        row(
            ":protocol on a GET",
            bare(&[method, scheme, path, authority, (":protocol", "websocket")]),
            Reset(PROTOCOL),
        ),
    ])
    .await;
}

/// RFC 9113 section 8.3.1, and who is asked for.
#[tokio::test]
async fn hosts() {
    let [method, scheme, path, authority] = request("GET", "/channels/x");
    let host = |name: &'static str| ("host", name);
    let of = |name: &'static str| (":authority", name);
    judge(vec![
        row(
            ":authority",
            bare(&[method, scheme, path, authority]),
            Status(200),
        ),
        row(
            "host",
            bare(&[method, scheme, path, host("localhost")]),
            Status(200),
        ),
        row(
            "both, the same",
            bare(&[method, scheme, path, authority, host("localhost")]),
            Status(200),
        ),
        row(
            "both, different",
            bare(&[method, scheme, path, authority, host("127.0.0.1")]),
            Status(400),
        ),
        row(
            "different ports",
            bare(&[method, scheme, path, of("localhost:1"), host("localhost:2")]),
            Status(400),
        ),
        row("neither", bare(&[method, scheme, path]), Status(400)),
        row(
            "two hosts",
            bare(&[method, scheme, path, host("localhost"), host("localhost")]),
            Status(400),
        ),
        row(
            "another :authority",
            bare(&[method, scheme, path, of("evil.example")]),
            Status(403),
        ),
        row(
            "another host",
            bare(&[method, scheme, path, host("evil.example")]),
            Status(403),
        ),
        row(
            "a user in :authority",
            bare(&[method, scheme, path, of("a@localhost")]),
            Status(400),
        ),
    ])
    .await;
}

/// RFC 9113 section 8.1.1.
#[tokio::test]
async fn bodies() {
    let length = |value: &'static str| ("content-length", value);
    let late = |flags, fields: &[(&str, &str)]| {
        let mut bytes = headers(1, 0, &request("POST", "/healthz"));
        bytes.extend(frame(kind::DATA, 0, 1, b"x"));
        bytes.extend(headers(1, flags, fields));
        bytes
    };
    judge(vec![
        row(
            "shorter than told",
            publish(&[length("5")], &[b"four"]),
            Reset(PROTOCOL),
        ),
        row(
            "longer than told",
            publish(&[length("3")], &[b"four"]),
            Reset(PROTOCOL),
        ),
        row(
            "longer, in two frames",
            publish(&[length("3")], &[b"tw", b"o!"]),
            Reset(PROTOCOL),
        ),
        row(
            "told and not there",
            headers(
                1,
                END_STREAM,
                &[&request("POST", "/channels/x")[..], &[length("5")]].concat(),
            ),
            Reset(PROTOCOL),
        ),
        row(
            "no number",
            publish(&[length("four")], &[b"four"]),
            Reset(PROTOCOL),
        ),
        row(
            "a sign",
            publish(&[length("+4")], &[b"four"]),
            Reset(PROTOCOL),
        ),
        row(
            "over 2^64",
            publish(&[length("18446744073709551620")], &[b"four"]),
            Reset(PROTOCOL),
        ),
        row(
            "on a GET",
            [
                headers(1, 0, &request("GET", "/channels/x")),
                frame(kind::DATA, END_STREAM, 1, b"x"),
            ]
            .concat(),
            Status(400),
        ),
        row(
            "trailers with a pseudo field",
            late(END_STREAM, &[(":path", "/")]),
            Status(405),
        ),
    ])
    .await;
}

/// RFC 8441 section 4 and RFC 9113 section 8.5.
#[tokio::test]
async fn tunnels() {
    let [_, scheme, path, authority] = request("CONNECT", "/channels/x");
    let connect = (":method", "CONNECT");
    let websocket = (":protocol", "websocket");
    let version = ("sec-websocket-version", "13");
    judge(vec![
        row("no :protocol", bare(&[connect, authority]), Status(405)),
        row(
            "no :protocol, but a path",
            bare(&[connect, scheme, path, authority]),
            Reset(PROTOCOL),
        ),
        row(
            "another :protocol",
            bare(&[
                connect,
                scheme,
                path,
                authority,
                (":protocol", "connect-udp"),
            ]),
            Status(405),
        ),
        row(
            "no version",
            bare(&[connect, scheme, path, authority, websocket]),
            Status(426),
        ),
        row(
            "no path",
            bare(&[connect, scheme, authority, websocket, version]),
            Reset(PROTOCOL),
        ),
    ])
    .await;
}

/// RFC 9113 sections 4 to 6. The library knows errors of size and of heads, and some of windows, as
/// PROTOCOL_ERROR only, where FRAME_SIZE_ERROR, COMPRESSION_ERROR and FLOW_CONTROL_ERROR are more
/// exact; and it takes a body behind the end for an error of the connection, as it may (section 5.4.1).
#[tokio::test]
async fn frames() {
    let whole: Vec<u8> = request("GET", "/healthz")
        .iter()
        .flat_map(|f| field(f.0, f.1))
        .collect();
    let begun = frame(kind::HEADERS, END_STREAM, 1, &whole);
    let most = (1 << 31) - 1;
    judge(vec![
        row("DATA on 0", frame(kind::DATA, 0, 0, b"x"), GoAway(PROTOCOL)),
        row(
            "HEADERS on 0",
            frame(kind::HEADERS, END_HEADERS, 0, &whole),
            GoAway(PROTOCOL),
        ),
        row(
            "PRIORITY on 0",
            frame(kind::PRIORITY, 0, 0, &[0; 5]),
            GoAway(PROTOCOL),
        ),
        row("RST_STREAM on 0", reset(0, 8), GoAway(PROTOCOL)),
        row(
            "CONTINUATION on 0",
            frame(kind::CONTINUATION, END_HEADERS, 0, b""),
            GoAway(PROTOCOL),
        ),
        row(
            "SETTINGS on 1",
            frame(kind::SETTINGS, 0, 1, b""),
            GoAway(PROTOCOL),
        ),
        row(
            "PING on 1",
            frame(kind::PING, 0, 1, &[0; 8]),
            GoAway(PROTOCOL),
        ),
        row(
            "GOAWAY on 1",
            frame(kind::GOAWAY, 0, 1, &[0; 8]),
            GoAway(PROTOCOL),
        ),
        row(
            "PUSH_PROMISE",
            frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
            GoAway(PROTOCOL),
        ),
        row("an even stream", get(2, "/healthz"), GoAway(PROTOCOL)),
        row(
            "DATA on a stream that is not",
            frame(kind::DATA, 0, 1, b"x"),
            GoAway(PROTOCOL),
        ),
        row("RST_STREAM on one", reset(1, 8), GoAway(PROTOCOL)),
        row("WINDOW_UPDATE on one", window(1, 1), GoAway(PROTOCOL)),
        row(
            "PING of 7 bytes",
            frame(kind::PING, 0, 0, &[0; 7]),
            GoAway(PROTOCOL),
        ),
        row(
            "SETTINGS of 5 bytes",
            frame(kind::SETTINGS, 0, 0, &[0; 5]),
            GoAway(PROTOCOL),
        ),
        row(
            "SETTINGS: an answer with a payload",
            frame(kind::SETTINGS, ACK, 0, &[0; 6]),
            GoAway(PROTOCOL),
        ),
        row(
            "a frame that is too large",
            frame(kind::DATA, 0, 1, &[0; 16_385]),
            GoAway(FRAME_SIZE),
        ),
        row(
            "a head within a head",
            [begun.clone(), get(3, "/healthz")].concat(),
            GoAway(PROTOCOL),
        ),
        row(
            "a PING within a head",
            [begun, frame(kind::PING, 0, 0, &[0; 8])].concat(),
            GoAway(PROTOCOL),
        ),
        row(
            "CONTINUATION of nothing",
            [
                get(1, "/healthz"),
                frame(kind::CONTINUATION, END_HEADERS, 1, b""),
            ]
            .concat(),
            GoAway(PROTOCOL),
        ),
        row("WINDOW_UPDATE of nothing", window(0, 0), GoAway(PROTOCOL)),
        row(
            "WINDOW_UPDATE over 2^31",
            [window(0, most), window(0, most)].concat(),
            GoAway(FLOW_CONTROL),
        ),
        row(
            "the same on a stream",
            [post(1, "/channels/x"), window(1, most), window(1, most)].concat(),
            Reset(FLOW_CONTROL),
        ),
        row(
            "windows of 2^31",
            settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)]),
            GoAway(PROTOCOL),
        ),
        row(
            "a body behind the end",
            [get(1, "/channels/x?wait=30"), frame(kind::DATA, 0, 1, b"x")].concat(),
            GoAway(PROTOCOL),
        ),
        row(
            "an index that is none",
            frame(kind::HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0x7f]),
            GoAway(PROTOCOL),
        ),
        row(
            "index 0",
            frame(kind::HEADERS, END_HEADERS, 1, &[0x80]),
            GoAway(PROTOCOL),
        ),
        row(
            "a string longer than its head",
            frame(kind::HEADERS, END_HEADERS, 1, &[0, 5, b'a']),
            GoAway(PROTOCOL),
        ),
    ])
    .await;
}

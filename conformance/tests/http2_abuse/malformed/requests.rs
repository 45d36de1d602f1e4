//! Requests that must not be: fields, pseudo fields, hosts, bodies and tunnels.

use conformance::http2::{END_STREAM, frame, headers, kind, request};

use super::Fate::{GoAway, Reset, Status};
use super::{PROTOCOL, judge, row};

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
            "a :path of another server",
            bare(&[
                method,
                scheme,
                (":path", "http://evil.example/channels/x"),
                authority,
            ]),
            Reset(PROTOCOL),
        ),
        row(
            "a :path without a slash",
            bare(&[method, scheme, (":path", "healthz"), authority]),
            Reset(PROTOCOL),
        ),
        row(
            "a :path of *",
            bare(&[method, scheme, (":path", "*"), authority]),
            Status(404),
        ),
        row(
            "no :scheme in it",
            bare(&[method, (":scheme", "a b"), path, authority]),
            Reset(PROTOCOL),
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
        let mut bytes = headers(1, 0, &request("POST", "/channels/x"));
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
            "trailers that do not end it",
            late(0, &[("a", "b")]),
            Reset(PROTOCOL),
        ),
        row(
            "trailers of a connection",
            late(END_STREAM, &[("connection", "close")]),
            Reset(PROTOCOL),
        ),
    ])
    .await;
}

/// What is wrong and harmless, and what the library lets through: trailers are passed over whatever they
/// are (section 8.1), a value may have spaces around it (section 8.2.1), a target without
/// its fragment, and no scheme means anything here.
#[tokio::test]
async fn passed_over() {
    let [method, scheme, path, authority] = request("GET", "/healthz");
    let trailers = [
        headers(1, 0, &request("POST", "/channels/trailers")),
        frame(kind::DATA, 0, 1, b"x"),
        headers(1, END_STREAM, &[(":path", "/")]),
    ];
    judge(vec![
        row(
            "trailers with a pseudo field",
            trailers.concat(),
            Status(200),
        ),
        row("spaces around a value", with(&[("x", " y ")]), Status(200)),
        row(
            "a :path with a fragment",
            bare(&[method, scheme, (":path", "/healthz#x"), authority]),
            Status(200),
        ),
        row(
            "another :scheme",
            bare(&[method, (":scheme", "ftp"), path, authority]),
            Status(200),
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

//! The table.

use crate::exchange::Expected::{Becomes, Ends, GoesOn};
use crate::exchange::{Expected, Row};

/// A request inside of a body, in chunks: what a smuggler hides.
const HIDDEN: &str = "1\r\nZ\r\n0\r\n\r\nPOST /channels/smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n!";
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub fn all() -> Vec<Row> {
    [
        lengths(),
        codings(),
        chunks(),
        lines(),
        names(),
        hosts(),
        upgrades(),
        request_lines(),
        sizes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn row(name: &'static str, bytes: impl Into<Vec<u8>>, expected: Expected) -> Row {
    let bytes = bytes.into();
    Row {
        name,
        bytes,
        expected,
    }
}

/// A publish with these header lines, and what follows its head.
fn post(headers: &str, body: &str) -> String {
    format!("POST /channels/x HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{body}")
}

/// A short poll with these header lines.
fn get(headers: &str) -> String {
    format!("GET /channels/x HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// RFC 9112 section 6.3: a length that is no number, or not one number, ends the connection.
fn lengths() -> Vec<Row> {
    let length = |value: &str| post(&format!("Content-Length: {value}\r\n"), "hello");
    vec![
        row("CL: one", length("5"), GoesOn(200)),
        // Section 6.3 allows to take a repeated value for one.
        row("CL: twice, the same", length("5\r\nContent-Length: 5"), GoesOn(200)),
        row("CL: twice, different", length("5\r\nContent-Length: 6"), Ends(400)),
        row("CL: 5,5", length("5,5"), Ends(400)),
        row("CL: 5, 6", length("5, 6"), Ends(400)),
        row("CL: +5", length("+5"), Ends(400)),
        row("CL: -5", length("-5"), Ends(400)),
        row("CL: 0x5", length("0x5"), Ends(400)),
        row("CL: 5 5", length("5 5"), Ends(400)),
        row("CL: empty", length(""), Ends(400)),
        row("CL: 2^64", length("18446744073709551616"), Ends(400)),
        // The library calls it too large at once; it is no length that could be taken.
        row("CL: 2^64 - 1", length("18446744073709551615"), Ends(431)),
        // A length that it can be, and that is too much for any channel.
        row("CL: 2^63", length("9223372036854775808"), Ends(413)),
        row("CL: Arabic digits", length("\u{665}"), Ends(400)),
    ]
}

/// RFC 9112 sections 6.1 and 6.3: what is not `chunked` and nothing else is not understood here.
fn codings() -> Vec<Row> {
    let coding = |line: &str| post(&format!("{line}\r\n"), "5\r\nhello\r\n0\r\n\r\n");
    let te = |value: &str| coding(&format!("Transfer-Encoding: {value}"));
    let both = |first: &str, second: &str| post(&format!("{first}{second}"), HIDDEN);
    let length = "Content-Length: 6\r\n";
    vec![
        row("TE: chunked", te("chunked"), GoesOn(200)),
        row("TE: Chunked", te("Chunked"), GoesOn(200)),
        // Section 6.3 allows to go by the coding alone, and then wants the connection closed.
        row("CL and TE", both(length, CHUNKED), Ends(200)),
        row("TE and CL", both(CHUNKED, length), Ends(200)),
        row("TE: twice, chunked", te("chunked\r\nTransfer-Encoding: chunked"), Ends(400)),
        row("TE: twice, identity last", te("chunked\r\nTransfer-Encoding: identity"), Ends(400)),
        row("TE: twice, identity first", te("identity\r\nTransfer-Encoding: chunked"), Ends(400)),
        row("TE: chunked, chunked", te("chunked, chunked"), Ends(400)),
        row("TE: chunked, identity", te("chunked, identity"), Ends(400)),
        row("TE: identity, chunked", te("identity, chunked"), Ends(400)),
        row("TE: gzip, chunked", te("gzip, chunked"), Ends(400)),
        row("TE: identity", te("identity"), Ends(400)),
        row("TE: xchunked", te("xchunked"), Ends(400)),
        row("TE: chunkedx", te("chunkedx"), Ends(400)),
        row("TE: \"chunked\"", te("\"chunked\""), Ends(400)),
        row("TE: chunked;q=1", te("chunked;q=1"), Ends(400)),
        row("TE: empty", te(""), Ends(400)),
        row("TE: vertical tab before chunked", te("\u{b}chunked"), Ends(400)),
        row("TE: NUL behind chunked", te("chunked\0"), Ends(400)),
        row("TE: folded", te("\r\n chunked"), Ends(400)),
        row("TE with a space before the colon", coding("Transfer-Encoding : chunked"), Ends(400)),
        row("TE with a tab before the colon", coding("Transfer-Encoding\t: chunked"), Ends(400)),
        row("TE with a space before the name", coding(" Transfer-Encoding: chunked"), Ends(400)),
        row("TE in HTTP/1.0", te("chunked").replace("HTTP/1.1", "HTTP/1.0"), Ends(400)),
    ]
}

/// RFC 9112 section 7.1.
fn chunks() -> Vec<Row> {
    let body = |body: &str| post(CHUNKED, body);
    let extension = |bytes: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(bytes));
    vec![
        row("chunk: an extension", body("5;name=value\r\nhello\r\n0\r\n\r\n"), GoesOn(200)),
        row("chunk: a trailer", body("5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"), GoesOn(200)),
        row("chunk: leading zeros", body("00005\r\nhello\r\n0\r\n\r\n"), GoesOn(200)),
        row("chunk: extension of 64 KiB", body(&extension(64 << 10)), Ends(400)),
        row("chunk: extension with a bare LF", body("5;a\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: extension with a bare CR", body("5;a\rb\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: size over 2^64", body("10000000000000005\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        // All that follows is data of this chunk, which does not come to its end in time.
        row("chunk: size of 2^64 - 1", body("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), Ends(408)),
        row("chunk: 0x5", body("0x5\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: +5", body("+5\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: -5", body("-5\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: no size", body("\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: no hexadecimal", body("g\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: two sizes", body("5 5\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: bare LF behind the size", body("5\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: bare LF behind the data", body("5\r\nhello\n0\r\n\r\n"), Ends(400)),
        row("chunk: bare CR behind the size", body("5\rhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: longer than its size", body("4\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: shorter than its size", body("6\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("chunk: bare LF at the end", body("5\r\nhello\r\n0\n\n"), Ends(400)),
    ]
}

/// RFC 9112 sections 2.2 and 5.2.
fn lines() -> Vec<Row> {
    vec![
        // Section 2.2 lets a recipient take a lone LF for the end of a line; whoever in front does not,
        // must refuse or replace it (RFC 9110 section 5.5). In chunks (above) nothing allows it.
        row("head: bare LF", get("X: a\r\n").replace("\r\n", "\n"), GoesOn(200)),
        row("head: bare LF behind a field", get("X: a\nY: b\r\n"), GoesOn(200)),
        row("head: bare CR in a value", get("X: a\rY: b\r\n"), Ends(400)),
        row("head: bare CR between fields", get("X: a\rY: b\r\n").replace(" a", ""), Ends(400)),
        row("head: bare CR at its end", get("X: a\r\n").replace("\r\n\r\n", "\r\n\r\r\n"), Ends(400)),
        row("head: folded with a space", get("X: a\r\n b\r\n"), Ends(400)),
        row("head: folded with a tab", get("X: a\r\n\tb\r\n"), Ends(400)),
        row("head: folded before the first field", get("").replacen("\r\n", "\r\n X: a\r\n", 1), Ends(400)),
        // Section 2.2: at least one empty line before the request line is to be ignored.
        row("empty line first", format!("\r\n{}", get("")), GoesOn(200)),
    ]
}

/// RFC 9112 section 5, RFC 9110 sections 5.1 and 5.5.
fn names() -> Vec<Row> {
    vec![
        row("name: space before the colon", get("X : a\r\n"), Ends(400)),
        row("name: space within", get("X Y: a\r\n"), Ends(400)),
        row("name: empty", get(": a\r\n"), Ends(400)),
        row("name: no colon", get("X\r\n"), Ends(400)),
        row("name: NUL", get("X\0Y: a\r\n"), Ends(400)),
        row("name: 8 bits", get("X\u{e9}: a\r\n"), Ends(400)),
        row("name: control character", get("X\u{1}: a\r\n"), Ends(400)),
        row("name: brackets", get("X[]: a\r\n"), Ends(400)),
        row("value: NUL", get("X: a\0b\r\n"), Ends(400)),
        row("value: control character", get("X: a\u{1}b\r\n"), Ends(400)),
        row("value: DEL", get("X: a\u{7f}b\r\n"), Ends(400)),
        // Section 5.5 of RFC 9110 lets obs-text be, as opaque bytes.
        row("value: 8 bits", get("X: \u{e9}\r\n"), GoesOn(200)),
    ]
}

/// RFC 9112 sections 3.2 and 3.2.2. Who does not say, or says twice, for whom a request is, can have
/// been understood otherwise in front of this server: nothing more is taken from there.
fn hosts() -> Vec<Row> {
    let host = |lines: &str| format!("GET /channels/x HTTP/1.1\r\n{lines}\r\n");
    let absolute =
        |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    vec![
        row("Host: missing", host(""), Ends(400)),
        row("Host: missing in HTTP/1.0", "GET /channels/x HTTP/1.0\r\n\r\n", Ends(200)),
        row("Host: twice, the same", host("Host: localhost\r\nHost: localhost\r\n"), Ends(400)),
        row("Host: twice, different", host("Host: localhost\r\nHost: evil.example\r\n"), Ends(400)),
        row("Host: twice, in different case", host("Host: localhost\r\nhOST: localhost\r\n"), Ends(400)),
        row("Host: empty", host("Host:\r\n"), Ends(400)),
        row("Host: two names", host("Host: localhost, localhost\r\n"), Ends(400)),
        row("Host: with a path", host("Host: localhost/x\r\n"), Ends(400)),
        row("Host: with a user", host("Host: a@localhost\r\n"), Ends(400)),
        row("Host: port of letters", host("Host: localhost:http\r\n"), Ends(400)),
        // RFC 3986 section 3.2.3 knows no largest port.
        row("Host: port over 65535", host("Host: localhost:99999\r\n"), GoesOn(200)),
        row("Host: two ports", host("Host: localhost:80:80\r\n"), Ends(400)),
        // A proxy in front has a port of its own: the name is what is judged.
        row("Host: another port", host("Host: localhost:1\r\n"), GoesOn(200)),
        row("Host: foreign", host("Host: evil.example\r\n"), GoesOn(403)),
        row("absolute: the same host", absolute("http://localhost/channels/x", "localhost"), GoesOn(200)),
        row("absolute: another host", absolute("http://localhost/channels/x", "evil.example"), Ends(400)),
        row("absolute: another port", absolute("http://localhost:1/channels/x", "localhost:2"), Ends(400)),
        row("absolute: a foreign host", absolute("http://evil.example/channels/x", "evil.example"), GoesOn(403)),
        row("absolute: a user in it", absolute("http://a@localhost/channels/x", "a@localhost"), Ends(400)),
    ]
}

/// RFC 9110 section 7.8, RFC 6455 section 4.2.1. A refused upgrade to WebSocket ends the connection: a
/// proxy that does not look at the status tunnels whatever comes next past its own rules.
fn upgrades() -> Vec<Row> {
    let h2c = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let good = |more: &str, body: &str| format!("{}{body}", get(&format!("{UPGRADE}{more}")));
    let changed = |from: &str, to: &str| get(UPGRADE).replace(from, to);
    vec![
        row("Upgrade: good", good("", ""), Becomes(101)),
        row("Upgrade: two lengths of 0", good("Content-Length: 0\r\nContent-Length: 0\r\n", ""), Becomes(101)),
        row("Upgrade: a body by length", good("Content-Length: 5\r\n", "hello"), Ends(400)),
        row("Upgrade: a body in chunks", good(CHUNKED, "5\r\nhello\r\n0\r\n\r\n"), Ends(400)),
        row("Upgrade: a request as its body", good("Content-Length: 27\r\n", "GET /metrics HTTP/1.1\r\nX: \r\n"), Ends(400)),
        row("Upgrade: a bad version", changed(": 13", ": 8"), Ends(426)),
        row("Upgrade: a bad key", changed("dGhl", ""), Ends(400)),
        row("Upgrade: no Connection", changed("Connection: Upgrade\r\n", ""), Ends(400)),
        row("Upgrade: a foreign origin", good("Origin: http://evil.example\r\n", ""), Ends(403)),
        row("Upgrade: POST", changed("GET", "POST"), Ends(200)),
        row("Upgrade: where there is no WebSocket", changed("/channels/x", "/healthz"), Ends(200)),
        row("Upgrade: h2c, and a bad WebSocket", changed("Upgrade: websocket", "Upgrade: h2c, websocket").replace(": 13", ": 8"), Ends(426)),
        // Not spoken here, so ignored (RFC 9110 section 7.8): the request is an ordinary one.
        row("Upgrade: h2c", get(h2c), GoesOn(200)),
        row("Upgrade: TLS", get("Upgrade: TLS/1.2\r\nConnection: Upgrade\r\n"), GoesOn(200)),
        // RFC 9110 section 9.3.6: any answer but a 2xx says that there is no tunnel.
        row("CONNECT", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n", GoesOn(405)),
    ]
}

/// RFC 9112 section 3.
fn request_lines() -> Vec<Row> {
    let line = |line: &str| format!("{line}\r\nHost: localhost\r\n\r\n");
    vec![
        row("line: Korean and nothing else", "안녕하세요\r\n\r\n", Ends(400)),
        row("line: TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), Ends(400)),
        row("line: SSH", "SSH-2.0-OpenSSH_9.2\r\n", Ends(400)),
        row("line: SOCKS", b"\x05\x01\x00".as_slice(), Ends(400)),
        row("line: HTTP/0.9", "GET /channels/x\r\n", Ends(400)),
        row("line: HTTP/0.9 with a version", line("GET /channels/x HTTP/0.9"), Ends(400)),
        row("line: HTTP/1.2", line("GET /channels/x HTTP/1.2"), Ends(400)),
        row("line: HTTP/2.0", line("GET /channels/x HTTP/2.0"), Ends(400)),
        row("line: HTTP/3.0", line("GET /channels/x HTTP/3.0"), Ends(400)),
        row("line: HTTP/1.1x", line("GET /channels/x HTTP/1.1x"), Ends(400)),
        row("line: http/1.1", line("GET /channels/x http/1.1"), Ends(400)),
        row("line: two spaces", line("GET  /channels/x HTTP/1.1"), Ends(400)),
        row("line: two versions", line("GET /channels/x HTTP/1.1 HTTP/1.1"), Ends(400)),
        row("line: tabs", line("GET\t/channels/x\tHTTP/1.1"), Ends(400)),
        row("line: space in the target", line("GET /channels/x y HTTP/1.1"), Ends(400)),
        row("line: NUL in the target", line("GET /channels/x\0 HTTP/1.1"), Ends(400)),
        row("line: CR in the target", line("GET /channels/x\rHost: evil HTTP/1.1"), Ends(400)),
        // RFC 9112 section 3.2 says SHOULD; the library drops the fragment unseen, and the path in
        // front of it is what is judged and what is answered.
        row("line: fragment in the target", line("GET /channels/x#y HTTP/1.1"), GoesOn(200)),
        row("line: no target", line("GET HTTP/1.1"), Ends(400)),
        row("line: target without /", line("GET channels/x HTTP/1.1"), Ends(400)),
        row("line: no method", line(" /channels/x HTTP/1.1"), Ends(400)),
        row("line: NUL in the method", line("G\0ET /channels/x HTTP/1.1"), Ends(400)),
        row("line: lower-case method", line("get /channels/x HTTP/1.1"), GoesOn(405)),
    ]
}

/// More than `limits.head_bytes` (16 KiB) or `limits.head_fields` (100): 431.
fn sizes() -> Vec<Row> {
    let long = |bytes: usize| get(&format!("X: {}\r\n", "a".repeat(bytes)));
    vec![
        row("header of 12 KiB", long(12 << 10), GoesOn(200)),
        row("header of 20 KiB", long(20 << 10), Ends(431)),
        row("header of 1 MB", long(1_000_000), Ends(431)),
        row("header name of 1 MB", get(&format!("{}: a\r\n", "X".repeat(1_000_000))), Ends(431)),
        row("99 headers", get(&"X: a\r\n".repeat(99)), GoesOn(200)),
        row("101 headers", get(&"X: a\r\n".repeat(101)), Ends(431)),
        row("10,000 headers", get(&"X: a\r\n".repeat(10_000)), Ends(431)),
        row("method of 1 MB", format!("{} / HTTP/1.1\r\n\r\n", "G".repeat(1_000_000)), Ends(431)),
        row("target of 1 MB", format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1_000_000)), Ends(431)),
        row("first line of 10 MB without an end", format!("GET /{}", "a".repeat(10_000_000)), Ends(431)),
        row("1 MB of empty lines", "\r\n".repeat(500_000), Ends(431)),
        row("trailers of 1 MB", post(CHUNKED, &format!("0\r\nX: {}\r\n\r\n", "a".repeat(1_000_000))), Ends(400)),
    ]
}

//! The heads of streams over HTTP/1, which leave without the HTTP library, and of its last words.

use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{StatusCode, Version, request};
use tidings_protocol::Problem;

use super::Leaving;
use crate::transport::Stream;
use crate::transport::wire::Framing;

/// How the body of a stream is carried to a client of this version.
pub fn framing(stream: &Stream, version: Version) -> Framing {
    match stream {
        Stream::WebSocket(_) => Framing::Bare,
        Stream::LongPoll(_) => Framing::Counted,
        Stream::Sse(_) if version >= Version::HTTP_11 => Framing::Chunked,
        Stream::Sse(_) => Framing::Bare,
    }
}

/// The status line and headers of a stream; without the blank line if its length has to follow.
pub fn head_bytes(leaving: &Leaving, framing: Framing) -> Bytes {
    let takeover = &leaving.takeover;
    let mut head = status_line(takeover.status);
    write_fields(&mut head, &takeover.headers);
    let ends = matches!(takeover.stream, Stream::Sse(_)) || !leaving.keep_alive;
    if ends && takeover.status != StatusCode::SWITCHING_PROTOCOLS {
        head.push_str("connection: close\r\n");
    }
    if framing == Framing::Chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    }
    head.push_str(&date_line());
    if framing != Framing::Counted {
        head.push_str("\r\n");
    }
    head.into()
}

/// An answer where the library has none any more; the connection ends after it.
pub fn last_words(problem: &Problem) -> Bytes {
    let answer = crate::reply::refusal(problem);
    let body = problem.to_json();
    let mut words = status_line(answer.status());
    write_fields(&mut words, answer.headers());
    words.push_str(&format!(
        "connection: close\r\ncontent-length: {}\r\n{}\r\n",
        body.len(),
        date_line()
    ));
    [words.as_bytes(), &body].concat().into()
}

fn status_line(status: StatusCode) -> String {
    let reason = status.canonical_reason().unwrap_or("");
    format!("HTTP/1.1 {} {reason}\r\n", status.as_str())
}

fn date_line() -> String {
    format!("date: {}\r\n", httpdate::fmt_http_date(SystemTime::now()))
}

fn write_fields(head: &mut String, fields: &HeaderMap) {
    for (name, value) in fields {
        let value = value.to_str().expect("the server's own headers are ASCII");
        head.extend([name.as_str(), ": ", value, "\r\n"]);
    }
}

/// Whether the connection goes on after this request (RFC 9112 section 9.3).
pub fn keeps_alive(head: &request::Parts) -> bool {
    let says = |token: &str| {
        let lines = head
            .headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|line| line.to_str().ok());
        lines
            .flat_map(|line| line.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    head.version >= Version::HTTP_11 && !says("close")
}

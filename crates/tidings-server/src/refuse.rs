//! Refusals: when, and in the form that the request's reader understands.

use http::header::{self, HeaderValue};
use http::{Method, StatusCode, request};
use tidings_protocol::envelope::Notice;
use tidings_protocol::{Code, Problem};

use crate::app::App;
use crate::clock::spread;
use crate::handler::is_channel;
use crate::reading::{asked, wishes};
use crate::reply::{Answer, answer, close, no_buffering, refusal};
use crate::routes;
use crate::transport::sse_refusal;
use crate::via::{Full, via};

/// Refuses a request in the form that its reader understands.
pub fn refuse(app: &App, head: &request::Parts, problem: &Problem) -> Answer {
    app.stats.refused(problem);
    tracing::debug!(method = %brief(head.method.as_str()), path = %brief(head.uri.path()), code = problem.code.as_str(), "refused");
    if !wants_events(head) || !problem.code.temporary() {
        let mut answer = refusal(problem);
        if problem.code == Code::MethodNotAllowed {
            let methods = HeaderValue::from_static(
                app.methods(head.uri.path()).unwrap_or(routes::OF_NOTHING),
            );
            answer.headers_mut().insert(header::ALLOW, methods);
        }
        if problem.code == Code::RequestTimeout {
            // RFC 9110 section 15.5.9: what is left of the request is not awaited.
            close(answer.headers_mut());
        }
        return answer;
    }
    let retry = problem.after.unwrap_or_else(|| spread(app.limits().retry));
    let notice = Notice::Error {
        id: None,
        problem,
        retry_ms: Some(retry.as_millis() as u64),
    };
    let id = head
        .headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .filter(|id| !id.is_empty());
    let mut answer = answer(
        StatusCode::OK,
        "text/event-stream",
        sse_refusal(id, retry, &notice),
    );
    no_buffering(answer.headers_mut());
    answer
}

/// Why no request is answered just now, if so. A full server still says how it is, or whoever looks
/// after it would end it for being busy; one that goes away still takes messages, too.
pub fn unavailable(app: &App, head: &request::Parts) -> Option<Problem> {
    let asks_how_it_is = matches!(head.uri.path(), "/healthz" | "/readyz" | "/metrics");
    if let (Some(full), false) = (via(head).full, asks_how_it_is) {
        return Some(no_room(full));
    }
    let reads = matches!(head.uri.path(), "/read" | "/readyz")
        || head.method == Method::GET && is_channel(head);
    (app.stopping() && reads)
        .then(|| Problem::new(Code::Stopping, "the server goes away; ask again"))
}

fn no_room(full: Full) -> Problem {
    match full {
        Full::Server => Problem::new(
            Code::ServerFull,
            "the server has as many connections as it may; ask again",
        ),
        Full::Address => Problem::new(
            Code::TooManyRequests,
            "this address has as many connections as it may: close some, or ask again; a proxy that many come through belongs among the trusted",
        ),
    }
}

/// Whether the request is for events, and is to be refused as one.
fn wants_events(head: &request::Parts) -> bool {
    let reads = head.method == Method::GET && is_channel(head) || head.uri.path() == "/read";
    let wishes = wishes(head);
    reads && !wishes.upgrade && asked(head).map_or(wishes.accepts_events, |asked| asked == "sse")
}

/// How secrets begin: keys, tickets, sessions, tokens.
const SECRETS: [&str; 4] = ["tdk_", "tdt_", "s1_", "eyJ"];

/// Enough of a path or method to find it again: a client's text does not fill the log, and a secret that came
/// here by mistake does not stay in it.
fn brief(path: &str) -> String {
    let shown = |segment| match SECRETS.iter().any(|begin| str::starts_with(segment, begin)) {
        true => "…",
        false => segment,
    };
    let segments: Vec<&str> = path[..path.floor_char_boundary(256)]
        .split('/')
        .map(shown)
        .collect();
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_log_is_short_and_without_secrets() {
        assert_eq!(
            brief("/channels/room:7/presence"),
            "/channels/room:7/presence"
        );
        assert_eq!(brief("/channels/class1_a"), "/channels/class1_a");
        assert_eq!(brief("/channels/tdk_app_x/y"), "/channels/…/y");
        assert_eq!(brief("/eyJhbGciOiJIUzI1NiJ9.e30.x"), "/…");
        assert!(brief(&"한".repeat(1_000)).len() <= 256);
    }
}

//! What the head of a request wishes for: which transport, as far as it does not say so itself.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, request};
use tidings_protocol::websocket as ws;
use tidings_protocol::{Code, Problem};

use crate::query::{Query, invalid};
use crate::stats::Transport;
use crate::via::via;

/// What the head of a request says about the transport.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    pub upgrade: bool,
    pub accepts_events: bool,
}

/// What the head of a request wishes for. An upgrade that `transport=` overrides is none.
pub fn wishes(head: &request::Parts) -> Wishes {
    let upgrade = head
        .headers
        .get_all(header::UPGRADE)
        .iter()
        .map(HeaderValue::as_bytes);
    let elsewhere = matches!(asked(head).as_deref(), Some("poll" | "sse"));
    Wishes {
        upgrade: (via(head).tunnel || ws::requests_upgrade(upgrade))
            && head.method == Method::GET
            && !elsewhere,
        accepts_events: accepts_events(&head.headers),
    }
}

/// What `transport=` says, whatever else is wrong with the query.
pub fn asked(head: &request::Parts) -> Option<String> {
    // Most requests do not say it, and need not be decoded to know.
    head.uri
        .query()
        .filter(|query| query.contains("transport") || query.contains('%'))?;
    Some(Query::of(head).ok()?.one("transport").ok()??.to_owned())
}

/// The transport of a reading: what was asked for, then an upgrade, then `Accept`. An upgrade that
/// was overridden by what was asked for is none of the wishes.
pub fn transport(
    asked: Option<&str>,
    wishes: Wishes,
    wait: Option<Duration>,
) -> Result<Transport, Problem> {
    let poll = match wait {
        Some(wait) if wait > Duration::ZERO => Transport::LongPoll,
        _ => Transport::Poll,
    };
    match asked {
        Some("websocket") if !wishes.upgrade => Err(Problem::new(
            Code::UpgradeRequired,
            "transport=websocket needs a WebSocket handshake: Upgrade: websocket",
        )),
        Some("websocket") => Ok(Transport::WebSocket),
        Some("sse") => Ok(Transport::Sse),
        Some("poll") => Ok(poll),
        None if wishes.upgrade => Ok(Transport::WebSocket),
        None if wishes.accepts_events => Ok(Transport::Sse),
        None => Ok(poll),
        Some(_) => Err(invalid("`transport` is poll, sse or websocket".into())),
    }
}

/// Whether `Accept` names SSE with no lower quality than JSON (RFC 9110 section 12.5.1).
pub fn accepts_events(headers: &HeaderMap) -> bool {
    let (mut events, mut json, mut any_application, mut any) = (None, None, None, None);
    let lines = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok());
    for range in lines.flat_map(|line| line.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or("").to_ascii_lowercase();
        let quality = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
            .and_then(|(_, value)| value.trim().parse::<f32>().ok())
            .unwrap_or(1.0);
        match kind.as_str() {
            "text/event-stream" => events = Some(quality),
            "application/json" => json = Some(quality),
            "application/*" => any_application = Some(quality),
            "*/*" => any = Some(quality),
            _ => {}
        }
    }
    let json = json.or(any_application).or(any).unwrap_or(0.0);
    events.is_some_and(|events| events > 0.0 && events >= json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        accepts_events(&headers)
    }

    #[test]
    fn events_are_sent_to_who_names_them() {
        assert!(accepts("text/event-stream"));
        assert!(accepts("text/event-stream, */*"));
        assert!(accepts("application/json;q=0.5, Text/Event-Stream;q=0.5"));
        assert!(!accepts("*/*"));
        assert!(!accepts("text/*"));
        assert!(!accepts("application/json, text/event-stream;q=0.9"));
        assert!(!accepts("*/*, text/event-stream;q=0.1"));
        assert!(!accepts("text/event-stream;q=0"));
        assert!(!accepts(""));
    }

    #[test]
    fn the_transport_is_what_was_asked_for_or_wished() {
        let t = |asked, upgrade, accepts_events, wait| {
            transport(
                asked,
                Wishes {
                    upgrade,
                    accepts_events,
                },
                wait,
            )
            .map_err(|p| p.code)
        };
        assert_eq!(t(None, true, true, None), Ok(Transport::WebSocket));
        assert_eq!(
            t(Some("pigeon"), true, true, None),
            Err(Code::InvalidParameter)
        );
        assert_eq!(
            t(None, false, true, Some(Duration::from_secs(9))),
            Ok(Transport::Sse)
        );
        assert_eq!(
            t(Some("poll"), false, true, Some(Duration::from_secs(9))),
            Ok(Transport::LongPoll)
        );
        assert_eq!(
            t(None, false, false, Some(Duration::from_secs(0))),
            Ok(Transport::Poll)
        );
        assert_eq!(t(Some("sse"), false, false, None), Ok(Transport::Sse));
        assert_eq!(
            t(Some("websocket"), false, true, None),
            Err(Code::UpgradeRequired)
        );
        assert_eq!(
            t(Some("carrier-pigeon"), false, true, None),
            Err(Code::InvalidParameter)
        );
    }
}

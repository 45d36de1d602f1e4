//! Query strings and path segments: what is taken is what the URL standard's own decoder takes, and
//! a channel's name is decoded once.
//!
//! The modules are the server's own files: they need nothing of the server but its two lower crates.
#![no_main]

#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/tidings-server/src/moves.rs"]
mod moves;
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/tidings-server/src/query.rs"]
mod query;
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/tidings-server/src/via.rs"]
mod via;

use http::{Request, request};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use query::{Query, channel_of_segment};

const NAMES: [&str; 9] = [
    "name",
    "after",
    "last",
    "wait",
    "limit",
    "transport",
    "format",
    "echo",
    "user",
];

fuzz_target!(|text: &str| {
    if let Some(head) = head(text)
        && let Ok(mut query) = Query::of(&head)
    {
        let text = head.uri.query().unwrap_or_default();
        let pairs: Vec<_> = form_urlencoded::parse(text.as_bytes()).collect();
        for name in NAMES {
            let expected: Vec<_> = pairs
                .iter()
                .filter(|pair| pair.0 == name)
                .map(|pair| &*pair.1)
                .collect();
            assert_eq!(query.all(name).collect::<Vec<_>>(), expected);
            assert_eq!(query.one(name).is_err(), expected.len() > 1);
        }
        let known = pairs
            .iter()
            .all(|pair| pair.0.starts_with('_') || NAMES.contains(&&*pair.0));
        match query.only(&NAMES) {
            Ok(()) => assert!(known),
            Err(problem) => assert!(!known && problem.detail.len() < 1_000),
        }
        let _ = (query.number("last"), query.flag("echo"));
        if let Ok(Some(user)) = query.user() {
            assert!(!user.is_empty() && user.len() <= 255 && !user.contains(char::is_whitespace));
        }
        let _ = query.seconds("wait");
        let _ = query.take_name();
    }
    if let Ok(name) = channel_of_segment(text) {
        assert!(!name.as_str().contains(['/', ' ', '\r', '\n', '\0']));
        let escaped = utf8_percent_encode(name.as_str(), NON_ALPHANUMERIC).to_string();
        assert_eq!(channel_of_segment(&escaped).map_err(|_| ()), Ok(name));
    }
});

/// A request with this query, if a target can hold it.
fn head(query: &str) -> Option<request::Parts> {
    let request = Request::get(format!("/channels?{query}")).body(()).ok()?;
    Some(request.into_parts().0)
}

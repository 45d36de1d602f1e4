//! Short polling: one read of the feed, answered at once. Long polling is the same with a wait.

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use tidings_core::{Budget, Delivery, Feed, FeedStatus};
use tidings_protocol::cursor::{self, NameHash};
use tidings_protocol::envelope;

use super::{Outbox, lag_limit, notice_of};
use crate::app::App;
use crate::reading::Reading;
use crate::reply::{Answer, empty, json_pieces};
use crate::stats::Transport;

/// What one read of a poll gave.
pub struct Page {
    /// The answer's body.
    pub body: Outbox,
    /// Messages in it.
    pub messages: u64,
    /// Something to tell: an answer now, and not after a wait.
    pub news: bool,
}

/// Answers a short poll.
pub fn answer(
    app: &App,
    reading: &Reading,
    feed: &mut Feed,
    method: &Method,
    headers: &HeaderMap,
) -> Answer {
    let page = read(app, feed, reading.limit);
    let tag = etag(&page.body, reading.user.as_deref());
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tags| matches(tags, &tag));
    let stats = app.stats.of(Transport::Poll);
    stats.opened.add(1);
    let mut answer = if known {
        empty(StatusCode::NOT_MODIFIED)
    } else if method == Method::HEAD {
        // The length of the body that a GET would have is set by the HTTP library.
        json_pieces(page.body)
    } else {
        stats.delivered.add(page.messages);
        stats.sent_bytes.add(page.body.len() as u64);
        json_pieces(page.body)
    };
    let value = HeaderValue::from_str(&tag).expect("a tag is hexadecimal");
    answer.headers_mut().insert(header::ETAG, value);
    let pace = app.limits().poll_pace.as_secs_f64().ceil() as u64;
    if pace > 0 {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(pace));
    }
    answer
}

/// Answers a long poll for which there was something at once.
pub fn answer_at_once(app: &App, page: Page) -> Answer {
    let stats = app.stats.of(Transport::LongPoll);
    stats.opened.add(1);
    stats.delivered.add(page.messages);
    stats.sent_bytes.add(page.body.len() as u64);
    json_pieces(page.body)
}

/// Reads up to `limit` messages and writes the answer's body.
pub fn read(app: &App, feed: &mut Feed, limit: usize) -> Page {
    let limits = app.limits();
    let mut budget = Budget::new(limit, limits.poll_bytes);
    let mut deliveries = Vec::new();
    let status = feed.read(
        app.monotonic(),
        &mut budget,
        lag_limit(limits),
        &mut deliveries,
    );
    let mut body = Outbox::default();
    body.push("{\"messages\":[");
    for (index, delivery) in deliveries.iter().enumerate() {
        if index > 0 {
            body.push(",");
        }
        match delivery {
            Delivery::Message(_, message) => body.push_message(envelope::list_entry(message)),
            _ => body.push(notice(app, feed, delivery)),
        }
    }
    let more = status == FeedStatus::More;
    let closed = feed.all_closed() && !more;
    let end = if closed { ",\"closed\":true" } else { "" };
    let cursor = cursor_of(feed);
    body.push(format!("],\"cursor\":\"{cursor}\",\"more\":{more}{end}}}"));
    Page {
        messages: body.take_messages(),
        body,
        news: !deliveries.is_empty() || closed,
    }
}

/// A delivery that is no message as an entry of the list.
fn notice(app: &App, feed: &Feed, delivery: &Delivery) -> String {
    let channel = feed
        .channel(delivery.key())
        .expect("a delivery's channel is in its feed");
    notice_of(app, channel, delivery).to_json()
}

/// The cursor of all channels after what was read.
fn cursor_of(feed: &Feed) -> String {
    let positions: Vec<_> = feed
        .positions()
        .map(|(name, at)| (NameHash::of(name), at))
        .collect();
    let mut text = String::new();
    cursor::write(&positions, &mut text);
    text
}

/// A weak tag of all that the answer says and of who asks. Two answers with one tag are the same.
fn etag(body: &Outbox, user: Option<&str>) -> String {
    let mut hasher = SipHasher24::new();
    hasher.write(user.unwrap_or("").as_bytes());
    hasher.write_u8(0);
    body.parts().for_each(|part| hasher.write(part));
    format!("W/\"{:016x}\"", hasher.finish())
}

/// Weak comparison (RFC 9110 section 8.8.3.2).
fn matches(tags: &HeaderValue, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(tags) = tags.to_str() else {
        return false;
    };
    tags.trim() == "*" || tags.split(',').any(|given| opaque(given) == opaque(tag))
}

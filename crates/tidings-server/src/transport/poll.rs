//! Short polling: one read of the feed, answered at once. Long polling is the same with a wait.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use tidings_core::{Budget, Delivery, Feed, FeedStatus};
use tidings_protocol::cursor::{self, NameHash};
use tidings_protocol::envelope;

use super::{Outbox, notice_of};
use crate::app::App;
use crate::reading::Reading;
use crate::reply::{Answer, empty, has, json_pieces};
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
    let tag = etag(&page.body, reading.who.user().map(AsRef::as_ref));
    let known = has(headers, &tag);
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
    read_after(app, feed, limit, Vec::new())
}

/// The same, after what has to be told first.
pub fn read_after(app: &App, feed: &mut Feed, limit: usize, mut entries: Vec<String>) -> Page {
    let limits = app.limits();
    let mut budget = Budget::new(limit, limits.poll_bytes);
    let mut deliveries = Vec::new();
    let status = feed.read(app.monotonic(), &mut budget, &mut deliveries);
    // An answer is the end of every poll: the next one reads on, however late it comes.
    let too_slow = deliveries.pop_if(|last| matches!(last, Delivery::TooSlow(..)));
    let mut list = List::default();
    entries.drain(..).for_each(|entry| list.notice(entry));
    for delivery in &deliveries {
        match delivery {
            Delivery::Message(_, message) => list.message(envelope::list_entry(message)),
            _ => list.notice(notice(app, feed, delivery)),
        }
    }
    let more = status == FeedStatus::More;
    let mut page = list.end(feed, more, feed.all_closed() && !more);
    page.news |= too_slow.is_some();
    page
}

/// An answer of notices alone: what there is to read is left where it is.
pub fn told(feed: &Feed, entries: &[String]) -> Page {
    let mut list = List::default();
    entries.iter().for_each(|entry| list.notice(entry.clone()));
    list.end(feed, false, false)
}

/// The body of an answer that is being written.
#[derive(Default)]
struct List {
    body: Outbox,
    any: bool,
}

impl List {
    fn next(&mut self) {
        let before = if self.any { "," } else { "{\"messages\":[" };
        self.body.push(before);
        self.any = true;
    }

    fn message(&mut self, message: Bytes) {
        self.next();
        self.body.push_message(message);
    }

    fn notice(&mut self, notice: String) {
        self.next();
        self.body.push(notice);
    }

    fn end(mut self, feed: &Feed, more: bool, closed: bool) -> Page {
        if !self.any {
            self.body.push("{\"messages\":[");
        }
        let end = if closed { ",\"closed\":true" } else { "" };
        let cursor = cursor_of(feed);
        let rest = format!("],\"cursor\":\"{cursor}\",\"more\":{more}{end}}}");
        self.body.push(rest);
        Page {
            messages: self.body.take_messages(),
            news: self.any || closed,
            body: self.body,
        }
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

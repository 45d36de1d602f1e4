//! Long polling: a short poll that waits until there is something, or until its time is over.

use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use tidings_core::Feed;
use tidings_protocol::envelope::Notice;
use tokio::time::Instant;

use super::poll::Page;
use super::{End, Outbox, Session, lost_rights, poll};
use crate::app::App;
use crate::identity::{News, Stay};
use crate::reading::Reading;
use crate::stats::Transport;

/// A poll that waits.
pub struct LongPoll {
    app: Arc<App>,
    feed: Feed,
    limit: usize,
    until: Instant,
    answered: bool,
    /// The peer's next request, if it did not wait for the answer.
    early: Vec<u8>,
    stay: Stay,
}

impl LongPoll {
    /// A poll that waits until `until`.
    pub fn new(app: &Arc<App>, feed: Feed, reading: &Reading, until: Instant) -> Self {
        let client = reading.who.client.unwrap_or_else(|| app.new_client());
        Self {
            stay: Stay::new(app, client, &reading.who, feed.signal()),
            app: app.clone(),
            feed,
            limit: reading.limit,
            until,
            answered: false,
            early: Vec::new(),
        }
    }
}

impl LongPoll {
    fn answer(&mut self, page: Page, out: &mut Outbox) {
        self.answered = true;
        out.count_messages(page.messages);
        out.append(page.body);
    }

    /// What has happened to the client, as entries of the answer; gives the last one, if what came
    /// meanwhile is no longer for it. A token that ends soon is no reason to answer: the next poll
    /// shows one anyway.
    fn hear(&mut self, notices: &mut Vec<String>) -> Option<String> {
        while let Some(news) = self.stay.news() {
            match news {
                News::Expiring(_) => {}
                News::Rights => {
                    let lost = lost_rights(&self.app, &self.stay, &mut self.feed);
                    notices.extend(lost.iter().map(|lost| lost.notice().to_json()));
                }
                News::Ended(problem) => {
                    self.app.stats.refused(&problem);
                    let notice = Notice::Error {
                        id: None,
                        problem: &problem,
                        retry_ms: None,
                    };
                    return Some(notice.to_json());
                }
            }
        }
        None
    }
}

impl Session for LongPoll {
    const TRANSPORT: Transport = Transport::LongPoll;

    fn fill(&mut self, cx: &mut Context<'_>, out: &mut Outbox) {
        if self.answered {
            return;
        }
        let mut notices = Vec::new();
        if let Some(ended) = self.hear(&mut notices) {
            notices.push(ended);
            return self.answer(poll::told(&self.feed, &notices), out);
        }
        let ready = self.feed.poll_ready(cx).is_ready();
        let over = !notices.is_empty() || self.app.stopping() || Instant::now() >= self.until;
        if !ready && !over {
            return;
        }
        let page = poll::read_after(&self.app, &mut self.feed, self.limit, notices);
        if !page.news && !over {
            // The read has armed the bell again.
            return;
        }
        self.answer(page, out);
    }

    fn input(&mut self, bytes: &[u8]) {
        self.early.extend_from_slice(bytes);
    }

    /// What comes while it waits is the next request. Some of it is taken, so that the end of the
    /// connection is seen behind it; the rest can wait in the kernel.
    fn wants_input(&self) -> bool {
        self.early.len() < self.app.limits().head_bytes
    }

    fn is_over(&self) -> bool {
        self.stay.is_over()
    }

    fn deadline(&self) -> Instant {
        let news = self.stay.deadline();
        news.map_or(self.until, |news| news.min(self.until))
    }

    fn end(&self) -> Option<End> {
        self.answered.then(|| match self.app.stopping() {
            false => End::NextRequest(Bytes::copy_from_slice(&self.early)),
            true => End::Close,
        })
    }
}

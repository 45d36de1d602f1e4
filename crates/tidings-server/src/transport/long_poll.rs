//! Long polling: a short poll that waits until there is something, or until its time is over.

use std::sync::Arc;
use std::task::Context;

use bytes::Bytes;
use tidings_core::Feed;
use tokio::time::Instant;

use super::{End, Outbox, Session, poll};
use crate::app::{App, Registered};
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
    _registered: Registered,
}

impl LongPoll {
    /// A poll that waits until `until`.
    pub fn new(app: &Arc<App>, feed: Feed, limit: usize, until: Instant) -> Self {
        Self {
            _registered: app.register(feed.signal().clone()),
            app: app.clone(),
            feed,
            limit,
            until,
            answered: false,
            early: Vec::new(),
        }
    }
}

impl Session for LongPoll {
    const TRANSPORT: Transport = Transport::LongPoll;

    fn fill(&mut self, cx: &mut Context<'_>, out: &mut Outbox) {
        if self.answered {
            return;
        }
        let ready = self.feed.poll_ready(cx).is_ready();
        let over = self.app.stopping() || Instant::now() >= self.until;
        if !ready && !over {
            return;
        }
        let page = poll::read(&self.app, &mut self.feed, self.limit);
        if !page.news && !over {
            // The read has armed the bell again.
            return;
        }
        self.answered = true;
        out.count_messages(page.messages);
        out.append(page.body);
    }

    fn input(&mut self, bytes: &[u8]) {
        self.early.extend_from_slice(bytes);
    }

    /// What comes while it waits is the next request. Some of it is taken, so that the end of the
    /// connection is seen behind it; the rest can wait in the kernel.
    fn wants_input(&self) -> bool {
        self.early.len() < self.app.limits().head_bytes
    }

    fn deadline(&self) -> Instant {
        self.until
    }

    fn end(&self) -> Option<End> {
        self.answered.then(|| match self.app.stopping() {
            false => End::NextRequest(Bytes::copy_from_slice(&self.early)),
            true => End::Close,
        })
    }
}

//! The wandering reader on short and long polls.

use std::time::Duration;

use tokio::time::sleep;

use super::envelope::Page;
use super::reader::{Leave, Left, Reader};
use crate::http::{Answer, Http};

/// How long a short poll with nothing in it waits before the next: polling has no other event.
const PACE: Duration = Duration::from_millis(5);

/// A request: method, target, headers, body.
struct Ask {
    method: &'static str,
    target: String,
    headers: String,
    body: String,
}

impl Reader {
    /// Polls on one connection until it is cut or enough came.
    pub(super) async fn polls(&mut self, leave: &Leave, long: bool) -> Result<Left, String> {
        let mut http = self.connect(leave).await?;
        let came = self.came();
        let mut tag = None;
        while self.came() - came < leave.messages && !self.is_done() {
            let ask = self.ask(long, tag.as_deref());
            let Some(answer) = self.wait(poll(&mut http, &ask)).await? else {
                return self.ended();
            };
            tag = answer.header("etag").map(str::to_owned);
            let more = match answer.status {
                200 => self.take_page(&answer).await?,
                304 if ask.headers.contains("If-None-Match") => false,
                status => {
                    return Err(format!(
                        "{status} {}\n{}{}",
                        answer.text(),
                        ask.target,
                        ask.body
                    ));
                }
            };
            if !more && !long {
                sleep(PACE).await;
            }
        }
        Ok(Left::Orderly)
    }

    fn ask(&mut self, long: bool, tag: Option<&str>) -> Ask {
        let limit = self.rng.u32(1..=300);
        let body = !self.is_single() && self.rng.u8(..4) == 0;
        let mut ask = match body {
            true => self.ask_by_body(long, limit),
            false => self.ask_by_query(long, limit),
        };
        if let (Some(tag), false) = (tag, long || body) {
            ask.headers = format!("If-None-Match: {tag}\r\n");
        }
        ask
    }

    fn ask_by_query(&mut self, long: bool, limit: u32) -> Ask {
        let after = match self.rng.bool().then(|| self.cursor()).flatten() {
            Some(cursor) => format!("after={cursor}"),
            None => format!("after={}", self.exact().join("&after=")),
        };
        let wait = if long { "&wait=10" } else { "" };
        let target = match self.is_single() {
            true => format!("/channels/{}?{after}&limit={limit}{wait}", self.path(0)),
            false => format!("/channels?{}&{after}&limit={limit}{wait}", self.names()),
        };
        Ask {
            method: "GET",
            target,
            headers: String::new(),
            body: String::new(),
        }
    }

    fn ask_by_body(&mut self, long: bool, limit: u32) -> Ask {
        let wait = if long { 10 } else { 0 };
        let channels = self.channels_of_body();
        Ask {
            method: "POST",
            target: "/read".into(),
            headers: "Content-Type: application/json\r\n".into(),
            body: format!("{{{channels},\"wait\":{wait},\"limit\":{limit}}}"),
        }
    }

    /// `"channels":[{"name":…,"after":…},…]` from the exact places.
    pub(super) fn channels_of_body(&mut self) -> String {
        let places = self.exact();
        let named = places.iter().zip(&self.ledger.channels);
        let list: Vec<String> = named
            .map(|(place, name)| format!("{{\"name\":\"{name}\",\"after\":\"{place}\"}}"))
            .collect();
        format!("\"channels\":[{}]", list.join(","))
    }

    async fn take_page(&mut self, answer: &Answer) -> Result<bool, String> {
        self.begins();
        let page: Page<'_> = serde_json::from_str(answer.text())
            .map_err(|error| format!("{error}: {}", answer.text()))?;
        for entry in &page.messages {
            if !self.take(entry.get(), None).await? {
                return Err(format!("what is this? {entry}"));
            }
        }
        self.took_cursor(&page.cursor)?;
        Ok(page.more || !page.messages.is_empty())
    }
}

async fn poll(http: &mut Http, ask: &Ask) -> Option<Answer> {
    http.request(ask.method, &ask.target, &ask.headers, ask.body.as_bytes())
        .await;
    http.try_answer().await
}

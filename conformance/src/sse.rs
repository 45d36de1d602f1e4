//! Server-Sent Events by the letter of the HTML standard, section 9.2.6.

use crate::carrier::Endpoint;
use crate::http::{Answer, Http};

/// An event as a page would get it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The last id, after this block.
    pub id: String,
    /// The name; empty for `message`.
    pub name: String,
    /// The data.
    pub data: String,
}

/// A stream of events.
pub struct Events {
    http: Http,
    buffer: Vec<u8>,
    /// The id that a reconnect would send.
    pub last_id: String,
    /// The last `retry:`.
    pub retry: Option<u64>,
}

impl Events {
    /// Opens a stream; the answer's head if it is none.
    pub async fn open(
        to: impl Into<Endpoint>,
        target: &str,
        last_id: &str,
    ) -> Result<Self, Answer> {
        Self::over(Http::connect(to).await, target, last_id)
            .await
            .map_err(|answer| answer.expect("the head of an answer"))
    }

    /// Opens a stream on a connection; else the answer's head, `None` where the connection ended
    /// before it did.
    pub async fn over(mut http: Http, target: &str, last_id: &str) -> Result<Self, Option<Answer>> {
        let id = match last_id.is_empty() {
            true => String::new(),
            false => format!("Last-Event-ID: {last_id}\r\n"),
        };
        let headers = format!("Accept: text/event-stream\r\n{id}");
        http.request("GET", target, &headers, b"").await;
        let head = http.try_head().await.ok_or(None)?;
        if head.status != 200 || head.header("content-type") != Some("text/event-stream") {
            return Err(Some(head));
        }
        Ok(Self::begun(http, last_id))
    }

    /// The stream behind a head that has been read.
    pub fn begun(http: Http, last_id: &str) -> Self {
        Self {
            http,
            buffer: Vec::new(),
            last_id: last_id.to_owned(),
            retry: None,
        }
    }

    /// The next event; `None` when the stream ended.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = find(&self.buffer, b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                if let Some(event) = self.take(&block) {
                    return Some(event);
                }
            }
            let part = self.http.body_part().await?;
            self.buffer.extend_from_slice(&part);
        }
    }

    /// The next chunk as it came.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        self.http.chunk().await
    }

    fn take(&mut self, block: &[u8]) -> Option<Event> {
        let text = std::str::from_utf8(block).expect("an event stream is UTF-8");
        assert!(!text.contains('\r'), "the server ends its lines with LF");
        let (mut name, mut data, mut has_data) = (String::new(), String::new(), false);
        for line in text.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => self.last_id = value.to_owned(),
                "event" => name = value.to_owned(),
                "retry" => self.retry = value.parse().ok(),
                "data" => {
                    data.push_str(value);
                    data.push('\n');
                    has_data = true;
                }
                "" => assert!(line.is_empty(), "the server sends no comments: {line}"),
                _ => panic!("the server sends no unknown fields: {line}"),
            }
        }
        data.pop();
        has_data.then(|| Event {
            id: self.last_id.clone(),
            name,
            data,
        })
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

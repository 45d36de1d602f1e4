//! A reader by any transport that stays open, so that one test is about all of them.

use std::collections::VecDeque;

use conformance::http::Http;
use conformance::server::TestServer;
use conformance::sse::Events;
use conformance::ws::Ws;
use serde_json::Value;
use tidings_server::Transport;

use super::{patiently, sse, until, ws};

/// By what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    WebSocket,
    Sse,
    LongPoll,
}

impl Kind {
    /// All.
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::Sse, Self::LongPoll];
}

/// An open stream, or a poll that waits.
pub struct Reader {
    io: Io,
    pub kind: Kind,
    /// What it was greeted with; of a poll nothing.
    pub hello: Value,
    /// The place after what it was told.
    pub cursor: String,
    /// Where a WebSocket ended.
    pub close_code: Option<u16>,
}

enum Io {
    WebSocket(Ws),
    Sse(Events),
    LongPoll(Http, Option<VecDeque<Value>>),
}

/// How long a poll waits, in seconds.
const WAIT: u32 = 50;

impl Reader {
    /// Begins to read; returns when the server knows of it. `target` has a query.
    pub async fn open(kind: Kind, server: &TestServer, target: &str, headers: &str) -> Self {
        let addr = server.addr;
        let (io, hello) = match kind {
            Kind::WebSocket => {
                let (ws, hello) = ws(addr, target, headers).await;
                (Io::WebSocket(ws), hello)
            }
            Kind::Sse => {
                let opened = sse(addr, target, headers).await;
                let mut events = opened.unwrap_or_else(|answer| panic!("no events: {answer:?}"));
                let hello = patiently(events.next()).await.expect("a hello");
                assert_eq!(hello.name, "$hello");
                let hello = serde_json::from_str(&hello.data).expect("JSON");
                (Io::Sse(events), hello)
            }
            Kind::LongPoll => {
                let opened = &server.app.stats().of(Transport::LongPoll).opened;
                let before = opened.get();
                let mut http = Http::connect(addr).await;
                let target = format!("{target}&wait={WAIT}");
                http.request("GET", &target, headers, b"").await;
                until(|| opened.get() > before).await;
                (Io::LongPoll(http, None), Value::Null)
            }
        };
        Self {
            io,
            kind,
            hello,
            cursor: String::new(),
            close_code: None,
        }
    }

    /// What it is told next; `None` after its end, and after what a poll was answered with.
    pub async fn next(&mut self) -> Option<Value> {
        match &mut self.io {
            Io::WebSocket(ws) => loop {
                let frame = patiently(ws.frame()).await?;
                match frame.opcode {
                    1 if frame.json()["type"] == "ping" => {}
                    1 => return Some(frame.json()),
                    8 => {
                        self.close_code = frame.close_code();
                        return None;
                    }
                    _ => {}
                }
            },
            Io::Sse(events) => {
                let event = patiently(events.next()).await?;
                self.cursor = event.id;
                Some(serde_json::from_str(&event.data).expect("JSON"))
            }
            Io::LongPoll(http, entries) => {
                if entries.is_none() {
                    let answer = patiently(http.answer()).await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    let answer = answer.json();
                    self.cursor = answer["cursor"].as_str().expect("a cursor").into();
                    let list = answer["messages"].as_array().expect("a list");
                    *entries = Some(list.clone().into());
                }
                entries.as_mut()?.pop_front()
            }
        }
    }

    /// What it is told next.
    pub async fn told(&mut self) -> Value {
        let kind = self.kind;
        let told = self.next().await;
        told.unwrap_or_else(|| panic!("the reading by {kind:?} is still open"))
    }

    /// What it is told next that is no word of the end of its token.
    pub async fn told_besides_expiry(&mut self) -> Value {
        loop {
            let told = self.told().await;
            if told["type"] != "expiring" {
                return told;
            }
        }
    }

    /// Checks that it ends with this code, and that nothing comes after it.
    pub async fn ends_with(&mut self, code: &str, close_code: u16) {
        let kind = self.kind;
        let error = self.told_besides_expiry().await;
        assert_eq!(error["type"], "error", "{kind:?}: {error}");
        assert_eq!(error["code"], code, "{kind:?}: {error}");
        assert_eq!(self.next().await, None, "{kind:?}");
        if kind == Kind::WebSocket {
            assert_eq!(self.close_code, Some(close_code));
        }
    }

    /// The WebSocket that it is.
    pub fn ws(&mut self) -> &mut Ws {
        match &mut self.io {
            Io::WebSocket(ws) => ws,
            _ => panic!("this is no WebSocket"),
        }
    }
}

//! One request on its way to the server, and its answer on the way back, at the same time: either may be
//! endless, and an answer may come before its request is whole.

use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Buf;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::WriteHalf;
use tokio::select;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::action::Action;
use super::asked::Asked;
use super::connection::Ending;
use super::framing::Framing;
use super::head::{HEAD_BYTES, Head};
use super::journal::{End, Record};
use super::outlet::Outlet;
use super::side::{Inlet, Side};

/// What a client may send ahead of its turn; more waits in its socket.
const AHEAD_BYTES: usize = 256 << 10;

/// What the two directions tell each other.
#[derive(Default)]
struct Signals {
    /// The request has gone whole.
    sent: Notify,
    /// The protocol was switched.
    switched: Notify,
    /// The client will say no more.
    left: AtomicBool,
}

impl Signals {
    /// Whose end it is when the server's comes.
    fn who_ended(&self) -> End {
        match self.left.load(Relaxed) {
            true => End::Client,
            false => End::Server,
        }
    }
}

/// Carries a request and its answer under a fault. Behind it the connection is free for the next request.
pub async fn carry(
    client: &mut Side,
    server: &mut Side,
    asked: Asked,
    action: Option<&Action>,
    record: &Record,
) -> Result<(), Ending> {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let signals = Signals::default();
    let request = Request {
        from: from_client,
        to: to_server,
        record,
        left: match action {
            Some(Action::CutRequestBytes(bytes)) => Some(*bytes),
            _ => None,
        },
        signals: &signals,
    };
    let answer = Answer {
        from: from_server,
        outlet: Outlet::new(to_client, record, action),
        signals: &signals,
        method: &asked.method,
        limit: match action {
            Some(Action::CutMs(time)) => Some((*time, Ending::Reset(End::Cut))),
            Some(Action::StallMs(time)) => Some((*time, Ending::Stall)),
            _ => None,
        },
    };
    let mut up = pin!(request.carry(&asked.head, asked.body));
    select! {
        Err(ending) = &mut up => return Err(ending),
        answered = answer.carry(record) => answered?,
    }
    select! {
        Err(ending) = &mut up => Err(ending),
        () = signals.sent.notified() => Ok(()),
    }
}

/// The way to the server.
struct Request<'a> {
    from: Inlet<'a>,
    to: WriteHalf<'a>,
    record: &'a Record,
    /// Bytes until it is cut.
    left: Option<u64>,
    signals: &'a Signals,
}

impl Request<'_> {
    /// Never ends well: what follows the request is read ahead, or belongs to another protocol.
    async fn carry(mut self, head: &[u8], mut body: Framing) -> Result<Infallible, Ending> {
        self.write(head).await?;
        self.forward(&mut body).await?;
        self.signals.sent.notify_one();
        self.read_ahead().await?;
        self.forward(&mut Framing::Endless).await?;
        pending().await
    }

    async fn forward(&mut self, body: &mut Framing) -> Result<(), Ending> {
        loop {
            let length = body.pass(self.from.buffer, None);
            let part = self.from.buffer.split_to(length);
            self.write(&part).await?;
            if body.is_over() {
                return Ok(());
            }
            self.more().await?;
        }
    }

    /// Until the protocol is switched.
    async fn read_ahead(&mut self) -> Result<(), Ending> {
        loop {
            let signals = self.signals;
            let is_full = self.from.buffer.len() >= AHEAD_BYTES;
            select! {
                () = signals.switched.notified() => return Ok(()),
                more = self.more(), if !is_full => more?,
            }
        }
    }

    /// Waits for more. At the client's end it tells the server, unless requests wait for their turn, and
    /// waits for what that says.
    async fn more(&mut self) -> Result<(), Ending> {
        let more = self.from.more().await;
        if more.map_err(|_| Ending::Reset(End::Client))? {
            return Ok(());
        }
        if self.from.buffer.is_empty() {
            self.signals.left.store(true, Relaxed);
            // A server that has closed is seen by who reads it.
            let _ = self.to.shutdown().await;
        }
        pending().await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        let left = self.left.and_then(|left| usize::try_from(left).ok());
        let length = left.map_or(bytes.len(), |left| left.min(bytes.len()));
        self.record.took(length);
        if self.to.write_all(&bytes[..length]).await.is_err() {
            // The server takes no more. What it has answered is read meanwhile, and then its end.
            return pending().await;
        }
        self.left = self.left.map(|left| left - length as u64);
        match self.left {
            Some(0) => Err(Ending::Reset(End::Cut)),
            _ => Ok(()),
        }
    }
}

/// The way to the client.
struct Answer<'a> {
    from: Inlet<'a>,
    outlet: Outlet<'a>,
    signals: &'a Signals,
    method: &'a str,
    /// What happens so many milliseconds after the head.
    limit: Option<(u64, Ending)>,
}

impl Answer<'_> {
    async fn carry(mut self, record: &Record) -> Result<(), Ending> {
        if self.method.is_empty() {
            return self.body(None, Framing::Endless).await;
        }
        let head = self.head().await?;
        let status = status(&head);
        record.answered(status);
        if status == 101 {
            self.signals.switched.notify_one();
        }
        let framing = Framing::of_answer(&head, self.method);
        let limit = self.limit;
        let body = self.body(Some(&head), framing);
        match limit {
            None => body.await,
            Some((time, ending)) => timeout(Duration::from_millis(time), body)
                .await
                .unwrap_or(Err(ending)),
        }
    }

    /// The head of the final answer; those before it are handed on.
    async fn head(&mut self) -> Result<Head, Ending> {
        loop {
            if let Some(head) = Head::take(self.from.buffer) {
                if !matches!(status(&head), 100 | 102..=199) {
                    return Ok(head);
                }
                self.outlet.pass(&head.raw).await?;
            } else if self.from.buffer.len() > HEAD_BYTES || !self.more().await? {
                let said = self.from.buffer.split();
                self.outlet.pass(&said).await?;
                return Err(Ending::Close(self.signals.who_ended()));
            }
        }
    }

    async fn body(&mut self, head: Option<&Head>, mut framing: Framing) -> Result<(), Ending> {
        if let Some(head) = head {
            self.outlet.head(&head.raw).await?;
        }
        loop {
            let length = framing.pass(self.from.buffer, None);
            self.outlet.body(&self.from.buffer[..length]).await?;
            self.from.buffer.advance(length);
            if framing.is_over() {
                break;
            }
            if !self.more().await? {
                self.outlet.finish().await?;
                return Err(Ending::Close(self.end_of(head, &framing)));
            }
        }
        self.outlet.finish().await?;
        match head {
            Some(head) if head.closes() => self.last_words().await,
            _ => Ok(()),
        }
    }

    /// Who ended an answer that ended with the connection.
    fn end_of(&self, head: Option<&Head>, framing: &Framing) -> End {
        let is_lawful = head.is_some_and(|head| status(head) != 101);
        match (is_lawful, framing, self.signals.who_ended()) {
            (true, Framing::Endless, End::Server) => End::Done,
            (_, _, end) => end,
        }
    }

    /// The server closes behind this answer: when, is for it to say.
    async fn last_words(&mut self) -> Result<(), Ending> {
        loop {
            let said = self.from.buffer.split();
            self.outlet.pass(&said).await?;
            // A reset is an end, too: the answer was whole.
            if !matches!(self.from.more().await, Ok(true)) {
                return Err(Ending::Close(End::Done));
            }
        }
    }

    async fn more(&mut self) -> Result<bool, Ending> {
        let more = self.from.more().await;
        more.map_err(|_| Ending::Reset(self.signals.who_ended()))
    }
}

fn status(head: &Head) -> u16 {
    head.start()[1].parse().unwrap_or(0)
}

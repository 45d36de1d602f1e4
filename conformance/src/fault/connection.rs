//! One connection of a client: its requests, one after another, and its end.
//!
//! The server is connected to with the first request, and as long as this connection lasts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::select;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::action::{Action, Page};
use super::asked::Asked;
use super::exchange::carry;
use super::head::{HEAD_BYTES, Head};
use super::journal::{End, Record};
use super::kind::Kind;
use super::live::{Order, Orders, Place};
use super::side::Side;

/// How long a client may take to hear the last words.
const LINGER: Duration = Duration::from_secs(2);

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// In order.
    Close(End),
    /// By a reset of both sides. It drops what a peer's system has not taken yet.
    Reset(End),
    /// It does not: nothing is said any more. The client's end is not told to the server.
    Stall,
}

impl Ending {
    fn end(self) -> End {
        match self {
            Self::Close(end) | Self::Reset(end) => end,
            Self::Stall => End::Stalled,
        }
    }
}

/// Serves a client until both sides have ended.
pub async fn attend(shared: Arc<Shared>, client: TcpStream, number: u64) {
    let (place, mut orders) = shared.live.enter(number);
    let mut connection = Connection {
        shared,
        number,
        client: Side::new(client),
        server: None,
        record: None,
    };
    let (mut ending, mut order) = select! {
        ending = connection.serve(&place) => (ending, None),
        Some(order) = orders.recv() => (order.ending, Some(order)),
    };
    connection.ended(ending.end());
    if ending == Ending::Stall {
        drop(order.take());
        order = connection.keep_silent(&mut orders).await;
        if order.is_some() {
            ending = Ending::Reset(End::Cut);
        }
    }
    match ending {
        Ending::Reset(_) => connection.reset(),
        Ending::Close(_) => {
            // It serves nobody any more.
            drop((place, orders));
            connection.close().await;
        }
        Ending::Stall => {
            drop((place, orders));
            connection.forget_client().await;
        }
    }
    drop(order);
}

struct Connection {
    shared: Arc<Shared>,
    number: u64,
    client: Side,
    server: Option<Side>,
    /// Of the present request.
    record: Option<Arc<Record>>,
}

impl Connection {
    async fn serve(&mut self, place: &Place) -> Ending {
        if self.shared.is_down() {
            self.record = Some(self.begin(None, ["", ""], Some(json!({ "down": true }))));
            return Ending::Reset(End::Cut);
        }
        loop {
            if let Err(ending) = self.exchange(place).await {
                return ending;
            }
            self.ended(End::Done);
            self.record = None;
            place.serves(None);
        }
    }

    async fn exchange(&mut self, place: &Place) -> Result<(), Ending> {
        let head = self.head().await?;
        let (mut asked, kind) = Asked::read(head.as_ref(), &mut self.client).await?;
        let verdict = self.shared.judge(kind);
        let action = verdict.as_ref().map(|verdict| verdict.action());
        let line = head.as_ref().map_or(["", "", ""], Head::start);
        let record = self.begin(
            Some(kind),
            [line[0], line[1]],
            action.cloned().map(Value::from),
        );
        self.record = Some(record.clone());
        place.serves(Some(kind));
        match (action, &head) {
            (Some(Action::Refuse), _) => return Err(Ending::Reset(End::Cut)),
            (Some(Action::Stall), _) => return Err(Ending::Stall),
            (Some(Action::Status(page)), _) => {
                record.took(asked.head.len());
                return Err(self.answer(page, &asked, &record).await);
            }
            (Some(Action::StripUpgrade), Some(head)) => {
                asked.head = head.without(&["upgrade", "connection"]);
            }
            _ => {}
        }
        sleep(
            verdict
                .as_ref()
                .map_or(Duration::ZERO, |verdict| verdict.delay),
        )
        .await;
        let (client, server) = self.sides(&record).await?;
        carry(client, server, asked, action, &record).await
    }

    /// The next request's head; `None` for what is no HTTP/1.
    async fn head(&mut self) -> Result<Option<Head>, Ending> {
        loop {
            if let Some(head) = Head::take(&mut self.client.buffer) {
                let is_known = head.start()[2].starts_with("HTTP/1.");
                if !is_known {
                    // Back to what is carried without being understood.
                    let rest = self.client.buffer.split();
                    self.client.buffer.extend_from_slice(&head.raw);
                    self.client.buffer.extend_from_slice(&rest);
                }
                return Ok(is_known.then_some(head));
            }
            if self.client.buffer.len() > HEAD_BYTES {
                return Ok(None);
            }
            self.idle().await?;
        }
    }

    /// Waits for more of the client. What the server says without being asked is handed on.
    async fn idle(&mut self) -> Result<(), Ending> {
        let (mut from_client, mut to_client) = self.client.split();
        let mut from_server = self.server.as_mut().map(|server| server.split().0);
        let said = async {
            match &mut from_server {
                Some(server) => server.more().await,
                None => std::future::pending().await,
            }
        };
        select! {
            more = from_client.more() => match more {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(Ending::Close(End::Client)),
                Err(_) => return Err(Ending::Reset(End::Client)),
            },
            more = said => match more {
                Ok(true) => {}
                Ok(false) => return Err(Ending::Close(End::Server)),
                Err(_) => return Err(Ending::Reset(End::Server)),
            },
        }
        if let Some(server) = from_server {
            let written = to_client.write_all(&server.buffer.split()).await;
            written.map_err(|_| Ending::Reset(End::Client))?;
        }
        Ok(())
    }

    /// Both sides; the server's is connected where it is not.
    async fn sides(&mut self, record: &Record) -> Result<(&mut Side, &mut Side), Ending> {
        let server = match self.server.take() {
            Some(server) => server,
            None => {
                let connected = TcpStream::connect(self.shared.to()).await;
                let socket = connected.map_err(|_| {
                    record.note("the server cannot be reached");
                    Ending::Reset(End::Server)
                })?;
                Side::new(socket)
            }
        };
        Ok((&mut self.client, self.server.insert(server)))
    }

    /// Answers instead of the server.
    async fn answer(&mut self, page: &Page, asked: &Asked, record: &Record) -> Ending {
        let answer = page.answer(&asked.method);
        record.answered(page.status);
        record.gave(answer.len());
        match self.client.socket.write_all(answer.as_bytes()).await {
            Ok(()) => Ending::Close(End::Done),
            Err(_) => Ending::Reset(End::Client),
        }
    }

    fn begin(&self, kind: Option<Kind>, line: [&str; 2], fault: Option<Value>) -> Arc<Record> {
        self.shared.journal.begin(self.number, kind, line, fault)
    }

    fn ended(&self, end: End) {
        if let Some(record) = &self.record {
            record.ended(end);
        }
    }

    fn sockets(&self) -> impl Iterator<Item = &TcpStream> {
        let server = self.server.as_ref();
        std::iter::once(&self.client.socket).chain(server.map(|server| &server.socket))
    }

    fn reset(self) {
        for socket in self.sockets() {
            // Fails on a socket that is gone already.
            let _ = socket.set_zero_linger();
        }
    }

    /// Closes behind the last words. A socket that is closed with unread bytes would reset them.
    async fn close(mut self) {
        drop(self.server);
        if self.client.socket.shutdown().await.is_ok() {
            let _ = timeout(LINGER, self.client.drain()).await;
        }
    }

    /// Takes what comes and says nothing, until the client leaves or an order to cut comes.
    async fn keep_silent(&mut self, orders: &mut Orders) -> Option<Order> {
        let server = async {
            if let Some(server) = &mut self.server {
                server.drain().await;
            }
            std::future::pending::<()>().await;
        };
        let cut = async {
            loop {
                match orders.recv().await {
                    Some(order) if order.ending == Ending::Stall => drop(order),
                    order => return order,
                }
            }
        };
        select! {
            () = self.client.drain() => None,
            () = server => None,
            order = cut => order,
        }
    }

    /// The server knows nothing of the client's end: its side lasts as long as it keeps it.
    async fn forget_client(self) {
        drop(self.client);
        if let Some(mut server) = self.server {
            server.drain().await;
        }
    }
}

//! A proxy that breaks things: it stands between a client and a server, relays HTTP/1.1 byte for byte, and
//! does to chosen requests what networks do to them. By the same seed the same requests fare alike.
//!
//! It does not speak TLS or HTTP/2 (what is no HTTP/1.1 is carried as it is, as kind `other`), changes no
//! byte but where a fault says so, and judges neither side: tests do, by what it logs.

mod action;
mod asked;
mod connection;
pub mod control;
mod exchange;
mod faults;
mod framing;
mod head;
mod journal;
mod kind;
mod live;
mod outlet;
mod side;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::select;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

pub use action::{Action, Page};
pub use faults::Fault;
pub use journal::{End, Entry};
pub use kind::Kind;

use connection::{Ending, attend};
use faults::{Faults, Verdict};
use journal::Journal;
use live::Live;

/// A running proxy. It and its connections end when it is dropped.
pub struct FaultProxy {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// What the connections share.
struct Shared {
    to: Mutex<SocketAddr>,
    faults: Mutex<Faults>,
    down: AtomicBool,
    journal: Journal,
    live: Live,
}

impl Shared {
    fn to(&self) -> SocketAddr {
        *self.to.lock().expect("no holder panics")
    }

    fn judge(&self, kind: Kind) -> Option<Verdict> {
        self.faults.lock().expect("no holder panics").judge(kind)
    }

    fn is_down(&self) -> bool {
        self.down.load(SeqCst)
    }
}

impl FaultProxy {
    /// A proxy on a free port of loopback, before the server at `to`.
    pub async fn start(to: SocketAddr, seed: u64) -> io::Result<Self> {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), to, seed).await
    }

    /// A proxy at this address.
    pub async fn listen(at: SocketAddr, to: SocketAddr, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(at).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            to: Mutex::new(to),
            faults: Mutex::new(Faults::new(seed)),
            down: AtomicBool::new(false),
            journal: Journal::new(),
            live: Live::default(),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Ok(Self {
            addr,
            shared,
            accepting,
        })
    }

    /// Replaces the faults. The first one that a request matches applies to it; requests that are under
    /// way keep theirs.
    ///
    /// # Panics
    ///
    /// Where a fault cannot be meant: see [`Fault::check`].
    pub fn set(&self, faults: Vec<Fault>) {
        for fault in &faults {
            if let Err(wrong) = fault.check() {
                panic!("{wrong}");
            }
        }
        self.shared
            .faults
            .lock()
            .expect("no holder panics")
            .set(faults);
    }

    /// Takes all faults away from requests to come.
    pub fn clear(&self) {
        self.set(Vec::new());
    }

    /// Resets the connections whose present request is of these kinds, or all. Once it returns, their
    /// sockets are closed. Gives their number.
    pub async fn cut(&self, on: Option<&[Kind]>) -> usize {
        self.shared.live.order(Ending::Reset(End::Cut), on).await
    }

    /// Silences the connections whose present request is of these kinds, or all. Once it returns, they are
    /// silent. Gives their number.
    pub async fn stall(&self, on: Option<&[Kind]>) -> usize {
        self.shared.live.order(Ending::Stall, on).await
    }

    /// Another server for connections to come.
    pub fn to(&self, server: SocketAddr) {
        *self.shared.to.lock().expect("no holder panics") = server;
    }

    /// The server cannot be reached: all connections are reset, and each new one when it comes.
    pub async fn down(&self) {
        // Said first: who comes in between sees it, or is among those that are cut.
        self.shared.down.store(true, SeqCst);
        self.cut(None).await;
    }

    /// The server can be reached again.
    pub fn up(&self) {
        self.shared.down.store(false, SeqCst);
    }

    /// What happened, the newest 10,000 requests in the order in which they came. Those under way are among
    /// them.
    pub fn log(&self) -> Vec<Entry> {
        self.shared.journal.entries()
    }

    /// Open connections by the kind of their present request; `None` are those without one.
    pub fn live(&self) -> BTreeMap<Option<Kind>, usize> {
        self.shared.live.count()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The connections end with this task.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else {
                    // A client that left at once, or too many files: the next one may have more luck.
                    sleep(Duration::from_millis(10)).await;
                    continue;
                };
                number += 1;
                connections.spawn(attend(shared.clone(), client, number));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

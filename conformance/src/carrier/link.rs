//! One HTTP/2 connection, and who shares it.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use h2::Ping;
use h2::client::{Builder, SendRequest};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;

use super::Endpoint;

/// Bytes that a stream may have in flight: each connection has one of these, so that some streams stop
/// within a message and others never.
const WINDOWS: [u32; 4] = [2_000, 16_000, 65_535, 1 << 20];

/// The same for a connection: no reader that takes nothing may hold up the others.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// An HTTP/2 connection. It ends with its last holder.
pub struct Link {
    /// Opens streams.
    pub sender: SendRequest<Bytes>,
    /// It was cut by the test.
    pub severed: Arc<AtomicBool>,
    /// `http` or `https`.
    pub scheme: &'static str,
    driver: AbortHandle,
}

impl Link {
    async fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let io = endpoint.connect().await?;
        let window = *fastrand::choice(&WINDOWS).expect("a choice");
        let shaken = Builder::new()
            .initial_window_size(window)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(io);
        let (sender, mut connection) = shaken.await.map_err(io::Error::other)?;
        let mut pings = connection.ping_pong().expect("nobody else took it");
        // Its end is what every stream of it is told.
        let driver = tokio::spawn(async move { connection.await.map_err(drop) }).abort_handle();
        // Behind its answer are the server's settings: without them no WebSocket may be asked for
        // (RFC 8441 section 3).
        pings.ping(Ping::opaque()).await.map_err(io::Error::other)?;
        Ok(Self {
            sender,
            severed: Arc::default(),
            scheme: endpoint.scheme(),
            driver,
        })
    }

    fn is_usable(&self) -> bool {
        !self.severed.load(Ordering::Relaxed) && !self.driver.is_finished()
    }

    /// A sender that may open a stream now.
    pub async fn ready(&self) -> Result<SendRequest<Bytes>, h2::Error> {
        let mut sender = self.sender.clone();
        poll_fn(|cx| sender.poll_ready(cx)).await?;
        Ok(sender)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The one connection of an endpoint, from its first use on; another after its end.
#[derive(Default)]
pub struct Pool(Mutex<Option<Arc<Link>>>);

impl Pool {
    /// The connection.
    pub async fn link(&self, endpoint: &Endpoint) -> io::Result<Arc<Link>> {
        let mut held = self.0.lock().await;
        if let Some(link) = held.as_ref().filter(|link| link.is_usable()) {
            return Ok(link.clone());
        }
        let link = Arc::new(Link::open(endpoint).await?);
        *held = Some(link.clone());
        Ok(link)
    }

    /// Cuts it: nothing is said any more, in either direction. False where there is none.
    pub async fn sever(&self) -> bool {
        let Some(link) = self.0.lock().await.take() else {
            return false;
        };
        // Said first: whoever sees the end has to know whose it is.
        link.severed.store(true, Ordering::SeqCst);
        link.driver.abort();
        true
    }
}

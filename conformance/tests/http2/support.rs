//! A client that holds one HTTP/2 connection and hides nothing of its streams.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use conformance::server::TestServer;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Method, Request, Response, request};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Nothing that is waited for takes so long.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A connection.
pub struct Client {
    pub send: SendRequest<Bytes>,
    /// Its end: an error where there was one.
    pub ended: JoinHandle<Result<(), h2::Error>>,
    pub addr: SocketAddr,
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        Self::with(addr, &Builder::new()).await
    }

    /// Connects, and waits for the server's settings.
    pub async fn with(addr: SocketAddr, builder: &Builder) -> Self {
        let tcp = TcpStream::connect(addr).await.expect("a listener");
        tcp.set_nodelay(true).expect("a socket");
        let (send, mut connection) = builder.handshake(tcp).await.expect("a preface");
        let mut pings = connection.ping_pong().expect("nobody else took it");
        let ended = tokio::spawn(connection);
        pings.ping(h2::Ping::opaque()).await.expect("a pong");
        Self { send, ended, addr }
    }

    /// A request for a path.
    pub fn request(&self, method: Method, target: &str) -> request::Builder {
        let uri = format!("http://{}{target}", self.addr);
        Request::builder().method(method).uri(uri)
    }

    /// Sends a head, and gives its stream.
    pub async fn open(
        &self,
        head: request::Builder,
        last: bool,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        let mut send = self.send.clone().ready().await.expect("room");
        send.send_request(head.body(()).expect("a head"), last)
            .expect("a stream")
    }

    /// Asks without a body.
    pub async fn ask(&self, head: request::Builder) -> Result<Response<RecvStream>, h2::Error> {
        let (response, _) = self.open(head, true).await;
        timeout(PATIENCE, response).await.expect("an answer")
    }

    pub async fn get(&self, target: &str) -> Response<RecvStream> {
        self.ask(self.request(Method::GET, target))
            .await
            .expect("an answer")
    }

    /// Posts a body, in frames of `frame` bytes.
    pub async fn post(&self, target: &str, body: &[u8], frame: usize) -> Response<RecvStream> {
        let head = self.request(Method::POST, target);
        let (response, mut send) = self
            .open(head.header("content-type", "text/plain"), false)
            .await;
        for part in body.chunks(frame) {
            send.send_data(Bytes::copy_from_slice(part), false)
                .expect("an open stream");
        }
        send.send_data(Bytes::new(), true).expect("an open stream");
        timeout(PATIENCE, response)
            .await
            .expect("an answer")
            .expect("no reset")
    }

    /// A stream of events of a channel, behind its `$hello`.
    pub async fn events(&self, target: &str) -> Events {
        let head = self.request(Method::GET, target);
        let response = self.ask(head.header("accept", "text/event-stream")).await;
        let mut events = Events::new(response.expect("an answer"));
        assert_eq!(events.named().await.0, "$hello");
        events
    }

    /// Waits for the end of the connection, which is an orderly one with a reason.
    pub async fn goes_away(self) -> Reason {
        let ended = timeout(PATIENCE, self.ended).await.expect("an end");
        ended.expect("no panic").expect("an orderly end");
        let gone = self.send.ready().await.expect_err("no connection");
        assert!(gone.is_go_away() && gone.is_remote(), "{gone:?}");
        gone.reason().expect("its reason")
    }
}

/// A body, whole.
pub async fn body(response: Response<RecvStream>) -> Vec<u8> {
    let mut receive = response.into_body();
    let mut whole = Vec::new();
    while let Some(data) = timeout(PATIENCE, receive.data()).await.expect("data") {
        let data = data.expect("no reset");
        let flow = receive.flow_control();
        flow.release_capacity(data.len()).expect("what came");
        whole.extend_from_slice(&data);
    }
    whole
}

pub async fn json(response: Response<RecvStream>) -> Value {
    serde_json::from_slice(&body(response).await).expect("JSON")
}

/// A stream of events.
pub struct Events {
    pub receive: RecvStream,
    buffer: String,
}

impl Events {
    fn new(response: Response<RecvStream>) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            receive: response.into_body(),
            buffer: String::new(),
        }
    }

    /// The name and data of the next event; `None` for the end.
    pub async fn next(&mut self) -> Option<Result<(String, Value), h2::Error>> {
        while !self.buffer.contains("\n\n") {
            let data = match timeout(PATIENCE, self.receive.data())
                .await
                .expect("data")?
            {
                Ok(data) => data,
                Err(error) => return Some(Err(error)),
            };
            let flow = self.receive.flow_control();
            flow.release_capacity(data.len()).expect("what came");
            self.buffer += std::str::from_utf8(&data).expect("whole characters");
        }
        let end = self.buffer.find("\n\n").expect("a whole block");
        let block: String = self.buffer.drain(..end + 2).collect();
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let data = serde_json::from_str(field("data: ").expect("data")).expect("JSON");
        Some(Ok((field("event: ").unwrap_or_default().to_owned(), data)))
    }

    /// The next event, which there is.
    pub async fn named(&mut self) -> (String, Value) {
        self.next().await.expect("an event").expect("no reset")
    }

    /// The offset of the next message.
    pub async fn offset(&mut self) -> u64 {
        let (name, data) = self.named().await;
        assert_eq!((name.as_str(), &data["type"]), ("", &"message".into()));
        data["offset"].as_u64().expect("an offset")
    }
}

/// Waits until the server's metrics hold this line.
pub async fn until(server: &TestServer, line: &str) {
    let comes = async {
        while !has(server, line) {
            tokio::task::yield_now().await;
        }
    };
    let came = timeout(PATIENCE, comes).await;
    came.unwrap_or_else(|_| panic!("no {line} in {}", tidings_server::metrics(&server.app)));
}

/// Whether the server's metrics hold this line.
pub fn has(server: &TestServer, line: &str) -> bool {
    let metrics = tidings_server::metrics(&server.app);
    metrics.lines().any(|known| known == line)
}

//! A server for the client's tests that says byte for byte what a test tells it to say. It knows no channel and
//! no rule of the protocol: what is right stands in the tests.

use std::{net::SocketAddr, time::Duration};

use tidings_client::{
    Client, ClientBuilder, Error, Event, Gap, Message, State, SubscribeOptions, Subscription,
    Timings, Transport,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Nothing here takes longer, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Awaits what has to come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} never came"))
}

/// A listening server.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address")).await
    }

    pub async fn start_at(address: SocketAddr) -> Self {
        Self {
            listener: TcpListener::bind(address).await.expect("a free port"),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket")
    }

    /// A client with short timings.
    pub fn client(&self) -> Client {
        self.builder().build().expect("a client")
    }

    pub fn builder(&self) -> ClientBuilder {
        Client::builder(&format!("http://{}", self.address())).timings(short())
    }

    pub fn follow(&self, transport: Transport) -> Subscription {
        let options = SubscribeOptions {
            transport,
            ..options()
        };
        self.client()
            .subscribe(&["방"], options)
            .expect("a subscription")
    }

    /// The next connection with its first request. Whoever asks meanwhile is told that the server is well.
    pub async fn request(&self) -> (Peer, Request) {
        loop {
            let (stream, _) = soon("a connection", self.listener.accept())
                .await
                .expect("a connection");
            // A client that left before it asked is a question that was given up.
            let mut first = [0];
            let asks = soon("a request", stream.peek(&mut first)).await;
            if !matches!(asks, Ok(1)) {
                continue;
            }
            let mut peer = Peer { stream };
            let request = peer.request().await;
            if request.line != "GET /healthz HTTP/1.1" {
                return (peer, request);
            }
            peer.answer("200 OK", "connection: close\r\n", "ok\n").await;
        }
    }
}

/// Timings that make a failure fast and keep the rules.
pub fn short() -> Timings {
    Timings {
        first_frame: Duration::from_millis(300),
        request: Duration::from_secs(2),
        publish: Duration::from_secs(5),
        backoff_first: Duration::from_millis(5),
        backoff_max: Duration::from_millis(50),
        ..Timings::default()
    }
}

pub fn options() -> SubscribeOptions {
    SubscribeOptions {
        poll_interval: Duration::from_millis(5),
        ..SubscribeOptions::default()
    }
}

/// What a client sent.
#[derive(Debug)]
pub struct Request {
    pub line: String,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn is_upgrade(&self) -> bool {
        self.header("upgrade") == Some("websocket")
    }

    pub fn body_text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }
}

/// One connection.
pub struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// The next request on this connection.
    pub async fn request(&mut self) -> Request {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(
                soon("a request", self.stream.read_u8())
                    .await
                    .expect("a whole head"),
            );
        }
        let head = String::from_utf8(head).expect("UTF-8");
        let mut lines = head.split("\r\n");
        let line = lines.next().expect("a request line").to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut request = Request {
            line,
            headers,
            body: Vec::new(),
        };
        let length = request
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a length"));
        request.body.resize(length, 0);
        soon("the body", self.stream.read_exact(&mut request.body))
            .await
            .expect("a whole body");
        request
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .await
            .expect("a client that listens");
    }

    /// A whole answer; the connection stays.
    pub async fn answer(&mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(format!(
            "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}"
        ))
        .await;
    }

    pub async fn problem(&mut self, status: &str, headers: &str, code: &str) {
        let headers = format!("content-type: application/problem+json\r\n{headers}");
        self.answer(
            status,
            &headers,
            &format!(r#"{{"code":"{code}","detail":"이유"}}"#),
        )
        .await;
    }

    pub async fn json(&mut self, body: &str) {
        self.answer("200 OK", "content-type: application/json\r\n", body)
            .await;
    }

    /// The head of an event stream that ends with the connection.
    pub async fn stream(&mut self) {
        self.send(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
        )
        .await;
    }

    /// One event of an event stream.
    pub async fn event(&mut self, envelope: &str) {
        self.send(format!("data: {envelope}\n\n")).await;
    }

    /// Answers the WebSocket handshake.
    pub async fn upgrade(&mut self, request: &Request) {
        assert!(request.is_upgrade(), "{request:?}");
        assert_eq!(request.header("sec-websocket-version"), Some("13"));
        assert_eq!(request.header("sec-websocket-protocol"), Some("tidings.v1"));
        let accept = derive_accept_key(
            request
                .header("sec-websocket-key")
                .expect("a key")
                .as_bytes(),
        );
        self.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-protocol: tidings.v1\r\nsec-websocket-accept: {accept}\r\n\r\n"
        ))
        .await;
    }

    /// One unmasked WebSocket frame with FIN.
    pub async fn frame(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match u8::try_from(payload.len()) {
            Ok(length @ 0..126) => frame.push(length),
            _ => {
                frame.push(126);
                frame.extend(
                    u16::try_from(payload.len())
                        .expect("a short payload")
                        .to_be_bytes(),
                );
            }
        }
        frame.extend(payload);
        self.send(frame).await;
    }

    pub async fn text(&mut self, envelope: &str) {
        self.frame(1, envelope.as_bytes()).await;
    }

    pub async fn close_frame(&mut self, code: u16) {
        self.frame(8, &code.to_be_bytes()).await;
    }

    /// The next WebSocket frame of the client, unmasked.
    pub async fn client_frame(&mut self) -> (u8, Vec<u8>) {
        let head: [u8; 2] = self.exact().await;
        assert_eq!(head[1] & 0x80, 0x80, "a client masks its frames");
        let length = match head[1] & 0x7f {
            126 => usize::from(u16::from_be_bytes(self.exact().await)),
            length => usize::from(length),
        };
        let mask: [u8; 4] = self.exact().await;
        let mut payload = vec![0; length];
        soon("a payload", self.stream.read_exact(&mut payload))
            .await
            .expect("a whole frame");
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        (head[0] & 0x0f, payload)
    }

    async fn exact<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        soon("a frame", self.stream.read_exact(&mut bytes))
            .await
            .expect("a whole frame");
        bytes
    }

    /// Waits until the client has ended the connection.
    pub async fn ended(mut self) {
        let mut rest = Vec::new();
        // A reset ends it as well.
        let _ = soon("the end", self.stream.read_to_end(&mut rest)).await;
    }
}

pub fn hello(offset: u64) -> String {
    hello_with(25.0, offset)
}

pub fn hello_with(heartbeat: f64, offset: u64) -> String {
    format!(
        r#"{{"type":"hello","client":"c1","heartbeat":{heartbeat},"max_message":65536,"channels":{{"방":{{"epoch":"k3","offset":{offset},"recovered":true}}}}}}"#
    )
}

pub fn message(offset: u64) -> String {
    message_in("방", offset)
}

pub fn message_in(channel: &str, offset: u64) -> String {
    format!(
        r#"{{"type":"message","channel":"{channel}","epoch":"k3","offset":{offset},"data":{{"n":{offset}}},"time":1}}"#
    )
}

/// What a subscription says next.
pub async fn next(subscription: &mut Subscription) -> Option<Result<Event, Error>> {
    soon("an event", subscription.next()).await
}

pub async fn next_event(subscription: &mut Subscription) -> Event {
    next(subscription).await.expect("no end").expect("no error")
}

/// The next change of state.
pub async fn next_state(subscription: &mut Subscription) -> State {
    loop {
        if let Event::State(state) = next_event(subscription).await {
            return state;
        }
    }
}

/// The next message; a gap on the way is a failure.
pub async fn next_message(subscription: &mut Subscription) -> Message {
    loop {
        match next_event(subscription).await {
            Event::Message(message) => return message,
            Event::Gap(gap) => panic!("{gap:?}"),
            _ => {}
        }
    }
}

pub async fn next_offset(subscription: &mut Subscription) -> u64 {
    next_message(subscription)
        .await
        .position
        .expect("a position")
        .offset
}

pub async fn next_gap(subscription: &mut Subscription) -> Gap {
    loop {
        match next_event(subscription).await {
            Event::Gap(gap) => return gap,
            Event::Message(message) => panic!("{message:?}"),
            _ => {}
        }
    }
}

/// Everything up to the end: what was not an error, and the error.
pub async fn to_the_end(subscription: &mut Subscription) -> (Vec<Event>, Option<Error>) {
    let mut events = Vec::new();
    loop {
        match next(subscription).await {
            None => return (events, None),
            Some(Ok(event)) => events.push(event),
            Some(Err(error)) => {
                assert!(
                    next(subscription).await.is_none(),
                    "an error is the last thing"
                );
                return (events, Some(error));
            }
        }
    }
}

//! A small server that speaks the form of OpenAI's interface, and says what a test wants.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What nobody may be told.
pub const KEY: &str = "sk-secret-of-the-model";

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

macro_rules! answer {
    ($($line:literal)*) => { concat!($("data: ", $line, "\n\n"),*) };
}

/// Roles and pieces that are empty, comments and further fields are there as in real answers.
pub const WHOLE: &str = concat!(
    ": queued\n\n",
    answer!(
        r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#
        r#"{"choices":[{"delta":{"content":"Ich "}}]}"#
        r#"{"choices":[{"delta":{"content":"bin 나 👋"},"finish_reason":null}]}"#
        r#"{"choices":[{"delta":{"content":"."}}]}"#
        r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#
        r#"{"choices":[],"usage":{"total_tokens":3}}"#
        "[DONE]"
        r#"{"choices":[{"delta":{"content":"unheard"}}]}"#
    )
);
/// It ends without saying so.
pub const SHORT: &str = answer!(r#"{"choices":[{"delta":{"content":"a"}}]}"#);
/// It says that it cannot go on.
pub const BROKEN: &str = answer!(
    r#"{"choices":[{"delta":{"content":"a"}}]}"#
    r#"{"error":{"message":"a secret of its own"}}"#
);
/// It is no JSON.
pub const NONSENSE: &str = answer!("secret");
/// Its status is another one.
pub const REFUSED: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\nsecret";
/// It is to be asked elsewhere.
pub const ELSEWHERE: &str =
    "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
/// Its answer breaks off.
pub const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\ndata: ";
/// It says nothing.
pub const SILENT: &str = "";

/// The server.
pub struct Model {
    /// As it is configured.
    pub url: String,
    asked: UnboundedReceiver<(String, Value)>,
    left: Arc<Semaphore>,
}

impl Model {
    /// One that answers so.
    pub async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let listener = listener.expect("a free port");
        let url = format!("http://{}/v1/", listener.local_addr().expect("bound"));
        let (told, asked) = unbounded_channel();
        let left = Arc::new(Semaphore::new(0));
        let gone = left.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (told, gone) = (told.clone(), gone.clone());
                tokio::spawn(async move {
                    let mut socket = BufReader::new(socket);
                    let question = read(&mut socket).await;
                    // A test that asks nothing of it is over.
                    let _ = told.send(question);
                    say(&mut socket, answer).await;
                    gone.add_permits(1);
                });
            }
        });
        Self { url, asked, left }
    }

    /// What it is asked: the head and the body.
    pub async fn asked(&mut self) -> (String, Value) {
        self.asked.recv().await.expect("it goes on")
    }

    /// Waits until somebody who asked has left.
    pub async fn until_left(&self) {
        self.left.acquire().await.expect("never closed").forget();
    }
}

async fn read(socket: &mut BufReader<TcpStream>) -> (String, Value) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let read = socket.read_line(&mut head).await.expect("a head");
        assert_ne!(read, 0, "a head is whole");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .expect("a length");
    let mut body = vec![0; length.parse().expect("a number")];
    socket.read_exact(&mut body).await.expect("a body");
    (head, serde_json::from_slice(&body).expect("JSON"))
}

/// In two writes, so that no line comes whole by chance.
async fn say(socket: &mut BufReader<TcpStream>, answer: &str) {
    if answer == SILENT {
        // Until the other end is gone.
        let _ = socket.read(&mut [0]).await;
        return;
    }
    let head = if answer.starts_with("HTTP/") {
        ""
    } else {
        HEAD
    };
    let (first, second) = answer.as_bytes().split_at(answer.len() / 2);
    for part in [head.as_bytes(), first, second] {
        // Who asked may have heard enough.
        let _ = socket.write_all(part).await;
        let _ = socket.flush().await;
        tokio::task::yield_now().await;
    }
}

//! The takeover must lose no byte: earlier pipelined answers, leftover requests, keep-alive.

use std::sync::Arc;
use std::time::Duration;

use spikes::hijack::serve_hijack;
use spikes::log::Log;
use spikes::service::BIG;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

async fn pair() -> (TcpStream, Arc<Log>) {
    pair_with(true).await
}

async fn pair_with(writev: bool) -> (TcpStream, Arc<Log>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // A small receive buffer, so that the big answer cannot leave before the client reads.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let client = socket
        .connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (server, _) = listener.accept().await.unwrap();
    let log = Arc::new(Log::new());
    tokio::spawn(serve_hijack(server, Arc::clone(&log), writev));
    (client, log)
}

fn publish(text: &str) -> String {
    format!(
        "POST /publish HTTP/1.1\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    )
}

/// Reads until `end` has come, within a deadline that only a failure meets.
async fn read_until(client: &mut TcpStream, end: &str) -> String {
    let mut all: Vec<u8> = Vec::new();
    let read = async {
        let mut buffer = [0; 65536];
        let mut searched = 0; // a big answer is not searched again from its beginning
        while !all[searched..]
            .windows(end.len())
            .any(|window| window == end.as_bytes())
        {
            searched = all.len().saturating_sub(end.len());
            let read = client.read(&mut buffer).await.unwrap();
            assert!(read > 0, "closed after {} bytes", all.len());
            all.extend_from_slice(&buffer[..read]);
        }
    };
    let met = tokio::time::timeout(Duration::from_secs(20), read).await;
    assert!(met.is_ok(), "no {end:?} in {} bytes", all.len());
    String::from_utf8(all).unwrap()
}

async fn pipelined_stream(path: &str) {
    let (mut client, log) = pair().await;
    let requests = format!("GET /big HTTP/1.1\r\n\r\nGET {path} HTTP/1.1\r\n\r\n");
    client.write_all(requests.as_bytes()).await.unwrap();
    let answer = read_until(
        &mut client,
        "text/event-stream\r\ncache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n",
    )
    .await;
    let (first, _) = answer
        .split_once("HTTP/1.1 200 OK\r\ncontent-type")
        .unwrap();
    let (_, body) = first.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), BIG, "the earlier answer is whole");
    assert!(body.bytes().all(|byte| byte == b'b'));
    log.append(spikes::log::Entry {
        payload: "data: 안녕 👋\n\n".into(),
        frame: "15\r\ndata: 안녕 👋\n\n\r\n".into(),
    });
    assert_eq!(
        read_until(&mut client, "👋\n\n\r\n").await,
        "15\r\ndata: 안녕 👋\n\n\r\n"
    );
}

/// The one way in which hyper 1.12 polls the service before the last answer is flushed: the
/// request's body ends while the answer, begun before that, still waits for the socket, and hyper
/// writes without `writev` (with it, the service has to wait for the buffer).
#[tokio::test]
async fn stream_behind_an_answer_that_outran_its_request() {
    let (mut client, _log) = pair_with(false).await;
    // A flush of long ago must not count.
    client
        .write_all(b"GET /none HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut client, "404 Not Found\r\n").await;
    client
        .write_all(b"POST /duplex HTTP/1.1\r\ncontent-length: 5\r\n\r\n")
        .await
        .unwrap();
    let begun = read_until(&mut client, "\r\n\r\nbbbb").await;
    client
        .write_all(b"helloGET /sse HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    turns().await;
    let answer = begun + &read_until(&mut client, "transfer-encoding: chunked\r\n\r\n").await;
    let (_, rest) = answer.split_once("\r\n\r\nb").unwrap();
    assert_eq!(
        rest.bytes().take_while(|byte| *byte == b'b').count(),
        BIG - 1,
        "no byte is lost"
    );
}

/// Lets the server, which shares this thread, take in what was sent.
async fn turns() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn stream_behind_an_answer_that_blocks() {
    pipelined_stream("/sse").await;
}

#[tokio::test]
async fn stream_decided_late_behind_an_answer_that_blocks() {
    pipelined_stream("/late-sse").await;
}

#[tokio::test]
async fn stream_decided_late_alone() {
    let (mut client, _log) = pair().await;
    client
        .write_all(b"GET /late-sse HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    read_until(&mut client, "transfer-encoding: chunked\r\n\r\n").await;
}

#[tokio::test]
async fn keep_alive_and_leftover_after_long_polls() {
    let (mut client, log) = pair().await;
    // Two polls, a publish and a poll in one write: hyper reads them all before the first takeover.
    let requests = "GET /poll?since=0 HTTP/1.1\r\n\r\nGET /poll?since=1 HTTP/1.1\r\n\r\n";
    let requests = [
        requests,
        &publish("셋"),
        "GET /poll?since=2 HTTP/1.1\r\n\r\n",
    ]
    .concat();
    client.write_all(requests.as_bytes()).await.unwrap();
    let append = |text: &str| {
        let event = format!("data: {text}\n\n");
        log.append(spikes::log::Entry {
            payload: event.clone().into(),
            frame: event.into(),
        });
    };
    append("하나");
    let first = read_until(&mut client, "하나\n\n").await;
    assert_eq!(
        first.matches("HTTP/1.1 ").count(),
        1,
        "one poll is answered: {first}"
    );
    append("둘");
    let rest = read_until(&mut client, "셋\n\n").await;
    let places = [
        "next=0000000000000002\n둘",
        "HTTP/1.1 204",
        "next=0000000000000003\n셋",
    ];
    let places = places.map(|part| rest.find(part).unwrap_or_else(|| panic!("{part}: {rest}")));
    assert!(
        places.is_sorted(),
        "answers in the order of the requests: {rest}"
    );
    // Keep-alive once more, in two segments, after everything was quiet.
    client.write_all(b"GET /poll?sin").await.unwrap();
    tokio::task::yield_now().await;
    client.write_all(b"ce=0 HTTP/1.1\r\n\r\n").await.unwrap();
    let all = read_until(&mut client, "셋\n\n").await;
    assert!(all.contains("next=0000000000000003\n하나\n둘\n셋"), "{all}");
}

#[tokio::test]
async fn a_request_with_a_body_is_not_taken_over() {
    let (mut client, log) = pair().await;
    let event = "data: 본문\n\n";
    log.append(spikes::log::Entry {
        payload: event.into(),
        frame: event.into(),
    });
    let smuggled = publish("끼워 넣음");
    let request = format!(
        "GET /poll?since=0 HTTP/1.1\r\ncontent-length: {}\r\n\r\n",
        smuggled.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    turns().await;
    client.write_all(smuggled.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let closed = client.read_to_string(&mut answer);
    let closed = tokio::time::timeout(Duration::from_secs(20), closed).await;
    assert!(
        closed.is_ok(),
        "hyper closes: it has answered and will not read the body"
    );
    assert_eq!(
        answer.matches("HTTP/1.1 ").count(),
        1,
        "one request, one answer: {answer}"
    );
    assert_eq!(log.tail_cursor().next, 1, "nothing was smuggled in");
}

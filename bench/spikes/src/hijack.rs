//! A connection that hyper drives up to the head of a stream or of a long poll, and that goes on
//! on the bare socket. After a long poll it may become hyper's again.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::server::conn::http1;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::log::{BATCH, Batch, Cursor, Log};
use crate::reader::{advance, slices};
use crate::service::{Spike, poll_answer};
use crate::socket::{Slot, Socket, Takeover};

const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    cache-control: no-store\r\ntransfer-encoding: chunked\r\n\r\n";

/// Bytes that a client may send ahead while it waits.
const AHEAD: usize = 4096;

/// Everything through hyper.
pub async fn serve_hyper(stream: TcpStream, log: Arc<Log>) {
    let socket = Socket::new(stream, Bytes::new(), Arc::default());
    let _ = http1::Builder::new()
        .serve_connection(socket, Spike { log, slot: None })
        .await;
}

/// Streams and long polls on the bare socket; `writev` tells hyper how to write (as
/// `http1::Builder::writev`), which decides how much it still holds when it polls the service.
pub async fn serve_hijack(mut stream: TcpStream, log: Arc<Log>, writev: bool) {
    let mut leftover = Bytes::new();
    loop {
        // Without anything to parse hyper and its buffers need not exist.
        if leftover.is_empty() && stream.readable().await.is_err() {
            return;
        }
        let Some(taken) = Parsing::new(stream, leftover, &log, writev).await else {
            return;
        };
        let mut cursor = log.tail_cursor();
        cursor.next = match taken.takeover {
            Takeover::Stream => {
                return EventStream {
                    stream: taken.stream,
                    log,
                    cursor,
                    head: 0,
                }
                .await;
            }
            Takeover::LongPoll(since) => since,
        };
        let wait = LongPoll {
            stream: taken.stream,
            log: &log,
            cursor,
            ahead: taken.leftover,
        };
        let Some(answered) = wait.await else { return };
        (stream, leftover) = (answered.stream, answered.leftover);
        if write_answer(&mut stream, &answered.body).await.is_err() {
            return;
        }
    }
}

struct Taken {
    stream: TcpStream,
    leftover: Bytes,
    takeover: Takeover,
}

/// hyper's phase; on the heap as a whole, so that its memory goes with it.
struct Parsing {
    connection: Option<Box<http1::Connection<Socket, Spike>>>,
    slot: Arc<Slot>,
}

impl Parsing {
    fn new(stream: TcpStream, leftover: Bytes, log: &Arc<Log>, writev: bool) -> Self {
        let slot = Arc::new(Slot::default());
        let service = Spike {
            log: Arc::clone(log),
            slot: Some(Arc::clone(&slot)),
        };
        let socket = Socket::new(stream, leftover, Arc::clone(&slot));
        let connection = http1::Builder::new()
            .writev(writev)
            .serve_connection(socket, service);
        Self {
            connection: Some(Box::new(connection)),
            slot,
        }
    }
}

impl Future for Parsing {
    type Output = Option<Taken>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Taken>> {
        // hyper 1.12 flushes after every step that polls the service; should it ever not, nothing
        // would wake us, so a filled slot is worth a second poll, which begins with a flush.
        for _ in 0..2 {
            let connection = self.connection.as_mut().expect("polled until it is ready");
            if Pin::new(&mut **connection).poll(cx).is_ready() {
                return Poll::Ready(None); // a takeover left behind dies with the connection
            }
            if let Some(takeover) = self.slot.take_if_flushed() {
                let connection = self.connection.take().expect("it was there");
                return Poll::Ready(Some(taken(*connection, takeover)));
            }
            if !self.slot.is_filled() {
                return Poll::Pending;
            }
        }
        Poll::Pending
    }
}

fn taken(connection: http1::Connection<Socket, Spike>, takeover: Takeover) -> Taken {
    let parts = connection.into_parts();
    let (stream, unread) = parts.io.into_parts();
    // A copy, even of nothing: hyper's `Bytes` keep its block of 8 KiB alive.
    let leftover = [&parts.read_buf[..], &unread[..]].concat().into();
    Taken {
        stream,
        leftover,
        takeover,
    }
}

async fn write_answer(stream: &mut TcpStream, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await
}

struct EventStream {
    stream: TcpStream,
    log: Arc<Log>,
    cursor: Cursor,
    head: u8,
}

impl Future for EventStream {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready(ready) = self.stream.poll_read_ready(cx) {
            // Nothing can follow an endless answer: what comes is dropped.
            if ready.is_err() || !matches!(read_once(&self.stream), Read::Some(_) | Read::None) {
                return Poll::Ready(());
            }
        }
        match self.deliver(cx) {
            Poll::Ready(Err(())) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl EventStream {
    fn deliver(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while usize::from(self.head) < STREAM_HEAD.len() {
            let rest = &STREAM_HEAD[usize::from(self.head)..];
            self.head +=
                ready!(Pin::new(&mut self.stream).poll_write(cx, rest)).map_err(drop)? as u8;
        }
        loop {
            let mut batch: Batch = [const { None }; BATCH];
            let count = self
                .log
                .read_or_wait(&mut self.cursor, &mut batch, cx)
                .map_err(drop)?;
            if count == 0 {
                return Poll::Pending;
            }
            let mut vector = [IoSlice::new(&[]); BATCH];
            slices(&batch, count, self.cursor.skip, &mut vector);
            let write = Pin::new(&mut self.stream).poll_write_vectored(cx, &vector[..count]);
            let written = ready!(write).map_err(drop)?;
            if advance(&mut self.cursor, &batch, count, written) && count < BATCH {
                return Poll::Pending;
            }
        }
    }
}

struct LongPoll<'a> {
    stream: TcpStream,
    log: &'a Log,
    cursor: Cursor,
    ahead: Bytes,
}

struct Answered {
    stream: TcpStream,
    leftover: Bytes,
    body: Bytes,
}

impl Future for LongPollOwned<'_> {
    type Output = Option<Answered>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Answered>> {
        let this = self.0.as_mut().expect("polled until it is ready");
        // One read ahead at most: more stays in the kernel, which then holds the client back.
        while this.ahead.is_empty() {
            let Poll::Ready(ready) = this.stream.poll_read_ready(cx) else {
                break;
            };
            match (ready, read_once(&this.stream)) {
                (Ok(()), Read::Some(bytes)) => this.ahead = bytes,
                (Ok(()), Read::None) => {}
                _ => return Poll::Ready(None),
            }
        }
        let body = ready!(poll_answer(this.log, &mut this.cursor, cx));
        let this = self.0.take().expect("it was there");
        Poll::Ready(Some(Answered {
            stream: this.stream,
            leftover: this.ahead,
            body,
        }))
    }
}

struct LongPollOwned<'a>(Option<LongPoll<'a>>);

impl<'a> IntoFuture for LongPoll<'a> {
    type Output = Option<Answered>;
    type IntoFuture = LongPollOwned<'a>;

    fn into_future(self) -> LongPollOwned<'a> {
        LongPollOwned(Some(self))
    }
}

enum Read {
    Some(Bytes),
    None,
    End,
}

#[inline(never)]
fn read_once(stream: &TcpStream) -> Read {
    let mut scratch = [0; AHEAD];
    match stream.try_read(&mut scratch) {
        Ok(0) => Read::End,
        Ok(read) => Read::Some(Bytes::copy_from_slice(&scratch[..read])),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Read::None,
        Err(_) => Read::End,
    }
}

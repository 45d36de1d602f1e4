//! A task per connection with our own framing; also the accept loop that `library` shares.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use spikes::frame::{Decoder, Incoming};
use spikes::log::{BATCH, Batch, Cursor, Log};
use spikes::reader::{advance, slices};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::{hello, listen, publisher};

/// Accepts for ever; `subscriber` makes the task of a reader.
///
/// With `slice` a task of its own wakes so many readers at a time, so that those who wait in the
/// run queue do not keep the publisher from being heard.
pub async fn run<F, T>(port: u16, slice: Option<usize>, subscriber: F)
where
    F: Fn(TcpStream, Arc<Log>) -> T + Send + Copy + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let log = Arc::new(Log::new());
    let note = Arc::new(Notify::new());
    if let Some(slice) = slice {
        tokio::spawn(wake_in_slices(Arc::clone(&log), Arc::clone(&note), slice));
    }
    let listener = listen(port).await;
    loop {
        let (mut stream, _) = listener.accept().await.expect("accepting goes on");
        let (log, note) = (Arc::clone(&log), Arc::clone(&note));
        tokio::spawn(async move {
            match hello(&mut stream).await {
                // A spawn of its own: the reader's task must not carry the publisher's state.
                Some(b'S') => drop(tokio::spawn(subscriber(stream, log))),
                Some(b'P') => {
                    let append = |entry| match slice {
                        None => log.append(entry),
                        Some(_) => {
                            log.append_quietly(entry);
                            note.notify_one();
                        }
                    };
                    let _ = publisher(stream, append).await;
                }
                _ => {}
            }
        });
    }
}

async fn wake_in_slices(log: Arc<Log>, note: Arc<Notify>, slice: usize) {
    loop {
        note.notified().await;
        while log.wake_some(slice) {
            yield_now().await;
        }
    }
}

/// The future of one reader.
pub fn own(stream: TcpStream, log: Arc<Log>) -> Reader {
    let cursor = log.tail_cursor();
    Reader {
        stream,
        log,
        cursor,
        decoder: Decoder::default(),
        control: Vec::new(),
    }
}

/// A reader: a socket, a cursor, an incomplete frame, control frames that go first.
pub struct Reader {
    stream: TcpStream,
    log: Arc<Log>,
    cursor: Cursor,
    decoder: Decoder,
    control: Vec<u8>,
}

impl Future for Reader {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.take_incoming(cx).is_err() {
            return Poll::Ready(());
        }
        match this.deliver(cx) {
            Poll::Ready(Err(())) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl Reader {
    fn take_incoming(&mut self, cx: &mut Context<'_>) -> Result<(), ()> {
        while let Poll::Ready(ready) = self.stream.poll_read_ready(cx) {
            ready.map_err(drop)?;
            self.read_once()?;
        }
        Ok(())
    }

    #[inline(never)]
    fn read_once(&mut self) -> Result<(), ()> {
        let mut scratch = [0; 4096];
        let read = match self.stream.try_read(&mut scratch) {
            Ok(0) => return Err(()),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(()),
        };
        let control = &mut self.control;
        let mut closed = false;
        self.decoder
            .feed(&mut scratch[..read], &mut |incoming| match incoming {
                Incoming::Ping(pong) => control.extend_from_slice(&pong),
                Incoming::Close => closed = true,
                Incoming::Data(_) | Incoming::Pong => {}
            })
            .map_err(drop)?;
        if closed { Err(()) } else { Ok(()) }
    }

    /// Pending when at the tail or when the socket is full; both have a wake-up registered.
    fn deliver(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        loop {
            if self.cursor.skip == 0 && !self.control.is_empty() {
                std::task::ready!(self.send_control(cx))?;
            }
            let mut batch: Batch = [const { None }; BATCH];
            let count = self.log.read_or_wait(&mut self.cursor, &mut batch, cx);
            let count = count.map_err(drop)?;
            if count == 0 {
                return Poll::Pending;
            }
            let mut vector = [IoSlice::new(&[]); BATCH];
            slices(&batch, count, self.cursor.skip, &mut vector);
            let write = Pin::new(&mut self.stream).poll_write_vectored(cx, &vector[..count]);
            let written = std::task::ready!(write).map_err(drop)?;
            let whole = advance(&mut self.cursor, &batch, count, written);
            if whole && count < BATCH {
                return Poll::Pending; // the read that reached the tail registered us
            }
        }
    }

    fn send_control(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        while !self.control.is_empty() {
            let write = Pin::new(&mut self.stream).poll_write(cx, &self.control);
            let written = std::task::ready!(write).map_err(drop)?;
            self.control.drain(..written);
        }
        self.control = Vec::new();
        Poll::Ready(Ok(()))
    }
}

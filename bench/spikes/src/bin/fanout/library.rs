//! A task per connection with tokio-websockets: payloads shared, frames by the library.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use spikes::log::{BATCH, Batch, Cursor, Log};
use tokio::net::TcpStream;
use tokio_websockets::{Message, ServerBuilder, WebSocketStream};

/// The future of one reader.
pub fn subscriber(stream: TcpStream, log: Arc<Log>) -> Reader {
    let cursor = log.tail_cursor();
    Reader {
        socket: ServerBuilder::new().serve(stream),
        log,
        cursor,
    }
}

/// A reader: the library's stream and a cursor.
pub struct Reader {
    socket: WebSocketStream<TcpStream>,
    log: Arc<Log>,
    cursor: Cursor,
}

impl Future for Reader {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        while let Poll::Ready(next) = Pin::new(&mut this.socket).poll_next(cx) {
            if !matches!(next, Some(Ok(_))) {
                return Poll::Ready(());
            }
        }
        match this.deliver(cx) {
            Poll::Ready(Err(())) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl Reader {
    fn deliver(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        loop {
            // What is queued leaves before more is read: the log is the queue.
            std::task::ready!(Pin::new(&mut self.socket).poll_flush(cx)).map_err(drop)?;
            let mut batch: Batch = [const { None }; BATCH];
            let count = self.log.read_or_wait(&mut self.cursor, &mut batch, cx);
            let count = count.map_err(drop)?;
            for entry in batch.iter().take(count).flatten() {
                let message = Message::binary(entry.payload.clone());
                Pin::new(&mut self.socket)
                    .start_send(message)
                    .map_err(drop)?;
            }
            self.cursor.next += count as u64;
            std::task::ready!(Pin::new(&mut self.socket).poll_flush(cx)).map_err(drop)?;
            if count < BATCH {
                return Poll::Pending;
            }
        }
    }
}

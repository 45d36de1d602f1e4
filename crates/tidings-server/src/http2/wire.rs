//! One stream of an HTTP/2 connection as a session's wire.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::ReadBuf;

use super::watched::Watch;
use crate::transport::Outbox;
use crate::transport::wire::Wire;

/// Bytes of one DATA frame.
const FRAME: usize = 16 << 10;

/// A stream after the head of its answer.
pub struct Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// Read from the stream and not yet by the session.
    unread: Bytes,
    /// It carries bytes both ways, so the end of the client's side is the end of all (RFC 8441).
    tunnel: bool,
    /// The outbox holds the last that is to be said.
    last: bool,
    /// Our side has ended.
    ended: bool,
    /// The connection that it is a stream of.
    watch: Arc<Watch>,
}

impl Stream {
    /// A stream of which the request's side is `receive`.
    pub fn new(
        send: SendStream<Bytes>,
        receive: RecvStream,
        tunnel: bool,
        watch: Arc<Watch>,
    ) -> Self {
        Self {
            send,
            receive,
            unread: Bytes::new(),
            tunnel,
            last: false,
            ended: false,
            watch,
        }
    }

    /// Its end was said with its head.
    pub fn has_ended(&mut self) {
        self.ended = true;
    }

    /// Ends it at once.
    pub fn reset(mut self) {
        self.send.send_reset(h2::Reason::CANCEL);
    }
}

impl Wire for Stream {
    fn frame(&mut self, _: &mut Outbox, last: bool) {
        self.last = last;
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<io::Result<usize>> {
        if self.send.capacity() == 0 {
            self.send.reserve_capacity(out.len());
            while ready!(self.send.poll_capacity(cx))
                .ok_or_else(gone)?
                .map_err(io)?
                == 0
            {}
        }
        let room = self.send.capacity().min(FRAME);
        let data = out.gather(room);
        let written = data.len();
        self.ended = self.last && out.is_empty();
        self.send.send_data(data, self.ended).map_err(io)?;
        Poll::Ready(Ok(written))
    }

    /// While the socket is full, no stream is to blame.
    fn is_stuck(&self) -> bool {
        !self.watch.progress.is_blocked()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, bytes: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.unread.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                Some(data) => self.unread = data.map_err(io)?,
                None if self.tunnel || self.ended => return Poll::Ready(Ok(())),
                // The request is whole; its client can only give up.
                None => {
                    return self
                        .send
                        .poll_reset(cx)
                        .map(|reset| reset.map(drop).map_err(io));
                }
            }
        }
        let count = self.unread.len().min(bytes.remaining());
        bytes.put_slice(&self.unread[..count]);
        self.unread.advance(count);
        // Given back as it is read: a client cannot have more in flight than its window.
        let released = self.receive.flow_control().release_capacity(count);
        Poll::Ready(released.map_err(io))
    }

    fn poll_end(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.ended, true) {
            self.send.send_data(Bytes::new(), true).map_err(io)?;
        }
        Poll::Ready(Ok(()))
    }
}

fn io(error: h2::Error) -> io::Error {
    error.into_io().unwrap_or_else(gone)
}

fn gone() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

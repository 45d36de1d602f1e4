//! Workers that own their connections and pump the log straight into the sockets.
//!
//! One note per worker and publish. The pump copies new entries from the log once and loops over
//! its readers with `try_write_vectored`. Each connection still has a small task for what it
//! receives, which also takes over writing while the socket is full.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slab::Slab;
use spikes::frame::{Decoder, Incoming};
use spikes::log::{BATCH, Batch, Cursor, Log};
use spikes::reader::{advance, slices};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::{SLICE, current, hello, listen, publisher};

struct Connection {
    stream: TcpStream,
    cursor: Cell<Cursor>,
    /// Set while the socket is full: the waker of the connection's task.
    stalled: RefCell<Option<Waker>>,
    full: Cell<bool>,
}

struct Worker {
    log: Arc<Log>,
    note: Notify,
    readers: RefCell<Slab<Rc<Connection>>>,
}

/// Runs one worker; with more cores there would be one per core and one note for each.
pub fn run(port: u16) {
    let worker = Rc::new(Worker {
        log: Arc::new(Log::new()),
        note: Notify::new(),
        readers: RefCell::new(Slab::new()),
    });
    let local = LocalSet::new();
    local.block_on(&current(), accept(port, worker));
}

async fn accept(port: u16, worker: Rc<Worker>) {
    spawn_local(pump(Rc::clone(&worker)));
    let listener = listen(port).await;
    loop {
        let (mut stream, _) = listener.accept().await.expect("accepting goes on");
        let worker = Rc::clone(&worker);
        spawn_local(async move {
            match hello(&mut stream).await {
                Some(b'S') => drop(spawn_local(reader(stream, worker))),
                Some(b'P') => {
                    let append = |entry| {
                        worker.log.append(entry);
                        worker.note.notify_one();
                    };
                    let _ = publisher(stream, append).await;
                }
                _ => {}
            }
        });
    }
}

async fn pump(worker: Rc<Worker>) {
    loop {
        worker.note.notified().await;
        let mut key = 0;
        loop {
            key = pump_slice(&worker, key);
            if key == usize::MAX {
                break;
            }
            yield_now().await;
        }
    }
}

/// Serves up to [`SLICE`] readers from `key` on; the key to go on with, or `usize::MAX`.
fn pump_slice(worker: &Worker, mut key: usize) -> usize {
    let readers = worker.readers.borrow();
    let end = (key + SLICE).min(readers.capacity());
    let mut batch: Batch = [const { None }; BATCH];
    let (mut from, mut count) = (u64::MAX, 0);
    while key < end {
        if let Some(connection) = readers.get(key).filter(|c| !c.full.get()) {
            let next = connection.cursor.get().next;
            if next != from || connection.cursor.get().skip != 0 {
                // Neighbours stand at the same position: one read of the log serves them all.
                count = worker.log.read(next, &mut batch).unwrap_or(0);
                from = next;
            }
            if count > 0 && write(connection, &batch, count).is_err() {
                stall(connection);
            }
        }
        key += 1;
    }
    if key >= readers.capacity() {
        usize::MAX
    } else {
        key
    }
}

fn stall(connection: &Connection) {
    connection.full.set(true);
    if let Some(waker) = connection.stalled.borrow().as_ref() {
        waker.wake_by_ref();
    }
}

/// `Err` unless the whole batch went out: the connection's task then takes over.
fn write(connection: &Connection, batch: &Batch, count: usize) -> Result<(), ErrorKind> {
    let mut cursor = connection.cursor.get();
    let mut vector = [IoSlice::new(&[]); BATCH];
    slices(batch, count, cursor.skip, &mut vector);
    let written = connection.stream.try_write_vectored(&vector[..count]);
    let written = written.map_err(|error| error.kind())?;
    let whole = advance(&mut cursor, batch, count, written);
    connection.cursor.set(cursor);
    // A full batch may have more behind it, which the connection's own task fetches.
    if whole && count < BATCH {
        Ok(())
    } else {
        Err(ErrorKind::WouldBlock)
    }
}

async fn reader(stream: TcpStream, worker: Rc<Worker>) {
    let connection = Rc::new(Connection {
        stream,
        cursor: Cell::new(worker.log.tail_cursor()),
        stalled: RefCell::new(None),
        full: Cell::new(false),
    });
    let key = worker.readers.borrow_mut().insert(Rc::clone(&connection));
    let mut decoder = Decoder::default();
    std::future::poll_fn(|cx| poll_connection(&worker, &connection, &mut decoder, cx)).await;
    worker.readers.borrow_mut().remove(key);
}

fn poll_connection(
    worker: &Worker,
    connection: &Connection,
    decoder: &mut Decoder,
    cx: &mut Context<'_>,
) -> Poll<()> {
    while let Poll::Ready(ready) = connection.stream.poll_read_ready(cx) {
        if ready.is_err() || read_once(connection, decoder).is_err() {
            return Poll::Ready(());
        }
    }
    connection
        .stalled
        .borrow_mut()
        .get_or_insert_with(|| cx.waker().clone());
    if connection.full.get() {
        catch_up(worker, connection, cx)
    } else {
        Poll::Pending
    }
}

fn catch_up(worker: &Worker, connection: &Connection, cx: &mut Context<'_>) -> Poll<()> {
    while let Poll::Ready(ready) = connection.stream.poll_write_ready(cx) {
        let mut batch: Batch = [const { None }; BATCH];
        let read = worker.log.read(connection.cursor.get().next, &mut batch);
        let (Ok(count), Ok(())) = (read, ready) else {
            return Poll::Ready(());
        };
        let wrote = if count == 0 {
            Ok(())
        } else {
            write(connection, &batch, count)
        };
        match wrote {
            Ok(()) => {
                connection.full.set(false);
                return Poll::Pending;
            }
            Err(ErrorKind::WouldBlock) => {}
            Err(_) => return Poll::Ready(()),
        }
    }
    Poll::Pending
}

#[inline(never)]
fn read_once(connection: &Connection, decoder: &mut Decoder) -> Result<(), ()> {
    let mut scratch = [0; 4096];
    let read = match connection.stream.try_read(&mut scratch) {
        Ok(0) => return Err(()),
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        Err(_) => return Err(()),
    };
    let mut closed = false;
    decoder
        .feed(&mut scratch[..read], &mut |incoming| {
            closed |= matches!(incoming, Incoming::Close);
        })
        .map_err(drop)?;
    if closed { Err(()) } else { Ok(()) }
}

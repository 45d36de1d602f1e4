//! What happened on the way: one record for each request, in the order in which they came.
//!
//! Records of what still goes on count up while they are in the journal. The oldest make room.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::kind::Kind;

/// Records that are kept.
const RECORDS: usize = 10_000;

/// How an exchange ended, first of all: a connection that was stalled and then cut was stalled.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The answer went to its end.
    Done,
    /// The proxy broke it.
    Cut,
    /// The proxy fell silent.
    Stalled,
    /// The client left before the answer's end.
    Client,
    /// The server ended it before the answer's end, or could not be reached.
    Server,
}

/// What is told of one request.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Milliseconds since the proxy began.
    pub at_ms: u64,
    /// The number of the connection, from 1 on.
    pub connection: u64,
    /// What was asked; `None` of a connection that was refused before it asked.
    pub kind: Option<Kind>,
    /// The request's method; empty where it was no HTTP/1.
    pub method: String,
    /// The request's target, with its query.
    pub path: String,
    /// The fault that it met, as it was given.
    pub fault: Option<Value>,
    /// The status of the answer, once there is one.
    pub status: Option<u16>,
    /// Bytes that went on to the server; of a request that did not go on, those of its head.
    pub bytes_in: u64,
    /// Bytes that went to the client.
    pub bytes_out: u64,
    /// How it ended; `None` while it lasts.
    pub end: Option<End>,
    /// Why, where the fault does not say it.
    pub note: Option<&'static str>,
}

/// One request, while it is carried.
pub struct Record {
    began: Entry,
    status: AtomicU16,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    end: OnceLock<End>,
    note: OnceLock<&'static str>,
}

impl Record {
    /// The answer's status.
    pub fn answered(&self, status: u16) {
        self.status.store(status, Relaxed);
    }

    /// Bytes of the request.
    pub fn took(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes of the answer.
    pub fn gave(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    /// How it ended; what is said later does not count.
    pub fn ended(&self, end: End) {
        let _ = self.end.set(end);
    }

    /// Why.
    pub fn note(&self, why: &'static str) {
        let _ = self.note.set(why);
    }

    fn entry(&self) -> Entry {
        let status = self.status.load(Relaxed);
        Entry {
            status: (status > 0).then_some(status),
            bytes_in: self.bytes_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            end: self.end.get().copied(),
            note: self.note.get().copied(),
            ..self.began.clone()
        }
    }
}

/// The records.
pub struct Journal {
    began: Instant,
    records: Mutex<VecDeque<Arc<Record>>>,
}

impl Journal {
    /// An empty one. Its clock begins now.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            records: Mutex::default(),
        }
    }

    /// Begins a record. `line` is the request's method and target.
    pub fn begin(
        &self,
        connection: u64,
        kind: Option<Kind>,
        line: [&str; 2],
        fault: Option<Value>,
    ) -> Arc<Record> {
        let [method, path] = line.map(str::to_owned);
        let began = Entry {
            at_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            connection,
            kind,
            method,
            path,
            fault,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            end: None,
            note: None,
        };
        let record = Arc::new(Record {
            began,
            status: AtomicU16::default(),
            bytes_in: AtomicU64::default(),
            bytes_out: AtomicU64::default(),
            end: OnceLock::new(),
            note: OnceLock::new(),
        });
        let mut records = self.records.lock().expect("no holder panics");
        records.push_back(record.clone());
        if records.len() > RECORDS {
            records.pop_front();
        }
        record
    }

    /// All of them as they are now.
    pub fn entries(&self) -> Vec<Entry> {
        let records = self.records.lock().expect("no holder panics");
        records.iter().map(|record| record.entry()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room() {
        let journal = Journal::new();
        for connection in 0..RECORDS as u64 + 2 {
            journal.begin(connection, None, ["GET", "/"], None);
        }
        let entries = journal.entries();
        assert_eq!(entries.len(), RECORDS);
        assert_eq!(entries[0].connection, 2);
    }
}

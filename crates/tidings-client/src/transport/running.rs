//! An attempt as a task of its own, and what it tells. It decides nothing.

use std::sync::Arc;

use hyper::header::HeaderValue;
use tokio::{sync::mpsc, task::JoinHandle};

use super::Attempt;
use crate::{
    client::Inner,
    connector::Ended,
    end::Cause,
    event::{Event, Transport},
    places::Places,
    subscription::SubscribeOptions,
};

/// Reports that may wait to be taken: what is read ahead of a slow reader.
const REPORTS: usize = 4;

/// What an attempt tells.
#[derive(Debug)]
pub(crate) enum Report {
    /// The server's first frame came: the transport works.
    Open,
    Event(Event),
    /// The cursor of a poll, behind all events that stand before it.
    Cursor(Arc<str>),
    /// What makes this the same client on the next connection, where no greeting says it.
    Session(HeaderValue),
    /// Nothing follows.
    Ended(Ended, Cause),
}

/// What an attempt begins with.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) transport: Transport,
    /// The positions of the moment.
    pub(crate) places: Places,
    pub(crate) session: Option<HeaderValue>,
    /// What the first request tells of a move.
    pub(crate) moved: Option<String>,
}

/// An attempt at work. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) transport: Transport,
    reports: mpsc::Receiver<Report>,
    _task: Task<()>,
}

impl Running {
    pub(crate) fn start(
        inner: &Arc<Inner>,
        options: &Arc<SubscribeOptions>,
        opening: Opening,
    ) -> Self {
        let (sender, reports) = mpsc::channel(REPORTS);
        let transport = opening.transport;
        let attempt = Attempt::new(inner.clone(), options.clone(), opening, sender);
        Self {
            transport,
            reports,
            _task: Task(tokio::spawn(attempt.run())),
        }
    }

    /// What it tells next. Dropping the future loses nothing. `None`: it has ended, or panicked.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        self.reports.recv().await
    }
}

/// A task that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Task<T>(pub(crate) JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! Keeps a panic to the connection or stream in which it happens.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use crate::app::App;

/// Runs a future so that its panic ends it and nothing else, and is counted. It comes in a box: a
/// future that holds another holds it twice, as argument and as local.
pub async fn contain(app: &App, mut future: Pin<Box<dyn Future<Output = ()> + Send + '_>>) {
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| {
            app.stats.panics.add(1);
            tracing::error!("a connection ended by a panic");
            Poll::Ready(())
        })
    })
    .await;
}

//! Publishes numbers to a channel, one after another, until it is told to end: one at least.

use std::time::Duration;

use tidings_client::{Client, Publish, Receipt, Timings};
use tokio::{sync::watch, task::JoinHandle, time::interval};

pub struct Publisher {
    going: watch::Sender<bool>,
    count: watch::Receiver<u64>,
    task: JoinHandle<Vec<Receipt>>,
}

impl Publisher {
    /// One each `period`; what is late is made up for.
    pub fn start(url: &str, channel: &str, period: Duration) -> Self {
        let timings = Timings {
            request: Duration::from_secs(2),
            backoff_max: Duration::from_millis(200),
            ..Timings::default()
        };
        let client = Client::builder(url).timings(timings).build();
        let client = client.expect("a client");
        let going = watch::Sender::new(true);
        let (counted, count) = watch::channel(0);
        let (goes, channel) = (going.subscribe(), channel.to_owned());
        let task = tokio::spawn(async move {
            let mut receipts = Vec::new();
            let mut period = interval(period);
            loop {
                period.tick().await;
                let text = Publish::text(receipts.len().to_string());
                let receipt = client.publish(&channel, text).await;
                receipts.push(receipt.expect("a receipt"));
                counted.send_replace(receipts.len() as u64);
                if !*goes.borrow() {
                    return receipts;
                }
            }
        });
        Self { going, count, task }
    }

    /// How many there are by now.
    pub fn count(&self) -> u64 {
        *self.count.borrow()
    }

    /// Waits until so many more are published.
    pub async fn more(&mut self, more: u64) {
        let target = self.count() + more;
        let reached = self.count.wait_for(|count| *count >= target);
        reached.await.expect("it publishes");
    }

    /// Ends it; gives what the server said of each, in order.
    pub async fn receipts(self) -> Vec<Receipt> {
        self.going.send_replace(false);
        self.task.await.expect("no panic")
    }

    /// Ends it; gives the last offset.
    pub async fn end(self) -> u64 {
        let receipts = self.receipts().await;
        let last = receipts.last().and_then(|last| last.position.as_ref());
        last.expect("a position").offset
    }
}

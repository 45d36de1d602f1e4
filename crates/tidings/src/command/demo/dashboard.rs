//! How this machine does, once a second, while somebody reads it. What the system does not say is not
//! told.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::channel::Channel;
use super::machine::Sample;

/// Between two figures.
const PACE: Duration = Duration::from_secs(1);

/// To the first ones, which need two looks.
const FIRST: Duration = Duration::from_millis(250);

/// Tells the figures for as long as the server runs.
pub async fn run(channel: Channel) {
    loop {
        channel.until_read().await;
        let (mut before, mut at) = (Sample::now(), Instant::now());
        let mut wait = FIRST;
        while channel.is_read() {
            sleep(std::mem::replace(&mut wait, PACE)).await;
            let (now, seconds) = (Sample::now(), at.elapsed().as_secs_f64());
            at = Instant::now();
            for (event, figures) in now.since(&before, seconds) {
                channel.show(event, None, &figures).await;
            }
            before = now;
        }
    }
}

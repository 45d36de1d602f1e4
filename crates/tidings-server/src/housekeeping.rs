//! What has to be done now and then, whoever carries the connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::stats_channel;

/// Sweeps idle channels, and publishes the server's figures once a second. Never ends.
pub async fn run(app: Arc<App>) {
    let mut sweep = interval(app.limits().sweep.max(Duration::from_millis(10)));
    let mut second = interval(Duration::from_secs(1));
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = sweep.tick() => app.hub.sweep(app.now()),
            _ = second.tick() => stats_channel::publish(&app).await,
        }
    }
}

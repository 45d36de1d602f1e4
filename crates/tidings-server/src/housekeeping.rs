//! What has to be done now and then, whoever carries the connections.

use std::sync::Arc;
use std::time::Duration;

use tidings_core::Limits;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::stats_channel;

/// How late a revocation that came from elsewhere may end a stream, and a member that is gone be told.
const WATCH: Duration = Duration::from_millis(500);

/// Sweeps idle channels, publishes the server's figures once a second, lets members go that are gone,
/// ends the streams of who was revoked, and wakes readers by ticks while some rules want that. Never
/// ends.
pub async fn run(app: Arc<App>) {
    let mut sweep = interval(app.limits().sweep.max(Duration::from_millis(10)));
    let mut second = interval(Duration::from_secs(1));
    let mut tick = interval(Limits::TICK);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = interval(WATCH);
    watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut revocations = app.hub.revocations().generation();
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Other rules are seen within the second.
        let ticks = app.hub.ticks();
        tokio::select! {
            _ = watch.tick() => {
                app.hub.expire(app.now());
                let known = app.hub.revocations().generation();
                if std::mem::replace(&mut revocations, known) != known {
                    app.end_revoked();
                }
            }
            _ = sweep.tick() => {
                app.hub.sweep(app.now());
                app.quotas.sweep(app.monotonic());
            }
            _ = tick.tick(), if ticks => {
                app.hub.tick(app.now());
            }
            _ = second.tick() => stats_channel::publish(&app).await,
        }
    }
}

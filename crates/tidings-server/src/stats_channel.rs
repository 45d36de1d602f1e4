//! `$stats`: the server's own figures as a channel, once a second; and the probe of readiness, a
//! message through the whole path.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tidings_core::{Budget, ChannelName, Draft, Feed, PayloadKind, Start};
use tidings_protocol::{Code, Problem, payload};

use crate::app::App;
use crate::stats::Transport;

/// Publishes the figures. Their schema is in PROTOCOL.md.
pub async fn publish(app: &App) {
    let name = ChannelName::parse("$stats").expect("a valid name");
    let payload = payload::payload(PayloadKind::Json, Bytes::from(figures(app)));
    if let Err(error) = app.hub.publish(Draft::new(name, payload), app.now()).await {
        tracing::warn!(%error, "the figures could not be published");
    }
}

fn figures(app: &App) -> String {
    let (stats, hub, held) = (&app.stats, app.hub.stats(), app.hub.broker().holdings());
    let mut transports = serde_json::Map::new();
    for transport in Transport::ALL {
        let of = stats.of(transport);
        let figures = json!({
            "open": of.open.get(),
            "opened": of.opened.get(),
            "delivered": of.delivered.get(),
            "sent_bytes": of.sent_bytes.get(),
            "received_bytes": of.received_bytes.get(),
        });
        transports.insert(transport.as_str().into(), figures);
    }
    json!({
        "uptime_s": app.clock.uptime().as_secs(),
        "connections": stats.connections.get(),
        "accepted": stats.accepted.get(),
        "requests": stats.requests.get(),
        "refused": stats.refusals.iter().map(|refusal| refusal.get()).sum::<u64>(),
        "published": hub.published.get(),
        "published_bytes": hub.published_bytes.get(),
        "ephemeral": hub.ephemeral.get(),
        "duplicates": hub.duplicates.get(),
        "resumed": hub.resumed.get(),
        "gaps": hub.gaps.iter().map(|gaps| gaps.get()).sum::<u64>(),
        "channels": held.channels,
        "remembered": held.remembered,
        "messages": held.messages,
        "bytes": held.bytes,
        "transports": transports,
    })
    .to_string()
}

/// Sends a message through the broker and reads it back: a server that cannot do that is not ready,
/// however well it answers.
pub async fn probe(app: &App) -> Result<(), Problem> {
    const TIME: Duration = Duration::from_secs(2);
    let unready = || {
        Problem::new(
            Code::BrokerUnavailable,
            "a message did not come back from the broker",
        )
    };
    tokio::time::timeout(TIME, round_trip(app))
        .await
        .map_err(|_| unready())?
}

async fn round_trip(app: &App) -> Result<(), Problem> {
    let name = ChannelName::parse("$probe").expect("a valid name");
    let (cursor, opened) = app.hub.open(&name, Start::Now, true, app.now()).await?;
    let mut feed = Feed::new(None);
    feed.add(name.clone(), cursor, opened, false);
    let draft = Draft {
        ephemeral: true,
        ..Draft::new(
            name,
            payload::payload(PayloadKind::Json, Bytes::from_static(b"null")),
        )
    };
    app.hub.publish(draft, app.now()).await?;
    let mut deliveries = Vec::new();
    while deliveries.is_empty() {
        std::future::poll_fn(|cx| feed.poll_ready(cx)).await;
        let mut budget = Budget::new(1, 1 << 10);
        feed.read(app.monotonic(), &mut budget, &mut deliveries);
    }
    Ok(())
}

//! What publishing costs: messages, bytes and deliveries, by client, user and address. A backend
//! with a key is not bounded here: it is the application itself.

use std::collections::HashMap;
use std::time::Duration;

use http::request;
use tidings_core::{ChannelName, Claims, Draft};
use tidings_protocol::{Code, Problem};

use crate::address::AddressKey;
use crate::app::App;
use crate::publish::Publisher;
use crate::quota::{Key, Quota};
use crate::via::via;

/// Charges for messages before they are published: the publisher first, so that one who may not pays
/// nothing of what all share in a channel.
pub fn charge(app: &App, publisher: &Publisher, drafts: &[Draft]) -> Result<(), Problem> {
    let bytes = drafts.iter().map(payload_bytes).sum();
    charge_publisher(app, publisher, drafts.len(), bytes)?;
    // Empty where no namespace has a rate: then nothing is allocated either.
    let mut channels: HashMap<&ChannelName, (u32, u32)> = HashMap::new();
    for draft in drafts {
        let rate = app.hub.rules(&draft.channel).publish_rate;
        if rate > 0 {
            channels.entry(&draft.channel).or_insert((rate, 0)).1 += 1;
        }
    }
    for (channel, (rate, messages)) in channels {
        app.quotas
            .take_from_channel(channel, rate, messages, app.monotonic())
            .map_err(|after| too_many("messages to this channel", after))?;
    }
    Ok(())
}

/// Charges a publisher, whatever becomes of the messages.
pub fn charge_publisher(
    app: &App,
    publisher: &Publisher,
    messages: usize,
    bytes: usize,
) -> Result<(), Problem> {
    if !is_bounded(app, publisher) {
        return Ok(());
    }
    let now = app.monotonic();
    for key in keys(publisher) {
        let take = |quota, cost, what| {
            let taken = app.quotas.take(quota, key, number(cost), now);
            taken.map_err(|after| too_many(what, after))
        };
        take(Quota::Publishes, messages, "messages")?;
        take(Quota::PublishBytes, bytes, "bytes")?;
        app.quotas
            .check(Quota::Deliveries, key, 1, now)
            .map_err(|after| too_many("deliveries", after))?;
    }
    Ok(())
}

/// Charges for the readers that a message went to. That is known only afterwards: the next one pays
/// by waiting.
pub fn delivered(app: &App, publisher: &Publisher, readers: usize) {
    if !is_bounded(app, publisher) || readers == 0 {
        return;
    }
    let now = app.monotonic();
    for key in keys(publisher) {
        app.quotas
            .spend(Quota::Deliveries, key, number(readers), now);
    }
}

/// Charges for channels that somebody begins to read.
pub fn charge_subscribes(
    app: &App,
    claims: &Claims,
    address: Option<AddressKey>,
    channels: usize,
) -> Result<(), Problem> {
    // A WebSocket without a channel yet costs nothing, whatever its address owes.
    let Some(address) = address.filter(|_| channels > 0 && !claims.is_backend()) else {
        return Ok(());
    };
    let key = Key::Address(address);
    app.quotas
        .take(Quota::Subscribes, key, number(channels), app.monotonic())
        .map_err(|after| too_many("channels begun to be read", after))
}

/// A backend is the application itself, and so is whoever uses an open server from its own machine:
/// that has no address here.
fn is_bounded(app: &App, publisher: &Publisher) -> bool {
    let own = app.policy().auth.open && publisher.address.is_none();
    !publisher.claims.is_backend() && !own
}

/// What the limits of whoever asks are counted by, where the carrier knows it. On an open server
/// nobody counts what comes from the machine itself: it is somebody's own.
pub fn address(app: &App, head: &request::Parts) -> Option<AddressKey> {
    let client = via(head).client?;
    let own = client.is_loopback() && app.policy().auth.open;
    (!own).then(|| AddressKey::of(client))
}

fn keys(publisher: &Publisher) -> impl Iterator<Item = Key<'_>> {
    let client = publisher.client.map(Key::Client);
    let user = publisher.claims.user.as_deref().map(Key::User);
    let address = publisher.address.map(Key::Address);
    [client, user, address].into_iter().flatten()
}

fn payload_bytes(draft: &Draft) -> usize {
    draft
        .payload
        .as_ref()
        .map_or(0, |payload| payload.bytes.len())
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn too_many(what: &str, after: Duration) -> Problem {
    let detail = format!("too many {what} in too little time; wait as long as this answer says");
    Problem::new(Code::TooManyRequests, detail).after(after)
}

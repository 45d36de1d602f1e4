//! `GET /admin/channels`: what channels there are, a page at a time.

use serde_json::{Value, json};
use tidings_core::broker::{ChannelInfo, ChannelPage, ChannelQuery};
use tidings_protocol::Problem;

use crate::app::App;
use crate::query::Query;
use crate::reply::{self, Answer};

/// Channels in a page where nothing is said.
const PAGE: usize = 100;

/// Lists channels by name.
pub fn list(app: &App, query: &Query) -> Result<Answer, Problem> {
    query.only(&["prefix", "after", "limit"])?;
    let limit = query.number("limit")?.unwrap_or(PAGE);
    let wanted = ChannelQuery {
        prefix: query.one("prefix")?.unwrap_or(""),
        after: query.one("after")?,
        limit: limit.clamp(1, ChannelPage::MAX),
    };
    let page = app.hub.channels(wanted, app.now());
    let channels: Vec<Value> = page.channels.iter().map(entry).collect();
    let next = page.next.as_ref().map(ToString::to_string);
    let list = json!({"channels": channels, "next": next});
    Ok(reply::json(list.to_string()))
}

fn entry(channel: &ChannelInfo) -> Value {
    json!({
        "channel": channel.name.as_str(),
        "epoch": channel.position.epoch.as_str(),
        "offset": channel.position.offset,
        "oldest": channel.oldest,
        "messages": channel.messages,
        "bytes": channel.bytes,
        "readers": channel.readers,
        "members": channel.members,
        "closed": channel.ended,
        "published": channel.published,
        "per_second": channel.rate,
    })
}

//! A channel that the demo publishes to, as long as somebody reads it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tidings_core::{ChannelName, Draft, EventName, Limits, PayloadKind};
use tidings_protocol::{Problem, payload};
use tidings_server::App;
use tokio::time::sleep;

/// How late a first reader is seen.
const WATCH: Duration = Duration::from_millis(200);

/// A channel of this server's.
#[derive(Clone)]
pub struct Channel {
    pub app: Arc<App>,
    pub name: ChannelName,
}

impl Channel {
    /// The channel of a name that is known to be one.
    pub fn new(app: &Arc<App>, name: &str) -> Self {
        Self {
            app: app.clone(),
            name: ChannelName::parse(name).expect("a channel's name"),
        }
    }

    /// Whether somebody reads it.
    pub fn is_read(&self) -> bool {
        self.app.hub().readers(&self.name) > 0
    }

    /// Waits until somebody reads it.
    pub async fn until_read(&self) {
        while !self.is_read() {
            sleep(WATCH).await;
        }
    }

    /// A message of JSON, with an event name where there is one.
    pub fn draft(&self, event: Option<&str>, data: &Value) -> Draft {
        let name = |name| EventName::parse(name, Limits::default().event_bytes);
        let bytes = Bytes::from(data.to_string());
        Draft {
            event: event.map(|event| name(event).expect("an event's name")),
            ..Draft::new(
                self.name.clone(),
                payload::payload(PayloadKind::Json, bytes),
            )
        }
    }

    /// Publishes a message that says what it is about, if it is told. One that is not taken, since
    /// the server holds all that it may, is followed by a newer one.
    pub async fn show(&self, event: &str, topic: Option<&str>, data: &Value) {
        let draft = Draft {
            topic: topic.map(Into::into),
            ..self.draft(Some(event), data)
        };
        if let Err(problem) = self.publish(draft).await {
            tracing::debug!(channel = %self.name, code = problem.code.as_str(), "not shown");
        }
    }

    /// Publishes, and says whether the same was published before under the same key.
    pub async fn publish(&self, draft: Draft) -> Result<bool, Problem> {
        Ok(self.app.publish(draft).await?.duplicate)
    }
}

//! What the end of an attempt was: which word of the table in `docs/clients.md`, how long it lived, and whether the
//! server was well. What follows is the connector's.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Attempt, Stop};
use crate::{
    Error,
    client::Inner,
    connector::Ended,
    end::{Cause, End},
    error::Refusal,
    event::Transport,
};

impl Attempt {
    /// What the connector has to know.
    pub(super) async fn ended(&mut self, cause: &Cause) -> Ended {
        let end = cause.end();
        let floor = match cause {
            Cause::Asked(after) => Some(*after),
            _ => cause.error().and_then(Error::retry_after).or(self.floor),
        };
        Ended {
            end,
            lived: self.lived(),
            heartbeat: self.heartbeat,
            floor,
            probe: self.server_is_well(end).await,
        }
    }

    /// From the first frame to the last byte.
    fn lived(&self) -> Option<Duration> {
        Some(self.heard.saturating_duration_since(self.opened?))
    }

    /// Whether the server was well while or after this went wrong; asked where it matters.
    async fn server_is_well(&mut self, end: End) -> bool {
        let during = self.probe.take();
        match end {
            End::Mute => match during {
                Some(mut probe) if probe.0.is_finished() => (&mut probe.0).await.unwrap_or(false),
                _ => false,
            },
            _ if end.blames().is_some() => {
                let within = self.inner.timings.first_frame * 2 / 3;
                timeout(within, self.inner.probe()).await.unwrap_or(false)
            }
            _ => false,
        }
    }

    /// What an error means at this moment.
    pub(super) fn broke(&self, error: Error) -> Stop {
        let works = self.opened.is_some();
        Stop::End(match error {
            Error::Unreachable(_) => Cause::Unreachable(error),
            Error::Refused(refusal) => self.refused(*refusal),
            Error::Timeout { .. } if works => Cause::Silent(error),
            Error::Timeout { .. } => Cause::Mute(error),
            Error::Foreign(_) | Error::Lost(_) if works => self.ended_early(error),
            Error::Foreign(_) => Cause::Blocked(error),
            Error::Lost(_) => Cause::Broken(error),
            Error::Url(_)
            | Error::Authorities(_)
            | Error::Certificate(_)
            | Error::Tls(_)
            | Error::Argument(_)
            | Error::Token(_)
            | Error::QueueFull { .. }
            | Error::UnknownOutcome
            | Error::Declined(_)
            | Error::TooLarge { .. } => Cause::Final(error),
        })
    }

    /// What it means that a connection that worked broke.
    fn ended_early(&self, error: Error) -> Cause {
        let stable = self.inner.timings.stable;
        match self.lived().is_some_and(|lived| lived >= stable) {
            true => Cause::Lost(error),
            false => Cause::Cut(error),
        }
    }

    /// What a refusal by HTTP status means. With a `code` it is the server's own, else it is something in between.
    fn refused(&self, refusal: Refusal) -> Cause {
        let own = refusal.code.is_some();
        let status = refusal.status.unwrap_or_default();
        match status {
            // The server refuses nothing but a handshake so: it did not arrive as it was sent. If the fault is in
            // the request itself, the next transport is told so.
            400 | 426 if self.transport == Transport::WebSocket => Cause::Blocked(refusal.into()),
            _ if own && !refusal.temporary => Cause::Final(refusal.into()),
            _ if own => Cause::Passing(refusal.into()),
            429 => Cause::Passing(refusal.into()),
            _ if self.opened.is_some() => self.ended_early(refusal.into()),
            _ => Cause::Blocked(refusal.into()),
        }
    }
}

/// Asks whether the server is well, unless the first frame comes before.
pub(super) async fn probe_if_mute(inner: Arc<Inner>) -> bool {
    tokio::time::sleep(inner.timings.first_frame / 3).await;
    inner.probe().await
}

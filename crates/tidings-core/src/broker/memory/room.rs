//! The members of one channel, and what holds each of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_log::Millis;

use super::leases::Alarm;
use crate::broker::{Hold, Member, Release};
use crate::message::ClientId;

/// The members by client: in an order that does not depend on chance, and as small as they are few.
pub(super) type Room = BTreeMap<ClientId, Held>;

/// A member and its holds.
pub(super) struct Held {
    pub member: Arc<Member>,
    /// Open streams.
    streams: u32,
    /// Until when its last poll holds it.
    lease: Millis,
    /// Until when streams that were lost may come back.
    grace: Millis,
    /// When to look after it. Never later than its time is over, while no stream holds it.
    pub alarm: Option<Alarm>,
}

impl Held {
    pub fn new(member: Member) -> Self {
        Self {
            member: Arc::new(member),
            streams: 0,
            lease: 0,
            grace: 0,
            alarm: None,
        }
    }

    pub fn hold(&mut self, hold: Hold) {
        match hold {
            Hold::Stream => {
                self.streams += 1;
                self.grace = 0;
            }
            Hold::Until(end) => self.lease = self.lease.max(end),
        }
    }

    pub fn release(&mut self, release: Release, now: Millis) {
        match release {
            Release::Lease => self.lease = 0,
            // A stream that is not known gives no grace.
            Release::Stream | Release::Lost { .. } if self.streams == 0 => {}
            Release::Stream => self.streams -= 1,
            Release::Lost { grace } => {
                self.streams -= 1;
                self.grace = self.grace.max(now.saturating_add(grace));
            }
        }
    }

    /// When its time is over; `None` while a stream holds it.
    pub fn end(&self) -> Option<Millis> {
        (self.streams == 0).then_some(self.lease.max(self.grace))
    }

    /// Whether nothing holds it.
    pub fn is_over(&self, now: Millis) -> bool {
        self.end().is_some_and(|end| end <= now)
    }
}

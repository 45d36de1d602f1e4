//! All members of this process together: how many, what they take, and when to look after them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidings_log::Millis;

use super::leases::{Due, Leases};
use super::lock;
use super::room::Held;
use crate::broker::Member;
use crate::channel::ChannelName;
use crate::limits::Limits;

/// What all rooms share.
pub(super) struct Attendance {
    /// Of one channel.
    pub members_max: usize,
    pub snapshot_max: usize,
    members: AtomicUsize,
    bytes: AtomicUsize,
    leases: Mutex<Leases>,
}

impl Attendance {
    pub fn new(limits: &Limits) -> Self {
        Self {
            members_max: limits.presence_members,
            snapshot_max: limits.presence_snapshot,
            members: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            leases: Mutex::default(),
        }
    }

    /// How many members there are.
    pub fn members(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }

    /// What members take, roughly.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub fn came(&self, member: &Member) {
        self.members.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(weight(member), Ordering::Relaxed);
    }

    pub fn changed(&self, before: &Member, after: &Member) {
        self.bytes.fetch_add(weight(after), Ordering::Relaxed);
        self.bytes.fetch_sub(weight(before), Ordering::Relaxed);
    }

    pub fn went(&self, held: &Held) {
        self.members.fetch_sub(1, Ordering::Relaxed);
        self.bytes
            .fetch_sub(weight(&held.member), Ordering::Relaxed);
        if let Some(alarm) = held.alarm {
            lock(&self.leases).cancel(alarm);
        }
    }

    /// Sees to it that a member is looked after when its time is over. One that is extended keeps its
    /// alarm and gets another when that goes off: extending is what happens often.
    pub fn watch(&self, channel: &ChannelName, held: &mut Held) {
        let Some(end) = held.end() else { return };
        if held.alarm.is_some_and(|(at, _)| at <= end) {
            return;
        }
        let mut leases = lock(&self.leases);
        if let Some(late) = held.alarm {
            leases.cancel(late);
        }
        held.alarm = Some(leases.set(end, channel.clone(), held.member.client));
    }

    /// Members whose time may be over.
    pub fn due(&self, now: Millis) -> Vec<Due> {
        lock(&self.leases).due(now)
    }

    #[cfg(test)]
    pub fn alarms(&self) -> usize {
        lock(&self.leases).len()
    }
}

fn weight(member: &Member) -> usize {
    const ENTRY: usize = 256;
    ENTRY + member.shown.len() + member.user.as_ref().map_or(0, |user| user.len())
}

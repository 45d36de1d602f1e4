//! Which fault a request meets. Chance comes from the seed, the fault's place in the list and how often it
//! has matched, so the n-th request that a fault matches has the same fate in every run, whatever else runs.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::kind::Kind;

/// A fault, and which requests meet it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kinds that it concerns; all where there is none.
    #[serde(default)]
    on: Option<Vec<Kind>>,
    fault: Action,
    #[serde(default = "always")]
    probability: f64,
    #[serde(default)]
    after: u64,
    #[serde(default)]
    times: Option<u64>,
}

fn always() -> f64 {
    1.0
}

impl Fault {
    /// A fault that every request meets.
    pub fn new(action: Action) -> Self {
        Self {
            on: None,
            fault: action,
            probability: always(),
            after: 0,
            times: None,
        }
    }

    /// Only requests of these kinds.
    #[must_use]
    pub fn on(self, kinds: &[Kind]) -> Self {
        let on = Some(kinds.to_vec());
        Self { on, ..self }
    }

    /// With this probability, 0 to 1.
    #[must_use]
    pub fn probability(self, probability: f64) -> Self {
        Self {
            probability,
            ..self
        }
    }

    /// The first so many that match pass.
    #[must_use]
    pub fn after(self, after: u64) -> Self {
        Self { after, ..self }
    }

    /// At most so many meet it.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        let times = Some(times);
        Self { times, ..self }
    }

    /// What cannot be meant.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(format!("probability {}: 0 to 1", self.probability));
        }
        match self.on.as_deref() {
            Some([]) => Err("on: no kind; leave it out for all of them".into()),
            _ => Ok(()),
        }
    }

    fn concerns(&self, kind: Kind) -> bool {
        let is_able = self.fault != Action::StripUpgrade || kind == Kind::Websocket;
        is_able && self.on.as_ref().is_none_or(|on| on.contains(&kind))
    }
}

/// The fault that a request meets.
pub struct Verdict {
    fault: Arc<Fault>,
    /// How much later it goes on.
    pub delay: Duration,
}

impl Verdict {
    /// What happens to it.
    pub fn action(&self) -> &Action {
        &self.fault.fault
    }
}

/// The list that is in force.
pub struct Faults {
    seed: u64,
    list: Vec<Counted>,
}

struct Counted {
    fault: Arc<Fault>,
    matched: u64,
    met: u64,
}

impl Faults {
    /// None.
    pub fn new(seed: u64) -> Self {
        let list = Vec::new();
        Self { seed, list }
    }

    /// Replaces all of them; what is counted begins anew.
    pub fn set(&mut self, faults: Vec<Fault>) {
        let counted = |fault| Counted {
            fault: Arc::new(fault),
            matched: 0,
            met: 0,
        };
        self.list = faults.into_iter().map(counted).collect();
    }

    /// The first one that a request of this kind meets.
    pub fn judge(&mut self, kind: Kind) -> Option<Verdict> {
        let seed = self.seed;
        let mut all = self.list.iter_mut().enumerate();
        all.find_map(|(place, counted)| counted.judge(kind, seed, place as u64))
    }
}

impl Counted {
    fn judge(&mut self, kind: Kind, seed: u64, place: u64) -> Option<Verdict> {
        let fault = &self.fault;
        if !fault.concerns(kind) {
            return None;
        }
        self.matched += 1;
        let is_used_up = fault.times.is_some_and(|times| self.met >= times);
        let mut chance = Rng::with_seed(mix(seed, place, self.matched));
        if self.matched <= fault.after || is_used_up || chance.f64() >= fault.probability {
            return None;
        }
        self.met += 1;
        let delay = match fault.fault {
            Action::DelayMs(time) => time,
            Action::JitterMs(time) => chance.u64(0..=time),
            _ => 0,
        };
        Some(Verdict {
            fault: fault.clone(),
            delay: Duration::from_millis(delay),
        })
    }
}

/// Odd constants keep neighbours apart: 2⁶⁴ divided by the golden ratio, and by the square root of two.
fn mix(seed: u64, place: u64, matched: u64) -> u64 {
    seed ^ (place + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ matched.wrapping_mul(0xb504_f333_f9de_6485)
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    fn fates(seed: u64, faults: &[Fault], kinds: &[Kind]) -> Vec<Option<(Action, Duration)>> {
        let mut all = Faults::new(seed);
        all.set(faults.to_vec());
        let fate = |verdict: Verdict| (verdict.action().clone(), verdict.delay);
        kinds
            .iter()
            .map(|&kind| all.judge(kind).map(fate))
            .collect()
    }

    fn hits(faults: &[Fault], kinds: &[Kind]) -> Vec<bool> {
        let fates = fates(1, faults, kinds);
        fates.iter().map(Option::is_some).collect()
    }

    #[test]
    fn the_first_that_matches_applies_within_its_bounds() {
        let refuse = || Fault::new(Action::Refuse);
        let (sse, poll) = (Kind::Sse, Kind::Poll);
        let mixed = [sse, poll, sse, sse, sse];
        let only = refuse().on(&[sse]);
        assert_eq!(
            hits(slice::from_ref(&only), &mixed),
            [true, false, true, true, true]
        );
        let some = only.after(1).times(2);
        assert_eq!(
            hits(slice::from_ref(&some), &mixed),
            [false, false, true, true, false]
        );
        let both = fates(1, &[some, Fault::new(Action::Stall)], &mixed);
        let actions: Vec<_> = both.into_iter().flatten().map(|fate| fate.0).collect();
        let (refused, stalled) = (Action::Refuse, Action::Stall);
        assert_eq!(
            actions,
            [&stalled, &stalled, &refused, &refused, &stalled].map(Clone::clone)
        );
        assert_eq!(hits(&[refuse().probability(0.0)], &mixed), [false; 5]);
        let strip = Fault::new(Action::StripUpgrade);
        assert_eq!(hits(&[strip], &[sse, Kind::Websocket]), [false, true]);
    }

    #[test]
    fn the_same_seed_gives_the_same_fates() {
        let faults = [
            Fault::new(Action::Refuse).probability(0.3),
            Fault::new(Action::JitterMs(1000)).probability(0.5),
        ];
        let many = [Kind::Poll; 1000];
        let first = fates(7, &faults, &many);
        assert_eq!(first, fates(7, &faults, &many));
        assert_ne!(first, fates(8, &faults, &many));
        let refused = first
            .iter()
            .flatten()
            .filter(|fate| fate.0 == Action::Refuse);
        let count = refused.count();
        assert!((230..370).contains(&count), "{count} of 1000 by 0.3");
        let delays = first.iter().flatten().map(|fate| fate.1.as_millis());
        assert!(delays.max() > Some(900));
    }

    #[test]
    fn another_kind_in_between_changes_nothing() {
        let faults = [Fault::new(Action::Refuse).on(&[Kind::Sse]).probability(0.5)];
        let alone = fates(3, &faults, &[Kind::Sse; 50]);
        let mixed: Vec<_> = [Kind::Poll, Kind::Sse].repeat(50);
        let among = fates(3, &faults, &mixed);
        assert_eq!(
            alone,
            among.into_iter().skip(1).step_by(2).collect::<Vec<_>>()
        );
    }
}

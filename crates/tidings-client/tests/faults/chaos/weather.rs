//! What the network does next. The same seed, the same sequence.

use std::{collections::BTreeMap, fmt, time::Duration};

use conformance::fault::{Action, Fault, Kind, Page};
use fastrand::Rng;

use crate::network::Network;

pub struct Weather {
    chance: Rng,
    /// How often what happened.
    happened: BTreeMap<&'static str, u32>,
    is_down: bool,
}

impl Weather {
    pub fn new(seed: u64) -> Self {
        Self {
            chance: Rng::with_seed(seed),
            happened: BTreeMap::new(),
            is_down: false,
        }
    }

    /// Lets something happen; gives how long it lasts.
    pub async fn change(&mut self, network: &Network) -> Duration {
        if std::mem::take(&mut self.is_down) {
            network.up();
        }
        let mut most = 1_500;
        let what = match self.chance.u32(..20) {
            0..10 => {
                let count = self.chance.usize(1..=4);
                let faults = (0..count).map(|_| self.fault()).collect();
                (**network).set(faults);
                // They meet what is asked from now on.
                if self.chance.bool() {
                    network.cut(None).await;
                }
                "faults"
            }
            10..14 => {
                network.clear();
                "clear"
            }
            14..16 => {
                network.cut(None).await;
                "cut"
            }
            16 => {
                network.cut(Some(&self.kinds())).await;
                "cut some"
            }
            17..19 => {
                network.stall(Some(&self.kinds())).await;
                "stall some"
            }
            _ => {
                network.down().await;
                self.is_down = true;
                most = 8_000;
                "down"
            }
        };
        *self.happened.entry(what).or_default() += 1;
        Duration::from_millis(self.chance.u64(50..most))
    }

    fn fault(&mut self) -> Fault {
        let action = self.action();
        let fault = Fault::new(action).on(&self.kinds());
        fault.probability(0.3 + 0.7 * self.chance.f64())
    }

    fn kinds(&mut self) -> Vec<Kind> {
        let count = self.chance.usize(1..=Kind::ALL.len());
        self.chance.choose_multiple(Kind::ALL, count)
    }

    fn action(&mut self) -> Action {
        let chance = &mut self.chance;
        match chance.u32(..14) {
            0 => Action::Status(Page::of(502)),
            1 => Action::StripUpgrade,
            2 => Action::Buffer,
            3 => Action::BufferBytes(chance.u64(1..20_000)),
            4 => Action::CutBytes(chance.u64(0..5_000)),
            5 => Action::CutMs(chance.u64(0..2_000)),
            6 => Action::CutRequestBytes(chance.u64(0..1_000)),
            7 => Action::Stall,
            8 => Action::StallBytes(chance.u64(0..5_000)),
            9 => Action::StallMs(chance.u64(0..2_000)),
            10 => Action::Throttle(chance.u64(5_000..200_000)),
            12 => Action::DropResponse,
            11 => Action::JitterMs(chance.u64(1..1_500)),
            _ => Action::Refuse,
        }
    }
}

impl fmt::Display for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.happened)
    }
}

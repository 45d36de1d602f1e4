//! Latencies, counted in classes of which none is wider than a hundredth of its value. Memory is
//! constant, so every delivery is counted and none is sampled.

/// Classes per power of two.
const CLASSES: u64 = 128;

/// How many latencies were how long.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Latencies {
    /// Counts one, in nanoseconds.
    pub fn record(&mut self, nanoseconds: u64) {
        let class = class(nanoseconds);
        if class >= self.counts.len() {
            self.counts.resize(class + 1, 0);
        }
        self.counts[class] += 1;
        self.total += 1;
    }

    /// The least latency, in nanoseconds, that `share` of all (0 to 1) do not exceed; 0 if there is none.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = ((share * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(class as u64);
            }
        }
        0
    }
}

/// Below 2·CLASSES every value has its own class; above, each power of two has as many.
fn class(value: u64) -> usize {
    let shift = (value / CLASSES).checked_ilog2().unwrap_or(0);
    (u64::from(shift) * CLASSES + (value >> shift)) as usize
}

fn middle(class: u64) -> u64 {
    let shift = (class / CLASSES).saturating_sub(1);
    let begin = (class - shift * CLASSES) << shift;
    begin + (1_u64 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, on all values.
    fn exact(values: &mut [u64], share: f64) -> u64 {
        values.sort_unstable();
        let rank = (share * values.len() as f64).ceil() as usize;
        values[rank.clamp(1, values.len()) - 1]
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let mut state = 7_u64;
        let mut values: Vec<u64> = (0..20_000)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 24) >> (state % 37)
            })
            .collect();
        let mut latencies = Latencies::default();
        values.iter().for_each(|value| latencies.record(*value));
        for share in [0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let expected = exact(&mut values, share);
            let error = latencies.quantile(share).abs_diff(expected);
            assert!(error * 100 <= expected, "{share}: {expected} ± {error}");
        }
    }

    #[test]
    fn a_class_holds_its_middle() {
        for value in (0..2_000).chain((0..64).map(|bit| u64::MAX >> bit)) {
            let class = class(value);
            assert_eq!(self::class(middle(class as u64)), class, "{value}");
        }
    }

    #[test]
    fn of_nothing_there_is_no_latency() {
        assert_eq!(Latencies::default().quantile(0.5), 0);
    }
}

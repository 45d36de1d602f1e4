//! What came out: figures by scenario, phase and transport, over the repetitions, with their ratios
//! to the floor's. How they are printed is in `table`.

mod table;

use serde_json::{Map, Value, json};

use super::ledger::Faults;
use super::load::Sample;

pub use table::print;

/// A figure of one repetition: its name with its unit, and its value.
pub type Figure = (&'static str, f64);

/// The label of the floor.
pub const FLOOR: &str = "floor";

/// What one repetition of a phase gave.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Its figures.
    pub figures: Vec<Figure>,
    /// What went wrong.
    pub faults: Faults,
}

/// What was measured, apart from the transport.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The scenario.
    pub scenario: &'static str,
    /// The phase within it.
    pub phase: &'static str,
    /// How many readers.
    pub readers: usize,
    /// On how many channels.
    pub channels: usize,
    /// How it was driven, in words.
    pub pace: String,
}

/// All repetitions of a phase on a transport.
#[derive(Debug)]
pub struct Row {
    /// What.
    pub subject: Subject,
    /// The transport, or [`FLOOR`].
    pub transport: &'static str,
    /// The repetitions.
    pub runs: Vec<Run>,
}

/// All that was measured.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of measuring.
    pub rows: Vec<Row>,
}

/// Median, least and most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle value, or the mean of the middle two.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            1 => values[middle],
            _ => (values.get(middle.wrapping_sub(1))? + values[middle]) / 2.0,
        };
        Some(Self {
            median,
            least: *values.first()?,
            most: *values.last()?,
        })
    }

    fn json(self) -> Value {
        json!({"median": self.median, "min": self.least, "max": self.most})
    }
}

impl Run {
    /// The figures of a phase.
    pub fn of(sample: &Sample) -> Self {
        let tally = &sample.tally;
        let deliveries = tally.deliveries.max(1) as f64;
        let cpu = sample.server.ns as f64 / 1e3 / deliveries;
        let latency = |share| tally.latencies.quantile(share) as f64 / 1e3;
        let per_delivery = |count: u64| count as f64 / deliveries;
        let per_second = |count: u64| count as f64 / sample.seconds;
        let cores = |ns: u64| per_second(ns) / 1e9;
        let others = sample
            .busy_ns
            .saturating_sub(sample.server.ns + sample.load.ns);
        let mut figures = vec![
            ("cpu_us_per_delivery", cpu),
            ("latency_p50_us", latency(0.5)),
            ("latency_p99_us", latency(0.99)),
            ("latency_p999_us", latency(0.999)),
            ("published", sample.published as f64),
            ("deliveries", tally.deliveries as f64),
            ("messages_per_s", per_second(sample.published)),
            ("deliveries_per_s", per_second(tally.deliveries)),
            ("messages_per_read", deliveries / tally.reads.max(1) as f64),
            (
                "received_bytes_per_delivery",
                per_delivery(tally.received_bytes),
            ),
            ("sent_bytes_per_delivery", per_delivery(tally.sent_bytes)),
            ("server_utilisation", cores(sample.server.ns)),
            ("load_utilisation", cores(sample.load.ns)),
            ("others_utilisation", cores(others)),
        ];
        if let Some(share) = sample.server.user_share() {
            figures.push(("user_us_per_delivery", cpu * share));
            figures.push(("system_us_per_delivery", cpu * (1.0 - share)));
        }
        Self {
            figures,
            faults: tally.faults,
        }
    }

    /// The value of a figure.
    pub fn value(&self, name: &str) -> Option<f64> {
        let found = self.figures.iter().find(|(figure, _)| *figure == name);
        found.map(|(_, value)| *value)
    }
}

impl Row {
    /// A figure over the repetitions.
    pub fn spread(&self, name: &str) -> Option<Spread> {
        Spread::of(self.runs.iter().filter_map(|run| run.value(name)).collect())
    }

    /// What went wrong in all repetitions.
    pub fn faults(&self) -> Faults {
        let mut sum = Faults::default();
        self.runs.iter().for_each(|run| sum.add(&run.faults));
        sum
    }

    /// The names of all figures, in their order.
    fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (name, _) in self.runs.iter().flat_map(|run| &run.figures) {
            if !names.contains(name) {
                names.push(name);
            }
        }
        names
    }
}

impl Report {
    /// Adds a repetition.
    pub fn add(&mut self, subject: Subject, transport: &'static str, run: Run) {
        let same = |row: &&mut Row| row.subject == subject && row.transport == transport;
        match self.rows.iter_mut().find(same) {
            Some(row) => row.runs.push(run),
            None => self.rows.push(Row {
                subject,
                transport,
                runs: vec![run],
            }),
        }
    }

    /// Whether all readers got everything, once and in order.
    pub fn flawless(&self) -> bool {
        self.rows.iter().all(|row| row.faults().none())
    }

    /// A figure in units of the floor's: each repetition against the floor's of that repetition,
    /// which was measured right before.
    pub fn to_floor(&self, row: &Row, name: &str) -> Option<Spread> {
        if row.transport == FLOOR {
            return None;
        }
        let is_floor = |other: &&Row| other.transport == FLOOR && other.subject == row.subject;
        let floor = self.rows.iter().find(is_floor)?;
        let ratio = |(run, unit): (&Run, &Run)| Some((run.value(name)?, unit.value(name)?));
        let pairs = row.runs.iter().zip(&floor.runs).filter_map(ratio);
        let ratios = pairs
            .filter(|(_, unit)| *unit > 0.0)
            .map(|(value, unit)| value / unit);
        Spread::of(ratios.collect())
    }

    /// Everything as JSON.
    pub fn json(&self) -> Value {
        self.rows.iter().map(|row| self.row_json(row)).collect()
    }

    fn row_json(&self, row: &Row) -> Value {
        let mut figures = Map::new();
        for name in row.names() {
            let Some(spread) = row.spread(name) else {
                continue;
            };
            let mut figure = spread.json();
            figure["values"] = row.runs.iter().map(|run| run.value(name)).collect();
            if let Some(ratio) = self.to_floor(row, name) {
                figure["to_floor"] = ratio.json();
            }
            figures.insert(name.into(), figure);
        }
        let faults = row.faults();
        json!({
            "scenario": row.subject.scenario,
            "phase": row.subject.phase,
            "transport": row.transport,
            "readers": row.subject.readers,
            "channels": row.subject.channels,
            "pace": row.subject.pace,
            "figures": figures,
            "lost": faults.lost,
            "repeated": faults.repeated,
            "reordered": faults.reordered,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(floor: &[f64], server: &[f64]) -> Report {
        let subject = Subject {
            scenario: "fanout",
            phase: "paced",
            readers: 1,
            channels: 1,
            pace: "20/s".into(),
        };
        let mut report = Report::default();
        for (label, values) in [(FLOOR, floor), ("ws", server)] {
            for value in values {
                let run = Run {
                    figures: vec![("cpu_us_per_delivery", *value)],
                    faults: Faults::default(),
                };
                report.add(subject.clone(), label, run);
            }
        }
        report
    }

    #[test]
    fn the_median_and_the_spread() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.least, spread.most), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of(vec![4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(vec![]), None);
    }

    #[test]
    fn ratios_are_taken_within_a_repetition() {
        let report = report(&[1.0, 2.0, 4.0], &[2.0, 2.0, 6.0]);
        let ratio = report
            .to_floor(&report.rows[1], "cpu_us_per_delivery")
            .unwrap();
        assert_eq!((ratio.median, ratio.least, ratio.most), (1.5, 1.0, 2.0));
        let json = report.json();
        assert_eq!(
            json[1]["figures"]["cpu_us_per_delivery"]["to_floor"]["median"],
            1.5
        );
        assert!(
            json[0]["figures"]["cpu_us_per_delivery"]
                .get("to_floor")
                .is_none()
        );
    }

    #[test]
    fn without_a_floor_there_is_no_ratio() {
        let report = report(&[], &[2.0]);
        assert_eq!(
            report.to_floor(&report.rows[0], "cpu_us_per_delivery"),
            None
        );
    }
}

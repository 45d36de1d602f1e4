//! The report as tables for people: one for each scenario and phase, a column for each transport.

use super::{Report, Row, Spread, Subject};

/// A line: what it is called, its figure, and what the figure is divided by to be shown.
struct Line(&'static str, &'static str, f64);

const LINES: &[Line] = &[
    Line("bytes per connection", "resident_bytes_per_connection", 1.0),
    Line("MiB in all", "resident_bytes", 1_048_576.0),
    Line("server CPU us/delivery", "cpu_us_per_delivery", 1.0),
    Line("  in user mode", "user_us_per_delivery", 1.0),
    Line("  in the kernel", "system_us_per_delivery", 1.0),
    Line("latency p50 ms", "latency_p50_us", 1e3),
    Line("latency p99 ms", "latency_p99_us", 1e3),
    Line("latency p99.9 ms", "latency_p999_us", 1e3),
    Line("p50 to that alone", "latency_p50_to_alone", 1.0),
    Line("p99 to that alone", "latency_p99_to_alone", 1.0),
    Line("messages/s", "messages_per_s", 1.0),
    Line("deliveries/s", "deliveries_per_s", 1.0),
    Line("messages per read", "messages_per_read", 1.0),
    Line("bytes down/delivery", "received_bytes_per_delivery", 1.0),
    Line("bytes up/delivery", "sent_bytes_per_delivery", 1.0),
    Line("cores: server", "server_utilisation", 1.0),
    Line("cores: load", "load_utilisation", 1.0),
    Line("cores: others", "others_utilisation", 1.0),
];

/// All tables.
pub fn print(report: &Report) -> String {
    let mut text = String::new();
    let mut done: Vec<&Subject> = Vec::new();
    for row in &report.rows {
        if done.contains(&&row.subject) {
            continue;
        }
        done.push(&row.subject);
        let rows = report.rows.iter();
        let rows: Vec<&Row> = rows.filter(|other| other.subject == row.subject).collect();
        text.push_str(&title(&row.subject));
        text.push_str(&aligned(&cells(report, &rows)));
        text.push('\n');
    }
    text
}

fn title(subject: &Subject) -> String {
    let channels = match subject.channels {
        1 => String::new(),
        channels => format!(" on {channels} channels"),
    };
    let pace = match subject.pace.as_str() {
        "" => String::new(),
        pace => format!(", {pace}"),
    };
    let readers = match subject.readers {
        1 => "1 reader".into(),
        readers => format!("{readers} readers"),
    };
    let (scenario, phase) = (subject.scenario, subject.phase);
    format!("{scenario} {phase}: {readers}{channels}{pace}\n")
}

/// The table with its head, without lines in which nothing stands.
fn cells(report: &Report, rows: &[&Row]) -> Vec<Vec<String>> {
    let names = rows.iter().map(|row| row.transport.to_owned());
    let mut table = vec![
        std::iter::once(String::new())
            .chain(names)
            .collect::<Vec<_>>(),
    ];
    for Line(title, figure, unit) in LINES {
        let value = |row: &&Row| cell(report, row, figure, *unit);
        let values: Vec<Option<String>> = rows.iter().map(value).collect();
        if values.iter().any(Option::is_some) {
            let values = values.into_iter().map(Option::unwrap_or_default);
            table.push(std::iter::once((*title).to_owned()).chain(values).collect());
        }
    }
    let faults = rows.iter().map(|row| {
        let faults = row.faults();
        format!("{}/{}/{}", faults.lost, faults.repeated, faults.reordered)
    });
    table.push(
        std::iter::once("lost/repeated/reordered".to_owned())
            .chain(faults)
            .collect(),
    );
    table
}

/// The median, its spread where there is one, and its ratio to the floor.
fn cell(report: &Report, row: &Row, figure: &str, unit: f64) -> Option<String> {
    let Spread {
        median,
        least,
        most,
    } = row.spread(figure)?;
    let [median, least, most] = [median, least, most].map(|number| number_text(number / unit));
    let spread = if least == most {
        String::new()
    } else {
        format!(" ({least}–{most})")
    };
    // How busy cores were explains a figure and is none.
    let ratio = report.to_floor(row, figure);
    let ratio = ratio.filter(|_| !figure.ends_with("_utilisation"));
    let ratio = ratio.map_or(String::new(), |ratio| {
        format!("  {}x", number_text(ratio.median))
    });
    Some(format!("{median}{spread}{ratio}"))
}

/// Three digits that count, or all before the point.
fn number_text(number: f64) -> String {
    match number.abs() {
        0.0..9.995 => format!("{number:.2}"),
        9.995..99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

/// Columns to the right, but for the first.
fn aligned(table: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let widths = table.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table[0].len()).map(width).collect();
    let mut text = String::new();
    for line in table {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            match column {
                0 => text.push_str(&format!("  {cell}{padding}")),
                _ => text.push_str(&format!("   {padding}{cell}")),
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::bench::report::{FLOOR, Run};

    #[test]
    fn numbers_have_three_digits() {
        for (number, text) in [
            (0.0, "0.00"),
            (1.234, "1.23"),
            (9.999, "10.0"),
            (12.34, "12.3"),
            (123.4, "123"),
            (12_345.6, "12346"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn a_table_has_median_spread_and_ratio() {
        let subject = Subject {
            scenario: "echo",
            phase: "paced",
            readers: 1,
            channels: 1,
            pace: "5/s".into(),
        };
        let mut report = Report::default();
        for (label, value) in [(FLOOR, 1.0), (FLOOR, 1.0), ("ws", 1.5), ("ws", 2.5)] {
            let run = Run {
                figures: vec![("messages_per_s", value)],
                ..Run::default()
            };
            report.add(subject.clone(), label, run);
        }
        let expected = "echo paced: 1 reader, 5/s
                            floor                        ws
  messages/s                 1.00   2.00 (1.50–2.50)  2.00x
  lost/repeated/reordered   0/0/0                     0/0/0";
        assert_eq!(print(&report).trim_end(), expected);
    }
}

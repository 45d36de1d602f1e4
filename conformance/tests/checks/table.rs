//! The table of docs/checks.md, as it stands there.

use std::collections::BTreeMap;

/// The answers that the document names, by operation and check.
pub struct Table(BTreeMap<(String, String), String>);

impl Table {
    pub fn read() -> Self {
        let text = include_str!("../../../docs/checks.md");
        let mut rows = text
            .lines()
            .skip_while(|line| !line.starts_with("| operation |"))
            .take_while(|line| line.starts_with('|'))
            .map(|line| {
                line.trim_matches('|')
                    .split('|')
                    .map(|cell| cell.trim().to_owned())
            });
        let checks: Vec<String> = rows.next().expect("a table").skip(1).collect();
        let mut cells = BTreeMap::new();
        for mut row in rows.skip(1) {
            let operation = row.next().expect("a first cell");
            let answers: Vec<String> = row.collect();
            assert_eq!(answers.len(), checks.len(), "{operation}");
            for (check, answer) in checks.iter().zip(answers) {
                cells.insert((operation.clone(), check.clone()), answer);
            }
        }
        Self(cells)
    }

    /// The answer; `None` where nothing is checked.
    pub fn answer(&self, operation: &str, check: &str) -> Option<&str> {
        let cell = self
            .0
            .get(&(operation.to_owned(), check.to_owned()))
            .unwrap_or_else(|| panic!("no row and column for {operation} × {check}"));
        (cell != "–").then_some(cell)
    }

    /// Asserts that the answer is the one named; gives 1, to be summed.
    pub fn holds(&self, operation: &str, check: &str, got: &str) -> usize {
        let named = self.answer(operation, check);
        assert_eq!(named, Some(got), "{operation} × {check}");
        1
    }
}

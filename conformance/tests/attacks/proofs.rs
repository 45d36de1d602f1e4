//! Whether the tests that the table names exist, and whether it names all that are here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::table::TABLE;

/// What has to stand before a function for it to be run as a test.
const MARKS: [&str; 4] = [
    "#[test]",
    "#[tokio::test]",
    "#[tokio::test(",
    "#![proptest_config",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The names of the tests of a file.
fn tests(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut marked = false;
    let mut names = BTreeSet::new();
    for line in text.lines().map(str::trim) {
        let name = line.trim_start_matches("async ").strip_prefix("fn ");
        match name.and_then(|name| name.split('(').next()) {
            Some(name) => {
                if std::mem::take(&mut marked) {
                    names.insert(name.to_owned());
                }
            }
            None => marked |= MARKS.iter().any(|mark| line.starts_with(mark)),
        }
    }
    names
}

/// `path: function`, or the path of a fuzz target or a file of rules, which is a proof as a whole.
fn holds(proof: &str) -> bool {
    match proof.split_once(": ") {
        Some((path, function)) => tests(&root().join(path)).contains(function),
        None => root().join(proof).is_file(),
    }
}

#[test]
fn every_row_is_shown_by_tests_that_exist() {
    let mut missing = Vec::new();
    for section in TABLE {
        for row in section.rows {
            assert!(!row.attack.is_empty() && !row.expected.is_empty());
            assert!(!row.proof.is_empty(), "{}", row.attack);
            let gone = row.proof.iter().filter(|proof| !holds(proof));
            let told = |proof: &&str| {
                format!(
                    "{}: {} ({}): {proof}",
                    section.title, row.attack, row.seen_at
                )
            };
            missing.extend(gone.map(told));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_test_here_is_in_a_row() {
    let named: BTreeSet<&str> = TABLE
        .iter()
        .flat_map(|section| section.rows)
        .flat_map(|row| row.proof.iter().copied())
        .collect();
    let here = "conformance/tests/attacks";
    let mut unnamed = Vec::new();
    for entry in std::fs::read_dir(root().join(here)).expect("this folder") {
        let path = entry.expect("a file").path();
        let file = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
            .to_owned();
        if file == "proofs.rs" {
            continue;
        }
        let proofs = tests(&path)
            .into_iter()
            .map(|test| format!("{here}/{file}: {test}"));
        unnamed.extend(proofs.filter(|proof| !named.contains(proof.as_str())));
    }
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

#[test]
fn a_name_that_is_gone_is_seen() {
    let here = "conformance/tests/attacks/proofs.rs";
    assert!(holds(&format!("{here}: a_name_that_is_gone_is_seen")));
    assert!(!holds(&format!("{here}: a_name_that_never_was")));
    assert!(
        !holds(&format!("{here}: holds")),
        "a function that is no test"
    );
    assert!(!holds("conformance/tests/attacks/nothing.rs"));
}

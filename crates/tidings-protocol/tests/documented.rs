//! PROTOCOL.md holds the same table of codes as the program.

use tidings_protocol::Code;

#[test]
fn every_code_is_a_row_and_every_row_a_code() {
    let text = include_str!("../../../PROTOCOL.md");
    let mut rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `") && line.ends_with(". |"))
        .collect();
    for code in Code::ALL {
        let again = if code.temporary() { "yes" } else { "no" };
        let row = format!(
            "| `{}` | {} | {} | {again} | {} |",
            code.as_str(),
            code.status(),
            code.close_code(),
            code.summary()
        );
        let before = rows.len();
        rows.retain(|line| *line != row);
        assert_eq!(rows.len() + 1, before, "PROTOCOL.md lacks: {row}");
    }
    assert!(
        rows.is_empty(),
        "PROTOCOL.md has rows that are no codes: {rows:?}"
    );
}

//! What the clients of this project know of errors is the table of `codes.rs` of the protocol, and PROTOCOL.md beside
//! the one for JavaScript is the same page.
//!
//! `BLESS=1 cargo test -p conformance --test codes` writes them anew.

use std::fmt::Write;
use std::path::PathBuf;

use tidings_protocol::Code;

/// Compares a file of the repository, or writes it.
fn holds(path: &str, expected: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, expected).expect("a place to write");
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let again = "BLESS=1 cargo test -p conformance --test codes";
    assert!(found == expected, "{path} is not of this table: {again}");
}

#[test]
fn the_rust_client_knows_every_code() {
    let mut text = String::from(
        "//! The codes of the server's refusals, made from its table by\n\
         //! `BLESS=1 cargo test -p conformance --test codes`. What follows from them is the connector's.\n\n\
         /// Each code, and whether the same request may work later.\n\
         const TABLE: &[(&str, bool)] = &[\n",
    );
    for code in Code::ALL {
        let row = format!("    ({:?}, {}),", code.as_str(), code.temporary());
        writeln!(text, "{row}").expect("a string takes all");
    }
    text.push_str(
        "];\n\n\
         /// Whether the same request may work later. `None`: this version does not know the code.\n\
         pub(crate) fn is_temporary(code: &str) -> Option<bool> {\n    \
             let row = TABLE.iter().find(|(name, _)| *name == code)?;\n    \
             Some(row.1)\n\
         }\n\n\
         /// Whether a WebSocket that ended with this close code is not to come back.\n\
         pub(crate) fn is_final_close(code: u16) -> bool {\n    \
             matches!(code, 1000 | 1002 | 1003 | 1007..=1009 | 4000..=4099)\n\
         }\n\n\
         /// Whether it is to come back at once.\n\
         pub(crate) fn is_close_at_once(code: u16) -> bool {\n    \
             matches!(code, 4200..=4299)\n\
         }\n",
    );
    for code in Code::ALL {
        let is_final = matches!(code.close_code(), 1000 | 1002 | 1003 | 1007..=1009 | 4000..=4099);
        assert_eq!(is_final, !code.temporary(), "{}", code.as_str());
    }
    holds("crates/tidings-client/src/codes.rs", &text);
}

#[test]
fn the_javascript_client_knows_every_code() {
    let mut text = String::from(
        "/**\n * The codes of the server's refusals, made from its table by\n \
         * `BLESS=1 cargo test -p conformance --test codes`: the HTTP status, the close code of a WebSocket,\n \
         * and whether the same request may work later.\n */\nexport const codes = {\n",
    );
    for code in Code::ALL {
        let (name, doc) = (code.as_str(), code.summary());
        let (status, close, temporary) = (code.status(), code.close_code(), code.temporary());
        let row = format!("{{ status: {status}, close: {close}, temporary: {temporary} }}");
        write!(text, "  /** {doc} */\n  {name}: {row},\n").expect("a string takes all");
    }
    text.push_str(
        "} as const;\n\n/** A code of the table. */\nexport type Code = keyof typeof codes;\n",
    );
    holds("sdk/js/src/codes.ts", &text);
}

#[test]
fn the_javascript_client_comes_with_the_protocol() {
    holds("sdk/js/PROTOCOL.md", include_str!("../../PROTOCOL.md"));
}

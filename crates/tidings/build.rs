//! Tells the program which commit it is built from, for `tidings bench`: figures belong to one.

use std::process::Command;

fn main() {
    // Whoever embeds the library has a repository of their own.
    let measured = std::env::var_os("CARGO_FEATURE_COMMAND").is_some();
    if !measured || !std::path::Path::new("../../bench/floor/Cargo.toml").exists() {
        println!("cargo::rerun-if-changed=build.rs");
        println!("cargo::rustc-env=TIDINGS_COMMIT=no commit");
        return;
    }
    // The log of HEAD grows with every commit and checkout; a change of the sources makes it dirty.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    println!("cargo::rerun-if-changed=..");
    // A page that is new there is to be embedded, too.
    println!("cargo::rerun-if-changed=../../demos");
    println!("cargo::rustc-env=TIDINGS_COMMIT={}", commit());
}

fn commit() -> String {
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "no commit".into();
    };
    match git(&["status", "--porcelain", "--untracked-files=no", "--", ".."]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit} and changes"),
    }
}

/// What git says, if there is a git and a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

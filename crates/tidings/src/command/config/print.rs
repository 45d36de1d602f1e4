//! The whole configuration as TOML with a comment for each key: what it means, what it takes and
//! where its value came from. What is printed reads back as the same configuration, but for secrets,
//! which are not printed.

use std::fmt::Write;

use super::keys::KEYS;
use super::load::Loaded;
use super::lookup::join;
use super::named::{NAMED, Named};
use super::texts::UNSHOWN;
use super::units::quote;

/// Prints all keys.
pub fn print(loaded: &Loaded) -> String {
    let mut out = String::from("# The configuration of tidings: all keys with their values.\n");
    let mut table = "";
    for key in KEYS.iter() {
        if key.table() != table {
            table = key.table();
            let _ = write!(out, "\n[{table}]\n");
        }
        let shown = (key.show)(&loaded.config, "");
        // Saved as a file it must not open what tokens or keys, added later, would close.
        let varies = key.varies() && !loaded.sources.contains_key(key.path);
        let _ = write!(
            out,
            "\n# {}\n# {}; {}\n{}{}{} = {shown}\n",
            key.about,
            (key.form)(),
            origin(loaded, key.path),
            unshown(&shown),
            if varies { "# " } else { "" },
            key.name()
        );
    }
    for named in NAMED.iter() {
        tables(loaded, named, &mut out);
    }
    if out.contains(NOTE) {
        let (title, rest) = out.split_once('\n').unwrap_or_default();
        out = format!("{title}\n# Secrets are not shown: {UNSHOWN} stands for each.\n{rest}");
    }
    out
}

const NOTE: &str = "# Set, and not shown: write the secret here.\n";

fn unshown(shown: &str) -> &'static str {
    if shown == quote(UNSHOWN) { NOTE } else { "" }
}

fn origin(loaded: &Loaded, path: &str) -> String {
    match loaded.sources.get(path) {
        // A line break in it would end the comment.
        Some(place) => format!("from {place}").replace(char::is_control, " "),
        None => "default".into(),
    }
}

fn tables(loaded: &Loaded, named: &Named, out: &mut String) {
    let root = named.root;
    let _ = write!(out, "\n# [{root}.NAME]: {}\n", named.about);
    if root != "namespaces" {
        for (inner, key) in &named.keys {
            let _ = writeln!(out, "#   {inner}: {} ({})", key.about, (key.form)());
        }
    }
    for name in (named.names)(&loaded.config) {
        let table = join(&[root.to_owned(), name.clone()]);
        let _ = write!(out, "\n[{table}]\n");
        for (inner, key) in &named.keys {
            let shown = named.show(&loaded.config, name, key);
            let path = format!("{table}.{inner}");
            if loaded.sources.contains_key(&path) {
                let (form, origin) = ((key.form)(), origin(loaded, &path));
                let note = unshown(&shown);
                let _ = write!(out, "# {form}; {origin}\n{note}{inner} = {shown}\n");
            } else if root == "namespaces" {
                let _ = writeln!(out, "# {inner} = {shown}   (as {})", key.path);
            } else {
                let _ = writeln!(out, "# {inner} = {shown}   (default)");
            }
        }
    }
}

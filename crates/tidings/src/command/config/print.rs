//! The whole configuration as TOML with a comment for each key: what it means, what it takes and
//! where its value came from. What is printed reads back as the same configuration.

use std::fmt::Write;

use super::keys::{KEYS, Key};
use super::load::{Loaded, join};

/// Prints all keys.
pub fn print(loaded: &Loaded) -> String {
    let mut out = String::from("# The configuration of tidings: all keys with their values.\n");
    let mut table = "";
    for key in KEYS.iter() {
        if key.table() != table {
            table = key.table();
            let _ = write!(out, "\n[{table}]\n");
        }
        let shown = (key.show)(&loaded.config);
        let _ = write!(
            out,
            "\n# {}\n# {}; {}\n{} = {shown}\n",
            key.about,
            (key.form)(),
            origin(loaded, key.path),
            key.name()
        );
    }
    namespaces(loaded, &mut out);
    out
}

fn origin(loaded: &Loaded, path: &str) -> String {
    match loaded.sources.get(path) {
        // A line break in it would end the comment.
        Some(place) => format!("from {place}").replace(char::is_control, " "),
        None => "default".into(),
    }
}

fn namespaces(loaded: &Loaded, out: &mut String) {
    out.push_str(
        "\n# [namespaces.NAME] is for channels whose name begins with NAME and a colon.\n\
         # What it does not set is as everywhere.\n",
    );
    for (name, namespace) in &loaded.config.namespaces {
        let table = join(&["namespaces".to_owned(), name.clone()]);
        let _ = write!(out, "\n[{table}]\n");
        let scope = loaded.config.within(namespace);
        for (key, inner) in own_keys() {
            let shown = (key.show)(&scope);
            let path = format!("{table}.{inner}");
            if loaded.sources.contains_key(&path) {
                let (form, origin) = ((key.form)(), origin(loaded, &path));
                let _ = write!(out, "# {form}; {origin}\n{inner} = {shown}\n");
            } else {
                let _ = writeln!(out, "# {inner} = {shown}   (as {})", key.path);
            }
        }
    }
}

fn own_keys() -> impl Iterator<Item = (&'static Key, &'static str)> {
    KEYS.iter()
        .filter_map(|key| key.in_namespace.map(|inner| (*key, inner)))
}

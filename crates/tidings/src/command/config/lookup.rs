//! Names of keys: as they are typed, the keys that they mean, and what was probably meant where they
//! mean none. It knows no value.

use toml::de::{DeTable, DeValue};

use super::PREFIX;
use super::fault::{Place, Wrong};
use super::keys::{self, KEYS, Key};
use super::named::{NAMED, Named};
use super::suggest::nearest;

/// A table of a named table, and the name.
pub type Entry = (&'static Named, String);

/// Whether the value of a key is not to be seen. Of one that is none, a misspelt one or a table,
/// nobody knows: there may be a secret in it.
pub fn is_hidden(path: &[String]) -> bool {
    match resolve(path) {
        Ok((key, _)) => (key.hidden)(),
        Err(_) => true,
    }
}

/// Whether a table may stand there.
pub fn is_table(path: &[String]) -> bool {
    let begins = |names: Vec<&str>, part: &[String]| {
        let begin = format!("{}.", part.join("."));
        names.iter().any(|name| name.starts_with(&begin))
    };
    match path {
        [root, below @ ..] if let Some(named) = Named::find(root) => match below {
            [] | [_] => true,
            [_, inner @ ..] => begins(named.keys.iter().map(|(name, _)| *name).collect(), inner),
        },
        _ => begins(KEYS.iter().map(|key| key.path).collect(), path),
    }
}

/// The key of a path, and the named table that it is in.
pub fn resolve(path: &[String]) -> Result<(&'static Key, Option<Entry>), Wrong> {
    find(path).ok_or_else(|| unknown(path))
}

fn find(path: &[String]) -> Option<(&'static Key, Option<Entry>)> {
    match path {
        [root, name, inner @ ..] if let Some(named) = Named::find(root) => {
            let key = named.key(&inner.join("."))?;
            Some((key, Some((named, name.clone()))))
        }
        _ => keys::find(&path.join(".")).map(|key| (key, None)),
    }
}

fn unknown(path: &[String]) -> Wrong {
    if is_table(path) {
        let name = join(path);
        let fix = format!("write its keys: [{name}] in a file, {name}.KEY=VALUE in a flag");
        return Wrong::new("this is a table, not a value".into(), fix);
    }
    let fix = match near(path) {
        Some(near) => format!("did you mean {near}?"),
        None => "`tidings config --print` lists all keys with their meaning".into(),
    };
    Wrong::new("there is no such key".into(), fix)
}

fn near(path: &[String]) -> Option<String> {
    let [root, below @ ..] = path else {
        return None;
    };
    if let (Some(named), [name, inner @ ..]) = (Named::find(root), below) {
        let inner = inner.join(".");
        let general = keys::find(&inner).and_then(|key| key.in_namespace);
        let names = || named.keys.iter().map(|(name, _)| *name);
        let near = match general {
            Some(own) if named.key(own).is_some() => own,
            _ => nearest(&inner, names())?,
        };
        return Some(format!("{}.{near}", join(&[root.clone(), name.clone()])));
    }
    let mut other = path.to_vec();
    if let Some(root) = nearest(root, NAMED.iter().map(|named| named.root)) {
        other[0] = root.to_owned();
        if find(&other).is_some() {
            return Some(join(&other));
        }
    }
    nearest(&path.join("."), KEYS.iter().map(|key| key.path)).map(str::to_owned)
}

/// In an error of a variable the key is spelled as a variable.
pub fn respell(mut wrong: Wrong, place: &Place) -> Wrong {
    if let Place::Variable(_) = place
        && let Some(near) = wrong.fix.strip_prefix("did you mean ")
    {
        let near = near.trim_end_matches('?').to_uppercase().replace('.', "__");
        wrong.fix = format!("did you mean {PREFIX}{near}?");
    }
    wrong
}

/// The parts of a key that was typed after `--set`.
pub fn split(key: &str) -> Vec<String> {
    let document = format!("{key} = 0");
    let plain = || key.split('.').map(str::to_owned).collect();
    let Ok(parsed) = DeTable::parse(&document) else {
        return plain();
    };
    let mut path = Vec::new();
    let mut table = parsed.get_ref();
    while let Some((name, value)) = table.iter().next() {
        path.push(name.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(below) => table = below,
            _ => break,
        }
    }
    path
}

/// A path as TOML writes it.
pub fn join(path: &[String]) -> String {
    let is_bare = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let part = |part: &String| match is_bare(part) {
        true => part.clone(),
        false => super::units::quote(part),
    };
    path.iter().map(part).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_flags() {
        assert_eq!(split("limits.wait"), ["limits", "wait"]);
        assert_eq!(
            split(r#"namespaces."a.b".message_bytes"#),
            ["namespaces", "a.b", "message_bytes"]
        );
        assert_eq!(
            split("namespaces.방.message_bytes"),
            ["namespaces", "방", "message_bytes"]
        );
        let path = split("namespaces.방.message_bytes");
        assert_eq!(split(&join(&path)), path);
    }
}

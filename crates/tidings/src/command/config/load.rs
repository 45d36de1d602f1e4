//! From the layers to one configuration. Each layer becomes a list of typed values with their
//! places; the table of keys gives them their meaning; what is wrong is gathered, not thrown.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{self, Sources};
use super::fault::{Fault, Faults, Place, Spot, Wrong};
use super::keys::{self, KEYS, Key};
use super::suggest::nearest;
use super::value::Value;
use super::{Config, FLAG_VARIABLES, PREFIX};

/// Variables that Kubernetes sets for a service of the name "tidings": nobody typed them.
const FOREIGN: [&str; 2] = ["TIDINGS_SERVICE_", "TIDINGS_PORT"];

const NAMESPACES: &str = "namespaces";

/// What a configuration is made of, in the order of rising weight.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The configuration file.
    pub file: Option<PathBuf>,
    /// Environment variables; those without the prefix and empty ones are passed over.
    pub variables: Vec<(String, String)>,
    /// Flags.
    pub flags: Vec<Flag>,
}

/// A flag that sets a key.
#[derive(Clone, Debug)]
pub struct Flag {
    /// The flag as it was typed, for errors.
    pub typed: String,
    /// The key; parts of a namespace's name may be quoted as in TOML.
    pub key: String,
    /// The value.
    pub value: String,
}

/// A configuration, and where each value that is no default came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// By the whole name of the key.
    pub sources: Sources,
}

/// One value for one key.
struct Given {
    key: &'static Key,
    namespace: Option<String>,
    /// The whole name as it was typed.
    path: String,
    value: Value,
    place: Place,
}

#[derive(Default)]
struct Layers {
    given: Vec<Given>,
    /// Namespaces that were named, be it without any key.
    namespaces: Vec<(String, Place)>,
    faults: Vec<Fault>,
}

/// Makes one configuration of all layers.
///
/// # Errors
///
/// Everything that is wrong, each with its place and its mending.
pub fn load(inputs: &Inputs) -> Result<Loaded, Faults> {
    let mut layers = Layers::default();
    if let Some(path) = &inputs.file {
        layers.file(path);
    }
    layers.variables(&inputs.variables);
    for flag in &inputs.flags {
        let place = Place::Flag(flag.typed.clone());
        layers.take(&split(&flag.key), Value::Bare(flag.value.clone()), place);
    }
    layers.finish()
}

impl Layers {
    fn fault(&mut self, place: Place, key: Option<&str>, wrong: Wrong) {
        let key = key.map(str::to_owned);
        self.faults.push(Fault { place, key, wrong });
    }

    fn file(&mut self, path: &PathBuf) {
        let shared = Arc::new(path.clone());
        let whole = |text: &str| Place::File(Spot::new(&shared, text, 0..0));
        let source = match std::fs::read(path).map(String::from_utf8) {
            Ok(Ok(source)) => source,
            Ok(Err(error)) => {
                let valid = String::from_utf8_lossy(error.as_bytes());
                let at = error.utf8_error().valid_up_to();
                let place = Place::File(Spot::new(&shared, &valid, at..at));
                let fix = "save the file as UTF-8".into();
                return self.fault(place, None, Wrong::new("this is not UTF-8".into(), fix));
            }
            Err(error) => {
                let what = format!("the file cannot be read: {error}");
                let fix = "give the path of a readable TOML file to --config or TIDINGS_CONFIG";
                return self.fault(whole(""), None, Wrong::new(what, fix.into()));
            }
        };
        let (table, errors) = DeTable::parse_recoverable(&source);
        for error in &errors {
            let range = error.span().unwrap_or(0..0);
            let what = format!("not valid TOML: {}", error.message());
            let fix =
                "mend the line; a text stands in quotes, a table is [name] or { key = value }";
            let place = Place::File(Spot::new(&shared, &source, range));
            self.fault(place, None, Wrong::new(what, fix.into()));
        }
        if errors.is_empty() {
            let file = File {
                path: shared,
                source: &source,
            };
            self.table(&file, &[], table.get_ref());
        }
    }

    /// Walks a table of the file, whether it is written with a header, inline or with dots.
    fn table(&mut self, file: &File<'_>, above: &[String], table: &DeTable<'_>) {
        for (name, value) in table {
            let mut path = above.to_vec();
            path.push(name.get_ref().to_string());
            let place = file.place(name);
            match value.get_ref() {
                DeValue::Table(below) if is_table(&path) => {
                    if let [root, namespace] = path.as_slice()
                        && root == NAMESPACES
                    {
                        self.namespaces.push((namespace.clone(), place));
                    }
                    self.table(file, &path, below);
                }
                other => {
                    let known = resolve(&path).is_ok();
                    let typed = Value::from_toml(other, &file.source[value.span()]);
                    let place = if known { file.place(value) } else { place };
                    self.take(&path, typed, place);
                }
            }
        }
    }

    fn variables(&mut self, variables: &[(String, String)]) {
        let mut known: Vec<_> = variables
            .iter()
            .filter(|(name, value)| name.starts_with(PREFIX) && !value.is_empty())
            .filter(|(name, _)| !FLAG_VARIABLES.contains(&name.as_str()))
            .filter(|(name, _)| !FOREIGN.iter().any(|foreign| name.starts_with(foreign)))
            .collect();
        known.sort();
        for (name, value) in known {
            let path: Vec<String> = name[PREFIX.len()..]
                .to_lowercase()
                .split("__")
                .map(str::to_owned)
                .collect();
            let place = Place::Variable(name.clone());
            self.take(&path, Value::Bare(value.clone()), place);
        }
    }

    fn take(&mut self, path: &[String], value: Value, place: Place) {
        let name = join(path);
        let (key, namespace) = match resolve(path) {
            Ok(found) => found,
            Err(wrong) => return self.fault(place.clone(), Some(&name), respell(wrong, &place)),
        };
        self.given.push(Given {
            key,
            namespace,
            path: name,
            value,
            place,
        });
    }

    /// Gives the values their meaning, the general ones first: namespaces build on them.
    fn finish(mut self) -> Result<Loaded, Faults> {
        let mut config = Config::default();
        let mut sources = Sources::new();
        let (special, general): (Vec<_>, Vec<_>) = std::mem::take(&mut self.given)
            .into_iter()
            .partition(|given| given.namespace.is_some());
        for given in general {
            self.apply(&mut config, given, &mut sources);
        }
        let mut scopes: BTreeMap<String, Config> = BTreeMap::new();
        for (name, place) in std::mem::take(&mut self.namespaces) {
            self.open(&config, &mut scopes, &name, &place);
        }
        for given in special {
            let name = given.namespace.clone().unwrap_or_default();
            if self.open(&config, &mut scopes, &name, &given.place) {
                let scope = scopes.entry(name).or_insert_with(|| config.clone());
                self.apply(scope, given, &mut sources);
            }
        }
        for (name, scope) in scopes {
            config.namespaces.insert(name, scope.everywhere());
        }
        self.faults
            .extend(check::whole(&config, &sources, &self.faults));
        // As a person reads: the file from above, then variables, then flags.
        self.faults.sort_by_key(|fault| match &fault.place {
            Place::Default => (0, 0, 0),
            Place::File(spot) => (1, spot.line, spot.column),
            Place::Variable(_) => (2, 0, 0),
            Place::Flag(_) => (3, 0, 0),
        });
        if self.faults.is_empty() {
            Ok(Loaded { config, sources })
        } else {
            Err(Faults(self.faults))
        }
    }

    /// Makes a namespace known. False: it has a name that no namespace can have.
    fn open(
        &mut self,
        config: &Config,
        scopes: &mut BTreeMap<String, Config>,
        name: &str,
        place: &Place,
    ) -> bool {
        if scopes.contains_key(name) {
            return true;
        }
        if let Err(wrong) = check::namespace(name) {
            let key = join(&[NAMESPACES.to_owned(), name.to_owned()]);
            let told = |fault: &Fault| fault.key.as_deref() == Some(&key);
            if !self.faults.iter().any(told) {
                self.fault(place.clone(), Some(&key), wrong);
            }
            return false;
        }
        scopes.insert(name.to_owned(), config.clone());
        true
    }

    fn apply(&mut self, config: &mut Config, given: Given, sources: &mut Sources) {
        match (given.key.read)(config, &given.value) {
            Ok(()) => {
                sources.insert(given.path, given.place);
            }
            Err(wrong) => self.fault(given.place, Some(&given.path), wrong),
        }
    }
}

struct File<'a> {
    path: Arc<PathBuf>,
    source: &'a str,
}

impl File<'_> {
    fn place<T>(&self, at: &Spanned<T>) -> Place {
        Place::File(Spot::new(&self.path, self.source, at.span()))
    }
}

/// Whether a table may stand there.
fn is_table(path: &[String]) -> bool {
    match path {
        [root] if root == NAMESPACES => true,
        [root, _] if root == NAMESPACES => true,
        [root, _, inner @ ..] if root == NAMESPACES => {
            let begin = format!("{}.", inner.join("."));
            KEYS.iter()
                .filter_map(|key| key.in_namespace)
                .any(|name| name.starts_with(&begin))
        }
        _ => {
            let begin = format!("{}.", path.join("."));
            KEYS.iter().any(|key| key.path.starts_with(&begin))
        }
    }
}

/// The key of a path.
fn resolve(path: &[String]) -> Result<(&'static Key, Option<String>), Wrong> {
    let found = match path {
        [root, namespace, inner @ ..] if root == NAMESPACES && !inner.is_empty() => {
            keys::find_in_namespace(&inner.join(".")).map(|key| (key, Some(namespace.clone())))
        }
        _ => keys::find(&path.join(".")).map(|key| (key, None)),
    };
    found.ok_or_else(|| unknown(path))
}

fn unknown(path: &[String]) -> Wrong {
    if is_table(path) {
        let name = join(path);
        let fix = format!("write its keys: [{name}] in a file, {name}.KEY=VALUE in a flag");
        return Wrong::new("this is a table, not a value".into(), fix);
    }
    let near = match path {
        [root, namespace, inner @ ..] if root == NAMESPACES => {
            let names = KEYS.iter().filter_map(|key| key.in_namespace);
            nearest(&inner.join("."), names)
                .map(|name| format!("{}.{name}", join(&[root.clone(), namespace.clone()])))
        }
        _ => nearest(&path.join("."), KEYS.iter().map(|key| key.path)).map(str::to_owned),
    };
    let fix = match near {
        Some(near) => format!("did you mean {near}?"),
        None => "`tidings config --print` lists all keys with their meaning".into(),
    };
    Wrong::new("there is no such key".into(), fix)
}

/// In an error of a variable the key is spelled as a variable.
fn respell(mut wrong: Wrong, place: &Place) -> Wrong {
    if let Place::Variable(_) = place
        && let Some(near) = wrong.fix.strip_prefix("did you mean ")
    {
        let near = near.trim_end_matches('?').to_uppercase().replace('.', "__");
        wrong.fix = format!("did you mean {PREFIX}{near}?");
    }
    wrong
}

/// The parts of a key that was typed after `--set`.
fn split(key: &str) -> Vec<String> {
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

//! From the layers to one configuration. Each layer becomes a list of typed values with their
//! places; the table of keys gives them their meaning; what is wrong is gathered, not thrown.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{self, Sources};
use super::fault::{Fault, Faults, Place, Spot, Wrong};
use super::keys::Key;
use super::lookup::{Entry, is_hidden, is_table, join, resolve, respell, split};
use super::named::{NAMED, Named};
use super::value::Value;
use super::{Config, FLAG_VARIABLES, PREFIX, demo, identity};

/// Variables that Kubernetes sets for a service of the name "tidings": nobody typed them.
const FOREIGN: [&str; 2] = ["TIDINGS_SERVICE_", "TIDINGS_PORT"];

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
    /// By the whole name of the key; of a named table that was opened, too.
    pub sources: Sources,
    /// What may be meant so, and may be a mistake.
    pub warnings: Vec<Fault>,
}

/// One value for one key.
struct Given {
    key: &'static Key,
    entry: Option<Entry>,
    /// The whole name as it was typed.
    path: String,
    value: Value,
    place: Place,
}

#[derive(Default)]
struct Layers {
    given: Vec<Given>,
    /// Tables of named tables that were written, be it without any key.
    entries: Vec<(Entry, Place)>,
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
        let path = split(&flag.key);
        let typed = match is_hidden(&path) {
            true => format!("{}…", flag.typed.trim_end_matches(&flag.value)),
            false => flag.typed.clone(),
        };
        layers.take(&path, Value::Bare(flag.value.clone()), Place::Flag(typed));
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
                let place = unparsed(&shared, &valid, at..at);
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
            let place = unparsed(&shared, &source, range);
            self.fault(place, None, Wrong::new(what, fix.into()));
        }
        if errors.is_empty() {
            let mut shown = source.clone().into_bytes();
            hide(&mut shown, &[], table.get_ref());
            let file = File {
                path: shared,
                source: &source,
                shown: String::from_utf8_lossy(&shown).into_owned(),
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
                    if let [root, name] = path.as_slice()
                        && let Some(named) = Named::find(root)
                    {
                        self.entries.push(((named, name.clone()), place));
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
        let (key, entry) = match resolve(path) {
            Ok(found) => found,
            Err(wrong) => return self.fault(place.clone(), Some(&name), respell(wrong, &place)),
        };
        self.given.push(Given {
            key,
            entry,
            path: name,
            value,
            place,
        });
    }

    /// Gives the values their meaning, the general ones first: namespaces build on them.
    fn finish(mut self) -> Result<Loaded, Faults> {
        let mut config = Config::default();
        let mut sources = Sources::new();
        let given = std::mem::take(&mut self.given);
        let (special, general): (Vec<_>, Vec<_>) =
            given.into_iter().partition(|given| given.entry.is_some());
        for given in general {
            self.apply(&mut config, given, &mut sources);
        }
        let entries = std::mem::take(&mut self.entries);
        for named in NAMED.iter() {
            if named.root == "namespaces" {
                identity::settle(&mut config, &sources);
                demo::settle(&mut config, &sources);
            }
            for ((_, name), place) in entries.iter().filter(|((of, _), _)| of.root == named.root) {
                self.open(&mut config, &mut sources, (named, name), place);
            }
            let is_below =
                |given: &&Given| matches!(&given.entry, Some((of, _)) if of.root == named.root);
            for given in special.iter().filter(is_below) {
                self.apply_below(&mut config, given, &mut sources);
            }
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
        if !self.faults.is_empty() {
            return Err(Faults(self.faults));
        }
        let warnings = check::doubts(&config, &sources);
        Ok(Loaded {
            config,
            sources,
            warnings,
        })
    }

    /// Makes the table of a name known. False: it has a name that none can have.
    fn open(
        &mut self,
        config: &mut Config,
        sources: &mut Sources,
        (named, name): (&Named, &str),
        place: &Place,
    ) -> bool {
        let path = join(&[named.root.to_owned(), name.to_owned()]);
        if sources.contains_key(&path) {
            return true;
        }
        if let Err(wrong) = (named.check)(name) {
            let told = |fault: &Fault| fault.key.as_deref() == Some(&path);
            if !self.faults.iter().any(told) {
                self.fault(place.clone(), Some(&path), wrong);
            }
            return false;
        }
        (named.open)(config, name);
        sources.insert(path, place.clone());
        true
    }

    fn apply(&mut self, config: &mut Config, given: Given, sources: &mut Sources) {
        match (given.key.read)(config, "", &given.value) {
            Ok(()) => {
                sources.insert(given.path, given.place);
            }
            Err(wrong) => self.fault(given.place, Some(&given.path), wrong),
        }
    }

    fn apply_below(&mut self, config: &mut Config, given: &Given, sources: &mut Sources) {
        let Some((named, name)) = &given.entry else {
            return;
        };
        if !self.open(config, sources, (named, name), &given.place) {
            return;
        }
        match named.read(config, name, given.key, &given.value) {
            Ok(()) => {
                sources.insert(given.path.clone(), given.place.clone());
            }
            Err(wrong) => self.fault(given.place.clone(), Some(&given.path), wrong),
        }
    }
}

struct File<'a> {
    path: Arc<PathBuf>,
    source: &'a str,
    /// The same with as many asterisks in the place of all that is not to be seen.
    shown: String,
}

impl File<'_> {
    fn place<T>(&self, at: &Spanned<T>) -> Place {
        Place::File(Spot::new(&self.path, &self.shown, at.span()))
    }
}

/// A place in a file that is no TOML. Where a secret may be in it, the line is not shown: nothing
/// tells then what is one.
fn unparsed(path: &Arc<PathBuf>, source: &str, range: Range<usize>) -> Place {
    let mut spot = Spot::new(path, source, range);
    if source.to_lowercase().contains("secret") {
        spot.text.clear();
    }
    Place::File(spot)
}

/// Covers the values that are not to be seen, byte by byte: places stay what they are.
fn hide(shown: &mut [u8], above: &[String], table: &DeTable<'_>) {
    for (name, value) in table {
        let mut path = above.to_vec();
        path.push(name.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(below) => hide(shown, &path, below),
            DeValue::Integer(_) | DeValue::Boolean(_) if resolve(&path).is_err() => {}
            _ if is_hidden(&path) => {
                let seen = &mut shown[value.span()];
                seen.iter_mut()
                    .filter(|b| **b != b'\n')
                    .for_each(|b| *b = b'*');
            }
            _ => {}
        }
    }
}

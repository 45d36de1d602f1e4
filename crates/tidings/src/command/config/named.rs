//! Tables of tables: `[namespaces.NAME]`, `[tokens.NAME]`, `[keys.NAME]`. Which there are, how a name
//! must look, which keys stand below one. Keys of namespaces are general ones too; the others are here.

use std::sync::LazyLock;

use tidings_core::Rules;

use super::fault::Wrong;
use super::keys::{KEYS, Key};
use super::texts::{Globs, Hash, Maybe, SecretText, Text, Url};
use super::units::{Choice, FilePath, Form, Switch, Unit};
use super::value::Value;
use super::{Algorithm, Config, check, identity};

/// A table whose keys are names, each of a table of its own.
pub struct Named {
    /// Its name.
    pub root: &'static str,
    /// What one of its tables is.
    pub about: &'static str,
    /// The form of a name.
    pub check: fn(&str) -> Result<(), Wrong>,
    /// Makes the table of a name, if it is not there.
    pub open: fn(&mut Config, &str),
    /// The names that are there.
    pub names: fn(&Config) -> Vec<&String>,
    /// Whether two configurations hold the same under a name.
    pub same: fn(&Config, &Config, &str) -> bool,
    /// The keys below a name.
    pub keys: Vec<(&'static str, &'static Key)>,
}

/// All of them. Namespaces come last: their rules build on whether there are tokens or keys.
pub static NAMED: LazyLock<[Named; 3]> = LazyLock::new(|| {
    let own = |keys: &'static [Key]| keys.iter().map(|key| (key.path, key)).collect();
    [
        Named {
            root: "tokens",
            about: "An issuer of tokens (JWT, RFC 7519), with exactly one of secret, secret_file, key_file and jwks.",
            check: identity::name,
            open: |config, name| {
                config.tokens.entry(name.to_owned()).or_default();
            },
            names: |config| config.tokens.keys().collect(),
            same: |a, b, name| a.tokens.get(name) == b.tokens.get(name),
            keys: own(TOKENS),
        },
        Named {
            root: "keys",
            about: "The key of a part of the application; `tidings key new` makes one.",
            check: identity::name,
            open: |config, name| {
                config.keys.entry(name.to_owned()).or_default();
            },
            names: |config| config.keys.keys().collect(),
            same: |a, b, name| a.keys.get(name) == b.keys.get(name),
            keys: own(API_KEYS),
        },
        Named {
            root: "namespaces",
            about: "Channels whose name begins with NAME and a colon. What it does not set is as everywhere.",
            check: check::namespace,
            open: |config, name| {
                let rules = config.everywhere();
                config.namespaces.entry(name.to_owned()).or_insert(rules);
            },
            names: |config| config.namespaces.keys().collect(),
            same: |a, b, name| a.namespaces.get(name) == b.namespaces.get(name),
            keys: KEYS
                .iter()
                .filter_map(|key| key.in_namespace.map(|inner| (inner, *key)))
                .collect(),
        },
    ]
});

impl Named {
    /// The table of tables of this name.
    pub fn find(root: &str) -> Option<&'static Self> {
        NAMED.iter().find(|named| named.root == root)
    }

    /// The key below a name.
    pub fn key(&self, inner: &str) -> Option<&'static Key> {
        let found = self.keys.iter().find(|(known, _)| *known == inner);
        found.map(|(_, key)| *key)
    }

    /// Gives the table of a name a value.
    pub fn read(
        &self,
        config: &mut Config,
        name: &str,
        key: &Key,
        value: &Value,
    ) -> Result<(), Wrong> {
        let Some(rules) = self.rules(config, name) else {
            return (key.read)(config, name, value);
        };
        let mut scope = Config::within(rules);
        (key.read)(&mut scope, name, value)?;
        config
            .namespaces
            .insert(name.to_owned(), scope.everywhere());
        Ok(())
    }

    /// A value of the table of a name, as TOML.
    pub fn show(&self, config: &Config, name: &str, key: &Key) -> String {
        match self.rules(config, name) {
            Some(rules) => (key.show)(&Config::within(rules), name),
            None => (key.show)(config, name),
        }
    }

    fn rules<'a>(&self, config: &'a Config, name: &str) -> Option<&'a Rules> {
        match self.root {
            "namespaces" => config.namespaces.get(name),
            _ => None,
        }
    }
}

/// A row of a named table of `Config`: one field of what stands under a name.
macro_rules! row {
    ($table:ident.$field:ident: $unit:expr, $about:literal) => {
        Key {
            path: stringify!($field),
            about: $about,
            in_namespace: None,
            form: || Form::form(&$unit),
            schema: || Form::schema(&$unit),
            hidden: || Form::hidden(&$unit),
            read: |config, name, value| {
                let value = Unit::read(&$unit, value)?;
                config.$table.entry(name.to_owned()).or_default().$field = value;
                Ok(())
            },
            show: |config, name| {
                let default = Default::default();
                let entry = config.$table.get(name).unwrap_or(&default);
                Unit::show(&$unit, &entry.$field)
            },
            same: |a, b| a.$table == b.$table,
        }
    };
}

const TOKENS: &[Key] = &[
    row!(tokens.algorithm: Choice(Algorithm::ALL), "How its tokens are signed; no other algorithm is taken."),
    row!(tokens.secret: Maybe(SecretText), "HS256: the secret that it signs with."),
    row!(tokens.secret_file: FilePath, "HS256: the file that holds the secret."),
    row!(tokens.key_file: FilePath, "RS256, ES256, EdDSA: the file of its public key, PEM."),
    row!(tokens.jwks: Maybe(Url), "RS256, ES256, EdDSA: where its public keys are, a JSON Web Key Set (RFC 7517)."),
    row!(tokens.issuer: Maybe(Text("https://login.example.com")), "The claim `iss` that its tokens must have."),
    row!(tokens.audience: Maybe(Text("tidings")), "What the claim `aud` of its tokens must hold."),
    row!(tokens.kid: Maybe(Text("2025-06")), "The `kid` that its tokens have in their header."),
];

const API_KEYS: &[Key] = &[
    row!(keys.hash: Hash, "SHA-256 of the key, as `tidings key new` prints it."),
    row!(keys.subscribe: Globs, "Channels that it reads, as patterns: * stands for any characters, @* for inboxes."),
    row!(keys.publish: Globs, "Channels that it publishes to."),
    row!(keys.presence: Globs, "Channels of which it sees the presence."),
    row!(keys.admin: Switch, "It may use the administration and read the metrics."),
];

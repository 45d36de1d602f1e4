//! The document, and answers of the server held to it.

use std::collections::{BTreeMap, BTreeSet};

use conformance::http::Answer;
use serde_json::{Value, json};

/// The methods that an operation can have.
pub const METHODS: [&str; 7] = ["get", "head", "post", "put", "delete", "patch", "options"];

/// The document, and what was seen of it.
pub struct Contract {
    pub document: Value,
    /// The statuses that operations answered with.
    seen: BTreeSet<(String, u16)>,
}

impl Contract {
    pub fn new() -> Self {
        Self {
            document: serde_json::from_str(tidings_server::OPENAPI).expect("JSON"),
            seen: BTreeSet::new(),
        }
    }

    /// Every path with the methods that it has.
    pub fn operations(&self) -> Vec<(String, String)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let methods = |(path, item): (&String, &Value)| {
            let item = item.as_object().expect("a path").clone();
            let path = path.clone();
            item.into_iter()
                .filter(|(method, _)| METHODS.contains(&method.as_str()))
                .map(move |(method, _)| (path.clone(), method))
        };
        paths.iter().flat_map(methods).collect()
    }

    pub fn operation(&self, path: &str, method: &str) -> &Value {
        &self.document["paths"][path][method]
    }

    /// What a reference leads to; what is none is itself.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(to) => self
                .document
                .pointer(&to[1..])
                .unwrap_or_else(|| panic!("{to}")),
            None => value,
        }
    }

    /// The names of an operation's parameters of a kind.
    pub fn parameters(&self, path: &str, method: &str, kind: &str) -> BTreeSet<String> {
        let of = |value: &Value| value["parameters"].as_array().cloned().unwrap_or_default();
        let all = [
            of(&self.document["paths"][path]),
            of(self.operation(path, method)),
        ]
        .concat();
        let named = all.iter().map(|parameter| self.resolve(parameter));
        named
            .filter(|parameter| parameter["in"] == kind)
            .map(|parameter| parameter["name"].as_str().expect("a name").to_owned())
            .collect()
    }

    /// An operation's answers by status.
    pub fn responses(&self, path: &str, method: &str) -> BTreeMap<u16, &Value> {
        let responses = self.operation(path, method)["responses"]
            .as_object()
            .expect("responses");
        responses
            .iter()
            .map(|(status, response)| (status.parse().expect("a status"), self.resolve(response)))
            .collect()
    }

    /// The documented path of a request target.
    pub fn path_of(&self, target: &str) -> String {
        let path = target.split('?').next().expect("a path");
        let paths = self.document["paths"].as_object().expect("paths");
        let fits = |template: &&String| match template.split_once('{') {
            None => *template == path,
            Some((before, rest)) => {
                let after = rest.split_once('}').expect("a brace").1;
                path.strip_prefix(before)
                    .and_then(|rest| rest.strip_suffix(after))
                    .is_some_and(|name| !name.is_empty() && !name.contains('/'))
            }
        };
        let found = paths.keys().find(fits);
        found
            .unwrap_or_else(|| panic!("{target} is not documented"))
            .clone()
    }

    /// Holds an answer to what is documented for it.
    pub fn check(&mut self, method: &str, target: &str, answer: &Answer) {
        let method = method.to_lowercase();
        let path = self.path_of(target);
        let what = format!("{method} {target}: {}", answer.status);
        let Some(response) = self.responses(&path, &method).get(&answer.status).copied() else {
            panic!(
                "{what} is not documented: {}",
                String::from_utf8_lossy(&answer.body)
            );
        };
        for (name, _) in response["headers"].as_object().into_iter().flatten() {
            // A pace is asked for where one is configured, and a tag is of short polls.
            let sometimes = answer.status == 200 && matches!(name.as_str(), "Retry-After" | "ETag");
            let there = answer.header(&name.to_lowercase()).is_some();
            assert!(there || sometimes, "{what} without {name}");
        }
        if method != "head" {
            self.check_body(&what, response, answer);
        }
        self.seen
            .insert((format!("{method} {path}"), answer.status));
    }

    fn check_body(&self, what: &str, response: &Value, answer: &Answer) {
        let Some(contents) = response["content"].as_object() else {
            return assert!(answer.body.is_empty(), "{what} has a body");
        };
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().expect("a type");
        let content = contents
            .get(kind)
            .unwrap_or_else(|| panic!("{what} is {kind:?}"));
        let body = match kind.ends_with("json") {
            true => answer.json(),
            false => Value::String(answer.text().to_owned()),
        };
        self.validate(what, &content["schema"], &body);
    }

    /// Holds a value to a schema of the document.
    pub fn validate(&self, what: &str, schema: &Value, value: &Value) {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "components": self.document["components"],
            "allOf": [schema],
        });
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let wrong: Vec<String> = validator
            .iter_errors(value)
            .map(|e| e.to_string())
            .collect();
        assert!(wrong.is_empty(), "{what}: {wrong:#?} in {value:#}");
    }

    /// What is documented and no request was answered with, but for these statuses.
    pub fn unseen(&self, but: &[u16]) -> Vec<String> {
        let mut unseen = Vec::new();
        for (path, method) in self.operations() {
            for status in self.responses(&path, &method).keys() {
                let key = (format!("{method} {path}"), *status);
                if !but.contains(status) && !self.seen.contains(&key) {
                    unseen.push(format!("{} {status}", key.0));
                }
            }
        }
        unseen
    }
}

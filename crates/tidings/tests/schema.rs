//! The JSON schema of the configuration says what the server takes and refuses.

#![allow(clippy::unwrap_used)]

mod given;

use given::{CANARY, Given, rich};
use serde_json::Value as Json;
use tidings::command::config::{print, schema};

fn validator() -> jsonschema::Validator {
    let schema: Json = serde_json::from_str(&schema()).expect("JSON");
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).expect("a schema")
}

fn as_json(file: &str) -> Json {
    let table: toml::Table = file.parse().expect("TOML");
    serde_json::to_value(table).expect("JSON")
}

#[test]
fn the_schema_takes_what_the_server_takes() {
    let validator = validator();
    let default = print(&Given::new().load());
    let printed =
        print(&Given::new().file(&rich()).load()).replace("\"…\"", &format!("\"{CANARY}\""));
    for file in [default.as_str(), &rich(), &printed] {
        let errors: Vec<String> = validator
            .iter_errors(&as_json(file))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(errors, Vec::<String>::new());
    }
}

/// Every key of the printed default is in the schema, with its default.
#[test]
fn every_key_is_in_the_schema() {
    let schema: Json = serde_json::from_str(&schema()).unwrap();
    let default = as_json(&print(&Given::new().load()));
    let mut seen = 0;
    for (name, value) in default.as_object().unwrap() {
        let known = &schema["properties"][name];
        let Some(table) = value.as_object() else {
            assert_eq!(&known["default"], value, "{name}");
            continue;
        };
        for (inner, value) in table {
            seen += 1;
            let key = &known["properties"][inner];
            assert!(key["description"].is_string(), "{name}.{inner}");
            assert_eq!(&key["default"], value, "{name}.{inner}");
        }
    }
    assert!(seen > 50, "{seen}");
    // What the default of these is depends on other keys.
    for action in ["subscribe", "publish", "presence", "history"] {
        let key = &schema["properties"]["may"]["properties"][action];
        assert!(
            key["enum"].is_array() && key["default"].is_null(),
            "{action}"
        );
    }
    for (table, key) in [("tokens", "jwks"), ("keys", "hash"), ("namespaces", "lag")] {
        let below = &schema["properties"][table]["additionalProperties"]["properties"];
        assert!(below[key].is_object(), "{table}.{key}");
    }
    let secret = &schema["properties"]["tokens"]["additionalProperties"]["properties"]["secret"];
    assert_eq!(secret["writeOnly"], true);
}

#[test]
fn both_refuse_the_same() {
    let validator = validator();
    for file in [
        "listn = '127.0.0.1:1'",
        "listen = 8000",
        "workers = 2000",
        "insecure = 'true'",
        "origins = 'https://a.example'",
        "log.level = 'loud'",
        "limits.wait = 30",
        "limits.wiat = '30s'",
        "limits.body_bytes = '1KB'",
        "may.subscribe = 'everyone'",
        "channels.publish_rate = -1",
        "lag.by = 'symbol'",
        "tls.min_version = 1.2",
        "proxy.trusted = ['example.com']",
        "auth.cookie = 'a b'",
        "auth.session_secret = 'short'",
        "auth.authorize = 'ftp://a'",
        "[namespaces.a]\nhistory.count = 0",
        "[namespaces.a]\nworkers = 1",
        "[tokens.a]\nalgorithm = 'none'",
        "[keys.a]\nhash = 'md5:12'",
        "[keys.a]\nsubscribe = ['a b']",
    ] {
        assert!(!validator.is_valid(&as_json(file)), "{file}");
        assert!(!Given::new().file(file).errors().is_empty());
    }
}

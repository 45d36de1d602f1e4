//! The configuration file as a JSON Schema, for editors and for checks before a deployment. It takes
//! every file that the server takes. What it cannot say (values that must fit each other, bounds of
//! lengths of time) `tidings config --check` does.

use serde_json::{Map, Value as Json, json};

use super::Config;
use super::keys::{KEYS, Key};
use super::named::{NAMED, Named};

/// The schema (draft 2020-12), as JSON on many lines.
pub fn schema() -> String {
    let mut root = object(
        "The configuration file of tidings. Values may come from the environment and from flags, too: so none must \
         be here, and `tidings config --check` checks the whole.",
    );
    root.insert(
        "$schema".into(),
        "https://json-schema.org/draft/2020-12/schema".into(),
    );
    root.insert("title".into(), "tidings".into());
    let default = Config::default();
    for key in KEYS.iter() {
        put(&mut root, key.path, of_key(key, default_of(key, &default)));
    }
    for named in NAMED.iter() {
        put(&mut root, named.root, of_named(named));
    }
    format!("{:#}\n", Json::Object(root))
}

fn object(about: &str) -> Map<String, Json> {
    let mut object = Map::new();
    object.insert("type".into(), "object".into());
    if !about.is_empty() {
        object.insert("description".into(), about.into());
    }
    object.insert("additionalProperties".into(), false.into());
    object.insert("properties".into(), json!({}));
    object
}

/// Puts a schema under a path, with the tables on the way.
fn put(table: &mut Map<String, Json>, path: &str, schema: Json) {
    let Some(properties) = table.get_mut("properties").and_then(Json::as_object_mut) else {
        return;
    };
    match path.split_once('.') {
        None => {
            properties.insert(path.into(), schema);
        }
        Some((first, rest)) => {
            let below = properties.entry(first).or_insert_with(|| object("").into());
            if let Some(below) = below.as_object_mut() {
                put(below, rest, schema);
            }
        }
    }
}

fn of_key(key: &Key, default: Option<Json>) -> Json {
    let mut schema = (key.schema)();
    if let Some(fields) = schema.as_object_mut() {
        let about = format!("{} Takes {}.", key.about, (key.form)());
        fields.insert("description".into(), about.into());
        if let Some(default) = default {
            fields.insert("default".into(), default);
        }
    }
    schema
}

/// What holds where nothing is said; none where that depends on other keys.
fn default_of(key: &Key, default: &Config) -> Option<Json> {
    if key.varies() {
        return None;
    }
    let document = format!("value = {}", (key.show)(default, ""));
    let table: toml::Table = document.parse().ok()?;
    serde_json::to_value(&table["value"]).ok()
}

fn of_named(named: &Named) -> Json {
    let mut entry = object(named.about);
    for (inner, key) in &named.keys {
        put(&mut entry, inner, of_key(key, None));
    }
    json!({
        "type": "object",
        "description": format!("Tables [{}.NAME].", named.root),
        "additionalProperties": entry,
    })
}

//! The value at a JSON pointer (RFC 6901), found without reading the whole text into memory.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The value at `pointer`, as its JSON text; `None` where there is none, or no JSON. Where a name stands
/// twice in an object, its last value counts.
pub fn at_pointer(json: &[u8], pointer: &str) -> Option<String> {
    let mut value: &RawValue = serde_json::from_slice(json).ok()?;
    let mut tokens = pointer.split('/');
    // The whole is "", so every other pointer begins with a slash.
    if !tokens.next()?.is_empty() {
        return None;
    }
    for token in tokens {
        let token = token.replace("~1", "/").replace("~0", "~");
        let mut json = serde_json::Deserializer::from_str(value.get());
        value = Member(&token).deserialize(&mut json).ok()??;
    }
    Some(value.get().to_owned())
}

/// One step: the member of an object or array that the token names.
struct Member<'t>(&'t str);

impl Member<'_> {
    /// The token as an index: digits without leading zeros.
    fn index(&self) -> Option<usize> {
        let digits = self.0.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = digits && (self.0 == "0" || !self.0.starts_with('0'));
        canonical.then(|| self.0.parse().ok())?
    }
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

/// What is neither is an error of the type, which is no member, too.
impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Name(name)) = map.next_key()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Some(index) = self.index() else {
            return Ok(None);
        };
        for _ in 0..index {
            if list.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let found = list.next_element()?;
        // What follows is read, too: a list that is left half read is an error.
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found)
    }
}

/// A name in an object: borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_names_one_value() {
        // The examples of RFC 6901 section 5, and what they leave open.
        let json = r#"{"foo": ["bar", {"baz" : 1.0}], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5,
            "k\"l": 6, " ": 7, "m~n": 8, "~1": 9, "도시": "서울", "\ub3c4": null, "x": 1, "x": 2, "0": "zero"}"#;
        for (pointer, value) in [
            ("/foo", Some(r#"["bar", {"baz" : 1.0}]"#)),
            ("/foo/0", Some(r#""bar""#)),
            ("/foo/1/baz", Some("1.0")),
            ("/", Some("0")),
            ("/a~1b", Some("1")),
            ("/c%d", Some("2")),
            ("/e^f", Some("3")),
            ("/g|h", Some("4")),
            ("/i\\j", Some("5")),
            ("/k\"l", Some("6")),
            ("/ ", Some("7")),
            ("/m~0n", Some("8")),
            ("/~01", Some("9")),
            ("/도시", Some(r#""서울""#)),
            ("/도", Some("null")),
            ("/x", Some("2")),
            ("/0", Some(r#""zero""#)),
            ("/foo/2", None),
            ("/foo/-", None),
            ("/foo/00", None),
            ("/foo/01", None),
            ("/foo/+0", None),
            ("/foo/", None),
            ("/foo/99999999999999999999", None),
            ("/foo/0/b", None),
            ("/x/0", None),
            ("/none", None),
            ("foo", None),
        ] {
            let found = at_pointer(json.as_bytes(), pointer);
            assert_eq!(found.as_deref(), value, "{pointer}");
        }
    }

    #[test]
    fn the_whole_is_a_value_too() {
        for json in ["7", "\"a\"", "{\"a\":[]}", "null"] {
            assert_eq!(at_pointer(json.as_bytes(), "").as_deref(), Some(json));
        }
        for bad in [&b"{"[..], b"", b"\xff", b"{} {}"] {
            assert_eq!(at_pointer(bad, ""), None);
            assert_eq!(at_pointer(bad, "/a"), None);
        }
    }
}

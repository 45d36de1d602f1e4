//! JSON objects, read strictly: a member that stands twice is an error, as two readers may take
//! different ones of them (RFC 8725 section 2.4, RFC 7515 section 4).

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes are no JSON object. It does not say what stands in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// No JSON, a member twice, or nested deeper than 128.
    #[error("it is no JSON, or a member stands in it twice")]
    Syntax,
    /// JSON, but no object.
    #[error("it is no JSON object")]
    NoObject,
}

/// Reads a JSON object, in which no object has a member twice.
///
/// # Errors
///
/// [`JsonError`].
pub fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict
        .deserialize(&mut reader)
        .map_err(|_| JsonError::Syntax)?;
    reader.end().map_err(|_| JsonError::Syntax)?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(JsonError::NoObject),
    }
}

/// Reads any value.
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("no finite number"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Strict)?;
            if map.insert(name, value).is_some() {
                return Err(de::Error::custom("a member stands twice"));
            }
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_stands_once() {
        let rows: [(&[u8], Result<(), JsonError>); 10] = [
            (
                br#"{"a":1,"b":{"a":1},"c":[null,true,-1,1.5,"x",{}]}"#,
                Ok(()),
            ),
            (br#"{"a":1,"a":1}"#, Err(JsonError::Syntax)),
            (br#"{"a":1,"\u0061":1}"#, Err(JsonError::Syntax)),
            (br#"{"a":[{"b":1,"b":2}]}"#, Err(JsonError::Syntax)),
            (br#"{"a":1} {}"#, Err(JsonError::Syntax)),
            (br#"{"a":1e999}"#, Err(JsonError::Syntax)),
            (b"{\"a\":\"\xff\"}", Err(JsonError::Syntax)),
            (b"", Err(JsonError::Syntax)),
            (b"[]", Err(JsonError::NoObject)),
            (b"7", Err(JsonError::NoObject)),
        ];
        for (bytes, expected) in rows {
            let got = parse_object(bytes).map(|_| ());
            assert_eq!(got, expected, "{}", String::from_utf8_lossy(bytes));
        }
        let deep = [b"{\"a\":".to_vec(), b"[".repeat(100_000)].concat();
        assert_eq!(parse_object(&deep), Err(JsonError::Syntax));
    }
}

//! A value as it was typed, before any key gives it a meaning.

use std::fmt;

use toml::de::DeValue;

use super::units::quote;

/// A value of a file, of a variable or of a flag.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A quoted text.
    Text(String),
    /// What stands in a variable or a flag: the key decides what it is.
    Bare(String),
    /// A whole number that fits.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A list.
    List(Vec<Value>),
    /// A value of a type that no key has, as it was written.
    Other(String),
}

impl Value {
    /// A value of a TOML document that stands there as `source`.
    pub fn from_toml(value: &DeValue<'_>, source: &str) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Boolean(value) => Self::Boolean(*value),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Self::Other(source.to_owned()), Self::Integer),
            DeValue::Array(items) => Self::List(
                items
                    .iter()
                    .map(|item| Self::from_toml(item.get_ref(), "a value of another type"))
                    .collect(),
            ),
            _ => Self::Other(source.to_owned()),
        }
    }

    /// The items of a list. In a variable or a flag it is TOML (`["a", "b"]`) or separated by commas.
    pub fn items(&self) -> Option<Vec<Value>> {
        match self {
            Self::List(items) => Some(items.clone()),
            Self::Bare(text) if text.trim_start().starts_with('[') => {
                let list = DeValue::parse(text).ok()?;
                Self::from_toml(list.get_ref(), text).items()
            }
            Self::Bare(text) => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Self::Text(item.to_owned()))
                    .collect(),
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Bare(text) => f.write_str(&quote(text)),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::List(_) => f.write_str("a list"),
            Self::Other(source) => f.write_str(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_variables() {
        let texts = |text: &str| Value::Bare(text.into()).items();
        let expected = Some(vec![Value::Text("a".into()), Value::Text("나".into())]);
        assert_eq!(texts("a, 나"), expected);
        assert_eq!(texts(r#"["a", "나"]"#), expected);
        assert_eq!(texts(""), Some(vec![]));
        assert_eq!(texts("[1"), None);
    }
}

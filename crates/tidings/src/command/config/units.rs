//! Kinds of values: how each is read from a file, a variable or a flag, which bounds it has, and
//! how it is printed so that it reads back as the same. It knows no key by name.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::fault::Wrong;
use super::value::Value;

/// How one kind of value is read and printed.
pub trait Unit<T> {
    /// The value that `raw` means.
    fn read(&self, raw: &Value) -> Result<T, Wrong>;
    /// The value as TOML.
    fn show(&self, value: &T) -> String;
}

/// What a person may write, for comments: the form and the bounds.
pub trait Form {
    /// A few words.
    fn form(&self) -> String;
    /// A JSON schema that takes all that is taken; some of the rest only the reading finds.
    fn schema(&self) -> Json;
    /// What was typed is not to be shown in an error.
    fn hidden(&self) -> bool {
        false
    }
}

/// A number of things.
pub struct Count(pub RangeInclusive<u64>);
/// A number of bytes.
pub struct Bytes(pub RangeInclusive<u64>);
/// A length of time; the bounds are milliseconds.
pub struct Time(pub RangeInclusive<u64>);
/// Yes or no.
pub struct Switch;
/// An IP address with a port.
pub struct Address;
/// A file; an empty text is none.
pub struct FilePath;
/// A list of texts, each of which must pass the check; the text is an example.
pub struct List(pub fn(&str) -> Result<(), Wrong>, pub &'static str);
/// One of a few words.
pub struct Choice<T: 'static>(pub &'static [(&'static str, T)]);

/// Milliseconds of a second.
pub const SECOND: u64 = 1_000;
/// Milliseconds of a day.
pub const DAY: u64 = 24 * 3600 * SECOND;
/// Bytes of a KiB.
pub const KIB: u64 = 1 << 10;
/// Bytes of a GiB.
pub const GIB: u64 = 1 << 30;

const SIZES: [(&str, u64); 4] = [("GiB", GIB), ("MiB", 1 << 20), ("KiB", KIB), ("B", 1)];

/// A complaint that a value is of another kind.
pub fn not_a(raw: &Value, what: &str, fix: &str) -> Wrong {
    Wrong::new(format!("{raw} is not {what}"), format!("write {fix}"))
}

fn within(
    range: &RangeInclusive<u64>,
    number: u64,
    show: impl Fn(u64) -> String,
) -> Result<u64, Wrong> {
    let (min, max) = (*range.start(), *range.end());
    if number < min {
        let (number, min) = (show(number), show(min));
        let wrong = format!("{number} is below the least, {min}");
        return Err(Wrong::new(wrong, format!("write {min} or more")));
    }
    if number > max {
        let (number, max) = (show(number), show(max));
        let wrong = format!("{number} is above the most, {max}");
        return Err(Wrong::new(wrong, format!("write {max} or less")));
    }
    Ok(number)
}

fn bounds(range: &RangeInclusive<u64>, show: impl Fn(u64) -> String) -> String {
    format!("{} to {}", show(*range.start()), show(*range.end()))
}

fn to_usize(number: u64) -> Result<usize, Wrong> {
    usize::try_from(number).map_err(|_| {
        Wrong::new(
            format!("{number} is more than this machine can address"),
            "write less".into(),
        )
    })
}

impl Count {
    fn number(&self, raw: &Value) -> Result<u64, Wrong> {
        let number = match raw {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Bare(text) => text.replace('_', "").parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| not_a(raw, "a count", "a whole number such as 1000"))?;
        within(&self.0, number, |n| n.to_string())
    }
}

impl Unit<usize> for Count {
    fn read(&self, raw: &Value) -> Result<usize, Wrong> {
        self.number(raw).and_then(to_usize)
    }

    fn show(&self, value: &usize) -> String {
        value.to_string()
    }
}

impl Unit<u32> for Count {
    fn read(&self, raw: &Value) -> Result<u32, Wrong> {
        let number = self.number(raw)?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn show(&self, value: &u32) -> String {
        value.to_string()
    }
}

impl Form for Count {
    fn form(&self) -> String {
        format!("a count, {}", bounds(&self.0, |n| n.to_string()))
    }

    fn schema(&self) -> Json {
        json!({"type": "integer", "minimum": self.0.start(), "maximum": self.0.end()})
    }
}

/// A size in the largest unit that says it exactly.
fn size(bytes: u64) -> String {
    let fits = |(_, factor): &&(&str, u64)| bytes > 0 && bytes.is_multiple_of(*factor);
    match SIZES.iter().find(fits) {
        Some((name, factor)) => format!("{}{name}", bytes / factor),
        None => format!("{bytes}B"),
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '_')
        .unwrap_or(text.len());
    let number: u64 = text[..digits].replace('_', "").parse().ok()?;
    let unit = text[digits..].trim();
    let known = |(name, _): &&(&str, u64)| name.eq_ignore_ascii_case(unit);
    match SIZES.iter().find(known) {
        Some((_, factor)) => number.checked_mul(*factor),
        None if unit.is_empty() => Some(number),
        None => None,
    }
}

impl Bytes {
    fn number(&self, raw: &Value) -> Result<u64, Wrong> {
        let number = match raw {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Text(text) | Value::Bare(text) => parse_size(text),
            _ => None,
        };
        let fix = "a whole number of bytes or a text such as \"64KiB\" (units B, KiB, MiB, GiB)";
        let number = number.ok_or_else(|| not_a(raw, "a size", fix))?;
        within(&self.0, number, size)
    }
}

impl Unit<u64> for Bytes {
    fn read(&self, raw: &Value) -> Result<u64, Wrong> {
        self.number(raw)
    }

    fn show(&self, value: &u64) -> String {
        quote(&size(*value))
    }
}

impl Unit<usize> for Bytes {
    fn read(&self, raw: &Value) -> Result<usize, Wrong> {
        self.number(raw).and_then(to_usize)
    }

    fn show(&self, value: &usize) -> String {
        quote(&size(*value as u64))
    }
}

impl Form for Bytes {
    fn form(&self) -> String {
        format!("a size, {}", bounds(&self.0, size))
    }

    fn schema(&self) -> Json {
        let text = "^\\s*[0-9][0-9_]*\\s*([kKmMgG][iI][bB]|[bB])?\\s*$";
        json!({"anyOf": [
            {"type": "integer", "minimum": self.0.start(), "maximum": self.0.end()},
            {"type": "string", "pattern": text},
        ]})
    }
}

fn milliseconds(number: u64) -> String {
    span(Duration::from_millis(number))
}

/// A length of time in units that everybody reads alike: a month or a year is no fixed time.
fn span(time: Duration) -> String {
    const UNITS: [(&str, u128); 7] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let mut rest = time.as_nanos();
    let mut text = String::new();
    for (name, nanoseconds) in UNITS {
        let count = rest / nanoseconds;
        rest %= nanoseconds;
        if count > 0 {
            text.push_str(&format!("{count}{name}"));
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

impl Unit<Duration> for Time {
    fn read(&self, raw: &Value) -> Result<Duration, Wrong> {
        let time = match raw {
            Value::Text(text) | Value::Bare(text) => humantime::parse_duration(text).ok(),
            _ => None,
        };
        let fix = "a text with its unit such as \"250ms\", \"30s\", \"5m\" or \"1h30m\"";
        let time = time.ok_or_else(|| not_a(raw, "a length of time", fix))?;
        let whole = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        within(&self.0, whole, milliseconds)?;
        Ok(time)
    }

    fn show(&self, value: &Duration) -> String {
        quote(&span(*value))
    }
}

impl Form for Time {
    fn form(&self) -> String {
        format!("a length of time, {}", bounds(&self.0, milliseconds))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": "^(0|\\s*([0-9.]+\\s*[A-Za-zµ]+\\s*)+)$"})
    }
}

impl Unit<bool> for Switch {
    fn read(&self, raw: &Value) -> Result<bool, Wrong> {
        let wrong = || not_a(raw, "true or false", "true or false, without quotes");
        match raw {
            Value::Boolean(value) => Ok(*value),
            Value::Bare(text) => text.parse().map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }

    fn show(&self, value: &bool) -> String {
        value.to_string()
    }
}

impl Form for Switch {
    fn form(&self) -> String {
        "true or false".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "boolean"})
    }
}

impl Unit<SocketAddr> for Address {
    fn read(&self, raw: &Value) -> Result<SocketAddr, Wrong> {
        let fix = "an IP address and a port such as \"127.0.0.1:8000\" or \"[::1]:8000\"";
        let wrong = || not_a(raw, "an address to listen on", fix);
        let (Value::Text(text) | Value::Bare(text)) = raw else {
            return Err(wrong());
        };
        let local = text.strip_prefix("localhost:");
        match local.map(str::parse) {
            Some(Ok(port)) => Ok((Ipv4Addr::LOCALHOST, port).into()),
            Some(Err(_)) => Err(wrong()),
            None => text.parse().map_err(|_| wrong()),
        }
    }

    fn show(&self, value: &SocketAddr) -> String {
        quote(&value.to_string())
    }
}

impl Form for Address {
    fn form(&self) -> String {
        "IP:PORT".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": "^(localhost|[0-9.]+|\\[[0-9A-Fa-f:.%]+\\]):[0-9]{1,5}$"})
    }
}

impl Unit<Option<PathBuf>> for FilePath {
    fn read(&self, raw: &Value) -> Result<Option<PathBuf>, Wrong> {
        let (Value::Text(text) | Value::Bare(text)) = raw else {
            let fix = "its path as a text such as \"/etc/tidings/cert.pem\", or \"\" for none";
            return Err(not_a(raw, "a file", fix));
        };
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }

    fn show(&self, value: &Option<PathBuf>) -> String {
        let path = value.as_deref().unwrap_or(Path::new(""));
        quote(&path.to_string_lossy())
    }
}

impl Form for FilePath {
    fn form(&self) -> String {
        "the path of a file, or \"\" for none".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

impl Unit<Vec<String>> for List {
    fn read(&self, raw: &Value) -> Result<Vec<String>, Wrong> {
        let fix = format!("a list of texts such as [{}]", quote(self.1));
        let Some(items) = raw.items() else {
            return Err(not_a(raw, "a list", &fix));
        };
        let text = |item: &Value| match item {
            Value::Text(text) => (self.0)(text).map(|()| text.clone()),
            other => Err(not_a(other, "a text", &fix)),
        };
        items.iter().map(text).collect()
    }

    fn show(&self, value: &Vec<String>) -> String {
        let items: Vec<String> = value.iter().map(|item| quote(item)).collect();
        format!("[{}]", items.join(", "))
    }
}

impl Form for List {
    fn form(&self) -> String {
        format!("a list such as [{}]", quote(self.1))
    }

    fn schema(&self) -> Json {
        json!({"type": "array", "items": {"type": "string"}, "examples": [[self.1]]})
    }
}

impl<T> Choice<T> {
    fn names(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

impl<T: Copy + PartialEq> Unit<T> for Choice<T> {
    fn read(&self, raw: &Value) -> Result<T, Wrong> {
        let text = match raw {
            Value::Text(text) | Value::Bare(text) => text.as_str(),
            _ => "",
        };
        let found = self.0.iter().find(|(name, _)| *name == text);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let wrong = format!("{raw} is not one of {}", self.names());
            let fix = match raw {
                Value::Text(_) | Value::Bare(_) => "write one of these",
                _ => "write one of these, in quotes",
            };
            Wrong::new(wrong, fix.into())
        })
    }

    fn show(&self, value: &T) -> String {
        let found = self.0.iter().find(|(_, known)| known == value);
        quote(found.map_or("", |(name, _)| *name))
    }
}

impl<T> Form for Choice<T> {
    fn form(&self) -> String {
        format!("one of {}", self.names())
    }

    fn schema(&self) -> Json {
        let names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
        json!({"enum": names})
    }
}

/// A text as TOML.
pub fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(text: &str) -> Value {
        Value::Bare(text.into())
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("64KiB", 65536),
            ("64 kib", 65536),
            ("1MiB", 1 << 20),
            ("2GiB", 2 << 30),
            ("1_000", 1000),
            ("7B", 7),
        ] {
            let unit = Bytes(1..=u64::MAX);
            assert_eq!(
                Unit::<u64>::read(&unit, &bare(text)).unwrap(),
                bytes,
                "{text}"
            );
            assert_eq!(parse_size(&size(bytes)), Some(bytes));
        }
        for text in ["", "KiB", "-1", "1KB", "1.5MiB", "99999999999GiB", "한"] {
            let unit = Bytes(1..=u64::MAX);
            assert!(Unit::<u64>::read(&unit, &bare(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        let unit = Time(1..=DAY);
        for (text, ms) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("1day", 86_400_000),
            ("1d", 86_400_000),
            ("1s1ms", 1_001),
        ] {
            let time = unit.read(&bare(text)).unwrap();
            assert_eq!(time, Duration::from_millis(ms), "{text}");
            let shown = unit.show(&time);
            assert_eq!(unit.read(&bare(shown.trim_matches('"'))).unwrap(), time);
        }
        for text in ["", "30", "0s", "10us", "2d", "-1s", "5 parsecs", "삼십초"] {
            assert!(unit.read(&bare(text)).is_err(), "{text}");
        }
        assert!(unit.read(&Value::Integer(30)).is_err());
    }

    #[test]
    fn addresses() {
        for (text, address) in [
            ("127.0.0.1:8000", "127.0.0.1:8000"),
            ("[::1]:0", "[::1]:0"),
            ("localhost:9", "127.0.0.1:9"),
        ] {
            assert_eq!(Address.read(&bare(text)).unwrap().to_string(), address);
        }
        for text in [
            "",
            "8000",
            ":8000",
            "127.0.0.1",
            "localhost",
            "localhost:x",
            "example.com:80",
            "127.0.0.1:70000",
        ] {
            assert!(Address.read(&bare(text)).is_err(), "{text}");
        }
    }
}

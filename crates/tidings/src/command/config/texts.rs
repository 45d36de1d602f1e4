//! Kinds of values that are texts with a form of their own: names, URLs, pointers, patterns, networks
//! and secrets. What a URL or a hash leads to is not looked at.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Value as Json, json};
use tidings_core::Patterns;

use super::fault::Wrong;
use super::units::{Form, Unit, not_a, quote};
use super::value::Value;
use super::{Network, Secret, check};

/// A value that may be left out: an empty text is none.
pub struct Maybe<U>(pub U);
/// A text without line breaks; it holds an example.
pub struct Text(pub &'static str);
/// The name of a cookie (RFC 6265, section 4.1.1).
pub struct TokenText;
/// A JSON pointer (RFC 6901).
pub struct Pointer;
/// An https URL, or http on this machine.
pub struct Url;
/// A text of 32 bytes or more that is never shown.
pub struct SecretText;
/// A key to a service of others, which is never shown.
pub struct KeyText;
/// `sha256:` and 64 hexadecimal digits.
pub struct Hash;
/// A list of patterns of channels.
pub struct Globs;
/// A list of networks and addresses.
pub struct Networks;

/// What is printed in the place of a secret.
pub const UNSHOWN: &str = "…";

/// Bytes of a secret at least: as many as SHA-256 has.
const SECRET_MIN: usize = 32;
const SECRET_MAX: usize = 4096;
const TEXT_MAX: usize = 2048;
const HASH: &str = "sha256:";

fn text(raw: &Value) -> Option<&str> {
    match raw {
        Value::Text(text) | Value::Bare(text) => Some(text),
        _ => None,
    }
}

fn wrong<T>(what: impl Into<String>, fix: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::new(what.into(), fix.into()))
}

impl<T, U: Unit<T>> Unit<Option<T>> for Maybe<U> {
    fn read(&self, raw: &Value) -> Result<Option<T>, Wrong> {
        match text(raw) {
            Some("") => Ok(None),
            _ => self.0.read(raw).map(Some),
        }
    }

    fn show(&self, value: &Option<T>) -> String {
        value
            .as_ref()
            .map_or_else(|| quote(""), |value| self.0.show(value))
    }
}

impl<U: Form> Form for Maybe<U> {
    fn form(&self) -> String {
        format!("{}, or \"\" for none", self.0.form())
    }

    fn schema(&self) -> Json {
        let mut schema = json!({"anyOf": [{"const": ""}, self.0.schema()]});
        if self.0.schema()["writeOnly"] == true {
            schema["writeOnly"] = true.into();
        }
        schema
    }

    fn hidden(&self) -> bool {
        self.0.hidden()
    }
}

impl Unit<String> for Text {
    fn read(&self, raw: &Value) -> Result<String, Wrong> {
        let fix = format!("a text such as {}", quote(self.0));
        match text(raw) {
            Some(text) if is_plain(text) => Ok(text.to_owned()),
            _ => Err(not_a(raw, "such a text", &fix)),
        }
    }

    fn show(&self, value: &String) -> String {
        quote(value)
    }
}

fn is_plain(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl Form for Text {
    fn form(&self) -> String {
        format!("a text such as {}", quote(self.0))
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": TEXT_MAX})
    }
}

impl Unit<String> for TokenText {
    fn read(&self, raw: &Value) -> Result<String, Wrong> {
        let valid = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        match text(raw) {
            Some(text) if (1..=64).contains(&text.len()) && text.bytes().all(valid) => {
                Ok(text.to_owned())
            }
            _ => Err(not_a(
                raw,
                "the name of a cookie",
                "up to 64 letters, digits, - and _, such as \"tidings_token\"; \"\" for none",
            )),
        }
    }

    fn show(&self, value: &String) -> String {
        quote(value)
    }
}

impl Form for TokenText {
    fn form(&self) -> String {
        "the name of a cookie".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$"})
    }
}

impl Unit<Arc<str>> for Pointer {
    fn read(&self, raw: &Value) -> Result<Arc<str>, Wrong> {
        let fix = "a / before each step, as \"/price/symbol\"; in a step ~ is ~0 and / is ~1";
        match text(raw) {
            Some(text) if is_pointer(text) => Ok(text.into()),
            _ => Err(not_a(raw, "a JSON pointer", fix)),
        }
    }

    fn show(&self, value: &Arc<str>) -> String {
        quote(value)
    }
}

fn is_pointer(text: &str) -> bool {
    let escaped = |rest: &str| rest.starts_with(['0', '1']);
    text.starts_with('/') && text.len() <= TEXT_MAX && text.split('~').skip(1).all(escaped)
}

impl Form for Pointer {
    fn form(&self) -> String {
        "a JSON pointer such as \"/symbol\"".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "maxLength": TEXT_MAX, "pattern": "^/([^~]|~[01])*$"})
    }
}

impl Unit<String> for Url {
    fn read(&self, raw: &Value) -> Result<String, Wrong> {
        let fix = "https://HOST/PATH, or http:// to this machine, as \"http://127.0.0.1:3000/may\"";
        let Some(text) = text(raw).filter(|text| text.len() <= TEXT_MAX && !text.contains('#'))
        else {
            return Err(not_a(raw, "a URL of a service", fix));
        };
        let parsed: Option<http::Uri> = text.parse().ok();
        let parts = parsed
            .as_ref()
            .and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
        let Some((scheme, authority)) = parts else {
            return Err(not_a(raw, "a URL of a service", fix));
        };
        if authority.as_str().contains('@') {
            let fix = "write it without USER:PASSWORD@; the service knows this server by where it comes from";
            return wrong(
                "a URL of a service holds no user and no password, they would be logged",
                fix,
            );
        }
        match scheme {
            "https" => Ok(text.to_owned()),
            "http" if check::is_here(authority.host()) => Ok(text.to_owned()),
            "http" => wrong(
                format!("{raw} is not encrypted and leaves this machine"),
                format!("write https{}", &text[4..]),
            ),
            _ => Err(not_a(raw, "a URL of a service", fix)),
        }
    }

    fn show(&self, value: &String) -> String {
        quote(value)
    }
}

impl Form for Url {
    fn form(&self) -> String {
        "a URL, https:// or on this machine http://".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "maxLength": TEXT_MAX, "pattern": "^[hH][tT][tT][pP][sS]?://[^#]+$"})
    }
}

impl Unit<Secret> for SecretText {
    fn read(&self, raw: &Value) -> Result<Secret, Wrong> {
        let fix =
            "write a random text of 32 bytes or more, such as `openssl rand -base64 32` prints";
        match text(raw) {
            Some(UNSHOWN) => wrong(
                "this is what `tidings config --print` shows in the place of a secret",
                "write the secret itself, or name a file that holds it",
            ),
            Some(text) if text.len() < SECRET_MIN => {
                wrong("this secret has less than 32 bytes", fix)
            }
            Some(text) if text.len() > SECRET_MAX => {
                wrong("this secret has more than 4096 bytes", fix)
            }
            Some(text) => Ok(Secret(text.to_owned())),
            None => wrong("this is not a text", fix),
        }
    }

    fn show(&self, _: &Secret) -> String {
        quote(UNSHOWN)
    }
}

impl Form for SecretText {
    fn form(&self) -> String {
        "a secret text of 32 bytes or more, which is never shown".into()
    }

    fn schema(&self) -> Json {
        // Bytes are counted, of which a character has up to four.
        json!({"type": "string", "minLength": SECRET_MIN / 4, "maxLength": SECRET_MAX, "writeOnly": true})
    }

    fn hidden(&self) -> bool {
        true
    }
}

impl Unit<Secret> for KeyText {
    fn read(&self, raw: &Value) -> Result<Secret, Wrong> {
        let valid = |text: &&str| {
            (1..=SECRET_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
        };
        match text(raw).filter(valid) {
            Some(text) => Ok(Secret(text.to_owned())),
            None => wrong(
                "this is not such a key",
                "write the key as the service gave it: visible ASCII characters, at most 4096",
            ),
        }
    }

    fn show(&self, _: &Secret) -> String {
        quote(UNSHOWN)
    }
}

impl Form for KeyText {
    fn form(&self) -> String {
        "a key, which is never shown".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "minLength": 1, "maxLength": SECRET_MAX, "pattern": "^[!-~]+$", "writeOnly": true})
    }

    fn hidden(&self) -> bool {
        true
    }
}

impl Unit<[u8; 32]> for Hash {
    fn read(&self, raw: &Value) -> Result<[u8; 32], Wrong> {
        // Whoever takes the key for its hash does not want to read it in a log.
        let parsed = text(raw).and_then(|text| unhex(text.strip_prefix(HASH)?));
        parsed.ok_or_else(|| {
            Wrong::new(
                "this is not the hash of a key".into(),
                "write sha256: and 64 hexadecimal digits, as `tidings key new` prints them".into(),
            )
        })
    }

    fn show(&self, value: &[u8; 32]) -> String {
        let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        quote(&format!("{HASH}{digits}"))
    }
}

fn unhex(digits: &str) -> Option<[u8; 32]> {
    let all = |b: &u8| b.is_ascii_hexdigit();
    if digits.len() != 64 || !digits.as_bytes().iter().all(all) {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

impl Form for Hash {
    fn form(&self) -> String {
        "sha256: and 64 hexadecimal digits".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": "^sha256:[0-9A-Fa-f]{64}$"})
    }

    fn hidden(&self) -> bool {
        true
    }
}

/// The items of a list of texts.
fn texts(raw: &Value, example: &str) -> Result<Vec<String>, Wrong> {
    let fix = format!("a list of texts such as {example}");
    let items = raw.items().ok_or_else(|| not_a(raw, "a list", &fix))?;
    let text = |item: &Value| match item {
        Value::Text(text) => Ok(text.clone()),
        other => Err(not_a(other, "a text", &fix)),
    };
    items.iter().map(text).collect()
}

fn show_texts(texts: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = texts.map(|text| quote(&text)).collect();
    format!("[{}]", items.join(", "))
}

impl Unit<Patterns> for Globs {
    fn read(&self, raw: &Value) -> Result<Patterns, Wrong> {
        let list = texts(raw, "[\"room:*\"]")?;
        for pattern in &list {
            if let Err(error) = Patterns::parse([pattern.as_str()]) {
                let fix =
                    "write names of channels in which * stands for any characters, as \"room:*\"";
                return wrong(format!("{}: {error}", quote(pattern)), fix);
            }
        }
        Patterns::parse(list.iter().map(String::as_str)).or_else(|error| {
            let fix = "write fewer with more * in them, or make another key";
            wrong(error.to_string(), fix)
        })
    }

    fn show(&self, value: &Patterns) -> String {
        show_texts(value.iter().map(str::to_owned))
    }
}

impl Form for Globs {
    fn form(&self) -> String {
        "a list of patterns such as [\"room:*\", \"news\"]".into()
    }

    fn schema(&self) -> Json {
        let pattern = json!({"type": "string", "minLength": 1, "maxLength": Patterns::BYTES_MAX, "pattern": "^\\S+$"});
        json!({"type": "array", "maxItems": Patterns::COUNT_MAX, "items": pattern})
    }
}

impl Unit<Vec<Network>> for Networks {
    fn read(&self, raw: &Value) -> Result<Vec<Network>, Wrong> {
        let list = texts(raw, "[\"10.0.0.0/8\", \"192.0.2.7\"]")?;
        list.iter().map(|text| network(text)).collect()
    }

    fn show(&self, value: &Vec<Network>) -> String {
        show_texts(value.iter().map(ToString::to_string))
    }
}

fn network(text: &str) -> Result<Network, Wrong> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let parsed: Option<IpAddr> = address.parse().ok();
    let most = if matches!(parsed, Some(IpAddr::V4(_))) {
        32
    } else {
        128
    };
    let bits = bits.map_or(Some(most), |bits| {
        bits.parse().ok().filter(|bits| *bits <= most)
    });
    let (Some(address), Some(bits)) = (parsed, bits) else {
        return wrong(
            format!("{} is neither an address nor a network", quote(text)),
            "write an address such as 192.0.2.7 or a network such as 10.0.0.0/8 or 2001:db8::/32",
        );
    };
    let network = first(address, bits);
    match network.address == address {
        true => Ok(network),
        false => wrong(
            format!("{} has bits beyond its first {bits}", quote(text)),
            format!("write {network}, or {address} for this one address"),
        ),
    }
}

/// The network of which the address is one.
fn first(address: IpAddr, bits: u8) -> Network {
    let zeros = |width: u8| u32::from(width - bits);
    let address = match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(zeros(32)).unwrap_or(0);
            IpAddr::V4((ip.to_bits() & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(zeros(128)).unwrap_or(0);
            IpAddr::V6((ip.to_bits() & mask).into())
        }
    };
    Network { address, bits }
}

impl Form for Networks {
    fn form(&self) -> String {
        "a list of addresses and networks such as [\"10.0.0.0/8\"]".into()
    }

    fn schema(&self) -> Json {
        let network = json!({"type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"});
        json!({"type": "array", "items": network})
    }
}

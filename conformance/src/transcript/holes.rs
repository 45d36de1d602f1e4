//! Holes: what they may hold, what they hold, and how a recording finds them.

use std::collections::HashMap;

use super::text::Token;

/// What the holes of one transcript hold.
#[derive(Default)]
pub struct Holes {
    values: HashMap<String, Vec<u8>>,
    /// Names by value, for a recording.
    names: HashMap<(String, String), String>,
}

/// The kind of a hole: its name up to a number or colon.
fn kind(name: &str) -> &str {
    name.split([':', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
        .next()
        .unwrap_or(name)
}

/// Whether a hole of this name may hold the byte.
pub fn holds(name: &str, byte: u8) -> bool {
    match kind(name) {
        "epoch" | "client" => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
        "time" | "retry" | "length" => byte.is_ascii_digit(),
        "cursor" => byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_',
        "session" => byte.is_ascii_alphanumeric() || b"-_.".contains(&byte),
        "etag" | "size" => byte.is_ascii_hexdigit(),
        "date" => byte.is_ascii_alphanumeric() || b" ,:".contains(&byte),
        _ => false,
    }
}

impl Holes {
    /// What a hole holds, if it is bound.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.values.get(name).map(Vec::as_slice)
    }

    /// Binds a hole, unless its name says that it may be anything.
    pub fn bind(&mut self, name: &str, value: &[u8]) {
        if !["date", "retry", "time", "size", "length"].contains(&name) {
            self.values.insert(name.to_owned(), value.to_vec());
        }
    }

    /// The bytes of a line that is sent.
    pub fn fill(&self, tokens: &[Token]) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for token in tokens {
            match token {
                Token::Literal(literal) => bytes.extend_from_slice(literal),
                Token::Hole(name) => bytes.extend_from_slice(
                    self.get(name)
                        .ok_or(format!("${{{name}}} is not bound yet"))?,
                ),
            }
        }
        Ok(bytes)
    }

    /// Puts a hole where a body's length follows from another hole's, whose value has no fixed length.
    pub fn dig_length(lines: &mut [String]) {
        const LENGTH: &str = "< content-length: ";
        let from_client = lines.iter().any(|line| line.contains("${client"));
        for line in lines
            .iter_mut()
            .filter(|line| from_client && line.starts_with(LENGTH))
        {
            *line = format!("{LENGTH}${{length}}\\r\\n");
        }
    }

    /// Puts holes where a line (already escaped) says what differs from run to run.
    pub fn dig(&mut self, line: &str) -> String {
        let mut line = line.to_owned();
        if line.starts_with("date: ") {
            return "date: ${date}\\r\\n".into();
        }
        for marker in ["\"epoch\":\"", "id: ", "\"cursor\":\""] {
            line = self.dig_behind(&line, marker, "epoch");
        }
        line = self.dig_epochs(&line);
        line = self.dig_behind(&line, "\"client\":\"", "client");
        line = self.dig_behind(&line, "\"session\":\"", "session");
        for marker in ["id: ", "\"cursor\":\""] {
            line = self.dig_behind(&line, marker, "cursor");
        }
        line = self.dig_behind(&line, "W/\"", "etag");
        for marker in ["retry: ", "\"after_ms\":", "\"retry_ms\":"] {
            line = self.dig_behind(&line, marker, "retry");
        }
        line = self.dig_behind(&line, "\"server_time\":", "time");
        self.dig_behind(&line, "\"time\":", "time")
    }

    fn dig_behind(&mut self, line: &str, marker: &str, kind: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some(found) = rest.find(marker) {
            let (before, value) = rest.split_at(found + marker.len());
            out.push_str(before);
            let length = value.bytes().take_while(|&byte| holds(kind, byte)).count();
            let (value, behind) = value.split_at(length);
            match self.name(kind, value, behind, &out) {
                Some(name) => out.push_str(&format!("${{{name}}}")),
                None => out.push_str(value),
            }
            rest = behind;
        }
        out + rest
    }

    /// The name of the hole for a value that stands between `before` and `behind`.
    fn name(&mut self, kind: &str, value: &str, behind: &str, before: &str) -> Option<String> {
        let whole = match kind {
            "epoch" => value.len() > 4 && (behind.starts_with('"') || behind.starts_with('-')),
            "time" => value.len() == 13,
            "cursor" => value.len() > 20 && value.starts_with('C'),
            _ => !value.is_empty(),
        };
        let name = match kind {
            _ if !whole => return None,
            "retry" => "retry".to_owned(),
            "time" => time_name(before),
            _ => self.numbered(kind, value),
        };
        self.bind(&name, value.as_bytes());
        Some(name)
    }

    /// Equal values have one name; the first is the kind itself.
    fn numbered(&mut self, kind: &str, value: &str) -> String {
        let count = self.names.keys().filter(|known| known.0 == kind).count();
        let new = match (kind, count) {
            ("cursor" | "etag", _) => format!("{kind}:{}", count + 1),
            (_, 0) => kind.to_owned(),
            _ => format!("{kind}{}", count + 1),
        };
        self.names
            .entry((kind.to_owned(), value.to_owned()))
            .or_insert(new)
            .clone()
    }

    /// Known epochs within other things, such as a sentence.
    fn dig_epochs(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for ((kind, value), name) in &self.names {
            if kind == "epoch" {
                line = line.replace(&format!("{value}-"), &format!("${{{name}}}-"));
            }
        }
        line
    }
}

/// A message's time is one wherever the message stands; an ephemeral message has no place to name it by.
fn time_name(before: &str) -> String {
    let envelope = &before[before.rfind("{\"type\":\"message\"").unwrap_or(0)..];
    let value = |marker: &str, end: &[char]| {
        let rest = &envelope[envelope.find(marker)? + marker.len()..];
        rest.split(end).next().map(str::to_owned)
    };
    match (
        value("\"epoch\":\"${", &['}']),
        value("\"offset\":", &[',', '}']),
    ) {
        (Some(epoch), Some(offset)) => format!("time:{epoch}-{offset}"),
        _ => "time".into(),
    }
}

//! What is wrong with a configuration: where it stands, what it is, and what to write instead.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A complaint about a value, as yet without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl Wrong {
    /// A complaint with its mending.
    pub fn new(what: String, fix: String) -> Self {
        Self { what, fix }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The command itself.
    Default,
    /// A file.
    File(Spot),
    /// An environment variable of this name.
    Variable(String),
    /// A flag as it was typed.
    Flag(String),
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub path: Arc<PathBuf>,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line's text; empty where it is not to be shown.
    pub text: String,
    /// How many characters are meant.
    pub width: usize,
}

impl Spot {
    /// The place of a range of bytes in a file's text.
    pub fn new(path: &Arc<PathBuf>, source: &str, range: std::ops::Range<usize>) -> Self {
        let start = source.floor_char_boundary(range.start);
        let begin = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let text = source[begin..].lines().next().unwrap_or_default();
        let end = source
            .ceil_char_boundary(range.end)
            .clamp(start, (begin + text.len()).max(start));
        Self {
            path: path.clone(),
            line: source[..begin].matches('\n').count() + 1,
            column: source[begin..start].chars().count() + 1,
            text: text.to_owned(),
            width: source[start..end].chars().count().max(1),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(spot) => write!(f, "{}:{}:{}", spot.path.display(), spot.line, spot.column),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The key, where one is meant.
    pub key: Option<String>,
    /// What and how to mend it.
    pub wrong: Wrong,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        writeln!(f, "{}", self.wrong.what)?;
        if let Place::File(spot) = &self.place
            && !spot.text.is_empty()
        {
            let number = spot.line.to_string();
            let margin = " ".repeat(number.len());
            let indent: String = spot
                .text
                .chars()
                .take(spot.column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            writeln!(f, " {number} | {}", spot.text)?;
            writeln!(f, " {margin} | {indent}{}", "^".repeat(spot.width))?;
        }
        write!(f, "  fix: {}", self.wrong.fix)
    }
}

/// All that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

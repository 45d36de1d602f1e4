//! Patterns of channel names, as tokens and keys list them.

use crate::channel::{ChannelName, Realm};

/// A list of patterns. `*` stands for any characters, none included; all else for itself.
///
/// A pattern covers inboxes and the server's channels only if it begins with their sign: `*` is
/// every application's channel and nobody's inbox. Matching costs at most the length of the name
/// times that of the pattern, whatever is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Box<[Box<str>]>);

/// Why a list of patterns is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too many.
    #[error("a list has at most {} patterns", Patterns::COUNT_MAX)]
    TooMany,
    /// One is empty or too long.
    #[error("a pattern has 1 to {} bytes", Patterns::BYTES_MAX)]
    Length,
    /// One holds what no name holds.
    #[error("a pattern holds no white space and no control character")]
    Character,
}

impl Patterns {
    /// Patterns in one list at most.
    pub const COUNT_MAX: usize = 64;
    /// Bytes of one pattern at most.
    pub const BYTES_MAX: usize = ChannelName::BYTES_MAX;

    /// Checks and takes a list.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let mut patterns = Vec::new();
        for pattern in list {
            if patterns.len() == Self::COUNT_MAX {
                return Err(PatternError::TooMany);
            }
            if pattern.is_empty() || pattern.len() > Self::BYTES_MAX {
                return Err(PatternError::Length);
            }
            if pattern.chars().any(|c| c.is_control() || c.is_whitespace()) {
                return Err(PatternError::Character);
            }
            patterns.push(pattern.into());
        }
        Ok(Self(patterns.into()))
    }

    /// Every application's channel: `*`.
    pub fn all() -> Self {
        Self(["*".into()].into())
    }

    /// Whether one of them covers the name.
    pub fn matches(&self, name: &ChannelName) -> bool {
        self.0.iter().any(|pattern| covers(pattern, name))
    }

    /// The patterns as they were written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn covers(pattern: &str, name: &ChannelName) -> bool {
    let text = name.as_str();
    if name.realm() != Realm::Application && pattern.as_bytes()[0] != text.as_bytes()[0] {
        return false;
    }
    glob(pattern.as_bytes(), text.as_bytes())
}

/// Whether `pattern` covers `text`, going back to the last `*` only: never exponential.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((star_p, star_t)) = star {
            (p, t) = (star_p + 1, star_t + 1);
            star = Some((star_p, star_t + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

//! Names of channels: parsed once at the edge, compared as bytes ever after.

use std::fmt;
use std::sync::Arc;

/// A valid channel name: 1–255 bytes of UTF-8 without control characters and white space.
///
/// No normalisation is done: two spellings of one letter are two channels.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelName(Arc<str>);

/// Whose names these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Realm {
    /// An application's channel.
    Application,
    /// `@USER` or `~CLIENT`.
    Inbox,
    /// `$…`: the server writes, others read.
    Server,
}

/// Why a text is no channel name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no characters.
    #[error("a channel name has 1 to 255 bytes; this one is empty")]
    Empty,
    /// It is too long; the number is its length in bytes.
    #[error("a channel name has 1 to 255 bytes; this one has {0}")]
    TooLong(usize),
    /// It holds white space or a control character.
    #[error(
        "a channel name holds no white space and no control character; this one holds U+{0:04X}"
    )]
    Character(u32),
}

impl ChannelName {
    /// The longest name in bytes. That of a presence channel may be longer by its own part.
    pub const BYTES_MAX: usize = 255;

    const PRESENCE: &str = "$presence:";

    /// The channels that exist on every server, besides those of presence.
    const SERVER_CHANNELS: [&str; 2] = ["$stats", "$probe"];

    /// Checks and takes a name.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let counted = text.strip_prefix(Self::PRESENCE).unwrap_or(text);
        if counted.len() > Self::BYTES_MAX {
            return Err(NameError::TooLong(counted.len()));
        }
        match text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            Some(c) => Err(NameError::Character(c.into())),
            None => Ok(Self(text.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What selects its rules: the sign of an inbox or server channel, else what stands before the
    /// first `:`; `None` where there is no `:`.
    pub fn namespace(&self) -> Option<&str> {
        match self.realm() {
            Realm::Application => self.0.split_once(':').map(|(namespace, _)| namespace),
            Realm::Inbox | Realm::Server => Some(&self.0[..1]),
        }
    }

    /// The channel that tells who is in this one.
    pub fn presence(&self) -> Self {
        Self(format!("{}{self}", Self::PRESENCE).into())
    }

    /// The channel of which this one tells who is there; `None` where it is another kind of channel.
    pub fn presence_of(&self) -> Option<Self> {
        let of = Self::parse(self.0.strip_prefix(Self::PRESENCE)?).ok()?;
        (of.realm() == Realm::Application).then_some(of)
    }

    /// Whether it is one of the server's own that everybody can name.
    pub fn is_server_channel(&self) -> bool {
        Self::SERVER_CHANNELS.contains(&self.as_str())
    }

    /// Whose channel it is.
    pub fn realm(&self) -> Realm {
        match self.0.as_bytes()[0] {
            b'@' | b'~' => Realm::Inbox,
            b'$' => Realm::Server,
            _ => Realm::Application,
        }
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in [
            "a",
            "room:7",
            "채팅방:서울",
            "🎉",
            "a/b",
            "..",
            "%2F",
            "@alice",
            &"x".repeat(255),
        ] {
            assert_eq!(ChannelName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "a b",
            "a\tb",
            "a\nb",
            "a\u{a0}b",
            "a\u{3000}b",
            "a\u{7f}",
            "a\u{85}",
            "\0",
            &"x".repeat(256),
        ] {
            assert!(ChannelName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn namespaces() {
        let of = |name| {
            ChannelName::parse(name)
                .unwrap()
                .namespace()
                .map(str::to_owned)
        };
        assert_eq!(of("room:7:x").as_deref(), Some("room"));
        assert_eq!(of("news"), None);
        assert_eq!(of("@a:b").as_deref(), Some("@"));
        assert_eq!(of("$stats").as_deref(), Some("$"));
        assert_eq!(of(":x").as_deref(), Some(""));
    }
}

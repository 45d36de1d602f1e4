//! Positions: where in a channel's history a cursor stands, and what a reader lost.

use std::fmt;
use std::str::FromStr;

/// The largest offset: what a JavaScript number counts exactly (2^53 − 1).
pub const MAX_OFFSET: u64 = (1 << 53) - 1;

/// The identity of one uninterrupted log: 1–16 characters of `a-z0-9`.
///
/// Two positions of different epochs never compare: an equal offset of another epoch is another
/// message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; 16]);

impl Epoch {
    /// The epoch of this number: its digits in base 36.
    pub fn from_number(mut number: u64) -> Self {
        const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        let mut bytes = [0; 16];
        for byte in &mut bytes {
            *byte = DIGITS[(number % 36) as usize];
            number /= 36;
            if number == 0 {
                break;
            }
        }
        Self(bytes)
    }

    /// The epoch as it stands on the wire.
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|&b| b == 0).unwrap_or(16);
        std::str::from_utf8(&self.0[..len]).expect("an epoch is ASCII by construction")
    }
}

impl FromStr for Epoch {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if text.is_empty() || text.len() > 16 || !text.as_bytes().iter().all(allowed) {
            return Err(ParseError);
        }
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The place *after* the message with this offset; offset 0 is the place before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The log that the offset counts in.
    pub epoch: Epoch,
    /// 0 ..= [`MAX_OFFSET`].
    pub offset: u64,
}

impl Position {
    /// The place of a reader whose cursor nobody could have had: `0-0`. Asked for again, it is
    /// unknown again.
    pub const UNKNOWN: Self = Self {
        epoch: Epoch([b'0', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        offset: 0,
    };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.as_str(), self.offset)
    }
}

impl FromStr for Position {
    type Err = ParseError;

    /// Parses `EPOCH-OFFSET`. There is one spelling of a position: no sign, no leading zeros.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (epoch, offset) = text.split_once('-').ok_or(ParseError)?;
        let canonical = offset == "0" || !offset.starts_with('0');
        if !canonical || !offset.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseError);
        }
        let offset: u64 = offset.parse().map_err(|_| ParseError)?;
        if offset > MAX_OFFSET {
            return Err(ParseError);
        }
        Ok(Self {
            epoch: epoch.parse()?,
            offset,
        })
    }
}

/// The text is no epoch or no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError;

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a position: expected EPOCH-OFFSET, such as k3f9-42")
    }
}

impl std::error::Error for ParseError {}

/// Messages that a reader lost. The reading goes on after `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The epoch in which the reading goes on.
    pub epoch: Epoch,
    /// The first lost offset; `None` where it cannot be known, as after a change of epoch.
    pub from: Option<u64>,
    /// The offset before the next message.
    pub to: u64,
    /// Why they are lost.
    pub reason: GapReason,
}

/// Why messages are lost to a reader: a closed list, part of the wire contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// Retention had removed them before they were read.
    Expired,
    /// The log was lost or emptied: its offsets count anew.
    EpochChanged,
    /// The channel was idle for so long that its position was forgotten.
    Forgotten,
    /// The cursor is not one that this log could have given.
    UnknownCursor,
    /// The reader fell behind the lag limit.
    TooSlow,
    /// The broker lost messages on the way to this node.
    BrokerLoss,
}

impl GapReason {
    /// All reasons, in the order of the wire contract.
    pub const ALL: [Self; 6] = [
        Self::Expired,
        Self::EpochChanged,
        Self::Forgotten,
        Self::UnknownCursor,
        Self::TooSlow,
        Self::BrokerLoss,
    ];

    /// The reason as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::EpochChanged => "epoch_changed",
            Self::Forgotten => "forgotten",
            Self::UnknownCursor => "unknown_cursor",
            Self::TooSlow => "too_slow",
            Self::BrokerLoss => "broker_loss",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_has_one_spelling() {
        for text in ["k3f9-42", "a-0", "0-0", "zzzzzzzzzzzzzzzz-9007199254740991"] {
            assert_eq!(text.parse::<Position>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "-",
            "k3f9",
            "k3f9-",
            "-4",
            "K-1",
            "k-01",
            "k-+1",
            "k--1",
            "k-1-1",
            "k_-1",
            "k-9007199254740992",
            "aaaaaaaaaaaaaaaaa-1",
            "k-1 ",
            "é-1",
            "k-１",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_become_epochs_of_the_alphabet() {
        assert_eq!(Epoch::from_number(0).as_str(), "0");
        assert_eq!(Epoch::from_number(u64::MAX).as_str().len(), 13);
    }
}

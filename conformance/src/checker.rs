//! What a reader may be given: a contiguous run of offsets per epoch, or a told gap between two runs.
//!
//! It sees only what came, in the order in which it came. Whether a told gap is true is for
//! [`Gap`]'s reader to ask the publisher; what a payload says is not looked at here.

use std::fmt;

use serde_json::Value;

/// The place after a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The epoch.
    pub epoch: String,
    /// The offset.
    pub offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.offset)
    }
}

impl Place {
    /// Reads `EPOCH-OFFSET`.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, offset) = text.split_once('-')?;
        Some(Self {
            epoch: epoch.to_owned(),
            offset: offset.parse().ok()?,
        })
    }
}

/// Messages told as lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The epoch in which the reading goes on.
    pub epoch: String,
    /// The first lost offset, where it is known.
    pub from: Option<u64>,
    /// The offset before the next message.
    pub to: u64,
    /// One of the closed list.
    pub reason: String,
}

/// What came on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A message, and the place after it.
    Message(Place),
    /// Messages are lost.
    Gap(Gap),
    /// Offsets from the first to the second are not for this reader.
    Skip(String, u64, u64),
}

impl Item {
    /// What an envelope is to a reader; `None` for what says nothing of a channel's messages.
    pub fn of(told: &Value) -> Option<Self> {
        let epoch = told["epoch"].as_str()?.to_owned();
        let from = told["from"].as_u64();
        match told["type"].as_str()? {
            "message" => Some(Self::Message(Place {
                epoch,
                offset: told["offset"].as_u64()?,
            })),
            "gap" => Some(Self::Gap(Gap {
                epoch,
                from,
                to: told["to"].as_u64()?,
                reason: told["reason"].as_str()?.to_owned(),
            })),
            "skip" => Some(Self::Skip(epoch, from?, told["to"].as_u64()?)),
            _ => None,
        }
    }
}

/// The place after `item` for a reader that stood at `place`.
///
/// # Errors
/// A sentence that says what does not follow: a message twice, out of order or left out in silence,
/// a gap that does not begin where the reader stood, a new epoch without a gap.
pub fn follow(place: &Place, item: &Item) -> Result<Place, String> {
    let next = match item {
        Item::Message(at) if *at == after(place) => Some(at.clone()),
        Item::Skip(epoch, from, to)
            if *epoch == place.epoch && *from == place.offset + 1 && from <= to =>
        {
            Some(Place {
                epoch: epoch.clone(),
                offset: *to,
            })
        }
        Item::Gap(gap) if begins_at(gap, place) => Some(Place {
            epoch: gap.epoch.clone(),
            offset: gap.to,
        }),
        _ => None,
    };
    next.ok_or_else(|| format!("after {place} came {item:?}"))
}

fn after(place: &Place) -> Place {
    Place {
        epoch: place.epoch.clone(),
        offset: place.offset + 1,
    }
}

fn begins_at(gap: &Gap, place: &Place) -> bool {
    match gap.reason.as_str() {
        "expired" | "too_slow" | "broker_loss" => {
            gap.epoch == place.epoch && gap.from == Some(place.offset + 1) && gap.to > place.offset
        }
        "epoch_changed" | "forgotten" => gap.epoch != place.epoch && gap.from.is_none(),
        "unknown_cursor" => gap.from.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Place {
        Place::parse(text).unwrap()
    }

    fn gap(epoch: &str, from: Option<u64>, to: u64, reason: &str) -> Item {
        Item::Gap(Gap {
            epoch: epoch.into(),
            from,
            to,
            reason: reason.into(),
        })
    }

    #[test]
    fn what_follows() {
        for (item, next) in [
            (Item::Message(at("a-5")), "a-5"),
            (Item::Skip("a".into(), 5, 7), "a-7"),
            (gap("a", Some(5), 9, "expired"), "a-9"),
            (gap("b", None, 0, "epoch_changed"), "b-0"),
            (gap("b", None, 3, "forgotten"), "b-3"),
        ] {
            assert_eq!(follow(&at("a-4"), &item), Ok(at(next)), "{item:?}");
        }
    }

    #[test]
    fn what_does_not() {
        for item in [
            Item::Message(at("a-4")),
            Item::Message(at("a-6")),
            Item::Message(at("b-5")),
            Item::Skip("a".into(), 6, 7),
            Item::Skip("b".into(), 5, 7),
            gap("a", Some(4), 9, "expired"),
            gap("a", Some(6), 9, "expired"),
            gap("a", None, 9, "expired"),
            gap("a", Some(5), 4, "expired"),
            gap("b", Some(5), 9, "expired"),
            gap("a", None, 0, "epoch_changed"),
            gap("b", Some(5), 0, "epoch_changed"),
            gap("a", Some(5), 9, "bad_luck"),
        ] {
            assert!(follow(&at("a-4"), &item).is_err(), "{item:?}");
        }
    }
}

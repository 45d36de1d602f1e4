//! What clients say of their moves between transports, in `_moved` of a reading's URL, and how often
//! they moved. What they say is counted and believed in nothing else.

use tidings_core::Counter;

/// A way of reading, as a client chooses among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    WebSocket,
    Sse,
    SsePost,
    LongPoll,
    Poll,
}

/// Why a client left a rung, or `climbed` to a better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Unavailable,
    Blocked,
    Broken,
    Mute,
    Cut,
    Silent,
    Climbed,
}

const RUNGS: [(&str, Rung); 5] = [
    ("websocket", Rung::WebSocket),
    ("sse", Rung::Sse),
    ("sse-post", Rung::SsePost),
    ("long-poll", Rung::LongPoll),
    ("poll", Rung::Poll),
];

const REASONS: [(&str, Reason); 7] = [
    ("unavailable", Reason::Unavailable),
    ("blocked", Reason::Blocked),
    ("broken", Reason::Broken),
    ("mute", Reason::Mute),
    ("cut", Reason::Cut),
    ("silent", Reason::Silent),
    ("climbed", Reason::Climbed),
];

/// What a client says: which rung it left, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    from: Rung,
    reason: Reason,
}

impl Move {
    /// `FROM.REASON`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, reason) = text.split_once('.')?;
        Some(Self {
            from: named(&RUNGS, from)?,
            reason: named(&REASONS, reason)?,
        })
    }
}

fn named<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    let found = names.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value)
}

/// How often clients moved, by where from, where to and why.
#[derive(Debug, Default)]
pub struct Moves([[[Counter; 7]; 5]; 5]);

impl Moves {
    /// Counts a move to the rung by which it is told. One to where it came from is none.
    pub fn count(&self, Move { from, reason }: Move, to: Rung) {
        if from != to {
            self.0[from as usize][to as usize][reason as usize].add(1);
        }
    }

    /// Those that happened: from, to, reason, how often.
    pub fn seen(&self) -> impl Iterator<Item = ([&'static str; 3], u64)> + '_ {
        let all = RUNGS.into_iter().flat_map(|from| {
            RUNGS
                .into_iter()
                .flat_map(move |to| REASONS.into_iter().map(move |reason| (from, to, reason)))
        });
        all.map(|(from, to, reason)| {
            let counter = &self.0[from.1 as usize][to.1 as usize][reason.1 as usize];
            ([from.0, to.0, reason.0], counter.get())
        })
        .filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_their_counters() {
        for (index, (name, rung)) in RUNGS.into_iter().enumerate() {
            assert_eq!(rung as usize, index, "{name}");
        }
        for (index, (name, reason)) in REASONS.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{name}");
        }
    }

    #[test]
    fn what_is_no_move_is_ignored() {
        let climbed = Move {
            from: Rung::SsePost,
            reason: Reason::Climbed,
        };
        assert_eq!(Move::parse("sse-post.climbed"), Some(climbed));
        for other in [
            "",
            "sse",
            "sse.",
            ".cut",
            "sse.cut.cut",
            "SSE.cut",
            "pigeon.cut",
            "sse.bored",
        ] {
            assert_eq!(Move::parse(other), None, "{other}");
        }
    }
}

//! What readers have been through, by carrier and transport.

use std::fmt;

use crate::carrier::Carrier;

/// The transports.
pub const TRANSPORTS: [&str; 4] = ["poll", "long poll", "SSE", "WebSocket"];

/// The connections of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// How many there were.
    pub opened: u64,
    /// Of these, cut off.
    pub cut: u64,
    /// Messages that came by them.
    pub messages: u64,
}

impl Way {
    /// Whether there was something of everything.
    pub fn is_tried(self) -> bool {
        self.opened > 0 && self.cut > 0 && self.messages > 0
    }

    fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.cut += other.cut;
        self.messages += other.messages;
    }
}

impl<'a> FromIterator<&'a Way> for Way {
    fn from_iter<I: IntoIterator<Item = &'a Way>>(ways: I) -> Self {
        let mut sum = Self::default();
        ways.into_iter().for_each(|way| sum.add(way));
        sum
    }
}

/// What a reader has been through.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By carrier and transport.
    pub ways: [[Way; TRANSPORTS.len()]; Carrier::ALL.len()],
    /// HTTP/2 connections that were cut with all that they carried.
    pub severed: u64,
    /// WebSocket messages that came deflated.
    pub deflated: u64,
    /// Gaps that were told.
    pub gaps: u64,
    /// Offsets told as lost within an epoch.
    pub lost: u64,
    /// Messages that came again where the contract allows it.
    pub repeats: u64,
}

impl Tally {
    /// All ways together.
    pub fn sum(&self) -> Way {
        self.ways.iter().flatten().collect()
    }

    /// The ways of one carrier together.
    pub fn by_carrier(&self, carrier: Carrier) -> Way {
        self.ways[carrier as usize].iter().collect()
    }

    /// The ways of each transport together.
    pub fn by_transport(&self) -> [Way; TRANSPORTS.len()] {
        std::array::from_fn(|transport| self.ways.iter().map(|ways| &ways[transport]).collect())
    }

    /// Adds what another one has been through.
    pub fn add(&mut self, other: &Self) {
        let ways = self.ways.iter_mut().flatten();
        ways.zip(other.ways.iter().flatten())
            .for_each(|(way, other)| way.add(other));
        self.severed += other.severed;
        self.deflated += other.deflated;
        self.gaps += other.gaps;
        self.lost += other.lost;
        self.repeats += other.repeats;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} read ({} deflated), {} gaps told, {} offsets lost in them, {} repeats, {} connections severed; \
             each carrier with connections (of these cut) and messages:",
            self.sum().messages,
            self.deflated,
            self.gaps,
            self.lost,
            self.repeats,
            self.severed
        )?;
        for (carrier, ways) in Carrier::ALL.iter().zip(&self.ways) {
            if ways.iter().all(|way| way.opened == 0) {
                continue;
            }
            write!(f, "\n  {:11}", carrier.name())?;
            for (name, way) in TRANSPORTS.iter().zip(ways) {
                write!(f, " | {name} {} ({}) {}", way.opened, way.cut, way.messages)?;
            }
        }
        Ok(())
    }
}

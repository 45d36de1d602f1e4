//! Tickets of this process.

use std::collections::{BTreeSet, HashMap};

use tidings_log::Millis;

use crate::Now;
use crate::broker::BrokerError;
use crate::broker::tickets::{Digest, EXCLUSIVE, Redeemed, Ticket, TicketError};

/// All tickets, in the order in which they end.
pub(super) struct Tickets {
    issued: HashMap<Digest, Issued>,
    ends: BTreeSet<(u64, Digest)>,
    count_max: usize,
}

struct Issued {
    ticket: Ticket,
    first: Option<FirstUse>,
}

/// What binds a ticket.
struct FirstUse {
    origin: Option<Box<str>>,
    /// By the clock that never goes back.
    at: Millis,
}

impl Tickets {
    pub fn new(count_max: usize) -> Self {
        Self {
            issued: HashMap::new(),
            ends: BTreeSet::new(),
            count_max,
        }
    }

    pub fn issue(&mut self, ticket: Ticket, now: Now) -> Result<(), BrokerError> {
        if self.issued.len() >= self.count_max {
            self.sweep(now);
        }
        let digest = ticket.digest;
        let again = self.issued.get(&digest).map(Issued::end);
        if again.is_none() && self.issued.len() >= self.count_max {
            return Err(BrokerError::TooManyTickets);
        }
        if let Some(end) = again {
            self.ends.remove(&(end, digest));
        }
        let issued = Issued {
            ticket,
            first: None,
        };
        self.ends.insert((issued.end(), digest));
        self.issued.insert(digest, issued);
        Ok(())
    }

    pub fn redeem(
        &mut self,
        digest: &Digest,
        origin: Option<&str>,
        now: Now,
    ) -> Result<Redeemed, TicketError> {
        let issued = self.issued.get_mut(digest).ok_or(TicketError::Unknown)?;
        let end = issued.end();
        if end < now.unix {
            return Err(TicketError::TooLate);
        }
        let first = issued.first.is_none();
        match &issued.first {
            Some(first) if first.origin.as_deref() != origin => {
                return Err(TicketError::OtherOrigin);
            }
            Some(first) if now.monotonic < first.at.saturating_add(EXCLUSIVE) => {
                return Err(TicketError::InUse);
            }
            Some(_) => {}
            None => {
                issued.first = Some(FirstUse {
                    origin: origin.map(Into::into),
                    at: now.monotonic,
                });
                self.ends.remove(&(end, *digest));
                self.ends.insert((issued.end(), *digest));
            }
        }
        let holder = issued.ticket.holder.clone();
        Ok(Redeemed { holder, first })
    }

    /// Forgets those that are over.
    pub fn sweep(&mut self, now: Now) {
        while let Some(&(end, digest)) = self.ends.first()
            && end < now.unix
        {
            self.ends.pop_first();
            self.issued.remove(&digest);
        }
        if self.issued.is_empty() {
            self.issued = HashMap::new();
        }
    }

    pub fn len(&self) -> usize {
        self.issued.len()
    }
}

impl Issued {
    fn end(&self) -> u64 {
        match self.first {
            Some(_) => self.ticket.until,
            None => self.ticket.first_use_by.min(self.ticket.until),
        }
    }
}

#[cfg(test)]
mod tests;

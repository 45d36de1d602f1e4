//! The order of what is published: one message of a channel after another, and no more than so many while the server
//! is away. It sends nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::OwnedMutexGuard;

use crate::Error;

type Turns = HashMap<String, Arc<tokio::sync::Mutex<()>>>;

/// What waits to be published.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    turns: Mutex<Turns>,
    waiting: AtomicUsize,
    /// The last request was not answered.
    away: AtomicBool,
}

/// A place among those that wait; with `_turn` it is the first of its channel.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    outgoing: &'a Outgoing,
    channel: &'a str,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Outgoing {
    /// Waits until all messages of the channel that came before are through.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`] while the server is away and `most` wait already.
    pub(crate) async fn turn<'a>(
        &'a self,
        channel: &'a str,
        most: usize,
    ) -> Result<Place<'a>, Error> {
        if self.waiting.load(Ordering::Relaxed) >= most && self.away.load(Ordering::Relaxed) {
            return Err(Error::QueueFull { limit: most });
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let mut place = Place {
            outgoing: self,
            channel,
            turn: None,
        };
        let turn = self.turns().entry(channel.to_owned()).or_default().clone();
        // Fair: they come in the order in which they were asked for.
        place.turn = Some(turn.lock_owned().await);
        Ok(place)
    }

    /// Takes note whether the last request was answered.
    pub(crate) fn answered(&self, answered: bool) {
        self.away.store(!answered, Ordering::Relaxed);
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.outgoing.waiting.fetch_sub(1, Ordering::Relaxed);
        self.turn = None;
        let mut turns = self.outgoing.turns();
        // Nobody else holds or wants it: it is the map's alone.
        if turns
            .get(self.channel)
            .is_some_and(|turn| Arc::strong_count(turn) == 1)
        {
            turns.remove(self.channel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_more_than_so_many_wait_while_the_server_is_away() {
        let outgoing = Outgoing::default();
        let first = outgoing.turn("a", 1).await.expect("nobody waits");
        let second = outgoing.turn("b", 1).await;
        drop(second.expect("the server is there"));
        outgoing.answered(false);
        let full = outgoing.turn("b", 1).await;
        assert!(matches!(full, Err(Error::QueueFull { limit: 1 })));
        drop(first);
        drop(outgoing.turn("b", 1).await.expect("there is room again"));
        assert!(outgoing.turns().is_empty(), "nothing is left behind");
    }
}

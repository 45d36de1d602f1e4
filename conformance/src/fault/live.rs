//! The connections that are open: what each is for at present, and how it is told to break.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, oneshot};

use super::connection::Ending;
use super::kind::Kind;

/// What a connection is told from outside. It is carried out when this is dropped.
pub struct Order {
    /// What to do.
    pub ending: Ending,
    _carried_out: oneshot::Sender<()>,
}

/// Where a connection is told.
pub type Orders = mpsc::UnboundedReceiver<Order>;

struct Seat {
    kind: Option<Kind>,
    orders: mpsc::UnboundedSender<Order>,
}

type Seats = Mutex<BTreeMap<u64, Seat>>;

/// All open connections, by number.
#[derive(Default)]
pub struct Live(Arc<Seats>);

/// A connection's own place among them, until it is dropped.
pub struct Place {
    seats: Arc<Seats>,
    number: u64,
}

impl Live {
    /// A connection comes.
    pub fn enter(&self, number: u64) -> (Place, Orders) {
        let (sender, orders) = mpsc::unbounded_channel();
        let seat = Seat {
            kind: None,
            orders: sender,
        };
        let mut seats = self.0.lock().expect("no holder panics");
        seats.insert(number, seat);
        let seats = self.0.clone();
        (Place { seats, number }, orders)
    }

    /// Tells every connection, or those whose present request is of these kinds, and waits until all have
    /// done it. Gives their number.
    pub async fn order(&self, ending: Ending, on: Option<&[Kind]>) -> usize {
        let mut told = Vec::new();
        for seat in self.0.lock().expect("no holder panics").values() {
            let is_meant = on.is_none_or(|on| seat.kind.is_some_and(|kind| on.contains(&kind)));
            let (carried_out, done) = oneshot::channel();
            let order = Order {
                ending,
                _carried_out: carried_out,
            };
            if is_meant && seat.orders.send(order).is_ok() {
                told.push(done);
            }
        }
        let count = told.len();
        for done in told {
            // The sender's end is the answer.
            let _ = done.await;
        }
        count
    }

    /// Open connections by the kind of their present request; `None` are those without one.
    pub fn count(&self) -> BTreeMap<Option<Kind>, usize> {
        let mut counts = BTreeMap::new();
        for seat in self.0.lock().expect("no holder panics").values() {
            *counts.entry(seat.kind).or_default() += 1;
        }
        counts
    }
}

impl Place {
    /// What the connection is for now.
    pub fn serves(&self, kind: Option<Kind>) {
        let mut seats = self.seats.lock().expect("no holder panics");
        if let Some(seat) = seats.get_mut(&self.number) {
            seat.kind = kind;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut seats = self.seats.lock().expect("no holder panics");
        seats.remove(&self.number);
    }
}

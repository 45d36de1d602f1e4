//! An exchange that does not exist: prices that go where chance leads them. A reader that cannot keep
//! up gets the newest price of each symbol, by the rules of the namespace.

use std::time::Duration;

use fastrand::Rng;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::channel::Channel;

/// Between two bursts: twenty a second.
const PACE: Duration = Duration::from_millis(50);

/// Symbols of one burst at most.
const BURST: usize = 8;

/// By how much a price changes at once, as a part of it, at most.
const STEP: f64 = 0.004;

/// What is traded.
const SYMBOLS: [&str; 40] = [
    "ALDER", "AMBER", "ASPEN", "BASIL", "BIRCH", "CEDAR", "CLOVE", "COBLT", "CORAL", "DELTA",
    "EBONY", "EMBER", "FJORD", "FLINT", "GORSE", "HAZEL", "HERON", "INDGO", "IRIS", "JASPR",
    "KELP", "LARCH", "LILAC", "LOTUS", "MAPLE", "MOSS", "NACRE", "OCHRE", "ONYX", "OPAL", "PLUM",
    "QUARZ", "RAVEN", "ROWAN", "SAGE", "SLATE", "TEAL", "UMBER", "VIOLA", "WREN",
];

/// One of them.
struct Stock {
    symbol: &'static str,
    opening: f64,
    price: f64,
}

/// Trades while somebody reads, and stands still else.
pub async fn run(channel: Channel) {
    let mut rng = Rng::new();
    let mut stocks = SYMBOLS.map(|symbol| {
        let opening = 5.0 + 495.0 * rng.f64();
        Stock {
            symbol,
            opening,
            price: opening,
        }
    });
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        channel.until_read().await;
        // Who comes first, or after a silence, finds every symbol.
        for stock in &stocks {
            show(&channel, stock).await;
        }
        while channel.is_read() {
            pace.tick().await;
            for _ in 0..rng.usize(1..=BURST) {
                let stock = &mut stocks[rng.usize(..SYMBOLS.len())];
                trade(stock, &mut rng);
                show(&channel, stock).await;
            }
        }
    }
}

/// A step up or down, and never far from where the day began.
fn trade(stock: &mut Stock, rng: &mut Rng) {
    let away = stock.price / stock.opening - 1.0;
    let step = STEP * (2.0 * rng.f64() - 1.0 - away);
    stock.price *= 1.0 + step;
}

async fn show(channel: &Channel, stock: &Stock) {
    let change = 100.0 * (stock.price / stock.opening - 1.0);
    let data = json!({
        "symbol": stock.symbol,
        "price": cents(stock.price),
        "change": cents(change),
        "at": channel.app.now().unix,
    });
    channel.show("price", Some(stock.symbol), &data).await;
}

fn cents(value: f64) -> f64 {
    (100.0 * value).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_wander_and_stay_prices() {
        let mut rng = Rng::with_seed(7);
        let mut stock = Stock {
            symbol: "WREN",
            opening: 100.0,
            price: 100.0,
        };
        let mut seen = (f64::MAX, 0.0_f64);
        for _ in 0..1_000_000 {
            trade(&mut stock, &mut rng);
            seen = (seen.0.min(stock.price), seen.1.max(stock.price));
        }
        assert!(seen.0 > 50.0 && seen.0 < 99.0, "{seen:?}");
        assert!(seen.1 < 200.0 && seen.1 > 101.0, "{seen:?}");
    }

    #[test]
    fn symbols_are_told_apart() {
        let mut sorted = SYMBOLS;
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

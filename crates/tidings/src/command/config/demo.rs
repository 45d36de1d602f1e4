//! The demo: when it is on, what fits what, and the rules of its namespaces. What it does is the
//! business of whoever serves.

use std::time::Duration;

use tidings_core::{Lag, LagPolicy};

use super::Config;
use super::check::{Sources, Whole, is_loopback};

/// Thirty times a second.
const FRAME: Duration = Duration::from_millis(33);

/// Where nobody said whether it is on: on an open server that only this machine reaches.
pub fn settle(config: &mut Config, sources: &Sources) {
    if !sources.contains_key("demo.on") {
        config.demo.on = config.is_open() && is_loopback(config.listen);
    }
}

/// How its namespaces treat readers, where the configuration has none of these names.
pub fn lags() -> [(&'static str, Lag); 2] {
    let latest_by = |pointer: &str, every| Lag {
        policy: LagPolicy::LatestBy,
        by: Some(pointer.into()),
        every,
        ..Lag::default()
    };
    [
        ("demo-ticker", latest_by("/symbol", Duration::ZERO)),
        ("demo-cursors", latest_by("/id", FRAME)),
    ]
}

/// What is wrong although each value alone is right.
pub fn check(whole: &mut Whole<'_>) {
    let demo = &whole.config.demo;
    let needs = [
        (
            "demo.model_url",
            demo.model_url.is_some(),
            "demo.model",
            demo.model.is_some(),
        ),
        (
            "demo.model",
            demo.model.is_some(),
            "demo.model_url",
            demo.model_url.is_some(),
        ),
        (
            "demo.model_key",
            demo.model_key.is_some(),
            "demo.model_url",
            demo.model_url.is_some(),
        ),
    ];
    for (key, is_set, other, is_there) in needs {
        if is_set && !is_there && !whole.is_told(other) {
            let what = format!("{key} is set and {other} is not: no model can be asked");
            let fix = format!("set {other}, too, or leave {key} out");
            return whole.fault(key, what, fix);
        }
    }
}

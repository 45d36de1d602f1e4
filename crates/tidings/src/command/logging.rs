//! The log of the server, on standard error: lines for people, or JSON objects. Commands that end
//! by themselves do not log.

use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::command::config::{Log, LogFormat, LogLevel};

/// How much of the log that was begun is written.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Begins to log. Later calls change nothing.
pub fn start(log: &Log) {
    let (level, handle) = reload::Layer::new(filter(log.level));
    let registry = tracing_subscriber::registry().with(level);
    let lines = fmt::layer().with_writer(std::io::stderr);
    // An error means that a log was begun before: that one stays.
    let begun = match log.format {
        LogFormat::Text => registry.with(lines.with_ansi(false)).try_init(),
        LogFormat::Json => {
            log_panics();
            registry.with(lines.json().flatten_event(true)).try_init()
        }
    };
    if begun.is_ok() {
        let _ = LEVEL.set(handle);
    }
}

/// Logs as much as this from now on.
pub fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get() {
        // It fails only when the log is gone, and then there is nobody to tell.
        let _ = handle.reload(filter(level));
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// A panic must not break a stream of JSON objects with a line of text.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let what = panic.payload_as_str().unwrap_or("a panic without a text");
        tracing::error!(place, "panic: {what}");
    }));
}

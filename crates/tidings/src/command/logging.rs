//! The log of the server, on standard error: lines for people, or JSON objects. Commands that end
//! by themselves do not log.

use tracing::level_filters::LevelFilter;

use crate::command::config::{Log, LogFormat, LogLevel};

/// Begins to log. Later calls change nothing.
pub fn start(log: &Log) {
    let level = match log.level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr);
    // An error means that a log was begun before: that one stays.
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => {
            log_panics();
            builder.json().flatten_event(true).try_init()
        }
    };
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

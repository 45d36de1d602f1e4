//! The table of keys: the one place that says which keys there are, what each means, which values
//! it takes and where it goes. Reading, checking, printing and "did you mean" all walk this table.

use tidings_core::Limits;

use super::fault::Wrong;
use super::units::{
    Address, Bytes, Choice, Count, DAY, FilePath, Form, GIB, KIB, List, SECOND, Switch, Time, Unit,
};
use super::value::Value;
use super::{Config, LogFormat, LogLevel, check};

/// One key of the configuration.
pub struct Key {
    /// The whole name, parts joined by dots.
    pub path: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Its name below `namespaces.NAME`, if a namespace may have its own.
    pub in_namespace: Option<&'static str>,
    /// What may be written, with its bounds.
    pub form: fn() -> String,
    /// Takes a value.
    pub read: fn(&mut Config, &Value) -> Result<(), Wrong>,
    /// The value as TOML.
    pub show: fn(&Config) -> String,
}

impl Key {
    /// The table that the key stands in; empty at the top.
    pub fn table(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(table, _)| table)
    }

    /// The name within its table.
    pub fn name(&self) -> &'static str {
        self.path
            .split_once('.')
            .map_or(self.path, |(_, name)| name)
    }
}

/// The key of this name.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().copied().find(|key| key.path == path)
}

/// The key that a namespace has under this name.
pub fn find_in_namespace(name: &str) -> Option<&'static Key> {
    KEYS.iter()
        .copied()
        .find(|key| key.in_namespace == Some(name))
}

macro_rules! key {
    (@row $path:expr, [$($field:ident).+], $in_namespace:expr, $unit:expr, $about:literal) => {
        Key {
            path: $path,
            about: $about,
            in_namespace: $in_namespace,
            form: || Form::form(&$unit),
            read: |config, value| {
                config.$($field).+ = Unit::read(&$unit, value)?;
                Ok(())
            },
            show: |config| Unit::show(&$unit, &config.$($field).+),
        }
    };
    ($field:ident: $unit:expr, $about:literal) => {
        key!(@row stringify!($field), [$field], None, $unit, $about)
    };
    ($table:ident.$field:ident: $unit:expr, $about:literal) => {
        key!(@row concat!(stringify!($table), ".", stringify!($field)), [$table.$field], None, $unit, $about)
    };
    ($table:ident.$field:ident as $name:literal: $unit:expr, $about:literal) => {
        key!(@row concat!(stringify!($table), ".", stringify!($field)), [$table.$field], Some($name), $unit, $about)
    };
}

/// The rows of `[limits]`, and a proof that no field of [`Limits`] is left out.
macro_rules! limits {
    ($($field:ident $(as $name:literal)?: $unit:expr, $about:literal;)+) => {
        const LIMITS: &[Key] = &[$(key!(limits.$field $(as $name)?: $unit, $about)),+];

        const _: fn(Limits) = |limits| {
            let Limits { $($field: _),+ } = limits;
        };
    };
}

/// All keys, in the order of printing: those of one table stand together, those without a table first.
pub static KEYS: std::sync::LazyLock<Vec<&'static Key>> =
    std::sync::LazyLock::new(|| GENERAL.iter().chain(LIMITS).collect());

const GENERAL: &[Key] = &[
    key!(listen: Address, "Where to listen. Port 0 takes a free one and prints it. Only loopback addresses without `insecure`."),
    key!(workers: Count(0..=1024), "Threads that serve connections; 0: one for each processor."),
    key!(insecure: Switch, "Listen on any address although nothing asks readers and publishers who they are."),
    key!(origins: List(check::origin, "https://app.example.com"), "Origins of web pages that may use the server, besides its own and, on loopback, those of this machine."),
    key!(hosts: List(check::host, "rt.example.com"), "Host names that the server answers to, besides those of this machine. On an address that is not loopback, none listed means all."),
    key!(compression: Switch, "WebSocket messages are compressed, once for all readers that offer it. Off where secrets and others' text stand in one message."),
    key!(tls.cert: FilePath, "The server's certificate and after it those of its issuers, PEM: connections are TLS 1.2 or 1.3. It needs `tls.key`."),
    key!(tls.key: FilePath, "The private key of `tls.cert`, PEM, without a passphrase. Nobody but the server should be able to read it."),
    key!(log.level: Choice(LogLevel::ALL), "How much is logged."),
    key!(log.format: Choice(LogFormat::ALL), "How it is logged: lines for people or JSON objects."),
    key!(history.count as "history.count": Count(1..=1_000_000_000), "Messages that a channel retains."),
    key!(history.bytes as "history.bytes": Bytes(1..=1024 * GIB), "Bytes of payloads and names that a channel retains."),
    key!(history.age as "history.age": Time(1..=3650 * DAY), "Age up to which a channel retains a message."),
];

limits! {
    connections: Count(1..=100_000_000), "Open connections. One more is answered 503 and closed.";
    streams: Count(1..=1_000_000), "Requests and streams that one HTTP/2 connection has at once. More: refused, to be sent again.";
    head_bytes: Bytes(8 * KIB..=KIB * KIB), "Bytes of a request's head. More: 431.";
    head_fields: Count(16..=1_000), "Header fields of a request. More: 431.";
    head_time: Time(1..=DAY), "Time for a request's head, and between requests on a kept connection. Then: closed.";
    body_bytes: Bytes(KIB..=GIB), "Bytes of a request's body. More: 413.";
    body_time: Time(1..=DAY), "Time for a request's body. Then: 408.";
    message_bytes as "message_bytes": Bytes(1..=GIB), "Bytes of one message's payload. More: 413.";
    command_bytes: Bytes(KIB..=GIB), "Bytes of one WebSocket message from a client. More: close code 1009.";
    event_bytes: Bytes(1..=KIB), "Bytes of an event's name. More: 400.";
    batch_messages: Count(1..=1_000_000), "Messages in one batch. More: 400.";
    channels_per_connection: Count(1..=1_000_000), "Channels that one connection reads. More: 400, on a WebSocket an error.";
    channels: Count(1..=1_000_000_000), "Channels that the server holds or remembers. More: 503.";
    history_bytes: Bytes(KIB..=1024 * GIB), "Bytes that all channels retain together. More: 503.";
    wait: Time(1..=DAY), "The longest wait of a long poll; a longer one is shortened to it.";
    poll_messages: Count(1..=1_000_000), "Messages in a poll's answer, and the largest `limit` and `last`; more are cut to it.";
    poll_messages_default: Count(1..=1_000_000), "Messages in a poll's answer where the request says nothing.";
    poll_bytes: Bytes(1..=GIB), "Bytes of messages in a poll's answer.";
    poll_pace: Time(0..=DAY), "The pace asked of short polls by Retry-After; 0s asks for none.";
    heartbeat: Time(SECOND..=DAY), "Silence after which a stream says that it lives; twice this without a sign from a WebSocket client ends its connection.";
    retry: Time(1..=DAY), "The mean delay before a client comes back, spread by half of it either way.";
    flush_bytes: Bytes(KIB..=GIB), "Bytes taken from the logs for one write.";
    write_time: Time(1..=DAY), "Time in which a connection must take some bytes of what is offered. Then: cut.";
    lag_bytes: Bytes(1..=1024 * GIB), "Bytes that a live reader may lag behind. More: a gap of reason too_slow.";
    lag_time: Time(1..=365 * DAY), "Age of the oldest unread message of a live reader. More: a gap of reason too_slow.";
    key_time: Time(1..=365 * DAY), "How long an idempotency key is remembered.";
    keys_per_channel: Count(1..=100_000_000), "Idempotency keys remembered per channel; beyond it the oldest are forgotten sooner.";
    ephemeral_messages: Count(1..=1_000_000), "Ephemeral messages of one channel that wait for busy readers.";
    forget: Time(1..=3650 * DAY), "How long the position of an idle channel is remembered.";
    sweep: Time(10..=DAY), "How often idle channels are looked for.";
    drain: Time(0..=600 * SECOND), "How long streams have to end when the server stops. Then: cut.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_tables_stand_together() {
        let mut seen: Vec<&str> = Vec::new();
        let mut tables = vec![""];
        for key in KEYS.iter() {
            assert!(!seen.contains(&key.path), "{}", key.path);
            seen.push(key.path);
            if tables.last() != Some(&key.table()) {
                assert!(!tables.contains(&key.table()), "{}", key.path);
                tables.push(key.table());
            }
            let written = format!("{}.{}", key.table(), key.name());
            assert_eq!(written.trim_start_matches('.'), key.path);
        }
        assert_eq!(tables, ["", "tls", "log", "history", "limits"]);
    }

    #[test]
    fn every_default_is_a_value_of_its_key() {
        let mut config = Config::default();
        for key in KEYS.iter() {
            let shown = (key.show)(&config);
            let parsed = toml::de::DeValue::parse(&shown).expect(key.path);
            let value = Value::from_toml(parsed.get_ref(), &shown);
            (key.read)(&mut config, &value).expect(key.path);
        }
        assert_eq!(config, Config::default());
    }
}

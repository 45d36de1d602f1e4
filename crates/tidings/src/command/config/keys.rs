//! The table of keys: the one place that says which keys there are, what each means, which values
//! it takes and where it goes. Reading, checking, printing and "did you mean" all walk this table.

use tidings_core::{Audience, LagPolicy, Limits};
use tidings_server::ForwardedField;

use super::fault::Wrong;
use super::texts::{KeyText, Maybe, Networks, Pointer, SecretText, Text, TokenText, Url};
use super::units::{
    Address, Bytes, Choice, Count, DAY, FilePath, Form, GIB, KIB, List, SECOND, Switch, Time, Unit,
};
use super::value::Value;
use super::{Config, LogFormat, LogLevel, TlsVersion, check};

/// One key of the configuration.
///
/// A key of a named table takes the table's name; to all others it is nothing.
pub struct Key {
    /// The whole name, parts joined by dots; of a named table: the name below it.
    pub path: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Its name below `namespaces.NAME`, if a namespace may have its own.
    pub in_namespace: Option<&'static str>,
    /// What may be written, with its bounds.
    pub form: fn() -> String,
    /// The same as a JSON schema.
    pub schema: fn() -> serde_json::Value,
    /// What was typed is not to be shown in an error.
    pub hidden: fn() -> bool,
    /// Takes a value.
    pub read: fn(&mut Config, &str, &Value) -> Result<(), Wrong>,
    /// The value as TOML.
    pub show: fn(&Config, &str) -> String,
    /// Whether two configurations have the same value.
    pub same: fn(&Config, &Config) -> bool,
}

impl Key {
    /// The table that the key stands in; empty at the top.
    pub fn table(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(table, _)| table)
    }

    /// What holds where nobody says it depends on other keys.
    pub fn varies(&self) -> bool {
        self.table() == "may" || self.path == "demo.on"
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

macro_rules! key {
    (@row $path:expr, [$($field:ident).+], $in_namespace:expr, $unit:expr, $about:literal) => {
        Key {
            path: $path,
            about: $about,
            in_namespace: $in_namespace,
            form: || Form::form(&$unit),
            schema: || Form::schema(&$unit),
            hidden: || Form::hidden(&$unit),
            read: |config, _, value| {
                config.$($field).+ = Unit::read(&$unit, value)?;
                Ok(())
            },
            show: |config, _| Unit::show(&$unit, &config.$($field).+),
            same: |a, b| a.$($field).+ == b.$($field).+,
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

/// The fields in which proxies say whom they speak for.
const FIELDS: &[(&str, ForwardedField)] = &[
    ("x-forwarded-for", ForwardedField::XForwardedFor),
    ("forwarded", ForwardedField::Forwarded),
];

const GENERAL: &[Key] = &[
    key!(listen: Address, "Where to listen. Port 0 takes a free one and prints it. On an address that is not loopback, those who come are asked who they are ([tokens.NAME], [keys.NAME] or auth.authorize), or `insecure` is set."),
    key!(workers: Count(0..=1024), "Threads that serve connections; 0: one for each processor."),
    key!(insecure: Switch, "Listen on any address although nothing asks readers and publishers who they are. With tokens, keys or auth.authorize it is not needed and opens nothing: their rules hold."),
    key!(origins: List(check::origin, "https://app.example.com"), "Origins of web pages that may use the server, besides its own and, on an open server on loopback, those of this machine."),
    key!(hosts: List(check::host, "rt.example.com"), "Host names that the server answers to, besides those of this machine. On an address that is not loopback, none listed means all."),
    key!(compression: Switch, "WebSocket messages are compressed, once for all readers that offer it. Off where secrets and others' text stand in one message."),
    key!(tls.cert: FilePath, "The server's certificate and after it those of its issuers, PEM: connections are TLS. It needs `tls.key`."),
    key!(tls.key: FilePath, "The private key of `tls.cert`, PEM, without a passphrase. Nobody but the server should be able to read it."),
    key!(tls.redirect: Maybe(Address), "Where plain HTTP is answered with the way to https, as 0.0.0.0:80. It needs `tls.cert`."),
    key!(tls.min_version: Choice(TlsVersion::ALL), "The oldest version of TLS that is spoken."),
    key!(proxy.trusted: Networks, "Proxies before the server, as addresses or networks: their word about a client's address is believed."),
    key!(proxy.field: Choice(FIELDS), "The field in which they give it; the other one is what a client sent, and not read."),
    key!(proxy.protocol: Switch, "Every connection on `listen` begins with the PROXY protocol, version 2, from a proxy in `proxy.trusted`."),
    key!(admin.listen: Maybe(Address), "An address of their own for administration and metrics. Without it they are on `listen`, for keys with `admin`; on an open server for everybody."),
    key!(log.level: Choice(LogLevel::ALL), "How much is logged."),
    key!(log.format: Choice(LogFormat::ALL), "How it is logged: lines for people or JSON objects."),
    key!(auth.cookie: Maybe(TokenText), "The cookie that may hold a token."),
    key!(auth.session_secret: Maybe(SecretText), "Signs sessions. Without it or its file: random at each start, so that a restart ends sessions, and two servers do not know each other's."),
    key!(auth.session_secret_file: FilePath, "The file that holds `auth.session_secret`."),
    key!(auth.authorize: Maybe(Url), "A service of the application that is asked who somebody is and what they may."),
    key!(auth.authorize_timeout: Time(1..=60 * SECOND), "Time for the answer of `auth.authorize`. Then: refused."),
    key!(auth.authorize_cache: Time(0..=DAY), "How long an answer of `auth.authorize` holds that does not say it; 0s: not at all."),
    key!(auth.leeway: Time(0..=300 * SECOND), "By how much the clocks of issuers may differ from this one: a token may be issued or begin as much later. Its end is its end."),
    key!(auth.ticket_time: Time(SECOND..=600 * SECOND), "Time in which a ticket is first used."),
    key!(may.subscribe as "may.subscribe": Choice(Audience::ALL), "Who may read channels. Default: anyone on an open server, else token."),
    key!(may.publish as "may.publish": Choice(Audience::ALL), "Who may publish to channels. Default: anyone on an open server, else token."),
    key!(may.presence as "may.presence": Choice(Audience::ALL), "Who may see who is there, and be seen. Default: anyone on an open server, else token."),
    key!(may.history as "may.history": Choice(Audience::ALL), "Who may read the past of channels that they may read. Default: anyone."),
    key!(channels.presence as "presence": Switch, "Who reads a channel can be told."),
    key!(channels.ephemeral as "ephemeral": Switch, "All messages are ephemeral: only for those who listen right now."),
    key!(channels.publish_rate as "publish_rate": Count(0..=1_000_000), "Messages that one channel takes in a second, for long. More: 429. 0: as many as come."),
    key!(history.count as "history.count": Count(1..=1_000_000_000), "Messages that a channel retains."),
    key!(history.bytes as "history.bytes": Bytes(1..=1024 * GIB), "Bytes of payloads and names that a channel retains."),
    key!(history.age as "history.age": Time(1..=3650 * DAY), "Age up to which a channel retains a message."),
    key!(lag.policy as "lag.policy": Choice(LagPolicy::ALL), "What a reader gets that comes late to several messages: all, the newest, the newest about each thing; or its connection ends where messages would be lost."),
    key!(lag.by as "lag.by": Maybe(Pointer), "For `latest_by`: the JSON pointer (RFC 6901) to what a message is about. Without it the publisher says it."),
    key!(lag.every as "lag.every": Time(0..=3600 * SECOND), "Readers are woken at most this often, all at once; 0s: at every message."),
    key!(demo.on: Switch, "The pages at /demos/ are shown, and what they show goes on. Default: on an open server on loopback."),
    key!(demo.model_url: Maybe(Url), "An HTTP interface of OpenAI's form, as http://127.0.0.1:11434/v1: a language model there answers in the demo. Without it a generator does, which needs no network and understands nothing."),
    key!(demo.model: Maybe(Text("llama3.2")), "The name of the model at `demo.model_url`."),
    key!(demo.model_key: Maybe(KeyText), "The key to `demo.model_url`."),
];

limits! {
    connections: Count(1..=100_000_000), "Open connections. One more is answered 503 and closed.";
    connections_per_address: Count(1..=100_000_000), "Open connections of one IPv4 address or one /64 of IPv6. One more is answered 429 and closed. Those of trusted proxies are not counted.";
    handshakes: Count(1..=100_000_000), "Connections from which no whole request came yet, TLS or not. One more is closed.";
    handshakes_per_address: Count(1..=100_000_000), "The same of one address, as with connections. One more is closed.";
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
    streams_per_client: Count(1..=1_000_000), "Streams and waiting polls that one client has at once. More: 429.";
    streams_per_user: Count(1..=100_000_000), "Streams and waiting polls that the clients of one user have at once. More: 429.";
    streams_per_address: Count(1..=100_000_000), "Streams and waiting polls that come from one address, also where a proxy says it. More: 429.";
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
    lag_bytes as "lag.bytes": Bytes(1..=1024 * GIB), "Bytes that a live reader may lag behind. More: a gap of reason too_slow.";
    lag_time as "lag.time": Time(1..=365 * DAY), "Age of the oldest unread message of a live reader. More: a gap of reason too_slow.";
    key_time: Time(1..=365 * DAY), "How long an idempotency key is remembered.";
    keys_per_channel: Count(1..=100_000_000), "Idempotency keys remembered per channel; beyond it the oldest are forgotten sooner.";
    ephemeral_messages: Count(1..=1_000_000), "Ephemeral messages of one channel that wait for busy readers.";
    presence_members: Count(1..=100_000_000), "Members of one channel. One more: 503.";
    presence_lease: Time(SECOND..=DAY), "How long a client stays a member after its last poll, or after its stream was lost.";
    presence_snapshot: Count(1..=1_000_000), "Clients in an answer that says who is there; their count tells how many there are.";
    tickets: Count(1..=100_000_000), "Tickets that can still be used. One more: 503.";
    revocations: Count(1..=100_000_000), "Revocations that hold. One more: 503.";
    forget: Time(1..=3650 * DAY), "How long the position of an idle channel is remembered.";
    sweep: Time(10..=DAY), "How often idle channels are looked for.";
    drain: Time(0..=600 * SECOND), "How long streams have to end when the server stops. Then: cut.";
    burst: Time(SECOND..=DAY), "The time whose worth of the rates below may come at once, after as long a silence; of auth_failures_per_address it is a minute's worth.";
    auth_failures_per_address: Count(0..=1_000_000), "Failures of one address to say who it is, in a minute; 0, here and below: any number. More: 429, here and below.";
    publishes_per_client: Count(0..=100_000_000), "Messages that one client publishes in a second, for long.";
    publishes_per_user: Count(0..=100_000_000), "Messages that one user publishes in a second, whatever the connection.";
    publishes_per_address: Count(0..=100_000_000), "Messages that come from one address in a second.";
    publish_bytes_per_client: Bytes(0..=GIB), "Bytes of payload that one client publishes in a second.";
    publish_bytes_per_user: Bytes(0..=GIB), "Bytes of payload that one user publishes in a second.";
    publish_bytes_per_address: Bytes(0..=GIB), "Bytes of payload that come from one address in a second.";
    deliveries_per_user: Count(0..=1_000_000_000), "Messages to readers that one user's publishing makes in a second: one for each reader.";
    deliveries_per_address: Count(0..=1_000_000_000), "The same for what comes from one address.";
    subscribes_per_address: Count(0..=100_000_000), "Channels that one address begins to read in a second.";
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
        assert_eq!(
            tables,
            [
                "", "tls", "proxy", "admin", "log", "auth", "may", "channels", "history", "lag",
                "demo", "limits"
            ]
        );
    }

    #[test]
    fn every_default_is_a_value_of_its_key() {
        let mut config = Config::default();
        for key in KEYS.iter() {
            let shown = (key.show)(&config, "");
            let parsed = toml::de::DeValue::parse(&shown).expect(key.path);
            let value = Value::from_toml(parsed.get_ref(), &shown);
            (key.read)(&mut config, "", &value).expect(key.path);
        }
        assert_eq!(config, Config::default());
    }
}

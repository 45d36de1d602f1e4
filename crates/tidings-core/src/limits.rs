//! Every number that bounds something, in one place.

use std::time::Duration;

/// All limits of the server, with their units. A limit that is reached is answered as the wire
/// contract says, and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections. One more is answered 503 and closed.
    pub connections: usize,
    /// Open connections of one IPv4 address or one /64 of IPv6. One more is answered 429 and closed.
    /// Those of trusted proxies are not counted.
    pub connections_per_address: usize,
    /// Connections from which no whole request came yet, TLS or not. One more is closed.
    pub handshakes: usize,
    /// The same of one address, as with connections. One more is closed.
    pub handshakes_per_address: usize,
    /// Requests and streams that one HTTP/2 connection has at once. More: refused, to be sent again.
    pub streams: usize,
    /// Bytes of a request's head. More: 431.
    pub head_bytes: usize,
    /// Header fields of a request. More: 431.
    pub head_fields: usize,
    /// Time for a request's head, and between requests on a kept connection. Then: closed.
    pub head_time: Duration,
    /// Bytes of a request's body. More: 413.
    pub body_bytes: usize,
    /// Time for a request's body. Then: 408.
    pub body_time: Duration,
    /// Bytes of one message's payload where its namespace says nothing else. More: 413.
    pub message_bytes: usize,
    /// Bytes of one WebSocket message from a client. More: close code 1009.
    pub command_bytes: usize,
    /// Bytes of an event's name. More: 400.
    pub event_bytes: usize,
    /// Messages in one batch. More: 400.
    pub batch_messages: usize,
    /// Channels that one connection reads. More: 400, on a WebSocket an error.
    pub channels_per_connection: usize,
    /// Streams and waiting polls that one client has at once. More: 429.
    pub streams_per_client: usize,
    /// Streams and waiting polls that the clients of one user have at once. More: 429.
    pub streams_per_user: usize,
    /// Streams and waiting polls that come from one address, also where a proxy says it. More: 429.
    pub streams_per_address: usize,
    /// Channels that the server holds or remembers. More: 503.
    pub channels: usize,
    /// Bytes that all channels retain together. More: 503.
    pub history_bytes: usize,
    /// The longest wait of a long poll; a longer one is shortened to it.
    pub wait: Duration,
    /// Messages in a poll's answer, and the largest `limit` and `last`; more are cut to it.
    pub poll_messages: usize,
    /// Messages in a poll's answer where the request says nothing.
    pub poll_messages_default: usize,
    /// Bytes of messages in a poll's answer.
    pub poll_bytes: usize,
    /// The pace asked of short polls by `Retry-After`; zero asks for none.
    pub poll_pace: Duration,
    /// Silence after which a stream says that it lives; twice this without a sign from a WebSocket
    /// client ends its connection.
    pub heartbeat: Duration,
    /// The mean delay before a client comes back (`retry:`, `after_ms`), spread by half of it either way.
    pub retry: Duration,
    /// Bytes taken from the logs for one write.
    pub flush_bytes: usize,
    /// Time in which a connection must take some bytes of what is offered. Then: cut.
    pub write_time: Duration,
    /// Bytes that a live reader may lag behind. More: a gap of reason `too_slow`.
    pub lag_bytes: u64,
    /// Age of the oldest unread message of a live reader. More: a gap of reason `too_slow`.
    pub lag_time: Duration,
    /// How long an idempotency key is remembered.
    pub key_time: Duration,
    /// Idempotency keys remembered per channel; beyond it the oldest are forgotten sooner.
    pub keys_per_channel: usize,
    /// Ephemeral messages of one channel that wait for busy readers.
    pub ephemeral_messages: usize,
    /// Members of one channel. One more: 503.
    pub presence_members: usize,
    /// How long a client stays a member after its last poll, or after its stream was lost.
    pub presence_lease: Duration,
    /// Clients in an answer that says who is there; their count tells how many there are.
    pub presence_snapshot: usize,
    /// Tickets that can still be used. One more: 503.
    pub tickets: usize,
    /// Revocations that hold. One more: 503.
    pub revocations: usize,
    /// How long the position of an idle channel is remembered.
    pub forget: Duration,
    /// How often idle channels are looked for.
    pub sweep: Duration,
    /// How long streams have to end when the server stops. Then: cut.
    pub drain: Duration,
    /// The time whose worth of a rate may come at once, after as long a silence. It holds for all
    /// rates below, except failures to say who one is: a minute's worth of those.
    pub burst: Duration,
    /// Failures of one address to say who it is, in a minute; zero, here and below: any number.
    /// More: 429, here and below.
    pub auth_failures_per_address: usize,
    /// Messages that one client publishes in a second, for long.
    pub publishes_per_client: usize,
    /// Messages that one user publishes in a second, whatever the connection.
    pub publishes_per_user: usize,
    /// Messages that come from one address in a second.
    pub publishes_per_address: usize,
    /// Bytes of payload that one client publishes in a second.
    pub publish_bytes_per_client: usize,
    /// Bytes of payload that one user publishes in a second.
    pub publish_bytes_per_user: usize,
    /// Bytes of payload that come from one address in a second.
    pub publish_bytes_per_address: usize,
    /// Messages to readers that one user's publishing makes in a second: one for each reader.
    pub deliveries_per_user: usize,
    /// The same for what comes from one address.
    pub deliveries_per_address: usize,
    /// Channels that one address begins to read in a second.
    pub subscribes_per_address: usize,
}

impl Limits {
    /// The longest idempotency key in bytes.
    pub const KEY_BYTES: usize = 64;
    /// The longest topic in bytes, where the publisher says it.
    pub const TOPIC_BYTES: usize = 64;
    /// How often it is looked for readers whose tick it is.
    pub const TICK: Duration = Duration::from_millis(10);
    /// Channels up to which every SSE event carries the whole cursor.
    pub const EXACT_CURSOR_CHANNELS: usize = 16;
    /// The longest user name in bytes.
    pub const USER_BYTES: usize = 255;
    /// Bytes of what a client shows of itself in presence (`info`). More: 400.
    pub const PRESENCE_INFO_BYTES: usize = 1024;
    /// The deepest nesting of a JSON payload: what every parser in use can read.
    pub const JSON_DEPTH: usize = 64;
    /// How long an ephemeral message waits for a reader that is busy. One that comes later has lost
    /// it, which the contract allows.
    pub const EPHEMERAL_TIME: Duration = Duration::from_secs(10);
    /// Answers that wait for a WebSocket to take them. While so many wait, nothing more is read
    /// from it.
    pub const REPLIES: usize = 64;
    /// Bytes to which a client's deflated messages may inflate at once …
    pub const INFLATED: u32 = 4 << 20;
    /// … and in a second, for long, beyond eight times what it sends. More: close code 1008.
    pub const INFLATED_PER_SECOND: u32 = 1 << 20;
    /// How long before its token ends a stream is told.
    pub const EXPIRING: Duration = Duration::from_secs(30);
    /// How long a WebSocket without channels may take to say who it is.
    pub const AUTH_TIME: Duration = Duration::from_secs(10);
    /// Pings and pongs that a WebSocket client may send at once …
    pub const CONTROL_FRAMES: u32 = 200;
    /// … and in a second, for long. More: close code 1008.
    pub const CONTROL_FRAMES_PER_SECOND: u32 = 20;
    /// How long a connection that ends is still listened to, so that its peer sees the last bytes
    /// instead of a reset.
    pub const LINGER: Duration = Duration::from_secs(2);
    /// Connections over the limit that are still told so, instead of being dropped.
    pub const TOLD_FULL: usize = 64;
    /// Open connections of administration, beside all others. One more is closed.
    pub const ADMIN_CONNECTIONS: usize = 64;
    /// Whose recent doings are remembered for rates: up to some 40 bytes each, at most 10 MiB. Beyond
    /// it those who may do most again are forgotten.
    pub const QUOTAS: usize = 1 << 18;
    /// Forgotten channels that are remembered as such: some 48 bytes each.
    pub const FORGOTTEN: usize = 1 << 18;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            connections_per_address: 20_000,
            handshakes: 10_000,
            handshakes_per_address: 2_000,
            streams: 128,
            head_bytes: 16 << 10,
            head_fields: 100,
            head_time: Duration::from_secs(30),
            body_bytes: 1 << 20,
            body_time: Duration::from_secs(10),
            message_bytes: 64 << 10,
            command_bytes: 256 << 10,
            event_bytes: 128,
            batch_messages: 1_000,
            channels_per_connection: 128,
            streams_per_client: 64,
            streams_per_user: 1_000,
            streams_per_address: 20_000,
            channels: 1_000_000,
            history_bytes: 1 << 30,
            wait: Duration::from_secs(55),
            poll_messages: 1_000,
            poll_messages_default: 100,
            poll_bytes: 1 << 20,
            poll_pace: Duration::ZERO,
            heartbeat: Duration::from_secs(25),
            retry: Duration::from_secs(2),
            flush_bytes: 64 << 10,
            write_time: Duration::from_secs(30),
            lag_bytes: 16 << 20,
            lag_time: Duration::from_secs(60),
            key_time: Duration::from_secs(300),
            keys_per_channel: 10_000,
            ephemeral_messages: 256,
            presence_members: 100_000,
            presence_lease: Duration::from_secs(20),
            presence_snapshot: 1_000,
            tickets: 100_000,
            revocations: 100_000,
            forget: Duration::from_secs(24 * 3600),
            sweep: Duration::from_secs(5),
            drain: Duration::from_secs(5),
            burst: Duration::from_secs(10),
            auth_failures_per_address: 10,
            publishes_per_client: 100,
            publishes_per_user: 200,
            publishes_per_address: 1_000,
            publish_bytes_per_client: 1 << 20,
            publish_bytes_per_user: 2 << 20,
            publish_bytes_per_address: 10 << 20,
            deliveries_per_user: 100_000,
            deliveries_per_address: 500_000,
            subscribes_per_address: 1_000,
        }
    }
}

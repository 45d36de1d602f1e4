//! Every number that bounds something, in one place.

use std::time::Duration;

/// All limits of the server, with their units. A limit that is reached is answered as the wire
/// contract says, and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections. One more is answered 503 and closed.
    pub connections: usize,
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
    /// How long the position of an idle channel is remembered.
    pub forget: Duration,
    /// How often idle channels are looked for.
    pub sweep: Duration,
    /// How long streams have to end when the server stops. Then: cut.
    pub drain: Duration,
}

impl Limits {
    /// The longest idempotency key in bytes.
    pub const KEY_BYTES: usize = 64;
    /// Channels up to which every SSE event carries the whole cursor.
    pub const EXACT_CURSOR_CHANNELS: usize = 16;
    /// The longest user name in bytes.
    pub const USER_BYTES: usize = 255;
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
    /// Pings and pongs that a WebSocket client may send at once …
    pub const CONTROL_FRAMES: u32 = 200;
    /// … and in a second, for long. More: close code 1008.
    pub const CONTROL_FRAMES_PER_SECOND: u32 = 20;
    /// How long a connection that ends is still listened to, so that its peer sees the last bytes
    /// instead of a reset.
    pub const LINGER: Duration = Duration::from_secs(2);
    /// Connections over the limit that are still told so, instead of being dropped.
    pub const TOLD_FULL: usize = 64;
    /// Forgotten channels that are remembered as such: some 48 bytes each.
    pub const FORGOTTEN: usize = 1 << 18;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
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
            forget: Duration::from_secs(24 * 3600),
            sweep: Duration::from_secs(5),
            drain: Duration::from_secs(5),
        }
    }
}

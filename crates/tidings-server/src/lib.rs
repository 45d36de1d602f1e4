//! Tidings over HTTP: routes, the four transports, what bounds them, and an orderly end.
//!
//! A request is judged by `handler::handle`, which gives an answer or a stream. A stream
//! leaves the HTTP library after its head and is carried on the socket by one small pump, whatever
//! its transport. Deliberately absent: configuration files, environment, signals, and everything
//! about messages and channels that needs no socket.
//!
//! Read `app`, `reading` and `transport` first.

mod access;
mod app;
mod clock;
mod connection;
mod contain;
pub mod guest;
mod handler;
pub mod housekeeping;
mod http1;
mod http2;
mod metrics;
mod page;
mod publish;
mod query;
mod reading;
mod refuse;
mod reply;
mod request_body;
mod serve;
mod start;
mod stats;
mod stats_channel;
mod tls;
mod transport;
mod via;
mod workers;
mod write_deadline;

pub use access::AccessRules;
pub use app::{App, Options};
pub use metrics::render as metrics;
pub use publish::check_key as idempotency_key;
pub use serve::{Server, bind};
pub use stats::{ServerStats, Transport};
pub use tls::{PemFile, TlsError, TlsKeys};
pub use via::User;

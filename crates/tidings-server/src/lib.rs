//! Tidings over HTTP: routes, the four transports, what bounds them, and an orderly end.
//!
//! A request is judged by `handler::handle`, which gives an answer or a stream. A stream
//! leaves the HTTP library after its head and is carried on the socket by one small pump, whatever
//! its transport. Deliberately absent: configuration files, environment, signals, and everything
//! about messages and channels that needs no socket.
//!
//! Read `app`, `reading` and `transport` first.

mod access;
mod address;
mod admin;
mod app;
mod charge;
mod clock;
mod connection;
mod contain;
mod extension;
mod forwarded;
mod gate;
pub mod guest;
mod handler;
pub mod housekeeping;
mod http1;
mod http2;
mod identity;
mod listener;
mod metrics;
mod moves;
mod openapi;
pub mod outbound;
mod page;
mod presence;
mod proxy_protocol;
mod publish;
mod query;
mod quota;
mod reading;
mod redirect;
mod refuse;
mod reply;
mod request_body;
mod routes;
mod sdk;
mod seldom;
mod serve;
mod start;
mod stats;
mod stats_channel;
mod tls;
mod transport;
mod via;
mod visit;
mod workers;
mod write_deadline;

pub use access::AccessRules;
pub use address::{AddressKey, Network, NetworkError};
pub use app::{App, Options, Policy};
pub use extension::{Answering, Asked, Extended, Extension};
pub use forwarded::{ForwardedField, TrustedProxies, client_address};
pub use identity::{Auth, Tokens};
pub use listener::{Kind, Listener};
pub use metrics::render as metrics;
pub use openapi::DOCUMENT as OPENAPI;
pub use publish::{check_key as idempotency_key, check_topic as topic};
pub use quota::{Key, Quota, Quotas};
pub use routes::all as routes;
pub use serve::{Server, bind};
pub use stats::{ServerStats, Transport};
pub use tls::{PemFile, TlsError, TlsKeys, TlsOptions, TlsSlot, TlsVersion};
pub use via::User;

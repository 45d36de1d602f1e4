//! What the tests from outside share: a server of their own, and clients that are nothing but
//! sockets and the wire contract.
//!
//! Nothing here uses the project's own encoders: a client that shared them would share their
//! mistakes.

pub mod carrier;
pub mod checker;
pub mod deflate;
pub mod fault;
pub mod http;
pub mod http2;
pub mod keyed;
pub mod master;
pub mod server;
pub mod sse;
pub mod tls;
pub mod transcript;
pub mod wire;
pub mod ws;

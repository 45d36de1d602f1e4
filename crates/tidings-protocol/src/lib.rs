//! Between the rules of Tidings and bytes: envelopes in JSON, Server-Sent Events, WebSocket frames,
//! cursors as text, commands from clients, and the one table of codes.
//!
//! Deliberately absent: I/O, HTTP, tasks. Everything here is a function from values to bytes or
//! from bytes to values. The wire contract itself is PROTOCOL.md.

pub mod allowance;
mod codes;
pub mod command;
pub mod cursor;
pub mod envelope;
pub mod http2;
pub mod payload;
pub mod sse;
pub mod start;
pub mod websocket;

pub use codes::{Code, Problem};

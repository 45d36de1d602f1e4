//! What a hostile or broken client does on HTTP/1.1 and WebSocket, and what it costs: its own
//! connection, a counter, and nobody else's messages.
//!
//! It does not repeat what the other tests of this folder say of limits; memory and open files are
//! judged on the real process (`crates/tidings/tests/hardening.rs`).

mod ends;
mod floods;
mod full;
mod handshakes;
mod injection;
mod slow;
mod support;

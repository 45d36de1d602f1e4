//! What a hostile or broken client does on HTTP/2, and what it costs: its own stream or connection,
//! a counter, and nobody else's messages.
//!
//! What the memory of the process is under the same floods, `conformance/http2/run` judges, and
//! h2spec there what the frames themselves have to be.

mod floods;
mod lawful;
mod malformed;
mod slow;

// Shared with the tests of the same kind on HTTP/1.1 and WebSocket, which need more of it.
#[expect(dead_code, reason = "frames by hand and the like are not needed here")]
#[path = "../hardening/support.rs"]
mod support;

//! Real-time channels: one log per channel, every connection a cursor on it.
//!
//! Two faces over the same server. As a library it puts a hub and its URLs under a path of an
//! application's own HTTP server, see [`Tidings`]; that needs no default feature. As the `tidings`
//! command (feature `command`) it is a server of its own.

#[cfg(feature = "command")]
pub mod command;
mod embed;

pub use embed::{
    Body, Builder, Code, History, Limits, Message, Problem, Published, Service, Tidings, User,
};

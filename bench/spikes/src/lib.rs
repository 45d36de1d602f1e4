//! Shared parts of the prototypes: the log, the frames, the decoder, the probes.
//!
//! Deliberately not the product: one channel, no limits, no authentication. Only what a figure
//! depends on is built honestly.

pub mod frame;
pub mod hijack;
pub mod log;
pub mod probe;
pub mod reader;
pub mod service;
pub mod socket;

//! What the fuzz targets share: messages and cuts made of a fuzzer's bytes, and readers that were
//! written from the standards alone, so that they do not share the mistakes of what they judge.

pub mod decoding;
pub mod event_stream;
pub mod message;

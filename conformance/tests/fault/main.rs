//! The proxy that breaks things, before the real server: it changes nothing unasked, breaks what it is told
//! to and nothing else, and tells what it did.

mod answers;
mod chance;
mod command;
mod control;
mod outside;
mod relay;
mod requests;
mod support;

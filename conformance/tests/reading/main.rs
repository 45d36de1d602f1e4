//! Reading, from outside.

mod polling;
mod start;
mod streams;
mod support;

//! Reading, from outside.

mod moves;
mod polling;
mod start;
mod streams;
mod support;

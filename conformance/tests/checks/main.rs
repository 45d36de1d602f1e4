//! docs/checks.md says what each operation checks and what a failure answers: here each answer is
//! provoked.

#![allow(clippy::unwrap_used)]

mod commands;
mod keyed;
mod operations;
mod presence;
mod quotas;
mod requests;
mod table;

//! The description of the HTTP interface says what the server does: its paths, parameters, codes and answers.

#![allow(clippy::unwrap_used)]

mod answers;
mod contract;
mod document;

//! What is tried against servers of this kind, what must come of it, and the tests that show that it
//! does here: [`table::TABLE`] is read as a document.
//!
//! An attack is tested here, on a server that asks who somebody is, unless it is tested elsewhere: then
//! its row names that test. `proofs` holds the table to the files. What concerns several nodes is
//! not here.

mod doors;
mod exhaustion;
mod json;
mod names;
mod origins;
mod pages;
mod proofs;
mod rights;
mod standing;
mod support;
// A row is read across.
#[rustfmt::skip]
mod table;
mod texts;
mod tokens;
mod wire;

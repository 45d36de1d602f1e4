//! The server's edge from outside: who is taken in by which listener, who is told to come back, and
//! who is closed.

mod admin;
mod crowd;
mod proxy;
mod redirect;
mod reload;
mod support;

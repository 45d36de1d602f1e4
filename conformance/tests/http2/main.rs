//! HTTP/2 by a client that sees its frames' worth: many streams on one connection, what bounds them, and
//! how they end.

mod bounds;
mod ends;
mod requests;
mod streams;
mod support;
mod websocket;

//! Requests that the server itself makes: for the keys of issuers, and to ask an application who
//! somebody is. A whole answer is read, or one that streams in.
//!
//! Where they go is configured; nothing that a client sends chooses it. Deliberately absent:
//! redirects, proxies, cookies of its own, and connections that are kept.

mod authorizer;
mod client;
mod jwks;
mod place;
mod streamed;

pub use authorizer::{Ask, Authorizer, AuthorizerError, AuthorizerOptions};
pub use client::{Answer, Outbound, OutboundError};
pub use jwks::Jwks;
pub use place::{Place, PlaceError};
pub use streamed::Streamed;

#[cfg(test)]
mod tests;

//! Who somebody is and what they may, from outside: tokens, sessions, tickets, inboxes, presence and the
//! administration, over all transports.

mod administration;
mod audiences;
mod authorizer;
mod disconnecting;
mod expiry;
mod history;
mod inboxes;
mod issuers;
mod leases;
mod presence;
mod quotas;
mod refresh;
mod reload;
mod revocation;
mod sessions;
mod support;
mod tickets;
mod tokens;

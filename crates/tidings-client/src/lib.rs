//! A client of Tidings: publish to channels, and follow them over WebSocket, Server-Sent Events, long polling or
//! short polling, whichever gets through. It reconnects and resumes by itself: messages come in order, none twice,
//! and what was lost is told as a [`Gap`].
//!
//! ```no_run
//! # async fn example() -> Result<(), tidings_client::Error> {
//! use tidings_client::{Client, Event, Publish, Start, SubscribeOptions};
//!
//! let client = Client::new("http://127.0.0.1:8000")?;
//! client.publish("room:7", Publish::text("안녕 👋")).await?;
//! let from_the_start = SubscribeOptions { after: Start::Earliest, ..SubscribeOptions::default() };
//! let mut subscription = client.subscribe(&["room:7"], from_the_start)?;
//! while let Some(event) = subscription.next().await {
//!     match event? {
//!         Event::Message(message) => println!("{}: {:?}", message.channel, message.data),
//!         Event::Gap(gap) => println!("lost up to {}: {}", gap.to, gap.reason.as_str()),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`Start::Now`], the default, is the moment at which the server answers, told by [`Event::Hello`]: what is
//! published between `subscribe` and that is not seen.
//!
//! A subscription keeps one position per channel. [`Subscription::cursors`] gives them in a form to store;
//! [`Start::Cursors`] goes on from there, in another process or years later: what the server no longer retains
//! is told as a gap.
//!
//! The transport is left for a worse one only for what speaks against it while the server is well, and better ones are
//! tried again beside the connection that stands: `docs/clients.md` has the rules. [`State::Moved`] tells of it.
//!
//! [`Client::presence`] says who is in a channel, [`Client::user`] and [`Client::peer`] send to somebody and ask for a
//! reply.
//!
//! `https://` is TLS 1.2 or 1.3: the server's certificate has to come from an authority that this machine trusts, or
//! from one given to [`ClientBuilder::authorities`].
//!
//! A server that asks who somebody is gets a token: [`ClientBuilder::token`], or [`ClientBuilder::token_from`] where
//! tokens end and others can be had. A subscription is one client to the server for as long as it lives, whatever
//! connection and transport it is on.
//!
//! What it deliberately does not do: TLS without looking at the certificate, redirects, cookies, messages that outlive
//! the process.

mod batch;
mod client;
mod codes;
mod connector;
mod dialer;
mod end;
mod endpoint;
mod envelope;
mod error;
mod event;
mod http;
mod identity;
mod inbox;
mod outgoing;
mod overlap;
mod places;
mod presence;
mod publish;
mod query;
mod sse_parser;
mod subscription;
mod supervisor;
mod tls;
mod transport;

pub use client::{Client, ClientBuilder, Limits, Timings};
pub use end::MoveReason;
pub use error::{BadCertificate, Error, Refusal};
pub use event::{
    Closed, Event, Gap, GapReason, Hello, Message, NotAPosition, Payload, Position, Resumed,
    Sender, Skip, State, Subscribed, Transport, UnknownTransport, Unsubscribed,
};
pub use inbox::{Recipient, Request};
pub use places::Start;
pub use presence::{Member, Presence, PresenceEvent};
pub use publish::{Publish, Receipt};
pub use subscription::{Join, SubscribeOptions, Subscription};

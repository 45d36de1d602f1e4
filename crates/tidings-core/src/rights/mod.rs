//! Who may do what: one decision, from an action, a channel, the rules of its namespace and what is
//! known of who asks.
//!
//! Deliberately absent: how that is known (tokens, keys, cookies) and what is answered.

mod claims;
mod patterns;

use crate::channel::{ChannelName, Realm};
use crate::message::ClientId;

pub use claims::{Claims, Grants, Role};
pub use patterns::{PatternError, Patterns};

/// What somebody wants to do with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read what is published from now on.
    Subscribe,
    /// Publish to it, end it, empty it.
    Publish,
    /// See who is there, and be seen.
    Presence,
    /// Read what was published before.
    History,
}

impl Action {
    /// All, in the order of the documents.
    pub const ALL: [Self; 4] = [
        Self::Subscribe,
        Self::Publish,
        Self::Presence,
        Self::History,
    ];

    /// Its name in the configuration and in tokens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Presence => "presence",
            Self::History => "history",
        }
    }
}

/// Whom a namespace lets do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody.
    Anyone,
    /// Everybody of whom the user is known.
    Authenticated,
    /// Who has a token or key that names the channel.
    Token,
    /// Backends whose key names the channel.
    Backend,
}

impl Audience {
    /// All by name.
    pub const ALL: &[(&str, Self)] = &[
        ("anyone", Self::Anyone),
        ("authenticated", Self::Authenticated),
        ("token", Self::Token),
        ("backend", Self::Backend),
    ];
}

/// Whom a namespace lets do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct May {
    /// Read its channels.
    pub subscribe: Audience,
    /// Publish to them.
    pub publish: Audience,
    /// See who is there, and be seen.
    pub presence: Audience,
    /// Read their past. Who may not finds nothing retained.
    pub history: Audience,
}

impl May {
    /// Nobody is asked: a server for development.
    pub const OPEN: Self = Self::all(Audience::Anyone);

    /// What a token names; the past is for whoever may read.
    pub const BY_TOKEN: Self = Self {
        history: Audience::Anyone,
        ..Self::all(Audience::Token)
    };

    /// The same for every action.
    pub const fn all(audience: Audience) -> Self {
        Self {
            subscribe: audience,
            publish: audience,
            presence: audience,
            history: audience,
        }
    }

    /// Whom it lets do this.
    pub const fn of(&self, action: Action) -> Audience {
        match action {
            Action::Subscribe => self.subscribe,
            Action::Publish => self.publish,
            Action::Presence => self.presence,
            Action::History => self.history,
        }
    }
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nothing is known of who asks; a token may help.
    #[error("this needs a token or key, and none came: send Authorization: Bearer …")]
    Unknown,
    /// It is known, and not enough.
    #[error("the token or key does not allow to {} this channel", .0.verb())]
    NotGranted(Action),
    /// The inbox of somebody else.
    #[error("an inbox is read by whom it belongs to")]
    ForeignInbox,
    /// Only the server publishes there.
    #[error("names that begin with $ are the server's own; publish to another name")]
    ServerOnly,
    /// No such server channel.
    #[error("there is no such server channel; there are $stats and $presence:NAME")]
    NoSuchChannel,
    /// The namespace has no presence; inboxes and the server's channels never have.
    #[error(
        "this channel has no presence: set `presence = true` for its namespace; inboxes and names with $ never have it"
    )]
    NoPresence,
}

impl Action {
    fn verb(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe to",
            Self::Publish => "publish to",
            Self::Presence => "see the presence of",
            Self::History => "read the history of",
        }
    }
}

/// Decides. `may` are the rules of the channel that the right is about: for `$presence:NAME` those
/// of `NAME`. `me` is the client that asks, where it is one with an id.
pub fn decide(
    action: Action,
    channel: &ChannelName,
    may: &May,
    claims: &Claims,
    me: Option<ClientId>,
) -> Result<(), Denied> {
    if let (Action::Publish, Realm::Server) = (action, channel.realm()) {
        return Err(Denied::ServerOnly);
    }
    if let Some(of) = channel.presence_of() {
        // Whoever may see presence may see its past: it is what a snapshot is read on from.
        return match action {
            Action::History => Ok(()),
            Action::Presence => Err(Denied::NoPresence),
            _ => audience(Action::Presence, &of, may, claims),
        };
    }
    match (channel.realm(), action) {
        (Realm::Inbox, Action::Subscribe | Action::History) => read_inbox(channel, claims, me),
        (Realm::Inbox | Realm::Server, Action::Presence) => Err(Denied::NoPresence),
        (Realm::Server, _) if !channel.is_server_channel() => Err(Denied::NoSuchChannel),
        _ => audience(action, channel, may, claims),
    }
}

fn audience(
    action: Action,
    channel: &ChannelName,
    may: &May,
    claims: &Claims,
) -> Result<(), Denied> {
    let named = || claims.grants.of(action).matches(channel);
    let backend = matches!(claims.role, Role::Backend { .. });
    let enough = match may.of(action) {
        // A key is for what it names, whatever others may.
        _ if backend => action == Action::History || named(),
        Audience::Anyone => true,
        Audience::Authenticated => claims.user.is_some() || named(),
        Audience::Token => named(),
        Audience::Backend => false,
    };
    match enough {
        true => Ok(()),
        false if claims.is_anonymous() => Err(Denied::Unknown),
        false => Err(Denied::NotGranted(action)),
    }
}

/// An inbox is read by whom it belongs to, and by a key that names it.
fn read_inbox(channel: &ChannelName, claims: &Claims, me: Option<ClientId>) -> Result<(), Denied> {
    let name = channel.as_str();
    let own = match name.strip_prefix('@') {
        Some(user) => claims.inbox && claims.user.as_deref() == Some(user),
        None => me.is_some_and(|me| name[1..] == *me.to_string()),
    };
    let backend = matches!(claims.role, Role::Backend { .. });
    if own || (backend && claims.grants.subscribe.matches(channel)) {
        return Ok(());
    }
    match claims.is_anonymous() && name.starts_with('@') {
        true => Err(Denied::Unknown),
        false => Err(Denied::ForeignInbox),
    }
}

#[cfg(test)]
mod tests;

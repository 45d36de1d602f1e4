//! What is known of who asks.

use std::sync::Arc;

use super::{Action, Patterns};

/// What a token, a key, or the absence of both says. Checked by whoever made it: nothing in it is
/// taken on trust.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// The user.
    pub user: Option<Arc<str>>,
    /// What kind of party it is.
    pub role: Role,
    /// The channels that it names.
    pub grants: Grants,
    /// Whether the inbox `@USER` may be read with it.
    pub inbox: bool,
    /// What others see of the user in presence: JSON.
    pub info: Option<Arc<str>>,
    /// Unix time in seconds at which it ends; `None`: never.
    pub expires: Option<u64>,
    /// Unix time in seconds at which it was issued.
    pub issued: Option<u64>,
    /// The token's own id (`jti`), by which it can be revoked.
    pub id: Option<Arc<str>>,
}

/// What kind of party it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nobody in particular.
    Anonymous,
    /// A user, or a token without one.
    Client,
    /// A part of the application.
    Backend {
        /// The name of its key.
        name: Arc<str>,
        /// It may use the administration.
        admin: bool,
    },
}

/// The channels that a token or key names, by action.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    /// To be read, with their past.
    pub subscribe: Patterns,
    /// To be published to.
    pub publish: Patterns,
    /// Of which the presence may be seen.
    pub presence: Patterns,
}

impl Grants {
    /// The patterns for an action.
    pub fn of(&self, action: Action) -> &Patterns {
        match action {
            Action::Subscribe | Action::History => &self.subscribe,
            Action::Publish => &self.publish,
            Action::Presence => &self.presence,
        }
    }
}

impl Claims {
    /// Of nobody.
    pub fn anonymous() -> Self {
        Self {
            user: None,
            role: Role::Anonymous,
            grants: Grants::default(),
            inbox: true,
            info: None,
            expires: None,
            issued: None,
            id: None,
        }
    }

    /// Of a user that somebody else vouches for, without an end.
    pub fn of_user(user: Arc<str>) -> Self {
        Self {
            user: Some(user),
            role: Role::Client,
            ..Self::anonymous()
        }
    }

    /// Whether nothing is known.
    pub fn is_anonymous(&self) -> bool {
        self.role == Role::Anonymous
    }

    /// Whether it is a part of the application.
    pub fn is_backend(&self) -> bool {
        matches!(self.role, Role::Backend { .. })
    }

    /// Whether it may use the administration.
    pub fn is_admin(&self) -> bool {
        matches!(self.role, Role::Backend { admin: true, .. })
    }
}

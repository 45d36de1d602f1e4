//! Whose connection it is: the `auth` command, and what follows when the client's rights change or
//! end.

use std::sync::Arc;

use serde_json::value::RawValue;
use tidings_core::{Claims, ClientId};
use tidings_protocol::envelope::Notice;
use tidings_protocol::{Code, Problem};

use super::commands::{error_json, owned};
use super::{Done, WebSocket, lost_rights};
use crate::charge::charge_subscribes;
use crate::identity::{News, identity, session, session_of, verify};
use crate::publish::Publisher;

impl WebSocket {
    /// Acts on what has happened to the client.
    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Ended(problem) => {
                if let Some(membership) = &mut self.membership {
                    // It does not come back by itself.
                    membership.say_goodbye();
                }
                self.app.stats.refused(&problem);
                self.fail(&problem);
            }
            News::Expiring(in_ms) if self.raw.is_none() => self.say(&Notice::Expiring { in_ms }),
            News::Expiring(_) => {}
            News::Rights => self.look_at_rights(),
        }
    }

    /// Ends what the client may no longer read or be seen in.
    fn look_at_rights(&mut self) {
        let lost = lost_rights(&self.app, &self.stay, &mut self.feed);
        for lost in &lost {
            if self.raw.is_some() {
                return self.fail(&lost.problem);
            }
            self.say(&lost.notice());
        }
        self.keep_memberships();
    }

    /// Leaves the channels that the client may no longer be seen in.
    pub(super) fn keep_memberships(&mut self) {
        if let Some(membership) = &mut self.membership {
            membership.keep_allowed(&self.stay.claims());
        }
    }

    /// Who publishes on it.
    pub(super) fn publisher(&self) -> Publisher {
        Publisher {
            claims: self.stay.claims(),
            client: Some(self.stay.client()),
            address: self.address,
        }
    }

    /// Says who the client is, shows a newer token, or comes back by a session alone.
    pub(super) fn auth(
        &mut self,
        id: Option<&RawValue>,
        token: Option<&str>,
        session: Option<&str>,
    ) {
        if let Err(problem) = charge_subscribes(&self.app, &self.stay.claims(), self.address, 1) {
            return self.refuse(id, &problem);
        }
        let Some(token) = token else {
            if let Err(problem) = self.come_back(id, session) {
                self.refuse(id, &problem);
            }
            return;
        };
        let (app, address) = (self.app.clone(), self.address);
        let (id, token) = (owned(id), token.to_owned());
        let session = session.map(str::to_owned);
        self.running = Some(Box::pin(async move {
            match verify(&app, address, &token).await {
                Ok(claims) => Done::Verified {
                    claims,
                    session,
                    id,
                },
                Err(problem) => {
                    app.stats.refused(&problem);
                    Done::Reply(error_json(id.as_deref(), &problem))
                }
            }
        }));
    }

    /// The client is who its token says.
    pub(super) fn become_known(
        &mut self,
        id: Option<&RawValue>,
        claims: &Arc<Claims>,
        session: Option<&str>,
    ) -> Result<(), Problem> {
        let known = self.stay.claims();
        let same = known.user == claims.user && !known.is_anonymous();
        if !same && !known.is_anonymous() {
            return Err(Problem::new(
                Code::Forbidden,
                "a connection is one user's: open another one for another user",
            ));
        }
        let before = session.and_then(|text| session_of(&self.app, text, claims));
        // Who was nobody is somebody else from here on: others may know what nobody's session was.
        let client = match same {
            true => self.stay.client(),
            false => before.unwrap_or_else(|| self.app.new_client()),
        };
        self.be(id, client, claims)?;
        self.auth_by = None;
        Ok(())
    }

    /// Is the client of a session from here on; who it is stays as it is. A session that is not good
    /// is ignored, as in a header.
    fn come_back(&mut self, id: Option<&RawValue>, session: Option<&str>) -> Result<(), Problem> {
        let claims = self.stay.claims();
        let before = session.and_then(|text| session_of(&self.app, text, &claims));
        let client = before.unwrap_or(self.stay.client());
        if client != self.stay.client() && !self.feed.is_empty() {
            return Err(Problem::new(
                Code::InvalidCommand,
                "a session alone comes before the first channel: this connection reads as another client already",
            ));
        }
        self.be(id, client, &claims)
    }

    /// Takes a client and its claims for those of the connection, and says so.
    fn be(
        &mut self,
        id: Option<&RawValue>,
        client: ClientId,
        claims: &Arc<Claims>,
    ) -> Result<(), Problem> {
        self.app.check_revoked(claims, Some(client))?;
        if client != self.stay.client() {
            self.app
                .clients
                .have_room(client, claims, self.address, self.app.limits())?;
            self.membership = None;
            self.feed.set_reader(client);
        }
        self.stay.change(client, claims);
        // A newer token may have been shown elsewhere: what is in force is told.
        let claims = self.stay.claims();
        let session = session::sign(&self.app, client, &claims);
        self.say(&Notice::Identified {
            id,
            identity: identity(client, &session, &claims),
        });
        self.look_at_rights();
        Ok(())
    }
}

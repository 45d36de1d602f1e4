//! Sessions: what a client comes back with as the same client, and `POST /session`, which gives one
//! to those who have no stream that says hello, and takes newer tokens from all.

use std::borrow::Cow;

use http::request;
use tidings_core::{Claims, ClientId, Role};
use tidings_protocol::Problem;

use super::{identify, identity};
use crate::app::App;
use crate::query::Query;
use crate::reply::{Answer, json};

/// The client of a session that is this party's. One that is not good is none: its client begins
/// anew, and is told so by another id.
pub fn session_of(app: &App, session: &str, claims: &Claims) -> Option<ClientId> {
    let now_s = app.now().unix / 1000;
    let bound = bound_to(claims);
    let policy = app.policy();
    let verified = policy
        .auth
        .sessions
        .verify(session, bound.as_deref(), now_s);
    if verified.is_err() {
        app.stats.sessions_refused.add(1);
    }
    verified.ok()
}

/// `POST /session`: who asks, and the session to come back with. A token that came with it holds
/// for all streams of the client from now on.
pub async fn answer_session(
    app: &App,
    head: &request::Parts,
    query: &Query,
    session: Option<&str>,
) -> Result<Answer, Problem> {
    query.only(&["user", "ticket"])?;
    let who = identify(app, head, query, session).await?;
    let client = who.client.unwrap_or_else(|| app.new_client());
    // A newer token may have been shown before: what is in force is told.
    let claims = app
        .clients
        .renew(client, &who.claims, app.now().unix / 1000);
    let session = sign(app, client, &claims);
    Ok(json(identity(client, &session, &claims).to_json()))
}

/// Signs the session of a client.
pub fn sign(app: &App, client: ClientId, claims: &Claims) -> String {
    let now_s = app.now().unix / 1000;
    let bound = bound_to(claims);
    app.policy()
        .auth
        .sessions
        .sign(client, bound.as_deref(), now_s)
}

/// To whom a session is bound, and whose keys are: one text for each party, none for nobody. A token without a user is somebody else than nobody, and no user is
/// called as a key is here: their names hold no control character.
pub fn bound_to(claims: &Claims) -> Option<Cow<'_, str>> {
    match (&claims.user, &claims.role) {
        (Some(user), _) => Some(Cow::Borrowed(user)),
        (None, Role::Anonymous) => None,
        (None, Role::Client) => Some(Cow::Borrowed("")),
        (None, Role::Backend { name, .. }) => Some(Cow::Owned(format!("\u{1}{name}"))),
    }
}

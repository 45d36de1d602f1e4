//! The administration by HTTP: what channels there are, ending connections, revoking. Also who may
//! see what a server has besides its channels.
//!
//! On the listener of the administration, and on an open server, nobody is asked for metrics and the
//! page; everything else needs a key with `admin`, wherever it comes in.

mod channels;
mod revoking;

use std::sync::Arc;

use http::{Method, request};
use tidings_protocol::{Code, Problem};

use crate::app::App;
use crate::identity::identify;
use crate::reading::query;
use crate::reply::Answer;
use crate::request_body::{self, RequestBody};
use crate::via::via;

/// The paths of the administration with the methods that they take.
pub const ROUTES: [(&str, &str); 4] = [
    ("/admin/channels", "GET, HEAD, OPTIONS"),
    ("/admin/disconnect", "POST, OPTIONS"),
    ("/admin/revoke", "POST, OPTIONS"),
    ("/admin/revocations", "GET, HEAD, OPTIONS"),
];

/// Answers what is asked of the administration; `None` where the path is none of its.
pub async fn route<B: RequestBody>(
    app: &Arc<App>,
    head: &request::Parts,
    body: &mut B,
) -> Option<Result<Answer, Problem>> {
    let path = head.uri.path();
    ROUTES.iter().find(|(known, _)| *known == path)?;
    if is_elsewhere(app, head) {
        return None;
    }
    Some(act(app, head, body).await)
}

async fn act<B: RequestBody>(
    app: &Arc<App>,
    head: &request::Parts,
    body: &mut B,
) -> Result<Answer, Problem> {
    may_administrate(app, head).await?;
    let query = query(head)?;
    if head.method == Method::POST {
        query.only(&[])?;
        let body = request_body::read(body, app.limits().body_bytes, app.limits()).await?;
        return match head.uri.path() {
            "/admin/disconnect" => revoking::disconnect(app, &body),
            _ => revoking::revoke(app, &body).await,
        };
    }
    match head.uri.path() {
        "/admin/channels" => channels::list(app, &query),
        _ => revoking::list(app, &query),
    }
}

/// Whether somebody may see the figures.
pub async fn may_watch(app: &App, head: &request::Parts) -> Result<(), Problem> {
    if is_elsewhere(app, head) {
        return Err(Problem::new(
            Code::NotFound,
            "metrics are on the listener of the administration",
        ));
    }
    match via(head).admin || app.policy().auth.open {
        true => Ok(()),
        false => may_administrate(app, head).await,
    }
}

fn is_elsewhere(app: &App, head: &request::Parts) -> bool {
    app.policy().admin_elsewhere && !via(head).admin
}

/// Whether the page is shown: a public server has none.
pub fn shows_page(app: &App, head: &request::Parts) -> bool {
    via(head).admin || (app.policy().auth.open && !is_elsewhere(app, head))
}

/// Whether somebody may do what changes things for others.
pub async fn may_administrate(app: &App, head: &request::Parts) -> Result<(), Problem> {
    if app.policy().auth.open {
        return Ok(());
    }
    let who = identify(app, head, &query(head)?, None).await?;
    match (who.claims.is_admin(), who.claims.is_anonymous()) {
        (true, _) => Ok(()),
        (false, true) => Err(Problem::new(
            Code::Unauthorized,
            "this needs a key with `admin = true`: send Authorization: Bearer …",
        )),
        (false, false) => Err(Problem::new(
            Code::Forbidden,
            "this key is not for the administration: `admin = true` makes it so",
        )),
    }
}

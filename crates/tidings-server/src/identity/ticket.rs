//! Tickets: what stands in a URL where nothing else goes (`EventSource`) for a token and a session.
//!
//! What a ticket stands for is checked at each use as if it had come itself, so that it ends with
//! its token and goes with a revocation.

use bytes::Bytes;
use http::request;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_auth::{ticket as generate, ticket_digest};
use tidings_core::broker::{Ticket, TicketError};
use tidings_protocol::{Code, Problem};

use super::{Credentials, identify, session};
use crate::access::single;
use crate::app::App;
use crate::charge::address;
use crate::charge::charge_subscribes;
use crate::query::Query;
use crate::reply::{Answer, json as json_answer};

/// How long a ticket of a token without an end is good.
const DAY_MS: u64 = 24 * 3600 * 1000;

/// What a ticket stands for.
#[derive(Serialize, Deserialize)]
pub struct Held {
    /// The token.
    pub token: Option<String>,
    /// The user, as an open server believes it.
    pub user: Option<String>,
    /// The session.
    pub session: String,
}

/// `POST /tickets`.
pub async fn answer_ticket(
    app: &App,
    head: &request::Parts,
    query: &Query,
) -> Result<Answer, Problem> {
    query.only(&["user"])?;
    let who = identify(app, head, query, None).await?;
    if who.claims.is_anonymous() && !app.policy().auth.open {
        let detail = "a ticket stands for a token, and none came";
        return Err(Problem::new(Code::Unauthorized, detail));
    }
    if who.claims.is_backend() {
        let detail = "a ticket stands for a browser's token; a backend sends its key itself";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    charge_subscribes(app, &who.claims, address(app, head), 1)?;
    let policy = app.policy().clone();
    let given = Credentials::of(head, query, &policy.auth)?;
    if given.token.is_none() && given.user.is_none() && !who.claims.is_anonymous() {
        let detail = "what the application said of this request's cookies cannot stand in a ticket: send the cookies themselves";
        return Err(Problem::new(Code::BadRequest, detail));
    }
    let client = who.client.unwrap_or_else(|| app.new_client());
    let held = Held {
        token: given.token.map(str::to_owned),
        user: given.user.map(str::to_owned),
        session: session::sign(app, client, &who.claims),
    };
    let now = app.now();
    let first_use_by = now.unix + policy.auth.ticket_time.as_millis() as u64;
    let until = who
        .claims
        .expires
        .map_or(now.unix + DAY_MS, |expires| expires.saturating_mul(1000));
    let ticket = generate(app.random()?);
    let holder = Bytes::from(serde_json::to_vec(&held).expect("strings serialise"));
    let issued = Ticket {
        digest: ticket_digest(&ticket),
        holder,
        first_use_by,
        until,
    };
    app.hub.issue(issued, now).await?;
    Ok(json_answer(
        json!({
            "ticket": ticket,
            "first_use_ms": policy.auth.ticket_time.as_millis() as u64,
            "client": client.to_string(),
        })
        .to_string(),
    ))
}

/// What a ticket stands for, which is to be checked like everything that comes from outside.
pub async fn redeem(app: &App, head: &request::Parts, ticket: &str) -> Result<Held, Problem> {
    let origin = single(&head.headers, &http::header::ORIGIN)?;
    let redeemed = app
        .hub
        .redeem(&ticket_digest(ticket), origin, app.now())
        .await
        .map_err(refused)?;
    Ok(serde_json::from_slice(&redeemed.holder).expect("what was issued here"))
}

fn refused(error: TicketError) -> Problem {
    match error {
        TicketError::Broker(error) => error.into(),
        error => Problem::new(Code::Unauthorized, error.to_string()),
    }
}

//! Ending connections, and revoking: `POST /admin/disconnect`, `POST /admin/revoke`,
//! `GET /admin/revocations`.

use serde::Deserialize;
use serde_json::{Value, json};
use tidings_core::broker::{Revocation, Subject};
use tidings_core::{Claims, ClientId};
use tidings_protocol::command::parse_body;
use tidings_protocol::{Code, Problem};

use crate::app::App;
use crate::query::{Query, invalid};
use crate::reply::{self, Answer};

/// How long a revocation holds where nothing is said: longer than tokens should live.
const DAY_S: u64 = 24 * 3600;

const EXAMPLE: &str =
    r#"{"user":"alice"}, {"client":"c8f…"} or {"token":"its jti"}, with "for" in seconds"#;

/// Who is meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    user: Option<String>,
    client: Option<String>,
    token: Option<String>,
    r#for: Option<u64>,
}

impl Target {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        parse_body(body, EXAMPLE)
    }

    fn subject(&self) -> Result<Subject, Problem> {
        match (&self.user, &self.client, &self.token) {
            (Some(user), None, None) => Ok(Subject::User(user.as_str().into())),
            (None, Some(client), None) => Ok(Subject::Client(
                client
                    .parse()
                    .map_err(|error| invalid(format!("`client`: {error}")))?,
            )),
            (None, None, Some(token)) => Ok(Subject::Token(token.as_str().into())),
            _ => Err(invalid(format!("say one of {EXAMPLE}"))),
        }
    }
}

/// Ends the streams of a client or user; they may come back.
pub fn disconnect(app: &App, body: &[u8]) -> Result<Answer, Problem> {
    let target = Target::parse(body)?;
    if target.r#for.is_some() {
        let detail = "`for` belongs to /admin/revoke; who is disconnected may come back at once";
        return Err(invalid(detail.into()));
    }
    let subject = target.subject()?;
    let told = Problem::new(Code::Disconnected, "the operator ended the connection");
    let ended = app
        .clients
        .end(|client, claims| is_about(&subject, client, claims).then(|| told.clone()));
    tracing::info!(clients = ended, "disconnected by the administration");
    Ok(reply::json(json!({"disconnected": ended}).to_string()))
}

fn is_about(subject: &Subject, client: ClientId, claims: &Claims) -> bool {
    match subject {
        Subject::User(user) => claims.user.as_ref() == Some(user),
        Subject::Client(meant) => client == *meant,
        Subject::Token(id) => claims.id.as_ref() == Some(id),
    }
}

/// Refuses what was issued up to now, and ends the streams that live on it.
pub async fn revoke(app: &App, body: &[u8]) -> Result<Answer, Problem> {
    let target = Target::parse(body)?;
    let now = app.now();
    let at = now.unix / 1000;
    let revocation = Revocation {
        subject: target.subject()?,
        at,
        until: at.saturating_add(target.r#for.unwrap_or(DAY_S)),
    };
    let until = revocation.until;
    app.hub.revoke(revocation, now).await?;
    let ended = app.end_revoked();
    tracing::info!(clients = ended, "revoked by the administration");
    let answer = json!({"at": at, "until": until, "disconnected": ended});
    Ok(reply::json(answer.to_string()))
}

/// The revocations that hold.
pub fn list(app: &App, query: &Query) -> Result<Answer, Problem> {
    query.only(&[])?;
    let held = app.hub.revocations().list(app.now().unix / 1000);
    let entry = |revocation: &Revocation| -> Value {
        let (kind, name) = match &revocation.subject {
            Subject::User(user) => ("user", user.to_string()),
            Subject::Client(client) => ("client", client.to_string()),
            Subject::Token(id) => ("token", id.to_string()),
        };
        json!({kind: name, "at": revocation.at, "until": revocation.until})
    };
    let list: Vec<Value> = held.iter().map(entry).collect();
    Ok(reply::json(json!({"revocations": list}).to_string()))
}

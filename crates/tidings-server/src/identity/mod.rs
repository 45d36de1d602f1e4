//! Who asks: from what a request brings with it to [`Who`], once per request.
//!
//! What somebody may is decided elsewhere (`tidings_core::decide`), each time anew: here it is only
//! found out who they are. Credentials that are not good are refused, whatever anybody may: nobody
//! falls back to being anonymous.

mod clients;
mod credentials;
pub mod session;
mod standing;
mod ticket;
mod tokens;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::request;
use tidings_auth::{ApiKeys, Sessions, TokenError};
use tidings_core::{Claims, ClientId};
use tidings_protocol::envelope::Identity;
use tidings_protocol::{Code, Problem};

use crate::address::AddressKey;
use crate::app::App;
use crate::charge::address;
use crate::outbound::{Ask, Authorizer, AuthorizerError};
use crate::query::Query;
use crate::quota::{Key, Quota};
use crate::via::{User, via};

pub use clients::{Clients, News, Stay};
pub use credentials::Credentials;
pub use session::{answer_session, session_of};
pub use standing::Standing;
pub use ticket::answer_ticket;
pub use tokens::Tokens;

/// What tells who somebody is.
pub struct Auth {
    /// Tokens.
    pub tokens: Tokens,
    /// Keys of backends.
    pub keys: ApiKeys,
    /// Sessions of clients.
    pub sessions: Sessions,
    /// The application that is asked about those who have neither.
    pub authorizer: Option<Authorizer>,
    /// The cookie that may hold a token.
    pub cookie: Option<String>,
    /// Nobody is asked, and everybody is believed: a server for development.
    pub open: bool,
    /// In which a ticket is used first.
    pub ticket_time: Duration,
}

impl Auth {
    /// Of a server for development: everybody is believed. Its sessions end with the process.
    ///
    /// # Panics
    /// The system gives no random numbers.
    pub fn open() -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("a system without random numbers cannot serve");
        Self {
            tokens: Tokens::none(),
            keys: ApiKeys::default(),
            sessions: Sessions::new(&secret).expect("as long as it must be"),
            authorizer: None,
            cookie: None,
            open: true,
            ticket_time: Duration::from_secs(30),
        }
    }

    /// No issuer is known here, and it is no key: whose it is, the application may know.
    fn leaves_tokens_to_the_application(&self, token: &str) -> bool {
        self.authorizer.is_some() && self.tokens.is_empty() && self.keys.check(token).is_none()
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self::open()
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Who {
    /// What is known of them.
    pub claims: Arc<Claims>,
    /// The client that they were before and are again.
    pub client: Option<ClientId>,
    /// Where they are.
    pub address: Option<AddressKey>,
}

impl Who {
    /// Nobody in particular.
    pub fn nobody() -> Self {
        Self {
            claims: Arc::new(Claims::anonymous()),
            client: None,
            address: None,
        }
    }

    /// The user.
    pub fn user(&self) -> Option<&Arc<str>> {
        self.claims.user.as_ref()
    }
}

/// Finds out who asks. `session` is what a body said, over the header.
pub async fn identify(
    app: &App,
    head: &request::Parts,
    query: &Query,
    session: Option<&str>,
) -> Result<Who, Problem> {
    if via(head).guest {
        return guest(app, head, session);
    }
    let policy = app.policy().clone();
    let given = Credentials::of(head, query, &policy.auth)?;
    let held = match given.ticket {
        Some(text) => Some(ticket::redeem(app, head, text).await?),
        None => None,
    };
    let of_ticket = |get: fn(&ticket::Held) -> Option<&str>| held.as_ref().and_then(get);
    let token = given.token.or(of_ticket(|held| held.token.as_deref()));
    let believed = of_ticket(|held| held.user.as_deref()).or(given.user);
    if believed.is_some() && !policy.auth.open {
        let detail =
            "the ticket is of a time when everybody was believed: get another one, with a token";
        return Err(Problem::new(Code::Unauthorized, detail));
    }
    let claims = match (token, believed) {
        (Some(token), _) if policy.auth.leaves_tokens_to_the_application(token) => {
            ask(app, head, &given, Some(token)).await?
        }
        (Some(token), _) => verify(app, address(app, head), token).await?,
        (None, Some(user)) => Arc::new(Claims::of_user(user.into())),
        (None, None) => ask(app, head, &given, None).await?,
    };
    let session = held
        .as_ref()
        .map(|held| held.session.as_str())
        .or(session)
        .or(given.session);
    let who = Who {
        client: session.and_then(|session| session_of(app, session, &claims)),
        claims,
        address: address(app, head),
    };
    app.check_revoked(&who.claims, who.client)?;
    Ok(who)
}

/// Who the application around the server says it is.
fn guest(app: &App, head: &request::Parts, session: Option<&str>) -> Result<Who, Problem> {
    let claims = match head.extensions.get::<User>() {
        Some(user) => Claims::of_user(user.0.clone()),
        None => Claims::anonymous(),
    };
    let session = session.or(credentials::session(&head.headers)?);
    let who = Who {
        client: session.and_then(|session| session_of(app, session, &claims)),
        claims: Arc::new(claims),
        address: None,
    };
    app.check_revoked(&who.claims, who.client)?;
    Ok(who)
}

/// Checks a token or key. Who guesses is told to wait; who knows, never: many share an address.
pub async fn verify(
    app: &App,
    address: Option<AddressKey>,
    token: &str,
) -> Result<Arc<Claims>, Problem> {
    let checked = check(app, token).await;
    if let (Some(address), Err(Code::Unauthorized)) =
        (address, checked.as_ref().map_err(|p| p.code))
    {
        app.quotas
            .take(
                Quota::AuthFailures,
                Key::Address(address),
                1,
                app.monotonic(),
            )
            .map_err(too_many_failures)?;
    }
    checked
}

async fn check(app: &App, token: &str) -> Result<Arc<Claims>, Problem> {
    let policy = app.policy().clone();
    let auth = &policy.auth;
    if auth.open {
        let detail = "this server is open and knows no keys: leave the token out, or configure [tokens] or [keys]";
        return Err(Problem::new(Code::Unauthorized, detail));
    }
    if let Some(claims) = auth.keys.check(token) {
        return Ok(claims);
    }
    let verified = auth.tokens.verify(token, app.now().unix / 1000).await;
    verified.map(Arc::new).map_err(|error| {
        let code = match error {
            TokenError::Expired => Code::TokenExpired,
            _ => Code::Unauthorized,
        };
        Problem::new(code, error.to_string())
    })
}

fn too_many_failures(after: Duration) -> Problem {
    let detail = "too many tokens and keys from this address were not good; wait";
    Problem::new(Code::TooManyRequests, detail).after(after)
}

/// Asks the application, where it wants to be asked.
async fn ask(
    app: &App,
    head: &request::Parts,
    given: &Credentials<'_>,
    token: Option<&str>,
) -> Result<Arc<Claims>, Problem> {
    let policy = app.policy().clone();
    let Some(authorizer) = &policy.auth.authorizer else {
        return Ok(Arc::new(Claims::anonymous()));
    };
    let cookie = given.cookies(&head.headers);
    let bearer = |token| HeaderValue::try_from(format!("Bearer {token}"));
    let authorization = token.map(bearer).transpose().map_err(|_| {
        let detail = "this is no token: it holds what no header holds";
        Problem::new(Code::Unauthorized, detail)
    })?;
    if cookie.is_none() && authorization.is_none() {
        return Ok(Arc::new(Claims::anonymous()));
    }
    let text = |name| head.headers.get(name)?.to_str().ok();
    let ask = Ask {
        cookie: cookie.as_ref(),
        authorization: authorization.as_ref(),
        origin: text(header::ORIGIN),
        user_agent: text(header::USER_AGENT),
        address: via(head).client.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
    };
    let asked = authorizer.ask(&ask, app.now().unix / 1000).await;
    asked.map_err(|error| match error {
        AuthorizerError::Refused => Problem::new(
            Code::Unauthorized,
            "the application does not know who asks: log in there",
        ),
        AuthorizerError::Unavailable(why) => {
            tracing::warn!(%why, "the application could not be asked who somebody is");
            Problem::new(
                Code::AuthorizerUnavailable,
                "the application that decides who may did not answer as it should",
            )
        }
    })
}

/// How a client is told who it is.
pub fn identity<'a>(client: ClientId, session: &'a str, claims: &'a Claims) -> Identity<'a> {
    Identity {
        client,
        session,
        user: claims.user.as_deref(),
        expires: claims.expires,
    }
}

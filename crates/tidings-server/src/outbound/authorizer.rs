//! Asks the application who somebody is, by the cookie or authorization that came with a request.
//!
//! Whatever is not a clear yes or no is neither: nobody is let in because the application is down.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tidings_auth::{LATEST, Verifier, parse_object, read_claims, sha256};
use tidings_core::Claims;
use tokio::sync::{OnceCell, Semaphore};

use super::{Answer, Outbound, OutboundError, Place};

/// Questions that are under way at once; the others wait their turn, within their time.
const AT_ONCE: usize = 64;

/// How the application is asked.
#[derive(Clone, Debug)]
pub struct AuthorizerOptions {
    /// Where.
    pub url: String,
    /// An answer has so long.
    pub timeout: Duration,
    /// An answer is kept so long at most, and never longer than it says.
    pub cache_time: Duration,
    /// So many answers are kept at most.
    pub cache_entries: usize,
}

impl AuthorizerOptions {
    /// Asks there, within 2 seconds, and keeps 10 000 answers for a minute.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            timeout: Duration::from_secs(2),
            cache_time: Duration::from_secs(60),
            cache_entries: 10_000,
        }
    }
}

/// What is known of a request. Its answer holds for the credentials and the origin, from whatever
/// address they come.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The `Cookie`; where it came in several fields (RFC 9113 section 8.2.3), joined by `; `.
    pub cookie: Option<&'a HeaderValue>,
    /// The `Authorization`.
    pub authorization: Option<&'a HeaderValue>,
    /// The `Origin`.
    pub origin: Option<&'a str>,
    /// The `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The address of the client.
    pub address: IpAddr,
}

/// Why nobody is let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizerError {
    /// The application says no, or there is nothing to ask with.
    #[error("the application does not know these credentials")]
    Refused,
    /// There is no answer; it may go better later. What it says is for logs.
    #[error("the application could not be asked: {0}")]
    Unavailable(Arc<str>),
}

/// An answer.
#[derive(Clone, Debug)]
struct Known {
    claims: Arc<Claims>,
    /// Unix time in seconds up to which it is kept.
    until: u64,
}

type Outcome = Result<Known, AuthorizerError>;

/// The digests of what was asked with, side by side: two different questions are never one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Question {
    cookie: Option<[u8; 32]>,
    authorization: Option<[u8; 32]>,
    origin: Option<[u8; 32]>,
}

/// Asks, and remembers the answers for a while.
pub struct Authorizer {
    outbound: Outbound,
    place: Place,
    options: AuthorizerOptions,
    turns: Semaphore,
    answers: Mutex<Answers>,
}

impl Authorizer {
    /// Asks as the options say.
    ///
    /// # Errors
    ///
    /// The URL is none to ask at.
    pub fn new(outbound: Outbound, options: AuthorizerOptions) -> Result<Self, OutboundError> {
        Ok(Self {
            place: outbound.place(&options.url)?,
            outbound,
            turns: Semaphore::new(AT_ONCE),
            answers: Mutex::new(Answers::new(options.cache_entries)),
            options,
        })
    }

    /// Who somebody is, at `now` in Unix seconds. Of equal questions that are under way at once, one is
    /// sent.
    ///
    /// The application gets a POST with the request's own `Cookie` and `Authorization`, and
    /// `{"address", "origin", "user_agent"}`. It answers 200 and the claims of a token as JSON, where
    /// `"ttl"` in seconds may stand instead of `"exp"`; or 401 or 403.
    ///
    /// # Errors
    ///
    /// [`AuthorizerError`].
    pub async fn ask(&self, ask: &Ask<'_>, now: u64) -> Result<Arc<Claims>, AuthorizerError> {
        if ask.cookie.is_none() && ask.authorization.is_none() {
            return Err(AuthorizerError::Refused);
        }
        let cell = self.cell(ask.question(), now);
        let outcome = cell.get_or_init(|| self.send(ask, now)).await;
        outcome
            .as_ref()
            .map(|known| known.claims.clone())
            .map_err(Clone::clone)
    }

    /// Where the answer is, or will be.
    fn cell(&self, question: Question, now: u64) -> Arc<OnceCell<Outcome>> {
        // Nothing in there is ever left half done.
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.of(question, now)
    }

    async fn send(&self, ask: &Ask<'_>, now: u64) -> Outcome {
        let exchange = async {
            // It is never closed.
            let _turn = self.turns.acquire().await;
            let within = self.options.timeout;
            self.outbound
                .exchange(&self.place, ask.request(), within)
                .await
        };
        let answer = match tokio::time::timeout(self.options.timeout, exchange).await {
            Ok(Ok(answer)) => self.judge(&answer, now),
            Ok(Err(error)) => Err(unavailable(&error.to_string())),
            Err(_) => Err(unavailable("it did not answer in time")),
        };
        if let Err(error @ AuthorizerError::Unavailable(_)) = &answer {
            tracing::warn!(url = self.options.url, "{error}");
        }
        answer
    }

    fn judge(&self, answer: &Answer, now: u64) -> Outcome {
        match answer.status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(AuthorizerError::Refused);
            }
            status => return Err(unavailable(&format!("it answers {status}"))),
        }
        let claims = read(&answer.body, now).map_err(|why| unavailable(&why))?;
        let kept = now.saturating_add(self.options.cache_time.as_secs());
        Ok(Known {
            until: kept.min(claims.expires.unwrap_or(0)),
            claims: claims.into(),
        })
    }
}

impl Ask<'_> {
    fn question(&self) -> Question {
        let of = |value: Option<&HeaderValue>| value.map(|value| sha256(value.as_bytes()));
        Question {
            cookie: of(self.cookie),
            authorization: of(self.authorization),
            origin: self.origin.map(|origin| sha256(origin.as_bytes())),
        }
    }

    fn request(&self) -> Request<Full<Bytes>> {
        let body = json!({
            "address": self.address,
            "origin": self.origin,
            "user_agent": self.user_agent,
        });
        let mut request = Request::new(Full::from(body.to_string()));
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        let json = HeaderValue::from_static("application/json");
        headers.insert(CONTENT_TYPE, json.clone());
        headers.insert(ACCEPT, json);
        for (name, value) in [(COOKIE, self.cookie), (AUTHORIZATION, self.authorization)] {
            if let Some(value) = value {
                let mut value = value.clone();
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        request
    }
}

fn unavailable(why: &str) -> AuthorizerError {
    AuthorizerError::Unavailable(why.into())
}

/// The claims of an answer.
fn read(body: &[u8], now: u64) -> Result<Claims, String> {
    let mut members = parse_object(body).map_err(|error| format!("of its answer, {error}"))?;
    if let Some(ttl) = members.remove("ttl") {
        let ttl = ttl
            .as_u64()
            .ok_or("`ttl` has to be a whole number of seconds")?;
        let end = now.saturating_add(ttl).min(LATEST);
        if members.insert("exp".into(), end.into()).is_some() {
            return Err("its answer has both `exp` and `ttl`".into());
        }
    }
    read_claims(&members, "authorizer", now, Verifier::LEEWAY)
        .map_err(|error| format!("of its answer, {error}"))
}

/// Answers by question, in two generations: when the young ones are half of what is kept, the old
/// ones go. So keeping, finding and forgetting cost the same however many there are.
struct Answers {
    young: HashMap<Question, Arc<OnceCell<Outcome>>>,
    old: HashMap<Question, Arc<OnceCell<Outcome>>>,
    half: usize,
}

impl Answers {
    fn new(entries: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (entries / 2).max(1),
        }
    }

    /// What is under way or still good; else a place for a new answer. Refusals and failures are not
    /// kept beyond those who wait for them already: who logs in is in at once.
    fn of(&mut self, question: Question, now: u64) -> Arc<OnceCell<Outcome>> {
        let good = |cell: &OnceCell<Outcome>| match cell.get() {
            None => true,
            Some(Ok(known)) => now < known.until,
            Some(Err(_)) => false,
        };
        if let Some(cell) = self.young.get(&question).filter(|cell| good(cell)) {
            return cell.clone();
        }
        let cell = self
            .old
            .remove(&question)
            .filter(|cell| good(cell))
            .unwrap_or_default();
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(question, cell.clone());
        cell
    }
}

#[cfg(test)]
impl Authorizer {
    /// How many answers are kept.
    pub(super) fn kept(&self) -> usize {
        let answers = self.answers.lock().expect("no test panics there");
        answers.young.len() + answers.old.len()
    }
}

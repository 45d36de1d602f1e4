//! HTTP/1.1 as this client needs it: send a request, wait no longer than told, read no more than told, and turn
//! what is not a success into an error that says whether the server itself refused. No redirects, no cookies, no
//! compression.

use std::{error::Error as _, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT},
};
use hyper_util::{
    client::legacy::{Client, connect::capture_connection},
    rt::{TokioExecutor, TokioTimer},
};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::{
    Error, codes,
    dialer::Dialer,
    error::{Refusal, is_temporary_status},
};

/// The largest response head, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// The largest body of a refusal that is read, in bytes.
const MAX_PROBLEM: usize = 64 * 1024;

/// An idle connection is kept for the next request so long.
const IDLE: Duration = Duration::from_secs(30);

type Body = Full<Bytes>;

/// The two ways to get a connection: requests share idle ones, a stream always gets its own, so that a dead idle
/// connection cannot pass for a transport that does not work.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    shared: Client<Dialer, Body>,
    fresh: Client<Dialer, Body>,
    user_agent: HeaderValue,
}

/// Whether a request may go out on an idle connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reuse {
    Allowed,
    Never,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new(user_agent: HeaderValue, dialer: &Dialer) -> Self {
        let client = |idle: usize| {
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(idle)
                .http1_max_buf_size(MAX_HEAD)
                .build(dialer.clone())
        };
        Self {
            shared: client(4),
            fresh: client(0),
            user_agent,
        }
    }

    /// Sends a request and reads the whole answer, of at most `limit` bytes. The time counts from the moment the
    /// connection stands: reaching the server has a limit of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], [`Error::Lost`], [`Error::Timeout`], [`Error::TooLarge`].
    pub(crate) async fn exchange(
        &self,
        request: Request<Body>,
        reuse: Reuse,
        within: Duration,
        limit: usize,
    ) -> Result<Answer, Error> {
        let client = match reuse {
            Reuse::Allowed => &self.shared,
            Reuse::Never => &self.fresh,
        };
        let (response, deadline) = send(client, self.sign(request), within).await?;
        let (head, body) = response.into_parts();
        let late = Error::Timeout {
            what: "no whole answer",
            after: within,
        };
        let body = timeout_at(deadline, read(body, limit, "the answer"))
            .await
            .unwrap_or(Err(late))?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Sends a request on a connection of its own and waits for the head of the answer. Returned with it is the
    /// moment until which the first frame has to come, counted as in [`Self::exchange`].
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], [`Error::Lost`], [`Error::Timeout`].
    pub(crate) async fn open(
        &self,
        request: Request<Body>,
        within: Duration,
    ) -> Result<(Response<Incoming>, Instant), Error> {
        send(&self.fresh, self.sign(request), within).await
    }

    fn sign(&self, mut request: Request<Body>) -> Request<Body> {
        request
            .headers_mut()
            .insert(USER_AGENT, self.user_agent.clone());
        request
    }
}

/// Sends, and waits for the head until `within` after the connection stood; that moment is returned too.
async fn send(
    client: &Client<Dialer, Body>,
    mut request: Request<Body>,
    within: Duration,
) -> Result<(Response<Incoming>, Instant), Error> {
    let mut connection = capture_connection(&mut request);
    let mut deadline = None;
    let late = async {
        connection.wait_for_connection_metadata().await;
        sleep_until(*deadline.insert(Instant::now() + within)).await;
    };
    let response = tokio::select! {
        biased;
        response = client.request(request) => response.map_err(|error| send_error(&error))?,
        () = late => return Err(Error::Timeout { what: "no answer", after: within }),
    };
    Ok((
        response,
        deadline.unwrap_or_else(|| Instant::now() + within),
    ))
}

/// What kept a request from its answer: the dialer's own word, if the connection did not come to stand.
fn send_error(error: &hyper_util::client::legacy::Error) -> Error {
    let cause = error.source();
    if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<Error>()) {
        return error.clone();
    }
    let no_http = cause
        .and_then(|cause| cause.downcast_ref::<hyper::Error>())
        .is_some_and(hyper::Error::is_parse);
    if no_http {
        Error::Foreign("what came back is no HTTP; if the port is for TLS, write https://".into())
    } else {
        Error::Lost(chain(error))
    }
}

/// An error with its causes in one line: the outermost alone says little.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let why = cause.to_string();
        // Some say their cause themselves.
        if !text.ends_with(&why) {
            text.push_str(": ");
            text.push_str(&why);
        }
        source = cause.source();
    }
    text
}

async fn read(mut body: Incoming, limit: usize, what: &'static str) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::Lost(chain(&error)))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > limit {
            return Err(Error::TooLarge { what, limit });
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// The members of a problem that mean something here (RFC 9457).
#[derive(Default, Deserialize)]
struct Problem {
    status: Option<u16>,
    code: Option<String>,
    detail: Option<String>,
    title: Option<String>,
}

/// What refused, read from a response that is not a success.
pub(crate) async fn refusal_of(response: Response<Incoming>, within: Duration) -> Error {
    let (head, body) = response.into_parts();
    // The status alone is enough if the explanation does not come.
    let body = timeout(within, read(body, MAX_PROBLEM, "the refusal")).await;
    let body = body.ok().and_then(Result::ok).unwrap_or_default();
    refusal(&Answer {
        status: head.status,
        headers: head.headers,
        body,
    })
}

/// What refused, read from an answer that is not a success.
pub(crate) fn refusal(answer: &Answer) -> Error {
    let status = answer.status;
    if status.is_redirection() || status.is_success() {
        let to = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok());
        let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
        return Error::Foreign(format!("status {status}{to}"));
    }
    let problem: Problem = if media_type(&answer.headers) == "application/problem+json" {
        serde_json::from_slice(&answer.body).unwrap_or_default()
    } else {
        Problem::default()
    };
    let known = problem.code.as_deref().and_then(codes::is_temporary);
    Error::from(Refusal {
        status: Some(status.as_u16()),
        close_code: None,
        code: problem.code,
        detail: problem.detail.or(problem.title),
        retry_after: retry_after(&answer.headers),
        temporary: known.unwrap_or_else(|| is_temporary_status(status.as_u16())),
    })
}

/// What refused one of several things, read from a problem within an answer.
pub(crate) fn refusal_in(problem: &str) -> Error {
    let problem: Problem = match serde_json::from_str(problem) {
        Ok(problem) => problem,
        Err(error) => return Error::Foreign(format!("neither a receipt nor a problem: {error}")),
    };
    let known = problem.code.as_deref().and_then(codes::is_temporary);
    let by_status = || problem.status.is_some_and(is_temporary_status);
    Error::from(Refusal {
        status: problem.status,
        temporary: known.unwrap_or_else(by_status),
        detail: problem.detail.or(problem.title),
        code: problem.code,
        ..Refusal::default()
    })
}

/// `Retry-After` in seconds; the form with a date is not used by the server and ignored.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    Some(Duration::from_secs(seconds))
}

/// The media type without parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, kind: &str, body: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_str(kind).expect("a header value"),
        );
        headers.insert(RETRY_AFTER, HeaderValue::from_static("7"));
        let status = StatusCode::from_u16(status).expect("a status");
        Answer {
            status,
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn causes_are_told_once() {
        let reset = std::io::Error::other("reset by peer");
        let own = tokio_tungstenite::tungstenite::Error::Io(reset);
        assert_eq!(chain(&own), "IO error: reset by peer");
        let body = Error::Lost(chain(&own));
        let wrapped = std::io::Error::other(body);
        assert_eq!(chain(&wrapped), "connection lost: IO error: reset by peer");
    }

    #[test]
    fn a_problem_is_the_servers_own_word() {
        let body = r#"{"type":"about:blank","status":429,"code":"rate","detail":"천천히"}"#;
        let error = refusal(&answer(
            429,
            "application/problem+json; charset=utf-8",
            body,
        ));
        assert_eq!(
            (error.status(), error.code(), error.detail()),
            (Some(429), Some("rate"), Some("천천히"))
        );
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(error.is_temporary());
    }

    #[test]
    fn a_page_has_no_code() {
        let error = refusal(&answer(403, "text/html", "<h1>No</h1>"));
        assert_eq!(
            (error.status(), error.code(), error.is_temporary()),
            (Some(403), None, false)
        );
        let error = refusal(&answer(502, "application/problem+json", "no json"));
        assert_eq!(
            (error.status(), error.code(), error.is_temporary()),
            (Some(502), None, true)
        );
        assert!(matches!(
            refusal(&answer(302, "text/html", "")),
            Error::Foreign(_)
        ));
    }
}

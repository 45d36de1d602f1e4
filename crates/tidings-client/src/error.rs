//! What can go wrong, told so that a program can act on it: who refused, with which code, and whether trying
//! again later makes sense. It deliberately keeps no source chain of library errors: their text is enough for a
//! person, and no type of a library becomes part of this crate's interface.

use std::time::Duration;

/// An error of publishing or following.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The base URL cannot be used.
    #[error("bad base URL: {0}")]
    Url(String),
    /// The authorities to trust cannot be used, or there are none.
    #[error("bad certificates of authorities: {0}")]
    Authorities(String),
    /// The caller's arguments cannot make a request (no channel, a name twice, a wrong count of cursors …).
    #[error("bad argument: {0}")]
    Argument(String),
    /// There is no token to show: who was asked for one has none, or what came is none.
    #[error("no token: {0}")]
    Token(String),
    /// The server's certificate is not accepted. Nothing was sent to it.
    #[error("{0}")]
    Certificate(BadCertificate),
    /// What accepted the connection speaks no TLS, or none that is spoken here.
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// Nothing accepted the connection: refused, unresolved, or not within the connect timeout.
    #[error("server unreachable: {0}")]
    Unreachable(String),
    /// The connection broke before the answer or the stream was complete.
    #[error("connection lost: {0}")]
    Lost(String),
    /// What was waited for did not come in time.
    #[error("{what} within {after:?}")]
    Timeout {
        /// What did not come, as "no …".
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// What answered does not speak this protocol: another server, a proxy, a captive portal.
    #[error("not an answer of a Tidings server: {0}")]
    Foreign(String),
    /// What the server sent is above a limit of this client ([`crate::Limits`]).
    #[error("{what} is larger than the limit of {limit} bytes")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The server is away, and as many messages as may ([`crate::Limits::queue`]) wait for it.
    #[error("queue_full: {limit} messages wait for the server already")]
    QueueFull {
        /// How many may wait.
        limit: usize,
    },
    /// The message was sent and not answered, for so long that sending it again might double it.
    #[error("unknown_outcome: sent and not answered, nobody knows whether it was published")]
    UnknownOutcome,
    /// Who answered a request ([`crate::Recipient::request`]) answered with an error, which this is.
    #[error("the request was answered with an error: {0}")]
    Declined(String),
    /// The server, or something in between, answered with a refusal.
    #[error("{0}")]
    Refused(Box<Refusal>),
}

/// A refusal: an HTTP status (problem+json, RFC 9457), a WebSocket close code, or an `error` on a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The HTTP status, where the refusal came as one.
    pub status: Option<u16>,
    /// The WebSocket close code, where the refusal came as one.
    pub close_code: Option<u16>,
    /// The stable code of the problem (`too_large`, `bad_name`, …); none if something in between answered.
    pub code: Option<String>,
    /// The explanation for a person.
    pub detail: Option<String>,
    /// When the server wants to see the next attempt, if it said so.
    pub retry_after: Option<Duration>,
    /// Whether the same request may succeed later.
    pub temporary: bool,
}

/// Why a server's certificate is not accepted. Trying again does not change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadCertificate {
    /// No authority that is trusted here issued it.
    #[error("the server's certificate is not trusted: no authority that is trusted here issued it")]
    Untrusted,
    /// It is for other names.
    #[error("the server's certificate is not for {asked:?}, but for {}", or(names))]
    WrongName {
        /// The host of the URL.
        asked: String,
        /// The names and addresses that it is for.
        names: Vec<String>,
    },
    /// Its time is over.
    #[error("the server's certificate has expired, or the clock of this machine is wrong")]
    Expired,
    /// Its time has not begun.
    #[error("the server's certificate is not valid yet, or the clock of this machine is wrong")]
    NotYetValid,
    /// It is one of an authority, which may issue certificates and not serve with its own.
    #[error(
        "the server's certificate is one of an authority (CA:TRUE), which no server may use: make another, as with \
         `openssl req -x509 -addext basicConstraints=critical,CA:FALSE …`"
    )]
    OfAuthority,
    /// Anything else.
    #[error("the server's certificate is not accepted: {0}")]
    Other(String),
}

fn or(names: &[String]) -> String {
    match names {
        [] => "no name at all (it has no subjectAltName)".into(),
        names => names.join(" or "),
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")?;
        if let Some(status) = self.status {
            write!(f, " with status {status}")?;
        }
        if let Some(code) = self.close_code {
            write!(f, " with close code {code}")?;
        }
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        Ok(())
    }
}

impl Error {
    /// The refusal, if this is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The HTTP status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.refusal()?.status
    }

    /// The problem `code` of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.refusal()?.code.as_deref()
    }

    /// The problem `detail` of a refusal.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.refusal()?.detail.as_deref()
    }

    /// How long the server asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }

    /// Whether the token that was shown has ended.
    pub(crate) fn is_expired(&self) -> bool {
        self.code() == Some("token_expired")
    }

    /// Whether the same request may succeed later. A retry of a publish is safe only under an idempotency key.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Lost(_)
            | Self::Timeout { .. }
            | Self::QueueFull { .. } => true,
            Self::Refused(refusal) => refusal.temporary,
            _ => false,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Whether an HTTP status tells of a passing state (RFC 9110 section 15, RFC 6585, RFC 8470).
pub(crate) fn is_temporary_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_all_it_knows() {
        let error = Error::from(Refusal {
            status: Some(429),
            code: Some("too_many".into()),
            detail: Some("천천히".into()),
            retry_after: Some(Duration::from_secs(3)),
            temporary: true,
            ..Refusal::default()
        });
        assert_eq!(
            error.to_string(),
            "refused with status 429 (too_many): 천천히"
        );
        assert_eq!(error.status(), Some(429));
        assert_eq!(error.code(), Some("too_many"));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        assert!(error.is_temporary());
    }

    #[test]
    fn only_passing_states_are_temporary() {
        for status in [400, 401, 403, 404, 409, 413, 422, 426, 501, 505] {
            assert!(!is_temporary_status(status), "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(is_temporary_status(status), "{status}");
        }
        assert!(!Error::Foreign(String::new()).is_temporary());
        assert!(Error::Lost(String::new()).is_temporary());
    }
}

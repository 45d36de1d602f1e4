//! Every error that a client can see is one row of one table.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tidings_core::{BrokerError, Denied, EventNameError, NameError, PublishError};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $status:literal $close:literal $temporary:literal;)+) => {
        /// What went wrong, for a program to act on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// The whole table.
            pub const ALL: &[Code] = &[$(Code::$variant,)+];

            /// The code as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ }
            }

            /// The HTTP status of the refusal.
            pub const fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)+ }
            }

            /// The WebSocket close code, where it ends a connection.
            pub const fn close_code(self) -> u16 {
                match self { $(Code::$variant => $close,)+ }
            }

            /// Whether the same request may work later.
            pub const fn temporary(self) -> bool {
                match self { $(Code::$variant => $temporary,)+ }
            }

            /// What it means, in a sentence.
            pub const fn summary(self) -> &'static str {
                match self { $(Code::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

// name, HTTP status, WebSocket close code, temporary. Close codes: 4000-4099 are final, 4100-4199
// come back later, 4200-4299 come back at once.
codes! {
    /// The request cannot be understood.
    BadRequest "bad_request" 400 4000 false;
    /// The channel's name is not valid.
    InvalidName "invalid_name" 400 4001 false;
    /// A parameter has a value that it cannot have.
    InvalidParameter "invalid_parameter" 400 4002 false;
    /// A query parameter is not known.
    UnknownParameter "unknown_parameter" 400 4002 false;
    /// The payload is not what it says it is.
    InvalidPayload "invalid_payload" 400 4004 false;
    /// The event name is not valid.
    InvalidEvent "invalid_event" 400 4005 false;
    /// The idempotency key is not valid.
    InvalidKey "invalid_key" 400 4006 false;
    /// The command is not known, or not whole.
    InvalidCommand "invalid_command" 400 4007 false;
    /// More channels than one connection may read.
    TooManyChannels "too_many_channels" 400 4008 false;
    /// More messages than one batch may hold.
    BatchTooLarge "batch_too_large" 400 4009 false;
    /// The connection reads the channel already.
    AlreadySubscribed "already_subscribed" 400 4010 false;
    /// The connection does not read the channel.
    NotSubscribed "not_subscribed" 400 4011 false;
    /// The WebSocket handshake is not valid.
    BadHandshake "bad_handshake" 400 4012 false;
    /// More pings and pongs, or more that inflates, than a connection is worth.
    TooManyFrames "too_many_frames" 400 1008 false;
    /// Who asks is not known: no token or key came, or none that is good.
    Unauthorized "unauthorized" 401 4021 false;
    /// The token has ended; another one is needed.
    TokenExpired "token_expired" 401 4022 false;
    /// The token, the user or the client was revoked.
    Revoked "revoked" 401 4023 false;
    /// The channel may not be read or written.
    Forbidden "forbidden" 403 4003 false;
    /// The request comes from a page of a site that is not allowed.
    OriginNotAllowed "origin_not_allowed" 403 4013 false;
    /// The server does not answer under this name.
    HostNotAllowed "host_not_allowed" 403 4014 false;
    /// There is nothing here.
    NotFound "not_found" 404 4015 false;
    /// The method does not fit here.
    MethodNotAllowed "method_not_allowed" 405 4016 false;
    /// The request took too long to arrive.
    RequestTimeout "request_timeout" 408 4101 true;
    /// The channel has ended.
    ChannelClosed "channel_closed" 409 4017 false;
    /// The message is too large.
    MessageTooLarge "message_too_large" 413 1009 false;
    /// The request's body is too large.
    BodyTooLarge "body_too_large" 413 1009 false;
    /// The idempotency key was used for another message.
    KeyReused "key_reused" 422 4018 false;
    /// The answer needs a WebSocket handshake.
    UpgradeRequired "upgrade_required" 426 4019 false;
    /// Too much in too little time; later is right.
    TooManyRequests "too_many_requests" 429 4100 true;
    /// The request's head is too large.
    HeadTooLarge "head_too_large" 431 4020 false;
    /// Something broke in the server.
    Internal "internal" 500 1011 true;
    /// The server is full.
    ServerFull "server_full" 503 4102 true;
    /// The broker does not answer.
    BrokerUnavailable "broker_unavailable" 503 1013 true;
    /// The application that decides who may does not answer.
    AuthorizerUnavailable "authorizer_unavailable" 503 4103 true;
    /// The server is going away.
    Stopping "stopping" 503 1001 true;
    /// Nothing was heard of the client for too long.
    NoHeartbeat "no_heartbeat" 408 4201 true;
    /// The reader fell too far behind, and its channel ends such readings.
    TooSlow "too_slow" 409 4203 true;
    /// The operator ended the connection; it may come back.
    Disconnected "disconnected" 409 4104 true;
    /// Messages were lost and the raw format cannot say so.
    RawGap "raw_gap" 409 4202 true;
}

impl Code {
    /// Its place in the table.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A refusal: the code, and a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// For the program.
    pub code: Code,
    /// For the person: what was wrong and how to mend it.
    pub detail: String,
    /// How long to wait before it is tried again, where that is known.
    pub after: Option<Duration>,
    /// The channels that it is about, where a request named several and only some are refused.
    pub channels: Vec<String>,
}

impl Problem {
    /// A refusal.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            after: None,
            channels: Vec::new(),
        }
    }

    /// The same, about these channels of a request.
    #[must_use]
    pub fn about(mut self, channels: Vec<String>) -> Self {
        self.channels = channels;
        self
    }

    /// The same, to be tried again after a time.
    #[must_use]
    pub fn after(mut self, after: Duration) -> Self {
        self.after = Some(after);
        self
    }

    /// The body of an HTTP answer (RFC 9457, `application/problem+json`).
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'static str,
            title: &'a str,
            status: u16,
            code: &'a str,
            detail: &'a str,
            #[serde(skip_serializing_if = "<[String]>::is_empty")]
            channels: &'a [String],
        }
        let body = Body {
            r#type: "about:blank",
            title: self.code.summary(),
            status: self.code.status(),
            code: self.code.as_str(),
            detail: &self.detail,
            channels: &self.channels,
        };
        serde_json::to_vec(&body).expect("strings and numbers always serialise")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Problem {}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::new(Code::InvalidName, error.to_string())
    }
}

impl From<EventNameError> for Problem {
    fn from(error: EventNameError) -> Self {
        Self::new(Code::InvalidEvent, error.to_string())
    }
}

impl From<Denied> for Problem {
    fn from(error: Denied) -> Self {
        let code = match error {
            Denied::Unknown => Code::Unauthorized,
            _ => Code::Forbidden,
        };
        Self::new(code, error.to_string())
    }
}

impl From<BrokerError> for Problem {
    fn from(error: BrokerError) -> Self {
        let code = match error {
            BrokerError::TooManyChannels
            | BrokerError::TooMuchHistory
            | BrokerError::TooManyMembers
            | BrokerError::TooManyTickets
            | BrokerError::TooManyRevocations => Code::ServerFull,
            BrokerError::Unavailable => Code::BrokerUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Closed(_) => Self::new(Code::ChannelClosed, error.to_string()),
            PublishError::KeyReused => Self::new(Code::KeyReused, error.to_string()),
            PublishError::Broker(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_consistent() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let close = code.close_code();
            let comes_back = matches!(close, 1001 | 1011..=1013 | 4100..=4299);
            assert_eq!(comes_back, code.temporary(), "{code:?}");
            assert!((400..600).contains(&code.status()));
        }
    }
}

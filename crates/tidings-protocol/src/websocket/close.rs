//! Close codes and the payload of close frames (RFC 6455, sections 5.5.1 and 7.4). What a code of
//! 4000 and above means is the table of codes' business, and when to close the connection's.

use std::fmt;

use super::{FrameError, MAX_CONTROL_PAYLOAD};

/// The longest reason that a close frame can carry, in bytes of UTF-8.
pub const MAX_CLOSE_REASON: usize = MAX_CONTROL_PAYLOAD - 2;

/// A close code that may stand on the wire: 1000–1003, 1007–1014, 3000–4999. The ones that only an
/// API may show (1005, 1006, 1015) and those without a meaning cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away (a server shuts down, a page is left).
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that the endpoint does not take.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: data that is not what its kind says, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: against the endpoint's policy.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message that is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// 1011: the server failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts.
    pub const RESTART: Self = Self(1012);
    /// 1013: try again later.
    pub const TRY_AGAIN: Self = Self(1013);

    /// `code`, if it may stand on the wire.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a client's close frame says, if it says anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    /// Why.
    pub code: CloseCode,
    /// The same for people, up to [`MAX_CLOSE_REASON`] bytes, often empty. Written by the client:
    /// not to be trusted.
    pub reason: String,
}

impl CloseFrame {
    /// Parses the unmasked payload of a close frame; an empty one says nothing.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() {
                Ok(None)
            } else {
                Err(FrameError::CloseTruncated)
            };
        };
        let code = u16::from_be_bytes(*code);
        let code = CloseCode::new(code).ok_or(FrameError::CloseCodeInvalid(code))?;
        let reason = std::str::from_utf8(reason).map_err(|_| FrameError::Utf8Invalid)?;
        Ok(Some(Self {
            code,
            reason: reason.to_owned(),
        }))
    }
}

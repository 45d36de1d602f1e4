//! What a client's frames can do wrong, and the close code that answers it. It does not decide what
//! else happens to the connection.

use std::fmt;

use super::CloseCode;

/// Why a connection must be failed (RFC 6455, section 7.1.7). Every variant is final: the bytes
/// after it have no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A close frame carries a code that must not be sent (sections 7.4.1 and 7.4.2).
    CloseCodeInvalid(u16),
    /// A close frame carries one byte, half of a code (section 5.5.1).
    CloseTruncated,
    /// A continuation frame, but no message is under way (section 5.4).
    ContinuationUnexpected,
    /// A control frame without the FIN bit (section 5.5).
    ControlFragmented,
    /// A control frame of more than 125 bytes (section 5.5).
    ControlTooLong,
    /// A deflated message that is not whole blocks of DEFLATE (RFC 7692, section 7.2.2).
    DeflateInvalid,
    /// A text or binary frame inside a fragmented message (section 5.4).
    FragmentExpected,
    /// A length that a shorter form could say (section 5.2).
    LengthNotMinimal,
    /// A 64-bit length with its highest bit set (section 5.2).
    LengthOverflow,
    /// A message of more than `limit` bytes over all its fragments, inflated (section 10.4).
    MessageTooBig {
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// A client frame without a mask (section 5.1).
    NotMasked,
    /// RSV1, RSV2 or RSV3 set where no extension that was negotiated gives it a meaning (section
    /// 5.2; RFC 7692, section 6).
    ReservedBits,
    /// An opcode that RFC 6455 keeps for later (section 5.2).
    ReservedOpcode(u8),
    /// Text or a close reason that is not UTF-8 (section 8.1).
    Utf8Invalid,
}

impl FrameError {
    /// The code of the close frame that answers this error: 1002, 1007 or 1009. RFC 7692 names none
    /// for data that does not inflate; it is a payload that is not what its frame says, as with text.
    #[must_use]
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::MessageTooBig { .. } => CloseCode::TOO_BIG,
            Self::DeflateInvalid | Self::Utf8Invalid => CloseCode::INVALID_PAYLOAD,
            _ => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloseCodeInvalid(code) => write!(
                f,
                "close code {code} must not be sent; use 1000 or 3000-4999"
            ),
            Self::CloseTruncated => {
                f.write_str("a close payload is empty or begins with a code of 2 bytes")
            }
            Self::ContinuationUnexpected => {
                f.write_str("continuation frame, but no message is under way")
            }
            Self::ControlFragmented => f.write_str("control frames must not be fragmented"),
            Self::ControlTooLong => f.write_str("control frames carry at most 125 bytes"),
            Self::DeflateInvalid => f.write_str(
                "the compressed message is not whole, valid DEFLATE data without its last 00 00 ff ff",
            ),
            Self::FragmentExpected => {
                f.write_str("a new message began before the fragmented one ended")
            }
            Self::LengthNotMinimal => f.write_str("the payload length must use its shortest form"),
            Self::LengthOverflow => f.write_str("the payload length must be below 2^63"),
            Self::MessageTooBig { limit } => write!(f, "a message may have at most {limit} bytes"),
            Self::NotMasked => f.write_str("client frames must be masked"),
            Self::ReservedBits => {
                f.write_str("a reserved bit is set that no negotiated extension uses there")
            }
            Self::ReservedOpcode(opcode) => write!(f, "opcode {opcode} is reserved"),
            Self::Utf8Invalid => f.write_str("text must be UTF-8; send other bytes as binary"),
        }
    }
}

impl std::error::Error for FrameError {}

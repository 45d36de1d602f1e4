//! The server's part of the opening handshake (RFC 6455, section 4.2) as a function of plain
//! values. It knows no HTTP library, writes no response, and judges neither `Origin` nor `Host` nor
//! who the client is.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::{Digest, Sha1};

use super::extension::{Deflate, Offer};

/// The subprotocol that the server speaks, with or without being asked for it.
pub const SUBPROTOCOL: &str = "tidings.v1";

const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the `101 Switching Protocols` response needs besides `Upgrade: websocket` and `Connection:
/// Upgrade`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept`; `None` over HTTP/2, which has no such header.
    pub accept: Option<String>,
    /// What was agreed on about compression; `None`: no frame is compressed.
    pub deflate: Option<Deflate>,
    /// The value of `Sec-WebSocket-Extensions`, which says the same; `None`: no such header.
    pub extensions: Option<String>,
    /// The value of `Sec-WebSocket-Protocol`: [`SUBPROTOCOL`] if it was offered; `None`: no such
    /// header.
    pub subprotocol: Option<&'static str>,
}

/// Why an upgrade is refused. Displayed, each says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// A body is announced, which would be read as frames, or the frames as a body.
    BodyAnnounced,
    /// `Connection` does not hold the token `upgrade`.
    ConnectionNotUpgrade,
    /// `Sec-WebSocket-Extensions` is not a list of extensions (section 9.1).
    ExtensionsInvalid,
    /// HTTP/1.0 or older.
    HttpTooOld,
    /// `Sec-WebSocket-Key` is missing, there twice, or not the base64 of 16 bytes.
    KeyInvalid,
    /// Not a GET.
    MethodNotGet,
    /// `Upgrade` does not hold the token `websocket`.
    UpgradeNotWebsocket,
    /// `Sec-WebSocket-Version` is missing, there twice, or not 13.
    VersionUnsupported,
}

impl HandshakeError {
    /// The HTTP status of the refusal: 426 for a version (section 4.4), else 400.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::VersionUnsupported => 426,
            _ => 400,
        }
    }

    /// The headers that the refusal must have. RFC 9110, section 15.5.22 wants `Upgrade` on every
    /// 426.
    #[must_use]
    pub const fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::VersionUnsupported => &[
                ("sec-websocket-version", "13"),
                ("upgrade", "websocket"),
                ("connection", "upgrade"),
            ],
            _ => &[],
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BodyAnnounced => "a WebSocket upgrade has no body: leave out Content-Length and Transfer-Encoding",
            Self::ConnectionNotUpgrade => {
                "send \"Connection: Upgrade\"; if you do, a proxy on the way drops it and must be told to pass upgrades on"
            }
            Self::ExtensionsInvalid => {
                "write Sec-WebSocket-Extensions as a list such as \"permessage-deflate; client_max_window_bits\", or leave it out"
            }
            Self::HttpTooOld => "a WebSocket upgrade needs HTTP/1.1; a proxy on the way may speak HTTP/1.0 to this server",
            Self::KeyInvalid => "send exactly one Sec-WebSocket-Key: 16 random bytes in base64 (24 characters)",
            Self::MethodNotGet => "a WebSocket upgrade is a GET request",
            Self::UpgradeNotWebsocket => "send \"Upgrade: websocket\"",
            Self::VersionUnsupported => "send exactly one \"Sec-WebSocket-Version: 13\": no other version is spoken here",
        })
    }
}

impl std::error::Error for HandshakeError {}

/// Judges a request for an upgrade. `http_version` is (1, 1) for HTTP/1.1. `headers` gives all
/// values of the header of a name (in lower case; to be compared in any case), each as it stood in
/// a line of its own. `compresses`: whether permessage-deflate is agreed to where it is offered.
///
/// # Errors
/// The first condition of section 4.2.1 that is not met; last comes the grammar of section 9.1.
///
/// ```
/// use tidings_protocol::websocket::accept;
///
/// let request = [
///     ("connection", "keep-alive, Upgrade"),
///     ("upgrade", "websocket"),
///     ("sec-websocket-version", "13"),
///     ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
/// ];
/// let values = |name| request.iter().filter(move |line| line.0 == name).map(|line| line.1.as_bytes());
/// let handshake = accept("GET", (1, 1), values, true)?;
/// assert_eq!(handshake.accept.as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
/// assert_eq!(handshake.extensions, None, "none was offered");
/// # Ok::<(), tidings_protocol::websocket::HandshakeError>(())
/// ```
pub fn accept<'h, I>(
    method: &str,
    http_version: (u8, u8),
    headers: impl Fn(&'static str) -> I,
    compresses: bool,
) -> Result<Handshake, HandshakeError>
where
    I: Iterator<Item = &'h [u8]>,
{
    check_upgrade(method, http_version, &headers)?;
    let handshake = accept_tunnel(&headers, compresses)?;
    let key = only(headers("sec-websocket-key"))
        .filter(|key| is_key(key))
        .ok_or(HandshakeError::KeyInvalid)?;
    Ok(Handshake {
        accept: Some(accept_key(key)),
        ..handshake
    })
}

/// Judges an extended CONNECT over HTTP/2 (RFC 8441, section 5), which asks for a WebSocket without
/// an upgrade and without a key.
///
/// # Errors
/// The version is not 13, or the extensions are no list.
pub fn accept_tunnel<'h, I>(
    headers: impl Fn(&'static str) -> I,
    compresses: bool,
) -> Result<Handshake, HandshakeError>
where
    I: Iterator<Item = &'h [u8]>,
{
    let version = only(headers("sec-websocket-version"));
    if version != Some(b"13") {
        return Err(HandshakeError::VersionUnsupported);
    }
    let deflate_offer = Offer::first(headers("sec-websocket-extensions"))
        .map_err(|_| HandshakeError::ExtensionsInvalid)?
        .filter(|_| compresses);
    let offered =
        tokens(headers("sec-websocket-protocol")).any(|token| token == SUBPROTOCOL.as_bytes());
    Ok(Handshake {
        accept: None,
        deflate: deflate_offer.map(Offer::deflate),
        extensions: deflate_offer.map(Offer::response),
        subprotocol: offered.then_some(SUBPROTOCOL),
    })
}

fn check_upgrade<'h, I: Iterator<Item = &'h [u8]>>(
    method: &str,
    http_version: (u8, u8),
    headers: &impl Fn(&'static str) -> I,
) -> Result<(), HandshakeError> {
    let require = |met: bool, error| if met { Ok(()) } else { Err(error) };
    require(method == "GET", HandshakeError::MethodNotGet)?;
    require(http_version >= (1, 1), HandshakeError::HttpTooOld)?;
    require(!announces_body(headers), HandshakeError::BodyAnnounced)?;
    require(
        requests_upgrade(headers("upgrade")),
        HandshakeError::UpgradeNotWebsocket,
    )?;
    let is_upgrade = |token: &[u8]| token.eq_ignore_ascii_case(b"upgrade");
    require(
        tokens(headers("connection")).any(is_upgrade),
        HandshakeError::ConnectionNotUpgrade,
    )
}

/// Whether a request with these values of `Upgrade` asks for a WebSocket, rightly or not.
pub fn requests_upgrade<'h>(upgrade: impl Iterator<Item = &'h [u8]>) -> bool {
    tokens(upgrade).any(|token| token.eq_ignore_ascii_case(b"websocket"))
}

fn announces_body<'h, I: Iterator<Item = &'h [u8]>>(headers: impl Fn(&'static str) -> I) -> bool {
    let is_zero = |value: &[u8]| !value.is_empty() && value.iter().all(|&digit| digit == b'0');
    !headers("content-length").all(|value| is_zero(value.trim_ascii()))
        || headers("transfer-encoding").next().is_some()
}

/// The elements of comma-separated lists, over all lines of a header, without the white space
/// around them.
fn tokens<'h>(values: impl Iterator<Item = &'h [u8]>) -> impl Iterator<Item = &'h [u8]> {
    values
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
}

/// The value of a header that must stand there exactly once.
fn only<'h>(mut values: impl Iterator<Item = &'h [u8]>) -> Option<&'h [u8]> {
    let value = values.next()?;
    values.next().is_none().then(|| value.trim_ascii())
}

/// 16 bytes in base64: 22 characters and the padding. The last one's 4 unused bits may have any
/// value, as clients that draw characters instead of bytes leave them.
fn is_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==")
        .is_some_and(|body| body.len() == 22 && body.iter().all(is_base64))
}

fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update(KEY_SUFFIX)
        .finalize();
    STANDARD.encode(digest)
}

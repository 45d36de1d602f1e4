//! The negotiation of permessage-deflate (RFC 7692, section 7.1) in the grammar of
//! `Sec-WebSocket-Extensions` (RFC 6455, section 9.1). It knows no other extension, and compresses
//! nothing.
//!
//! No context is ever taken over from one message to the next, in neither direction: only so can
//! one deflated frame serve all readers, and an idle connection keep no window.

use std::borrow::Cow;

/// permessage-deflate, as it was agreed on. A connection keeps it for its reading and its writing
/// side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    window_bits: u8,
}

impl Deflate {
    /// For a client that inflates with a window of 2^`window_bits` bytes: 8 to 15.
    #[must_use]
    pub const fn new(window_bits: u8) -> Option<Self> {
        match window_bits {
            8..=15 => Some(Self { window_bits }),
            _ => None,
        }
    }

    /// Whether the client can inflate every deflated message of `payload_len` bytes before
    /// compression. References go back 2^15 bytes at most, and never beyond the start of their own
    /// message.
    #[must_use]
    pub const fn inflates(self, payload_len: usize) -> bool {
        self.inflates_all() || payload_len <= 1 << self.window_bits
    }

    /// Whether the client can inflate deflated messages of every length.
    #[must_use]
    pub const fn inflates_all(self) -> bool {
        self.window_bits == MAX_WINDOW_BITS
    }
}

const NAME: &[u8] = b"permessage-deflate";
const MAX_WINDOW_BITS: u8 = 15;
/// Offers beyond these are not read: clients make one or two.
const MAX_OFFERS: usize = 16;

/// A header that is not in the grammar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// An offer of permessage-deflate that is lawful so far.
#[derive(Clone, Copy, Default)]
pub(super) struct Offer {
    /// One bit for each parameter that was there.
    seen: u8,
    server_window_bits: Option<u8>,
}

impl Offer {
    /// The first acceptable offer of these lines. Linear in their bytes.
    pub(super) fn first<'h>(
        lines: impl Iterator<Item = &'h [u8]>,
    ) -> Result<Option<Self>, Malformed> {
        let mut first = None;
        let mut offers = 0;
        let mut is_absent = true;
        for line in lines {
            is_absent = false;
            let mut scanner = Scanner { rest: line };
            while scanner.begins_element() {
                first = first.or(Self::parse(&mut scanner)?);
                offers += 1;
                if offers == MAX_OFFERS {
                    return Ok(first);
                }
            }
        }
        if is_absent || offers > 0 {
            Ok(first)
        } else {
            Err(Malformed)
        }
    }

    /// What a connection keeps of it.
    pub(super) fn deflate(self) -> Deflate {
        Deflate {
            window_bits: self.server_window_bits.unwrap_or(MAX_WINDOW_BITS),
        }
    }

    /// The extension as the response has it (section 7.1).
    pub(super) fn response(self) -> String {
        let mut response =
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
        if let Some(bits) = self.server_window_bits {
            response.push_str(&format!("; server_max_window_bits={bits}"));
        }
        response
    }

    /// An element of the list; `None` if it is another extension, or one to decline.
    fn parse(scanner: &mut Scanner) -> Result<Option<Self>, Malformed> {
        let name = scanner.token()?;
        let mut offer = (name == NAME).then(Self::default);
        while scanner.takes(b';') {
            let parameter = scanner.token()?;
            let value = if scanner.takes(b'=') {
                Some(scanner.value()?)
            } else {
                None
            };
            offer = offer.and_then(|offer| offer.with(parameter, value.as_deref()));
        }
        scanner.ends_element()?;
        Ok(offer)
    }

    /// With one parameter more. `None`: the offer is to be declined (section 7.1.1 to 7.1.2).
    fn with(mut self, parameter: &[u8], value: Option<&[u8]>) -> Option<Self> {
        let bit = match (parameter, value) {
            (b"server_no_context_takeover", None) => 1,
            (b"client_no_context_takeover", None) => 2,
            (b"server_max_window_bits", Some(value)) => {
                self.server_window_bits = Some(parse_window_bits(value)?);
                4
            }
            // The server inflates with the largest window, so the client may use any.
            (b"client_max_window_bits", value) => {
                value.map_or(Some(MAX_WINDOW_BITS), parse_window_bits)?;
                8
            }
            _ => return None,
        };
        let is_first = self.seen & bit == 0;
        self.seen |= bit;
        is_first.then_some(self)
    }
}

/// 8 to 15 without leading zeroes.
fn parse_window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// Reads one line from its front.
struct Scanner<'h> {
    rest: &'h [u8],
}

impl<'h> Scanner<'h> {
    /// Whether an element of the list follows; what is empty between commas is none.
    fn begins_element(&mut self) -> bool {
        while self.takes(b',') {}
        !self.rest.is_empty()
    }

    fn ends_element(&mut self) -> Result<(), Malformed> {
        if self.takes(b',') || self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    /// Takes `byte`, and white space before it, if it follows.
    fn takes(&mut self, byte: u8) -> bool {
        self.skip_space();
        let Some(rest) = self.rest.strip_prefix(&[byte]) else {
            return false;
        };
        self.rest = rest;
        true
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn token(&mut self) -> Result<&'h [u8], Malformed> {
        self.skip_space();
        let is_end = |byte: &u8| !is_token_byte(*byte);
        let end = self.rest.iter().position(is_end);
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if token.is_empty() {
            Err(Malformed)
        } else {
            Ok(token)
        }
    }

    fn value(&mut self) -> Result<Cow<'h, [u8]>, Malformed> {
        if self.takes(b'"') {
            self.quoted().map(Cow::Owned)
        } else {
            self.token().map(Cow::Borrowed)
        }
    }

    /// The rest of a quoted string: without its quotes and backslashes it must be a token.
    fn quoted(&mut self) -> Result<Vec<u8>, Malformed> {
        let mut value = Vec::new();
        loop {
            let byte = match self.next()? {
                b'"' if value.is_empty() => return Err(Malformed),
                b'"' => return Ok(value),
                b'\\' => self.next()?,
                byte => byte,
            };
            if !is_token_byte(byte) {
                return Err(Malformed);
            }
            value.push(byte);
        }
    }

    fn next(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*byte)
    }
}

/// RFC 9110, section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

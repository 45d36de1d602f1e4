//! `Sec-WebSocket-Extensions`: each line is a header line of the handshake.
//!
//! What is agreed on is what RFC 7692 section 7.1 allows, by a reading of the grammar of RFC 6455
//! section 9.1 that is written down here once more: the first lawful offer of permessage-deflate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_protocol::websocket::{Deflate, HandshakeError, accept_tunnel};

/// Offers that are read; what stands behind them is not looked at.
const MAX_OFFERS: usize = 16;

/// The name of an extension or parameter, and its value without quotes.
type Parameter = (Vec<u8>, Option<Vec<u8>>);

fuzz_target!(|input: &[u8]| {
    let lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    let headers = |name| {
        let lines = match name {
            "sec-websocket-version" => vec![&b"13"[..]],
            "sec-websocket-extensions" => lines.clone(),
            _ => Vec::new(),
        };
        lines.into_iter()
    };
    let expected = read(&lines).map(|offers| offers.iter().find_map(|offer| lawful(offer)));
    let agreed = accept_tunnel(headers, true);
    let refused = accept_tunnel(headers, false);
    let Some(offer) = expected else {
        assert_eq!(agreed, Err(HandshakeError::ExtensionsInvalid));
        assert_eq!(refused, Err(HandshakeError::ExtensionsInvalid));
        return;
    };
    let (agreed, refused) = (agreed.expect("a list"), refused.expect("a list"));
    assert_eq!((refused.deflate, refused.extensions), (None, None));
    let Some(window) = offer else {
        assert_eq!((agreed.deflate, agreed.extensions), (None, None));
        return;
    };
    let mut answer =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    if let Some(bits) = window {
        answer += &format!("; server_max_window_bits={bits}");
    }
    assert_eq!(agreed.extensions, Some(answer));
    assert_eq!(agreed.deflate, Deflate::new(window.unwrap_or(15)));
});

/// The window that the server shall keep to, if the offer may be accepted.
fn lawful(offer: &[Parameter]) -> Option<Option<u8>> {
    let (name, parameters) = offer.split_first()?;
    if name.0 != b"permessage-deflate" {
        return None;
    }
    let mut window = None;
    for (at, (name, value)) in parameters.iter().enumerate() {
        if parameters[..at].iter().any(|before| before.0 == *name) {
            return None;
        }
        match (&name[..], value.as_deref().map(window_bits)) {
            (b"server_no_context_takeover" | b"client_no_context_takeover", None) => {}
            (b"client_max_window_bits", None | Some(Some(_))) => {}
            (b"server_max_window_bits", Some(Some(bits))) => window = Some(bits),
            _ => return None,
        }
    }
    Some(window)
}

fn window_bits(value: &[u8]) -> Option<u8> {
    (8..=15).find(|bits| value == bits.to_string().as_bytes())
}

/// The offers of all lines, if they are in the grammar as far as they are read.
fn read(lines: &[&[u8]]) -> Option<Vec<Vec<Parameter>>> {
    let mut offers = Vec::new();
    for line in lines {
        for element in split(line, b',') {
            if trim(element).is_empty() {
                continue;
            }
            let offer: Option<Vec<_>> = split(element, b';').into_iter().map(parameter).collect();
            let offer = offer.filter(|offer| offer[0].1.is_none())?;
            offers.push(offer);
            if offers.len() == MAX_OFFERS {
                return Some(offers);
            }
        }
    }
    (!offers.is_empty()).then_some(offers)
}

/// At each separator that is not within quotes.
fn split(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|&byte| {
        let is_end = byte == separator && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        is_end
    })
    .collect()
}

fn parameter(text: &[u8]) -> Option<Parameter> {
    let (name, value) = match text.iter().position(|&byte| byte == b'=') {
        Some(at) => (&text[..at], Some(value(trim(&text[at + 1..]))?)),
        None => (text, None),
    };
    let name = trim(name);
    is_token(name).then(|| (name.to_vec(), value))
}

fn value(text: &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        return Some(text.to_vec()).filter(|value| is_token(value));
    };
    let (mut value, mut escaped) = (Vec::new(), false);
    for (at, &byte) in quoted.iter().enumerate() {
        match byte {
            b'"' if !escaped => {
                let is_last = at + 1 == quoted.len();
                return Some(value).filter(|value| is_last && is_token(value));
            }
            b'\\' if !escaped => escaped = true,
            _ => {
                escaped = false;
                value.push(byte);
            }
        }
    }
    None
}

fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &&u8| matches!(**byte, b' ' | b'\t');
    let front = text.iter().take_while(is_space).count();
    let text = &text[front..];
    let back = text.iter().rev().take_while(is_space).count();
    &text[..text.len() - back]
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &[u8]) -> bool {
    let is_part = |&byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.iter().all(is_part)
}

//! The opening handshake: the first line is the method, then each line is a header, `name:value`.
//!
//! What is accepted is what RFC 6455 section 4.2.1 says, written down here once more, and the key is
//! answered as tungstenite answers it.
#![no_main]

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use libfuzzer_sys::fuzz_target;
use tidings_protocol::websocket::{HandshakeError, accept};
use tungstenite::handshake::derive_accept_key;

fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|&byte| byte == b'\n');
    let method = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let headers: Vec<(String, &[u8])> = lines.filter_map(header).collect();
    let values = |name: &'static str| headers.iter().filter(move |h| h.0 == name).map(|h| h.1);
    let all = |name| values(name).collect::<Vec<_>>();
    assert!(accept(&method, (1, 0), values, false).is_err());
    match accept(&method, (1, 1), values, false) {
        Ok(handshake) => {
            assert!(is_right(&method, all), "{headers:?}");
            let key = values("sec-websocket-key").next().expect("it was there");
            assert_eq!(handshake.accept, Some(derive_accept_key(key.trim_ascii())));
            let offered = has_token(&all("sec-websocket-protocol"), |t| t == b"tidings.v1");
            assert_eq!(handshake.subprotocol.is_some(), offered);
        }
        Err(error) => {
            assert!(!is_right(&method, all), "{error}: {headers:?}");
            let outdated = error == HandshakeError::VersionUnsupported;
            assert_eq!(error.status(), if outdated { 426 } else { 400 });
            assert_eq!(!error.headers().is_empty(), outdated);
        }
    }
});

fn header(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = std::str::from_utf8(&line[..colon])
        .ok()?
        .to_ascii_lowercase();
    Some((name, &line[colon + 1..]))
}

fn is_right<'a>(method: &str, all: impl Fn(&'static str) -> Vec<&'a [u8]>) -> bool {
    let is = |word: &'static str| move |token: &[u8]| token.eq_ignore_ascii_case(word.as_bytes());
    let no_body = all("transfer-encoding").is_empty()
        && all("content-length").iter().all(|length| is_zero(length));
    method == "GET"
        && no_body
        && has_token(&all("upgrade"), is("websocket"))
        && has_token(&all("connection"), is("upgrade"))
        && matches!(&all("sec-websocket-version")[..], [version] if version.trim_ascii() == b"13")
        && matches!(&all("sec-websocket-key")[..], [key] if is_key(key.trim_ascii()))
}

fn has_token(values: &[&[u8]], is: impl Fn(&[u8]) -> bool) -> bool {
    values
        .iter()
        .flat_map(|value| value.split(|&byte| byte == b','))
        .any(|token| is(token.trim_ascii()))
}

fn is_zero(length: &[u8]) -> bool {
    let digits = length.trim_ascii();
    !digits.is_empty() && digits.iter().all(|&digit| digit == b'0')
}

fn is_key(key: &[u8]) -> bool {
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
    let decoded = GeneralPurpose::new(&STANDARD, config).decode(key);
    decoded.is_ok_and(|bytes| bytes.len() == 16)
}

//! Payloads: what bytes are, by what their sender says and by what they hold.

mod pointer;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tidings_core::{Limits, Payload, PayloadKind};

use crate::codes::{Code, Problem};

pub use pointer::at_pointer;

/// The payload of a request's body, by its `Content-Type`.
///
/// `…/json` and `…+json` are JSON, `text/*` is UTF-8 text, a form's type (what `curl -d` says) or
/// none is JSON if valid, else text, else bytes; all else is bytes.
pub fn from_body(content_type: Option<&str>, body: Bytes) -> Result<Payload, Problem> {
    let media = content_type
        .unwrap_or("")
        .split(';')
        .next()
        .unwrap_or("")
        .trim();
    let media = media.to_ascii_lowercase();
    if media.ends_with("/json") || media.ends_with("+json") {
        return json(&body);
    }
    if media.starts_with("text/") {
        return match std::str::from_utf8(&body) {
            Ok(_) => Ok(payload(PayloadKind::Text, body)),
            Err(error) => Err(invalid(format!(
                "text/* is UTF-8, and byte {} of the body is not; send other bytes as application/octet-stream",
                error.valid_up_to()
            ))),
        };
    }
    if media.is_empty() || media == "application/x-www-form-urlencoded" {
        return Ok(guess(body));
    }
    Ok(payload(PayloadKind::Binary, body))
}

/// JSON if valid, else text, else bytes.
pub fn guess(body: Bytes) -> Payload {
    match json(&body) {
        Ok(payload) => payload,
        Err(_) if std::str::from_utf8(&body).is_ok() => payload(PayloadKind::Text, body),
        Err(_) => payload(PayloadKind::Binary, body),
    }
}

/// The payload of `data` in a command or batch: JSON, unless `encoding` says `text` or `base64`.
pub fn from_data(data: Option<&RawValue>, encoding: Option<&str>) -> Result<Payload, Problem> {
    let Some(data) = data else {
        return Err(invalid(
            "`data` is missing; `null` is a payload, too".into(),
        ));
    };
    let string = || {
        serde_json::from_str::<String>(data.get())
            .map_err(|_| invalid("with this `encoding`, `data` is a string".into()))
    };
    match encoding {
        None | Some("json") => json(data.get().as_bytes()),
        Some("text") => Ok(payload(PayloadKind::Text, string()?.into())),
        Some("base64") => match STANDARD.decode(string()?) {
            Ok(bytes) => Ok(payload(PayloadKind::Binary, bytes.into())),
            Err(error) => Err(invalid(format!(
                "`data` is not base64 (RFC 4648 section 4): {error}"
            ))),
        },
        Some(_) => Err(invalid(
            "`encoding` is \"text\" or \"base64\"; without it `data` is JSON".into(),
        )),
    }
}

/// A binary payload.
pub fn binary(bytes: &[u8]) -> Payload {
    payload(PayloadKind::Binary, Bytes::copy_from_slice(bytes))
}

/// Takes valid JSON as it is, without the white space around it.
pub fn json(bytes: &[u8]) -> Result<Payload, Problem> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| invalid("JSON is UTF-8, and this is not".into()))?;
    if depth(text) > Limits::JSON_DEPTH {
        let max = Limits::JSON_DEPTH;
        return Err(invalid(format!(
            "JSON may be nested {max} deep, and this is deeper"
        )));
    }
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| invalid(format!("not valid JSON: {error}; send text as text/plain")))?;
    let json = text.trim_matches([' ', '\t', '\n', '\r']);
    // A copy of its own: a slice would keep the whole read buffer of its request alive.
    Ok(payload(
        PayloadKind::Json,
        Bytes::copy_from_slice(json.as_bytes()),
    ))
}

/// What a value that has no JSON form is refused with.
pub fn unserialisable(error: serde_json::Error) -> Problem {
    invalid(format!("the value cannot be written as JSON: {error}"))
}

/// How deep brackets nest outside of strings; exact for valid JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A payload of bytes that were checked to be of this kind.
pub fn payload(kind: PayloadKind, bytes: Bytes) -> Payload {
    let written = match kind {
        PayloadKind::Json => bytes.len(),
        PayloadKind::Text => 2 + bytes.iter().map(|&byte| escaped_len(byte)).sum::<usize>(),
        PayloadKind::Binary => 22 + bytes.len().div_ceil(3) * 4,
    };
    Payload {
        kind,
        bytes,
        written,
    }
}

/// Bytes of a byte in a JSON string (RFC 8259 section 7).
fn escaped_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(Code::InvalidPayload, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(content_type: Option<&str>, body: &'static [u8]) -> Result<Payload, Code> {
        from_body(content_type, Bytes::from_static(body)).map_err(|problem| problem.code)
    }

    #[test]
    fn a_body_is_what_its_type_says() {
        let kind = |t, b| body(t, b).map(|p| p.kind);
        assert_eq!(kind(Some("application/json"), b"{}"), Ok(PayloadKind::Json));
        assert_eq!(
            kind(Some("application/ld+json; charset=utf-8"), b"[]"),
            Ok(PayloadKind::Json)
        );
        assert_eq!(
            kind(Some("Application/JSON"), b"{"),
            Err(Code::InvalidPayload)
        );
        assert_eq!(
            kind(Some("text/plain"), "안녕".as_bytes()),
            Ok(PayloadKind::Text)
        );
        assert_eq!(kind(Some("text/plain"), b"{}"), Ok(PayloadKind::Text));
        assert_eq!(kind(Some("text/plain"), b"\xff"), Err(Code::InvalidPayload));
        assert_eq!(kind(Some("image/png"), b"{}"), Ok(PayloadKind::Binary));
        for guessed in [None, Some("application/x-www-form-urlencoded"), Some("")] {
            assert_eq!(kind(guessed, b"1"), Ok(PayloadKind::Json));
            assert_eq!(kind(guessed, "a=b 🎉".as_bytes()), Ok(PayloadKind::Text));
            assert_eq!(kind(guessed, b""), Ok(PayloadKind::Text));
            assert_eq!(kind(guessed, b"\xff\x00"), Ok(PayloadKind::Binary));
        }
    }

    #[test]
    fn json_keeps_its_digits() {
        let p = body(
            Some("application/json"),
            b" {\"a\": 1.000, \"b\":1e400 , \"a\":2}\r\n",
        )
        .unwrap();
        assert_eq!(&p.bytes[..], b"{\"a\": 1.000, \"b\":1e400 , \"a\":2}");
    }

    #[test]
    fn what_is_written_is_known_before() {
        for bytes in ["", "안녕\n\u{1}\u{7f}\"\\\t", "a\r\u{8}\u{c}\u{1f}"] {
            let payload = payload(PayloadKind::Text, bytes.into());
            assert_eq!(
                payload.written,
                serde_json::to_string(bytes).unwrap().len(),
                "{bytes:?}"
            );
        }
        assert_eq!(
            binary(&[1, 2, 3, 4]).written,
            r#""encoding":"base64","data":"AQIDBA==""#.len() - r#""data":"#.len()
        );
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(json(nested(64).as_bytes()).is_ok());
        assert!(json(nested(65).as_bytes()).is_err());
        assert!(json(nested(100_000).as_bytes()).is_err());
        assert!(json(br#""[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[[[[[[[[[""#).is_ok());
        for bad in [
            "",
            " ",
            "\u{feff}{}",
            "{,}",
            "nul",
            "1 2",
            "\"\u{1}\"",
            "[1,]",
        ] {
            assert!(json(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(json(b"\"\xff\"").is_err());
    }

    #[test]
    fn data_by_encoding() {
        let data = |text: &str, encoding| {
            let raw = RawValue::from_string(text.into()).unwrap();
            from_data(Some(&raw), encoding).map(|p| (p.kind, p.bytes.to_vec()))
        };
        assert_eq!(
            data("1.0", None).unwrap(),
            (PayloadKind::Json, b"1.0".to_vec())
        );
        assert_eq!(
            data(r#""a\n""#, Some("text")).unwrap(),
            (PayloadKind::Text, b"a\n".to_vec())
        );
        assert_eq!(
            data(r#""AP8=""#, Some("base64")).unwrap(),
            (PayloadKind::Binary, vec![0, 255])
        );
        assert!(data("1", Some("text")).is_err());
        assert!(data(r#""A""#, Some("base64")).is_err());
        assert!(data(r#""A""#, Some("hex")).is_err());
        assert!(from_data(None, None).is_err());
    }
}

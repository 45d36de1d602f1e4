//! Bytes as text with visible escapes, and back.

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// These bytes.
    Literal(Vec<u8>),
    /// What stands for something else.
    Hole(String),
}

/// Makes every byte visible. What is UTF-8 and no control character stays as it is.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\\' => out.push_str("\\\\"),
                control if control.is_ascii_control() => {
                    out.push_str(&format!("\\x{:02x}", control as u32))
                }
                plain => out.push(plain),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// The bytes and holes of a line.
pub fn tokens(mut line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut literal = Vec::new();
    while let Some(first) = line.chars().next() {
        if let Some(hole) = line.strip_prefix("${") {
            let (name, rest) = hole
                .split_once('}')
                .ok_or_else(|| format!("a hole without end: {line}"))?;
            tokens.push(Token::Literal(std::mem::take(&mut literal)));
            tokens.push(Token::Hole(name.to_owned()));
            line = rest;
        } else if first == '\\' {
            let (byte, length) =
                unescape(line).ok_or_else(|| format!("what is this escape? {line}"))?;
            literal.push(byte);
            line = &line[length..];
        } else {
            literal.extend_from_slice(&line.as_bytes()[..first.len_utf8()]);
            line = &line[first.len_utf8()..];
        }
    }
    tokens.push(Token::Literal(literal));
    Ok(tokens)
}

/// The byte of an escape, and how long the escape is.
fn unescape(text: &str) -> Option<(u8, usize)> {
    match text.as_bytes().get(1)? {
        b'r' => Some((b'\r', 2)),
        b'n' => Some((b'\n', 2)),
        b't' => Some((b'\t', 2)),
        b'\\' => Some((b'\\', 2)),
        b'x' => Some((u8::from_str_radix(text.get(2..4)?, 16).ok()?, 4)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_comes_back() {
        let bytes = [
            b"GET \\ \r\n\t\x00\x7f\xff".as_slice(),
            "안녕 🎉".as_bytes(),
            b"\xed\xa0",
        ]
        .concat();
        let text = escape(&bytes);
        assert_eq!(text, "GET \\\\ \\r\\n\\t\\x00\\x7f\\xff안녕 🎉\\xed\\xa0");
        assert_eq!(tokens(&text), Ok(vec![Token::Literal(bytes)]));
    }

    #[test]
    fn holes_stand_between_bytes() {
        let wanted = vec![
            Token::Literal(b"a".to_vec()),
            Token::Hole("epoch".into()),
            Token::Literal(b"-1\n".to_vec()),
        ];
        assert_eq!(tokens("a${epoch}-1\\n"), Ok(wanted));
        assert!(tokens("${epoch").is_err());
        assert!(tokens("\\q").is_err());
    }
}

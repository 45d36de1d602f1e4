//! Lines of an input, handed over as they come. A thread reads, because a read of standard input
//! cannot be given up; a short queue bounds what is read ahead.

use std::io::{self, BufRead, BufReader, Read};

use tokio::sync::mpsc;

/// Bytes of a line. A longer one is left out and told.
pub const BYTES_MAX: usize = 1 << 20;

/// Lines that are read ahead.
const AHEAD: usize = 16;

/// What came of one line.
#[derive(Debug)]
pub enum Line {
    /// The line without its end (LF or CRLF). At the end of the input it needs none.
    Whole(Vec<u8>),
    /// It was longer than [`BYTES_MAX`]; its bytes are gone.
    TooLong,
    /// The input broke; nothing follows.
    Failed(io::Error),
}

/// Begins to read lines. The thread ends with the input, or with the next line after the receiver
/// is gone.
///
/// # Errors
///
/// The system gives no thread.
pub fn read(input: impl Read + Send + 'static) -> io::Result<mpsc::Receiver<Line>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    std::thread::Builder::new()
        .name("lines".into())
        .spawn(move || {
            let mut input = BufReader::new(input);
            while let Some(line) = next(&mut input) {
                let failed = matches!(line, Line::Failed(_));
                if sender.blocking_send(line).is_err() || failed {
                    return;
                }
            }
        })?;
    Ok(receiver)
}

fn next(input: &mut impl BufRead) -> Option<Line> {
    let mut line = Vec::new();
    let most = BYTES_MAX as u64 + 2;
    match input.by_ref().take(most).read_until(b'\n', &mut line) {
        Ok(0) => return None,
        Ok(_) => {}
        Err(error) => return Some(Line::Failed(error)),
    }
    let ended = line.last() == Some(&b'\n');
    if ended {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() <= BYTES_MAX {
        return Some(Line::Whole(line));
    }
    if !ended && let Err(error) = input.skip_until(b'\n') {
        return Some(Line::Failed(error));
    }
    Some(Line::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> Vec<String> {
        let mut input = input;
        std::iter::from_fn(|| next(&mut input))
            .map(|line| match line {
                Line::Whole(line) if line.len() > 100 => format!("{} bytes", line.len()),
                Line::Whole(line) => String::from_utf8(line).unwrap(),
                Line::TooLong => "too long".into(),
                Line::Failed(error) => panic!("{error}"),
            })
            .collect()
    }

    #[test]
    fn ends_of_lines() {
        assert_eq!(
            all("안녕\r\n\n👋 a\rb\nend".as_bytes()),
            ["안녕", "", "👋 a\rb", "end"]
        );
        assert_eq!(all(b""), [""; 0]);
    }

    #[test]
    fn lines_at_the_bound() {
        let line = |bytes: usize, end: &str| format!("{}{end}", "x".repeat(bytes));
        let whole = format!("{BYTES_MAX} bytes");
        for end in ["\n", "\r\n"] {
            let input = line(BYTES_MAX, end) + "next";
            assert_eq!(all(input.as_bytes()), [whole.as_str(), "next"]);
            for more in [1, 2, 3, BYTES_MAX] {
                let input = line(BYTES_MAX + more, end) + "next";
                assert_eq!(all(input.as_bytes()), ["too long", "next"], "{more}");
            }
        }
        assert_eq!(all(line(BYTES_MAX, "").as_bytes()), [whole]);
        assert_eq!(all(line(BYTES_MAX + 1, "").as_bytes()), ["too long"]);
    }
}

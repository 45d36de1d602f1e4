//! The event stream of the HTML standard (section 9.2.6, "Interpreting an event stream"), as a pure state machine:
//! bytes in any pieces go in, events come out. It does no I/O and knows nothing of what the events mean; when to
//! reconnect, and with which id, is decided elsewhere.

use std::time::Duration;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A block with data.
    Event(SseEvent),
    /// A `retry:` field: the reconnection time that the server wishes.
    Retry(Duration),
}

/// One dispatched event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// The `event:` field; empty where there was none, which means `message`.
    pub(crate) name: String,
    /// The `data:` lines, joined by LF.
    pub(crate) data: String,
    /// The last event id, which outlives the event that set it.
    pub(crate) id: String,
}

/// A line, or an event's data, outgrew the limit. The stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// The parser of one stream.
#[derive(Debug)]
pub(crate) struct SseParser {
    /// Largest line, and largest sum of a block's data and the line being read, in bytes.
    limit: usize,
    /// The line being read, without its end.
    line: Vec<u8>,
    /// The last byte was a CR, so an LF that comes next belongs to it.
    after_cr: bool,
    /// No line was completed yet: a BOM may stand here.
    at_start: bool,
    data: String,
    name: String,
    /// The id of the block being read, which counts from its empty line on.
    pending_id: String,
    id: String,
}

impl SseParser {
    /// A parser that holds at most about `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_cr: false,
            at_start: true,
            data: String::new(),
            name: String::new(),
            pending_id: String::new(),
            id: String::new(),
        }
    }

    /// Reads the next piece of the stream and appends what it completes to `items`.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] when a line or an event outgrows the limit; what came before it stands in `items`.
    pub(crate) fn feed(&mut self, mut piece: &[u8], items: &mut Vec<Item>) -> Result<(), TooLarge> {
        if self.after_cr && !piece.is_empty() {
            self.after_cr = false;
            piece = piece.strip_prefix(b"\n").unwrap_or(piece);
        }
        while let Some(end) = piece.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            self.extend_line(&piece[..end])?;
            self.end_line(items)?;
            let is_cr = piece[end] == b'\r';
            piece = &piece[end + 1..];
            if is_cr {
                self.after_cr = piece.is_empty();
                piece = piece.strip_prefix(b"\n").unwrap_or(piece);
            }
        }
        self.extend_line(piece)
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        if self.data.len() + self.line.len() + bytes.len() > self.limit {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, items: &mut Vec<Item>) -> Result<(), TooLarge> {
        let line = std::mem::take(&mut self.line);
        let mut bytes = line.as_slice();
        if std::mem::take(&mut self.at_start) {
            bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        }
        // Line ends are ASCII, so decoding line by line replaces exactly what decoding the stream would.
        let text = String::from_utf8_lossy(bytes);
        if text.is_empty() {
            self.dispatch(items);
        } else {
            let (field, value) = text.split_once(':').unwrap_or((&text, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value), items)?;
        }
        // The allocation is kept for the next line.
        self.line = line;
        self.line.clear();
        Ok(())
    }

    /// A comment is a field without a name, and ignored like every unknown field.
    fn field(&mut self, field: &str, value: &str, items: &mut Vec<Item>) -> Result<(), TooLarge> {
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                // Replacement characters are longer than what they replace, so this is checked again.
                if self.data.len() + value.len() > self.limit {
                    return Err(TooLarge);
                }
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.pending_id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                let millis = value.parse().unwrap_or(u64::MAX);
                items.push(Item::Retry(Duration::from_millis(millis)));
            }
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, items: &mut Vec<Item>) {
        self.id.clone_from(&self.pending_id);
        let name = std::mem::take(&mut self.name);
        let mut data = std::mem::take(&mut self.data);
        if data.pop().is_some() {
            items.push(Item::Event(SseEvent {
                name,
                data,
                id: self.id.clone(),
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Item> {
        let mut parser = SseParser::new(1 << 20);
        let mut items = Vec::new();
        for piece in pieces {
            parser.feed(piece, &mut items).expect("under the limit");
        }
        items
    }

    fn parse(stream: &str) -> Vec<Item> {
        parse_pieces([stream.as_bytes()])
    }

    fn event(name: &str, data: &str, id: &str) -> Item {
        Item::Event(SseEvent {
            name: name.into(),
            data: data.into(),
            id: id.into(),
        })
    }

    #[test]
    fn blocks_become_events() {
        let stream =
            "id: k3f9-41\nretry: 2000\nevent: $hello\ndata: {}\n\nid: k3f9-42\ndata: 안녕 🙂\n\n";
        let expected = vec![
            Item::Retry(Duration::from_secs(2)),
            event("$hello", "{}", "k3f9-41"),
            event("", "안녕 🙂", "k3f9-42"),
        ];
        assert_eq!(parse(stream), expected);
    }

    #[test]
    fn every_line_end_counts_once() {
        let expected = vec![event("", "a\nb", "")];
        for end in ["\n", "\r", "\r\n"] {
            assert_eq!(
                parse(&format!("data:a{end}data: b{end}{end}")),
                expected,
                "{end:?}"
            );
        }
        assert_eq!(parse("data: a\r\ndata: b\r\r"), expected);
    }

    #[test]
    fn odd_fields_are_read_as_the_standard_says() {
        assert_eq!(
            parse("\u{feff}data:x\n\n"),
            vec![event("", "x", "")],
            "one BOM is dropped"
        );
        assert_eq!(
            parse("\u{feff}\u{feff}data:x\n\n"),
            vec![],
            "a second one is part of the name"
        );
        assert_eq!(parse("data\n\n"), vec![event("", "", "")]);
        assert_eq!(parse("data\ndata\n\n"), vec![event("", "\n", "")]);
        assert_eq!(
            parse("data:  x\n\n"),
            vec![event("", " x", "")],
            "one space is dropped"
        );
        assert_eq!(
            parse(": ping\n\nevent: a\n\ndata: b\n\n"),
            vec![event("", "b", "")],
            "no data, no event"
        );
        assert_eq!(
            parse("id: 1\n\ndata: a\n\n"),
            vec![event("", "a", "1")],
            "an id without data counts"
        );
        assert_eq!(
            parse("id: 1\ndata: a\n\nid\ndata: b\n\n"),
            vec![event("", "a", "1"), event("", "b", "")]
        );
        assert_eq!(
            parse("id: 1\0\ndata: a\n\n"),
            vec![event("", "a", "")],
            "a NUL spoils an id"
        );
        assert_eq!(parse("retry: 1x\nretry:\nretry: -1\n"), vec![]);
        assert_eq!(parse("Data: x\n\ndata x: y\n\n"), vec![], "names are exact");
        assert_eq!(parse("data: cut"), vec![], "an unfinished block is none");
        assert_eq!(
            parse_pieces([&b"data: \xFF\n\n"[..]]),
            vec![event("", "\u{fffd}", "")]
        );
    }

    #[test]
    fn growth_ends_at_the_limit() {
        let mut items = Vec::new();
        let mut parser = SseParser::new(16);
        assert_eq!(parser.feed(b"data: 0123456789\n\n", &mut items), Ok(()));
        assert_eq!(items.len(), 1);
        assert_eq!(parser.feed(b"data: 0123456789A", &mut items), Err(TooLarge));
        let mut parser = SseParser::new(16);
        assert_eq!(parser.feed(b"data: 012345\ndata: 0", &mut items), Ok(()));
        assert_eq!(
            parser.feed(b"123", &mut items),
            Err(TooLarge),
            "lines of one event add up"
        );
        let mut parser = SseParser::new(16);
        let replaced = parser.feed(b"data: \xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\n", &mut items);
        assert_eq!(replaced, Err(TooLarge), "replacements count as they are");
    }

    /// Pieces of streams: fields, junk, line ends of all kinds, and bytes that are no UTF-8.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let tokens: [&[u8]; 18] = [
            b"data: ",
            b"data:",
            b"event: ",
            b"id: ",
            b"retry: ",
            b":",
            "값 🙂".as_bytes(),
            b"x",
            b"12",
            b"\0",
            b" ",
            BOM,
            b"\xF0\x9F",
            b"\n",
            b"\n\n",
            b"\r",
            b"\r\n",
            b"\r\n\r\n",
        ];
        let token = proptest::sample::select(tokens.to_vec());
        proptest::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
    }

    /// The standard's algorithm written down once more, over a whole stream in memory.
    fn reference(stream: &[u8]) -> Vec<Item> {
        let text = String::from_utf8_lossy(stream).into_owned();
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let mut lines: Vec<&str> = text.split('\n').collect();
        lines.pop(); // What follows the last line end is no line.
        let (mut items, mut data, mut name, mut id) =
            (Vec::new(), Vec::new(), String::new(), String::new());
        for line in lines {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                _ if line.is_empty() => {
                    if !data.is_empty() {
                        items.push(event(&name, &data.join("\n"), &id));
                    }
                    data.clear();
                    name.clear();
                }
                "data" => data.push(value),
                "event" => name = value.into(),
                "id" if !value.contains('\0') => id = value.into(),
                "retry" => items.extend(
                    value
                        .parse()
                        .ok()
                        .map(|ms| Item::Retry(Duration::from_millis(ms))),
                ),
                _ => {}
            }
        }
        items
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(stream in stream(), cuts in proptest::collection::vec(0usize..200, 0..12)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
            prop_assert_eq!(parse_pieces(pieces), reference(&stream));
        }

        #[test]
        fn single_bytes_do_not_matter(stream in stream()) {
            prop_assert_eq!(parse_pieces(stream.chunks(1)), reference(&stream));
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0usize..64) {
            let mut parser = SseParser::new(limit);
            let mut items = Vec::new();
            let _ = parser.feed(&bytes, &mut items);
            prop_assert!(parser.line.len() + parser.data.len() <= 2 * limit + 1);
        }
    }
}

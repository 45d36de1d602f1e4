//! A reader of event streams by the letter of the HTML standard, section 9.2.6, over a whole stream
//! in memory. Strict: what the server never writes is refused.

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A dispatched event.
    Event {
        /// The last id, after its block.
        id: String,
        /// Empty for `message`.
        name: String,
        /// The lines of data.
        data: String,
    },
    /// A wish for the time before a reconnect, in milliseconds.
    Retry(u64),
}

/// Reads a whole stream; what stands behind its last empty line is no block.
pub fn read(stream: &[u8]) -> Vec<Item> {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (mut items, mut block, mut last_id) = (Vec::new(), Block::default(), String::new());
    let mut pending_id = String::new();
    for line in whole_lines(text) {
        if line.is_empty() {
            last_id.clone_from(&pending_id);
            items.extend(std::mem::take(&mut block).dispatch(&last_id));
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => block.data.push(value.to_owned()),
            "event" => value.clone_into(&mut block.name),
            "id" if !value.contains('\0') => value.clone_into(&mut pending_id),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                items.push(Item::Retry(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    items
}

/// Reads a stream of the server: UTF-8, LF alone ends a line, no comments, no unknown fields, the
/// last block whole.
pub fn read_strictly(stream: &[u8]) -> Vec<Item> {
    let text = std::str::from_utf8(stream).expect("an event stream is UTF-8");
    assert!(!text.contains('\r'), "LF alone ends a line");
    assert!(text.ends_with("\n\n"), "the last block is whole");
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (field, value) = line.split_once(':').expect("a field has a colon");
        assert!(["id", "event", "retry", "data"].contains(&field), "{line}");
        assert!(value.starts_with(' '), "one space stands before the value");
        assert!(field == "data" || !value.contains('\0'), "{line:?}");
    }
    read(stream)
}

#[derive(Default)]
struct Block {
    name: String,
    data: Vec<String>,
}

impl Block {
    fn dispatch(self, id: &str) -> Option<Item> {
        (!self.data.is_empty()).then(|| Item::Event {
            id: id.to_owned(),
            name: self.name,
            data: self.data.join("\n"),
        })
    }
}

/// The lines that came to their end, by CR, LF or CRLF.
fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.find(['\r', '\n'])?;
        let (line, behind) = rest.split_at(end);
        rest = behind.strip_prefix("\r\n").unwrap_or_else(|| &behind[1..]);
        Some(line)
    })
}

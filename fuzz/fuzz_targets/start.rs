//! Where a reading starts: `Last-Event-ID`, the channel's own `after` and `last`, and those for all.
//!
//! The first that says something decides, as PROTOCOL.md section 2 has it; the rule is written down
//! here once more.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tidings_core::{ChannelName, Start};
use tidings_protocol::cursor::Cursor;
use tidings_protocol::start::{After, StartRule};

#[derive(Arbitrary, Debug)]
struct Said<'a> {
    name: &'a str,
    last_event_id: Option<&'a str>,
    own_after: Option<&'a str>,
    after: Option<&'a str>,
    own_last: Option<usize>,
    last: Option<usize>,
}

fuzz_target!(|said: Said<'_>| {
    let Ok(name) = ChannelName::parse(said.name) else {
        return;
    };
    let rule = StartRule {
        last_event_id: said.last_event_id.map(Cursor::parse),
        after: said.after.map(After::parse),
        last: said.last,
    };
    let own = said.own_after.map(After::parse);
    let start = rule.resolve(&name, own.as_ref(), said.own_last, Start::Now);
    assert_eq!(start, expected(&said, &name));
});

fn expected(said: &Said<'_>, name: &ChannelName) -> Start {
    // A header has no words: `now` there is a cursor that no server gave.
    if let Some(start) = said.last_event_id.and_then(|text| of_cursor(text, name)) {
        return start;
    }
    for text in [said.own_after, said.after].into_iter().flatten() {
        let start = match text {
            "earliest" => Some(Start::Earliest),
            "now" => Some(Start::Now),
            cursor => of_cursor(cursor, name),
        };
        if let Some(start) = start {
            return start;
        }
    }
    said.own_last.or(said.last).map_or(Start::Now, Start::Last)
}

fn of_cursor(text: &str, name: &ChannelName) -> Option<Start> {
    match Cursor::parse(text) {
        Cursor::Garbage => Some(Start::Unknown),
        cursor => cursor.position_of(name).map(Start::At),
    }
}

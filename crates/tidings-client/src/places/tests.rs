use super::*;
use crate::envelope::{Frame, parse_text};

fn event(text: &str) -> Event {
    match parse_text(text).expect("an envelope") {
        Frame::Hello(hello) => Event::Hello(hello),
        Frame::Message(message) => Event::Message(message),
        Frame::Gap(gap) => Event::Gap(gap),
        Frame::Skip(skip) => Event::Skip(skip),
        Frame::Closed(closed) => Event::Closed(closed),
        other => panic!("{other:?}"),
    }
}

fn message(channel: &str, epoch: &str, offset: u64) -> Event {
    let place = format!(r#""channel":"{channel}","epoch":"{epoch}","offset":{offset}"#);
    event(&format!(
        r#"{{"type":"message",{place},"data":1,"time":1}}"#
    ))
}

fn after(places: &Places) -> Vec<String> {
    let text = |ask: Ask| match ask.after {
        After::Last(count) => format!("last {count}"),
        After::Cursor(cursor) => cursor.to_string(),
    };
    places.asks().into_iter().map(text).collect()
}

#[test]
fn wrong_lists_are_refused() {
    for (channels, start) in [
        (&[][..], Start::Now),
        (&["a", "a"], Start::Now),
        (&["a", "b"], Start::Cursors(vec!["e-1".into()])),
    ] {
        assert!(
            matches!(Places::new(channels, &start), Err(Error::Argument(_))),
            "{channels:?}"
        );
    }
}

#[test]
fn each_channel_goes_on_by_itself() {
    let mut places = Places::new(&["방", "b"], &Start::Last(3)).expect("places");
    assert_eq!(after(&places), ["last 3", "last 3"]);
    assert_eq!(places.cursors(), None);
    assert_eq!(places.accept(&message("방", "e", 5)), Accept::Next);
    assert_eq!(places.accept(&message("방", "e", 5)), Accept::Duplicate);
    assert_eq!(places.accept(&message("방", "e", 4)), Accept::Duplicate);
    assert_eq!(after(&places), ["e-5", "last 3"]);
    assert_eq!(places.accept(&message("b", "f", 1)), Accept::Next);
    assert_eq!(places.cursors(), Some(vec!["e-5".into(), "f-1".into()]));
    assert_eq!(
        places.accept(&message("other", "e", 9)),
        Accept::Next,
        "not ours to judge"
    );
}

#[test]
fn jumps_are_told() {
    let mut places = Places::new(&["a"], &Start::Now).expect("places");
    places.accept(&message("a", "e", 1));
    let Accept::After(gap) = places.accept(&message("a", "e", 4)) else {
        panic!("no gap")
    };
    assert_eq!(
        (gap.from, gap.to, gap.reason),
        (Some(2), 3, GapReason::Untold)
    );
    let Accept::After(gap) = places.accept(&message("a", "f", 3)) else {
        panic!("no gap")
    };
    assert_eq!((gap.epoch.as_str(), gap.from, gap.to), ("f", None, 2));
    assert_eq!(after(&places), ["f-3"]);
}

#[test]
fn told_gaps_and_skips_fill_the_run() {
    let mut places = Places::new(&["a"], &Start::Earliest).expect("places");
    places.accept(&message("a", "e", 1));
    let skip = event(r#"{"type":"skip","channel":"a","epoch":"e","from":2,"to":3,"reason":"own"}"#);
    assert_eq!(places.accept(&skip), Accept::Next);
    assert_eq!(places.accept(&skip), Accept::Duplicate);
    let gap = event(
        r#"{"type":"gap","channel":"a","epoch":"f","from":null,"to":6,"reason":"epoch_changed"}"#,
    );
    assert_eq!(places.accept(&gap), Accept::Next);
    assert_eq!(places.accept(&gap), Accept::Duplicate);
    assert_eq!(places.accept(&message("a", "f", 7)), Accept::Next);
}

#[test]
fn a_greeting_with_loss_waits_for_its_gap() {
    let mut places = Places::new(&["a"], &Start::Cursor("old-3".into())).expect("places");
    let hello = r#"{"type":"hello","channels":{"a":{"epoch":"e","offset":9,"recovered":false}}}"#;
    places.accept(&event(hello));
    assert_eq!(
        after(&places),
        ["old-3"],
        "a cut here must bring the gap again"
    );
    places.accept(&event(&hello.replace("false", "true")));
    assert_eq!(after(&places), ["e-9"]);
    places.accept(&message("a", "e", 10));
    places.accept(&event(&hello.replace("false", "true")));
    assert_eq!(after(&places), ["e-10"], "a greeting never turns back");
}

#[test]
fn an_opaque_cursor_stands_until_a_message_passes_it() {
    let mut places = Places::new(&["a", "b"], &Start::Now).expect("places");
    places.accept(&message("a", "e", 1));
    places.take_cursor(&"~token".into());
    assert_eq!(after(&places), ["~token", "~token"]);
    assert_eq!(places.accept(&message("a", "e", 1)), Accept::Duplicate);
    assert_eq!(places.accept(&message("a", "e", 2)), Accept::Next);
    assert_eq!(after(&places), ["e-2", "~token"]);
}

#[test]
fn a_single_poll_cursor_is_a_position() {
    let mut places = Places::new(&["a"], &Start::Now).expect("places");
    places.take_cursor(&"e-7".into());
    assert!(matches!(
        places.accept(&message("a", "e", 9)),
        Accept::After(_)
    ));
}

#[test]
fn ended_channels_are_not_asked_for() {
    let mut places = Places::new(&["a", "b"], &Start::Now).expect("places");
    let closed = r#"{"type":"closed","channel":"a","epoch":"e","offset":3}"#;
    assert_eq!(places.accept(&event(closed)), Accept::Next);
    assert_eq!(places.accept(&event(closed)), Accept::Duplicate);
    assert_eq!(
        (places.open_channels(), places.all_done()),
        (vec!["b".into()], false)
    );
    places.accept(&event(&closed.replace("\"a\"", "\"b\"")));
    assert!(places.all_done() && places.asks().is_empty());
}

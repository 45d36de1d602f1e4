use super::*;
use crate::Now;
use crate::broker::memory::MemoryBroker;
use crate::broker::{Arrival, Hold, Member, Publication};
use crate::limits::Limits;
use crate::message::{ClientId, Draft, Payload};
use crate::rules::{History, Rules};
use std::sync::Arc;

const NOW: Now = Now {
    monotonic: 10_000,
    unix: 0,
};

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn publish(broker: &MemoryBroker, channel: &str, ephemeral: bool) {
    let rules = Rules::open(History::default(), &Limits::default());
    let draft = Draft {
        ephemeral,
        ..Draft::new(name(channel), Payload::empty())
    };
    let publication = Publication {
        draft,
        rules: &rules,
    };
    broker.publish_now(publication, NOW).unwrap();
}

fn broker() -> Arc<MemoryBroker> {
    MemoryBroker::new([1, 2], &Limits::default())
}

fn names(page: &ChannelPage) -> Vec<String> {
    page.channels.iter().map(|c| c.name.to_string()).collect()
}

#[test]
fn pages_are_in_order_and_leave_nothing_out() {
    let broker = broker();
    let mut all: Vec<_> = (0..100).map(|n| format!("room:{n}")).collect();
    all.iter()
        .for_each(|channel| publish(&broker, channel, false));
    publish(&broker, "other:1", false);
    all.sort();
    let (mut seen, mut after) = (Vec::new(), None::<ChannelName>);
    loop {
        let query = ChannelQuery {
            prefix: "room:",
            after: after.as_ref().map(ChannelName::as_str),
            limit: 7,
        };
        let page = broker.channels_now(query, 0);
        assert!(page.channels.len() <= 7);
        seen.extend(names(&page));
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, all);
    let none = ChannelQuery {
        prefix: "nothing:",
        limit: usize::MAX,
        ..ChannelQuery::default()
    };
    assert_eq!(broker.channels_now(none, 0), ChannelPage::default());
}

#[test]
fn a_channel_says_what_it_holds() {
    let broker = broker();
    for _ in 0..3 {
        publish(&broker, "a", false);
    }
    publish(&broker, "a", true);
    let rules = Rules::open(History::OF_PRESENCE, &Limits::default());
    let arrival = Arrival {
        channel: &name("a").presence(),
        rules: &rules,
        member: Member {
            client: ClientId(1),
            user: None,
            shown: "{}".into(),
        },
        hold: Hold::Stream,
    };
    broker.join_now(arrival, NOW).unwrap();
    let query = ChannelQuery {
        limit: 10,
        ..ChannelQuery::default()
    };
    let page = broker.channels_now(query, NOW.monotonic);
    assert_eq!(names(&page), ["$presence:a", "a"]);
    let [presence, a] = &page.channels[..] else {
        panic!("two channels");
    };
    assert_eq!((presence.members, presence.published), (1, 1));
    assert_eq!((a.members, a.published, a.messages), (1, 4, 3));
    assert_eq!((a.position.offset, a.oldest, a.readers), (3, 1, 0));
    assert!((a.rate - 0.4).abs() < 0.01 && a.bytes > 0 && !a.ended);
}

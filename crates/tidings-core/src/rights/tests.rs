use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> ChannelName {
    ChannelName::parse(text).unwrap()
}

fn patterns(list: &[&str]) -> Patterns {
    Patterns::parse(list.iter().copied()).unwrap()
}

fn token(list: &[&str]) -> Claims {
    Claims {
        grants: Grants {
            subscribe: patterns(list),
            publish: patterns(list),
            presence: patterns(list),
        },
        ..Claims::of_user("alice".into())
    }
}

fn key(list: &[&str]) -> Claims {
    Claims {
        user: None,
        role: Role::Backend {
            name: "app".into(),
            admin: false,
        },
        ..token(list)
    }
}

const ME: Option<ClientId> = Some(ClientId(7));

#[test]
fn patterns_cover_what_they_say() {
    let rows = [
        ("room:*", "room:7", true),
        ("room:*", "room:", true),
        ("room:*", "room", false),
        ("room:*:x", "room:1:2:x", true),
        ("*", "room:7", true),
        ("*", "@alice", false),
        ("*", "~c1", false),
        ("*", "$stats", false),
        ("@*", "@alice", true),
        ("$presence:*", "$presence:room:7", true),
        ("room:7", "room:7", true),
        ("room:7", "room:77", false),
        ("room:?", "room:7", false),
        ("방:*", "방:7", true),
    ];
    for (pattern, channel, covered) in rows {
        assert_eq!(
            patterns(&[pattern]).matches(&name(channel)),
            covered,
            "{pattern} {channel}"
        );
    }
    for bad in ["", "a b", "a\n", &"x".repeat(256)] {
        assert!(Patterns::parse([bad]).is_err(), "{bad:?}");
    }
    assert!(Patterns::parse(std::iter::repeat_n("a", 65)).is_err());
}

#[test]
fn who_may_what() {
    use Audience::*;
    let anonymous = Claims::anonymous();
    let user = Claims::of_user("alice".into());
    let (granted, backend) = (token(&["room:*"]), key(&["room:*"]));
    let rows = [
        (Anyone, [true, true, true, true]),
        (Authenticated, [false, true, true, true]),
        (Token, [false, false, true, true]),
        (Backend, [false, false, false, true]),
    ];
    for (audience, expected) in rows {
        for action in [Action::Subscribe, Action::Publish, Action::Presence] {
            let may = May::all(audience);
            let got = [&anonymous, &user, &granted, &backend]
                .map(|claims| decide(action, &name("room:7"), &may, claims, ME).is_ok());
            assert_eq!(got, expected, "{audience:?} {action:?}");
            let elsewhere = decide(action, &name("other:7"), &may, &backend, ME);
            assert_eq!(elsewhere, Err(Denied::NotGranted(action)), "a key's own");
        }
    }
    assert_eq!(
        decide(
            Action::Subscribe,
            &name("a"),
            &May::all(Token),
            &anonymous,
            ME
        ),
        Err(Denied::Unknown)
    );
}

#[test]
fn inboxes_are_read_by_whom_they_belong_to() {
    let open = May::OPEN;
    let read = |channel: &str, claims: &Claims, me| {
        decide(Action::Subscribe, &name(channel), &open, claims, me)
    };
    let alice = Claims::of_user("alice".into());
    assert_eq!(read("@alice", &alice, ME), Ok(()));
    assert_eq!(read("@bob", &alice, ME), Err(Denied::ForeignInbox));
    assert_eq!(read("@bob", &token(&["@*"]), ME), Err(Denied::ForeignInbox));
    assert_eq!(read("@bob", &key(&["@*"]), ME), Ok(()));
    assert_eq!(
        read("@alice", &Claims::anonymous(), ME),
        Err(Denied::Unknown)
    );
    let mine = format!("~{}", ClientId(7));
    assert_eq!(read(&mine, &Claims::anonymous(), ME), Ok(()));
    assert_eq!(read(&mine, &alice, None), Err(Denied::ForeignInbox));
    assert_eq!(
        read(&mine, &alice, Some(ClientId(8))),
        Err(Denied::ForeignInbox)
    );
    let without = Claims {
        inbox: false,
        ..alice
    };
    assert_eq!(read("@alice", &without, ME), Err(Denied::ForeignInbox));
}

#[test]
fn the_servers_channels() {
    let open = May::OPEN;
    let anonymous = Claims::anonymous();
    let may = |action, channel: &str| decide(action, &name(channel), &open, &anonymous, ME);
    assert_eq!(may(Action::Subscribe, "$stats"), Ok(()));
    assert_eq!(
        may(Action::Subscribe, "$secret"),
        Err(Denied::NoSuchChannel)
    );
    assert_eq!(may(Action::Publish, "$stats"), Err(Denied::ServerOnly));
    assert_eq!(may(Action::Publish, "$presence:a"), Err(Denied::ServerOnly));
    assert_eq!(may(Action::Subscribe, "$presence:a"), Ok(()));
    for without in ["$stats", "$presence:a", "@alice"] {
        assert_eq!(
            may(Action::Presence, without),
            Err(Denied::NoPresence),
            "{without}"
        );
    }
    let by_token = May::BY_TOKEN;
    let channel = name("$presence:room:7");
    let subscribe = |claims: &Claims| decide(Action::Subscribe, &channel, &by_token, claims, ME);
    assert_eq!(subscribe(&token(&["room:*"])), Ok(()));
    assert!(subscribe(&token(&["other:*"])).is_err());
    assert!(subscribe(&anonymous).is_err());
}

/// The same by trying every split: slow, and plainly right.
fn covers_by_trying(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| covers_by_trying(rest, &text[at..])),
        Some((c, rest)) => text.first() == Some(c) && covers_by_trying(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn patterns_match_like_the_plain_definition(pattern in "[ab*]{1,8}", text in "[ab]{1,12}") {
        let matched = patterns(&[&pattern]).matches(&name(&text));
        prop_assert_eq!(matched, covers_by_trying(pattern.as_bytes(), text.as_bytes()));
    }

    /// Rights of one name never hold for another that only joins to the same text.
    #[test]
    fn a_grant_holds_for_the_whole_name(a in "[a-z_]{1,6}", b in "[a-z_]{1,6}") {
        let granted: Arc<str> = format!("{a}:{b}").into();
        let claims = token(&[&granted]);
        let other = name(&format!("{a}_{b}"));
        prop_assert!(decide(Action::Subscribe, &other, &May::BY_TOKEN, &claims, ME).is_err());
    }
}

use super::*;

fn claims(user: &str, issued: Option<u64>, id: &str) -> Claims {
    Claims {
        issued,
        id: Some(id.into()),
        ..Claims::of_user(user.into())
    }
}

fn revocation(subject: Subject, at: u64, until: u64) -> Revocation {
    Revocation { subject, at, until }
}

#[test]
fn a_revocation_refuses_what_it_is_about_and_nothing_else() {
    let list = Revocations::new(10);
    let me = ClientId(7);
    let refused = |claims: &Claims, client| list.check(claims, client, 150) == Err(Revoked);
    let alice = |issued| claims("alice", issued, "t1");
    assert!(!refused(&alice(None), Some(me)), "nothing is revoked");
    let user = Subject::User("alice".into());
    list.add(revocation(user, 100, 200), 100).unwrap();
    assert!(refused(&alice(None), None), "it does not say when");
    assert!(refused(&alice(Some(100)), None));
    assert!(!refused(&alice(Some(101)), None), "a new token");
    assert!(!refused(&claims("bob", Some(1), "t1"), Some(me)));
    assert!(!refused(&Claims::anonymous(), Some(me)));
    list.add(revocation(Subject::Token("t2".into()), 100, 200), 100)
        .unwrap();
    assert!(refused(&claims("bob", Some(150), "t2"), None));
    assert!(!refused(&claims("bob", Some(150), "t3"), None));
    assert!(
        !refused(&claims("t2", Some(150), "alice"), None),
        "a user's name is no token's id"
    );
    list.add(revocation(Subject::Client(me), 100, 200), 100)
        .unwrap();
    assert!(refused(&claims("bob", Some(150), "t3"), Some(me)));
    assert!(refused(&Claims::anonymous(), Some(me)));
    assert!(!refused(&Claims::anonymous(), Some(ClientId(8))));
    assert!(!refused(&Claims::anonymous(), None));
}

#[test]
fn it_is_forgotten_when_its_time_is_over_and_seen_when_it_comes() {
    let list = Revocations::new(10);
    let before = list.generation();
    let user = || Subject::User("alice".into());
    list.add(revocation(user(), 100, 200), 100).unwrap();
    assert_ne!(list.generation(), before);
    let alice = claims("alice", Some(50), "t");
    assert_eq!(list.check(&alice, None, 200), Err(Revoked));
    assert_eq!(list.check(&alice, None, 201), Ok(()), "swept or not");
    list.sweep(200);
    assert_eq!(list.len(), 1);
    // A weaker one about the same takes nothing away.
    list.add(revocation(user(), 10, 20), 100).unwrap();
    assert_eq!(list.list(150), [revocation(user(), 100, 200)]);
    list.add(revocation(Subject::Client(ClientId(1)), 100, 300), 100)
        .unwrap();
    list.sweep(201);
    assert_eq!((list.len(), list.list(201).len()), (1, 1));
    list.sweep(301);
    assert!(list.is_empty() && list.list(0).is_empty());
}

#[test]
fn their_number_is_bounded() {
    let list = Revocations::new(2);
    let of = |id: &str, until| revocation(Subject::Token(id.into()), 1, until);
    list.add(of("a", 10), 1).unwrap();
    list.add(of("b", 20), 1).unwrap();
    let generation = list.generation();
    assert_eq!(
        list.add(of("c", 30), 1),
        Err(BrokerError::TooManyRevocations)
    );
    assert_eq!(list.generation(), generation);
    list.add(of("b", 40), 1).expect("it is held already");
    list.add(of("c", 30), 11).expect("`a` is over");
    assert_eq!(list.list(11), [of("b", 40), of("c", 30)]);
}

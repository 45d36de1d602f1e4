//! Presence, direct messages, requests and replies against the real server.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use conformance::server::{Options, TestServer};
use serde_json::{Value, json};
use support::{next_event, next_message, options, short, soon};
use tidings_client::{
    Client, Error, Event, Join, Payload, Presence, PresenceEvent, Publish, State, SubscribeOptions,
    Subscription, Timings,
};

fn client(server: &TestServer, user: &str) -> Client {
    let builder = Client::builder(&format!("http://{}", server.addr)).user(user);
    builder.timings(short()).build().expect("a client")
}

async fn open(client: &Client, channel: &str, options: SubscribeOptions) -> Subscription {
    let mut subscription = client
        .subscribe(&[channel], options)
        .expect("a subscription");
    while !matches!(
        next_event(&mut subscription).await,
        Event::State(State::Open(_))
    ) {}
    subscription
}

async fn joined(client: &Client, channel: &str) -> Subscription {
    let options = SubscribeOptions {
        join: Join::As(None),
        ..options()
    };
    open(client, channel, options).await
}

async fn change(presence: &mut Presence) -> PresenceEvent {
    let change = soon("a change", presence.next()).await;
    change.expect("no end").expect("no error")
}

fn users(presence: &Presence) -> Vec<&str> {
    let users = presence
        .members()
        .filter_map(|member| member.user.as_deref());
    let mut users: Vec<&str> = users.collect();
    users.sort_unstable();
    users
}

#[tokio::test]
async fn who_is_there_is_kept_up_to_date() {
    let server = TestServer::limited(|limits| {
        limits.presence_lease = std::time::Duration::from_millis(100);
    })
    .await;
    // With a slash the name is no segment of a path.
    for room in ["room", "room/2"] {
        let alice = joined(&client(&server, "alice"), room).await;
        let watcher = client(&server, "watcher");
        let mut presence = watcher.presence(room).await.expect("it may");
        assert_eq!((users(&presence), presence.count()), (vec!["alice"], 1));
        let bob = joined(&client(&server, "bob"), room).await;
        let PresenceEvent::Joined(member) = change(&mut presence).await else {
            panic!("bob came")
        };
        assert_eq!(member.user.as_deref(), Some("bob"));
        assert_eq!(
            (users(&presence), presence.count()),
            (vec!["alice", "bob"], 2)
        );
        drop(alice);
        let PresenceEvent::Left(member) = change(&mut presence).await else {
            panic!("alice went")
        };
        assert_eq!(member.user.as_deref(), Some("alice"));
        assert_eq!((users(&presence), presence.count()), (vec!["bob"], 1));
        drop(bob);
    }
}

#[tokio::test]
async fn a_list_is_taken_anew_where_changes_were_missed() {
    let server = TestServer::start().await;
    let watcher = client(&server, "watcher");
    let mut presence = watcher.presence("room").await.expect("it may");
    let _alice = joined(&client(&server, "alice"), "room").await;
    assert!(matches!(
        change(&mut presence).await,
        PresenceEvent::Joined(_)
    ));
    let address = server.addr;
    server.stop().await;
    let again = Options {
        addr: address,
        ..Options::default()
    };
    let _server = TestServer::with(again).await;
    while !matches!(change(&mut presence).await, PresenceEvent::Anew) {}
}

#[tokio::test]
async fn a_user_gets_what_is_sent_to_it() {
    let server = TestServer::start().await;
    let bob = client(&server, "bob");
    let mut inbox = open(&bob, "@bob", options()).await;
    let alice = client(&server, "alice");
    let sent = alice
        .user("bob")
        .send(Publish::text("안녕").event("hi"))
        .await;
    assert_eq!(sent.expect("a receipt").channel, "@bob");
    let message = next_message(&mut inbox).await;
    assert_eq!(message.data, Payload::Text("안녕".into()));
    assert!(message.request().is_none(), "it asks for nothing");
}

/// Answers what comes to bob, by its event name.
async fn answer(bob: Client, mut inbox: Subscription) {
    loop {
        let message = next_message(&mut inbox).await;
        let request = message.request().expect("a request");
        let asked: Value = request.data().expect("JSON");
        match message.event.as_deref() {
            Some("double") => {
                let doubled = asked.as_u64().expect("a number") * 2;
                request.reply(&bob, &doubled).await.map(|_| ())
            }
            Some("decline") => request.decline(&bob, "바빠요").await.map(|_| ()),
            _ => Ok(()),
        }
        .expect("a receipt");
    }
}

#[tokio::test]
async fn a_request_gets_its_reply() {
    let server = TestServer::start().await;
    let bob = client(&server, "bob");
    let inbox = open(&bob, "@bob", options()).await;
    let answering = tokio::spawn(answer(bob, inbox));
    let timings = Timings {
        request: std::time::Duration::from_secs(4),
        ..short()
    };
    let url = format!("http://{}", server.addr);
    let alice = Client::builder(&url).user("alice").timings(timings);
    let alice = alice.build().expect("a client");
    let to = alice.user("bob");
    let asked = (0..20_u64).map(|number| {
        let to = to.clone();
        tokio::spawn(async move { to.request::<_, u64>("double", &number).await })
    });
    let asked: Vec<_> = asked.collect();
    for (number, reply) in (0_u64..).zip(asked) {
        let reply = soon("a reply", reply).await.expect("no panic");
        assert_eq!(reply.expect("a reply"), number * 2);
    }
    let declined = to.request::<_, Value>("decline", &json!({})).await;
    assert!(matches!(declined, Err(Error::Declined(why)) if why == "바빠요"));
    let silent = to.request::<_, Value>("nothing", &json!({})).await;
    assert!(matches!(
        silent,
        Err(Error::Timeout {
            what: "no reply",
            ..
        })
    ));
    let other = to.request::<_, String>("double", &1).await;
    assert!(matches!(other, Err(Error::Foreign(_))));
    assert!(!answering.is_finished());
}

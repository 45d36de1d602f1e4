//! Who is there: events, snapshots, what members show, and who may see it.

use conformance::http::percent;
use conformance::server::TestServer;
use serde_json::{Value, json};

use crate::support::presence::{EVENTS, JOIN, count, event, snapshot, told, watcher};
use crate::support::{
    BACKEND, Kind, Reader, bearer, everything, get, post, publish, session, sse, start, token,
    token_of, with_session,
};

#[tokio::test]
async fn who_comes_and_goes_is_told_and_listed() {
    let server = start().await;
    let mut watcher = watcher(&server, "").await;
    let alice = bearer(&token_of("alice"));
    let target = format!("{JOIN}&info={}", percent(r#"{"name":"앨리스"}"#));
    let mut socket = Reader::open(Kind::WebSocket, &server, &target, &alice).await;
    let member = json!({
        "client": socket.hello["client"], "user": "alice", "info": {"name": "앨리스"},
    });
    assert_eq!(told(&mut watcher).await, event("join", member.clone()));
    let list = snapshot(&server, "").await;
    assert_eq!(list["clients"], json!([member]));
    assert_eq!(list["count"], 1);
    let by_name = "/presence?name=room:1";
    assert_eq!(
        get(server.addr, by_name, &bearer(&BACKEND)).await.json(),
        list
    );
    socket.ws().send(8, &1000_u16.to_be_bytes()).await;
    assert_eq!(told(&mut watcher).await, event("leave", member));
    assert_eq!(count(&server).await, 0);
}

#[tokio::test]
async fn a_snapshot_reads_on_exactly() {
    let server = start().await;
    let alice = bearer(&token_of("alice"));
    let mut members = Vec::new();
    for _ in 0..3 {
        members.push(Reader::open(Kind::WebSocket, &server, JOIN, &alice).await);
    }
    let list = snapshot(&server, "").await;
    assert_eq!(list["count"], 3);
    let late = Reader::open(Kind::Sse, &server, JOIN, &alice).await;
    let after = format!("&after={}", list["cursor"].as_str().expect("a cursor"));
    let mut watcher = watcher(&server, &after).await;
    let joined = json!({"client": late.hello["client"], "user": "alice"});
    assert_eq!(told(&mut watcher).await, event("join", joined));
    let mut first = members.remove(0);
    first.ws().send(8, &1000_u16.to_be_bytes()).await;
    let left = json!({"client": first.hello["client"], "user": "alice"});
    assert_eq!(
        told(&mut watcher).await,
        event("leave", left),
        "and nothing in between"
    );
}

#[tokio::test]
async fn the_clients_of_a_user_are_put_together() {
    let server = start().await;
    let mut open = Vec::new();
    for user in ["bob", "alice", "alice"] {
        open.push(Reader::open(Kind::Sse, &server, JOIN, &bearer(&token_of(user))).await);
    }
    let nameless = token(json!({"channels": {"subscribe": ["*"], "presence": ["*"]}}));
    for _ in 0..2 {
        open.push(Reader::open(Kind::Sse, &server, JOIN, &bearer(&nameless)).await);
    }
    let list = snapshot(&server, "?by=user").await;
    assert_eq!(list["count"], 5);
    let users = list["users"].as_array().expect("a list");
    let mut shape: Vec<(&str, usize)> = users
        .iter()
        .map(|user| {
            (
                user["user"].as_str().unwrap_or(""),
                user["clients"].as_array().unwrap().len(),
            )
        })
        .collect();
    shape.sort_unstable();
    assert_eq!(shape, [("", 1), ("", 1), ("alice", 2), ("bob", 1)]);
    assert_eq!(
        snapshot(&server, "?limit=2").await["clients"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let target = "/channels/room:1/presence?by=colour";
    assert_eq!(
        get(server.addr, target, &bearer(&BACKEND)).await.status,
        400
    );
}

#[tokio::test]
async fn what_a_member_shows() {
    let server = start().await;
    let alice = bearer(&token_of("alice"));
    let longest = format!("\"{}\"", "x".repeat(1022));
    let too_long = format!("\"{}\"", "x".repeat(1023));
    for (info, status) in [
        (&longest[..], 200),
        (&too_long, 400),
        ("Alice", 400),
        ("{", 400),
    ] {
        let target = format!("{JOIN}&info={}&transport=sse", percent(info));
        let answer = get_head(&server, &target, &alice).await;
        assert_eq!(answer, status, "{}", &info[..info.len().min(20)]);
    }
    assert_eq!(
        get(server.addr, "/channels/room:1?info=1", &alice)
            .await
            .status,
        400
    );
    let info = json!({"name": "Alice", "role": "host"});
    let says = json!({"sub": "alice", "info": info, "channels": everything()});
    let target = format!("{JOIN}&info={}", percent(r#"{"name":"Mallory"}"#));
    let reader = Reader::open(Kind::Sse, &server, &target, &bearer(&token(says))).await;
    let list = snapshot(&server, "").await;
    let clients = list["clients"].as_array().expect("a list");
    let of_token = clients
        .iter()
        .find(|c| c["client"] == reader.hello["client"]);
    assert_eq!(
        of_token.expect("it is there")["info"],
        info,
        "what the token says goes before"
    );
}

async fn get_head(server: &TestServer, target: &str, headers: &str) -> u16 {
    match sse(server.addr, target, headers).await {
        Ok(_) => 200,
        Err(answer) => answer.status,
    }
}

#[tokio::test]
async fn presence_is_a_right_of_its_own() {
    let server = start().await;
    let reads = bearer(&token(
        json!({"sub": "a", "channels": {"subscribe": ["*"]}}),
    ));
    let sees = bearer(&token(
        json!({"sub": "b", "channels": {"presence": ["room:1"]}}),
    ));
    for (headers, target, status) in [
        (&reads, "/channels/room:1/presence", 403),
        (&reads, EVENTS, 403),
        (&reads, JOIN, 403),
        (&reads, "/channels?name=room:1&presence=true", 403),
        (&sees, "/channels/room:1/presence", 200),
        (&sees, EVENTS, 200),
        (&sees, "/channels/room:2/presence", 403),
        (&sees, JOIN, 403),
        (&String::new(), "/channels/room:1/presence", 401),
        (&String::new(), EVENTS, 401),
        (&String::new(), "/channels/open:1/presence", 200),
    ] {
        let answer = get(server.addr, target, headers).await;
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
    }
    let nobody = get(
        server.addr,
        "/channels?name=$presence:@alice",
        &bearer(&BACKEND),
    )
    .await;
    assert_eq!(nobody.status, 403, "inboxes have none");
    let forged = post(server.addr, EVENTS, &bearer(&BACKEND), &json!(1)).await;
    assert_eq!(forged.status, 403, "nobody publishes there");
}

#[tokio::test]
async fn presence_is_read_with_its_channel() {
    let server = start().await;
    let alice = bearer(&token_of("alice"));
    let target = format!("{JOIN}&presence=true");
    for kind in [Kind::WebSocket, Kind::Sse] {
        let mut reader = Reader::open(kind, &server, &target, &alice).await;
        assert!(reader.hello["channels"]["$presence:room:1"].is_object());
        let other = Reader::open(Kind::Sse, &server, JOIN, &bearer(&token_of("bob"))).await;
        loop {
            let told = reader.told().await;
            if told["data"]["client"] == other.hello["client"] {
                assert_eq!(told["event"], "join");
                break;
            }
        }
        publish(&server, "room:1", json!("소식")).await;
        assert_eq!(reader.told().await["data"], "소식");
    }
}

#[tokio::test]
async fn a_body_says_for_each_channel_whether_and_as_whom_it_joins() {
    let server = start().await;
    let alice = token_of("alice");
    let told = session(&server, &alice).await;
    let headers = with_session(&alice, told["session"].as_str().expect("a session"));
    let body = |all: Value, room: Value| {
        let mut body = all;
        let mut first = json!({"name": "room:1"});
        first
            .as_object_mut()
            .unwrap()
            .extend(room.as_object().unwrap().clone());
        body["channels"] = json!([first, {"name": "room:2"}]);
        body
    };
    let cases = [
        (
            json!({}),
            json!({"join": true, "info": "하나"}),
            json!(["하나", null]),
        ),
        (
            json!({"join": true, "info": "모두"}),
            json!({"info": "하나"}),
            json!(["하나", "모두"]),
        ),
        (
            json!({"join": true}),
            json!({"join": false}),
            json!([null, {}]),
        ),
    ];
    for (all, room, shown) in cases {
        // Sessions are of one secret here, and nobody is in the rooms of a new server.
        let server = start().await;
        let read = post(server.addr, "/read", &headers, &body(all, room)).await;
        assert_eq!(read.status, 200, "{}", read.text());
        for (channel, shown) in ["room:1", "room:2"]
            .into_iter()
            .zip(shown.as_array().unwrap())
        {
            let target = format!("/channels/{channel}/presence");
            let list = get(server.addr, &target, &bearer(&BACKEND)).await.json();
            let info = &list["clients"][0]["info"];
            match shown {
                Value::Null => assert_eq!(list["count"], 0, "{channel}: {list}"),
                Value::Object(_) => assert_eq!((&list["count"], info), (&json!(1), &Value::Null)),
                shown => assert_eq!(info, shown, "{channel}: {list}"),
            }
        }
    }
    for (all, room) in [
        (json!({}), json!({"info": 1})),
        (json!({"join": true}), json!({"join": false, "info": 1})),
        (json!({"info": 1}), json!({})),
    ] {
        let refused = post(server.addr, "/read", &headers, &body(all, room)).await;
        assert_eq!(refused.json()["code"], "invalid_parameter");
    }
}

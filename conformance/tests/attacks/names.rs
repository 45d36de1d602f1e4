//! Names of channels in every spelling, and whose they are.

use conformance::http::{Answer, fetch, get, percent, post};
use conformance::server::TestServer;
use conformance::sse::Events;
use serde_json::json;

use crate::support::{
    Bystander, bearer, is, keyed, patiently, publish, session, socket, token, told, with_key,
};

async fn open_read(server: &TestServer, target: &str) -> Answer {
    get(server.addr, target).await
}

#[tokio::test]
async fn a_name_is_decoded_once_and_never_walked() {
    let server = TestServer::start().await;
    for (segment, status) in [
        ("..", 400),
        (".", 400),
        ("%2e%2e", 400),
        ("%2E", 400),
        ("a%2fb", 400),
        ("..%2f..%2fetc%2fpasswd", 400),
        ("a/b", 400),
        ("x/foo.css", 400),
        ("%252e%252e", 200),
        ("%c0%ae%c0%ae", 400),
        ("%c1%9c", 400),
        ("%e0%80%ae", 400),
        ("%f0%80%80%ae", 400),
        ("%ed%a0%80", 400),
        ("%f4%90%80%80", 400),
        ("%ff", 400),
        ("%", 400),
        ("%2", 400),
        ("%zz", 400),
        ("%00", 400),
        ("%20", 400),
        ("%e2%80%83", 400),
        ("%c2%85", 400),
        ("", 400),
    ] {
        let target = format!("/channels/{segment}");
        for method in ["GET", "POST", "DELETE"] {
            let answer = fetch(server.addr, method, &target, "", b"").await;
            assert_eq!(answer.status, status, "{method} {target}");
            assert!(answer.header("location").is_none(), "nothing is redirected");
        }
    }
    // What cannot stand in a path is a name all the same.
    for name in ["..", ".", "a/b", "../../etc/passwd", "%2e%2e"] {
        let target = format!("/channels?name={}", percent(name));
        assert_eq!(post(server.addr, &target, name).await.status, 200, "{name}");
        let read = open_read(&server, &target).await.json();
        assert_eq!(read["messages"][0]["data"], *name, "one name, one channel");
        assert_eq!(
            read["messages"].as_array().expect("a list").len(),
            1,
            "{name}"
        );
    }
}

#[tokio::test]
async fn names_are_bytes() {
    let server = TestServer::start().await;
    let twins = [
        "caf\u{e9}",
        "cafe\u{301}",
        "CAF\u{c9}",
        "pay",
        "p\u{430}y",
        "ｐａｙ",
        "a\u{200b}",
        "a",
        "\u{ac00}",
        "\u{1100}\u{1161}",
    ];
    for name in twins {
        let target = format!("/channels/{}", percent(name));
        assert_eq!(post(server.addr, &target, name).await.status, 200);
    }
    for name in twins {
        let read = open_read(&server, &format!("/channels/{}", percent(name)))
            .await
            .json();
        let messages = read["messages"].as_array().expect("a list");
        assert_eq!(messages.len(), 1, "{name:?} is no other");
        assert_eq!(
            (&messages[0]["data"], &messages[0]["channel"]),
            (&json!(name), &json!(name))
        );
    }
}

#[tokio::test]
async fn a_name_has_1_to_255_bytes_everywhere() {
    let server = TestServer::start().await;
    let (mut ws, _) = socket(&server, "/channels", "").await;
    for (name, good) in [
        (String::new(), false),
        ("a".repeat(255), true),
        ("a".repeat(256), false),
        ("한".repeat(85), true),
        ("한".repeat(86), false),
        ("a".repeat(5_000), false),
    ] {
        let status = if good { 200 } else { 400 };
        let escaped = percent(&name);
        for target in [
            format!("/channels/{escaped}"),
            format!("/channels?name={escaped}"),
        ] {
            for method in ["GET", "POST", "DELETE"] {
                let answer = fetch(server.addr, method, &target, "", b"").await;
                assert_eq!(
                    told(&answer),
                    if good {
                        is(200, "")
                    } else {
                        is(400, "invalid_name")
                    },
                    "{method} {target}"
                );
            }
        }
        let body = json!({"channels": [{"name": name}]}).to_string();
        assert_eq!(
            fetch(server.addr, "POST", "/read", "", body.as_bytes())
                .await
                .status,
            status
        );
        let batch = json!({"messages": [{"channel": name, "data": 1}]}).to_string();
        assert_eq!(
            fetch(server.addr, "POST", "/publish", "", batch.as_bytes())
                .await
                .status,
            status
        );
        ws.command(json!({"type": "subscribe", "id": 1, "channel": name}))
            .await;
        let answer = patiently(ws.json()).await.expect("an answer");
        assert_eq!(
            answer["type"],
            if good { "subscribed" } else { "error" },
            "{answer}"
        );
    }
}

#[tokio::test]
async fn the_server_s_own_names_are_written_by_nobody() {
    let server = keyed().await;
    let mut bystander = Bystander::new(&server).await;
    for name in [
        "$stats",
        "$probe",
        "$x",
        "$",
        "$presence:room",
        "$presence:",
        "$presence:$presence:room",
        "$presence:@alice",
        "$STATS",
    ] {
        for who in [
            with_key("admin"),
            with_key("backend"),
            bearer(&token("mallory")),
        ] {
            for target in [
                format!("/channels/{name}"),
                format!("/channels?name={name}"),
            ] {
                for method in ["POST", "DELETE"] {
                    let answer = fetch(server.addr, method, &target, &who, b"1").await;
                    assert_eq!(told(&answer), is(403, "forbidden"), "{method} {target}");
                }
            }
            let batch = json!({"messages": [{"channel": name, "data": 1}]}).to_string();
            let answer = fetch(server.addr, "POST", "/publish", &who, batch.as_bytes()).await;
            assert_eq!(told(&answer), is(403, "forbidden"), "{name}");
        }
        let (mut ws, _) = socket(&server, "/channels", &bearer(&token("mallory"))).await;
        ws.command(json!({"type": "publish", "id": 1, "channel": name, "data": 1}))
            .await;
        let answer = patiently(ws.json()).await.expect("an answer");
        assert_eq!(answer["code"], "forbidden", "{name}");
    }
    // Read they are by right only.
    for name in [
        "$stats",
        "$probe",
        "$x",
        "$presence:room",
        "$presence:@alice",
    ] {
        let answer = get(server.addr, &format!("/channels/{name}")).await;
        assert!(
            matches!(answer.status, 401 | 403),
            "{name} {}",
            answer.status
        );
    }
    bystander.lives().await;
}

/// A message to somebody reaches nobody else, whatever the spelling of the name.
#[tokio::test]
async fn an_inbox_has_one_spelling() {
    let server = keyed().await;
    let (session, client) = session(&server, &token("alice")).await;
    let own = format!("{}Tidings-Session: {session}\r\n", bearer(&token("alice")));
    publish(&server, &format!("/channels/~{client}"), "for one").await;
    let read = fetch(server.addr, "GET", "/channels?name=~", &own, b"").await;
    assert!(read.text().contains("for one"), "{}", read.text());
    for name in [
        format!("~{}", client.to_uppercase()),
        format!("~{client}0"),
        format!("~x{}", &client[1..]),
        format!("~{client}\u{200b}"),
        "~*".into(),
        "~c".into(),
    ] {
        let target = format!("/channels?name={}", percent(&name));
        let answer = fetch(server.addr, "GET", &target, &own, b"").await;
        assert_eq!(told(&answer), is(400, "invalid_name"), "{name}");
        let answer = publish(&server, &target, "1").await;
        assert_eq!(told(&answer), is(400, "invalid_name"), "{name}");
    }
}

#[tokio::test]
async fn patterns_of_brokers_are_plain_characters() {
    let server = TestServer::start().await;
    let names = [
        "*", ">", "a.*", "a.>", "[ab]", "a?", "{x}", "a{x}b", "\\*", "a'b", "a\"b", "a;b", "a|b",
    ];
    let mut victim = Events::open(server.addr, "/channels/a.b", "")
        .await
        .expect("a stream");
    patiently(victim.next()).await.expect("a hello");
    for name in names {
        let target = format!("/channels?name={}", percent(name));
        assert_eq!(post(server.addr, &target, name).await.status, 200, "{name}");
        let read = open_read(&server, &target).await.json();
        assert_eq!(read["messages"][0]["data"], name);
        assert_eq!(
            read["messages"].as_array().expect("a list").len(),
            1,
            "{name}"
        );
    }
    post(server.addr, "/channels/a.b", "own").await;
    let first = patiently(victim.next()).await.expect("a message");
    assert!(first.data.contains("\"own\""), "{}", first.data);
}

//! Back-pressure as the rules of a namespace say: the latest, the latest of each, at most so often, or the
//! end of who is too slow.

use std::time::{Duration, Instant};

use conformance::http::{Http, fetch, get, post};
use conformance::server::{Options, TestServer};
use conformance::sse::Events;
use conformance::ws::Ws;
use serde_json::{Value, json};
use tidings_core::{History, Lag, LagPolicy, Limits, Rulebook, Rules};
use tidings_protocol::Code;

const JSON: &str = "Content-Type: application/json\r\n";

/// A server on which all channels of the namespace `n` have these rules of lag.
async fn server(lag: Lag) -> TestServer {
    let limits = Limits {
        flush_bytes: 16 << 10,
        ..Limits::default()
    };
    let history = History {
        bytes: 64 << 20,
        ..History::default()
    };
    let open = Rules::open(history, &limits);
    let mut rules = Rulebook::new(open.clone());
    rules.set("n", Rules { lag, ..open });
    TestServer::with(Options {
        limits,
        rules: Some(rules),
        ..Options::default()
    })
    .await
}

fn lag(policy: LagPolicy) -> Lag {
    Lag {
        policy,
        ..Lag::default()
    }
}

/// A message or notice in short: its offset, or what is left out and why.
fn brief(entry: &Value) -> String {
    match entry["type"].as_str() {
        Some("message") => entry["offset"].to_string(),
        Some("skip") => format!(
            "{} {}-{}",
            entry["reason"].as_str().expect("a reason"),
            entry["from"],
            entry["to"]
        ),
        _ => entry.to_string(),
    }
}

/// What a poll from the beginning gives.
async fn polled(server: &TestServer, channel: &str) -> Vec<String> {
    let target = format!("/channels/{channel}?after=earliest");
    let answer = get(server.addr, &target).await.json();
    assert_eq!(answer["more"], json!(false));
    let entries = answer["messages"].as_array().expect("a list");
    entries.iter().map(brief).collect()
}

#[tokio::test]
async fn a_late_reader_gets_the_latest_and_who_keeps_up_gets_all() {
    let server = server(lag(LagPolicy::Latest)).await;
    let mut live = Ws::connect(server.addr, "/channels/n:x").await.unwrap();
    live.json().await;
    for (offset, text) in ["하나", "둘", "셋"].into_iter().enumerate() {
        post(server.addr, "/channels/n:x", text).await;
        let message = live.json().await.unwrap();
        assert_eq!(message["offset"], json!(offset + 1));
    }
    assert_eq!(polled(&server, "n:x").await, ["conflated 1-2", "3"]);
    let mut events = Events::open(server.addr, "/channels/n:x?after=earliest", "")
        .await
        .unwrap();
    let hello = events.next().await.unwrap();
    let epoch = hello.id.split_once('-').unwrap().0.to_owned();
    let skip = events.next().await.unwrap();
    assert_eq!(
        (skip.name.as_str(), &skip.id),
        ("$skip", &format!("{epoch}-2"))
    );
    let message = events.next().await.unwrap();
    assert_eq!(
        (message.name.as_str(), &message.id),
        ("", &format!("{epoch}-3"))
    );
    // Other namespaces keep theirs.
    for text in ["하나", "둘"] {
        post(server.addr, "/channels/x", text).await;
    }
    assert_eq!(polled(&server, "x").await, ["1", "2"]);
}

#[tokio::test]
async fn a_pointer_says_what_a_message_is_about() {
    let server = server(Lag {
        by: Some("/of/0".into()),
        ..lag(LagPolicy::LatestBy)
    })
    .await;
    for body in [
        r#"{"of":["서울"],"t":1}"#,
        r#"{"of":["부산"],"t":2}"#,
        r#"{"of":["서울"],"t":3}"#,
        r#"{"of":[],"t":4}"#,
        r#"{"t":5}"#,
        r#"{"of":[ "서울" , 1],"t":6}"#,
    ] {
        let answer = fetch(server.addr, "POST", "/channels/n:x", JSON, body.as_bytes()).await;
        assert_eq!(answer.status, 200);
    }
    // A text has no member to point at, and what the publisher says does not count here.
    post(server.addr, "/channels/n:x?topic=a", r#"{"of":["부산"]}"#).await;
    post(server.addr, "/channels/n:x?topic=a", "{").await;
    let got = [
        "conflated 1-1",
        "2",
        "conflated 3-3",
        "4",
        "5",
        "6",
        "7",
        "8",
    ];
    assert_eq!(polled(&server, "n:x").await, got);
    // Every way to publish asks the pointer.
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    ws.command(json!({"type": "publish", "channel": "n:x", "data": {"of": ["서울"]}}))
        .await;
    assert_eq!(ws.json().await.unwrap()["offset"], json!(9));
    let batch = json!({"messages": [{"channel": "n:x", "data": {"of": ["서울"]}}]});
    let batch = batch.to_string();
    fetch(server.addr, "POST", "/publish", JSON, batch.as_bytes()).await;
    let mut raw = Ws::connect(server.addr, "/channels/n:x?format=raw")
        .await
        .unwrap();
    raw.send(1, r#"{"of":["서울"]}"#.as_bytes()).await;
    raw.frame().await.expect("its echo");
    let got = [
        "conflated 1-1",
        "2",
        "conflated 3-3",
        "4",
        "5",
        "conflated 6-6",
        "7",
        "8",
        "conflated 9-10",
        "11",
    ];
    assert_eq!(polled(&server, "n:x").await, got);
}

#[tokio::test]
async fn the_publisher_says_what_a_message_is_about() {
    let server = server(lag(LagPolicy::LatestBy)).await;
    post(server.addr, "/channels/n:x?topic=%EC%84%9C%EC%9A%B8", "1").await;
    post(server.addr, "/channels/n:x?topic=b", "2").await;
    post(server.addr, "/channels/n:x", "3").await;
    let batch = json!({"messages": [
        {"channel": "n:x", "data": 4, "topic": "서울"},
        {"channel": "n:x", "data": 5, "topic": "c"},
    ]});
    let batch = batch.to_string();
    fetch(server.addr, "POST", "/publish", JSON, batch.as_bytes()).await;
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    ws.command(json!({"type": "publish", "channel": "n:x", "data": 6, "topic": "b"}))
        .await;
    assert_eq!(ws.json().await.unwrap()["offset"], json!(6));
    assert_eq!(
        polled(&server, "n:x").await,
        ["conflated 1-2", "3", "4", "5", "6"]
    );
    // The end is about nothing and supersedes nothing.
    fetch(
        server.addr,
        "POST",
        "/channels/n:x?close=true&topic=b",
        "",
        b"",
    )
    .await;
    assert!(polled(&server, "n:x").await[..5].ends_with(&["6".into()]));
    // Elsewhere it is taken and has no effect.
    for _ in 0..2 {
        let answer = post(server.addr, "/channels/x?topic=a", "1").await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(polled(&server, "x").await, ["1", "2"]);
}

#[tokio::test]
async fn a_topic_is_short_and_without_control_characters() {
    let server = server(lag(LagPolicy::LatestBy)).await;
    let long = "a".repeat(65);
    for topic in ["", "a%00", "%C2%85", &long] {
        let answer = post(server.addr, &format!("/channels/n:y?topic={topic}"), "x").await;
        assert_eq!(answer.status, 400, "{topic}");
        assert_eq!(answer.json()["code"], json!("invalid_parameter"));
    }
    let longest = format!("/channels/n:y?topic={}", &long[1..]);
    assert_eq!(post(server.addr, &longest, "x").await.status, 200);
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    ws.command(json!({"type": "publish", "id": 1, "channel": "n:y", "data": 1, "topic": long}))
        .await;
    let error = ws.json().await.unwrap();
    assert_eq!(
        (&error["id"], &error["code"]),
        (&json!(1), &json!("invalid_parameter"))
    );
}

#[tokio::test]
async fn readers_are_woken_together_and_not_too_often() {
    const EVERY: Duration = Duration::from_millis(100);
    let server = server(Lag {
        every: EVERY,
        ..lag(LagPolicy::Keep)
    })
    .await;
    let mut events = Events::open(server.addr, "/channels/n:x", "")
        .await
        .unwrap();
    events.next().await;
    let mut ws = Ws::connect(server.addr, "/channels/n:x").await.unwrap();
    ws.json().await;
    let before = Instant::now();
    for text in ["1", "2", "3", "4"] {
        post(server.addr, "/channels/n:x", text).await;
    }
    for offset in 1..=4 {
        let message = events.next().await.unwrap();
        assert!(
            message.id.ends_with(&format!("-{offset}")),
            "{}",
            message.id
        );
        assert_eq!(ws.json().await.unwrap()["offset"], json!(offset));
    }
    // All four came, and the last of them by a second ring. The server's clock has whole milliseconds.
    assert!(before.elapsed() >= EVERY - Duration::from_millis(1));
    // A reader that comes between two ticks reads what is there.
    post(server.addr, "/channels/n:x", "5").await;
    let between = get(server.addr, "/channels/n:x?after=earliest")
        .await
        .json();
    assert_eq!(between["messages"].as_array().unwrap().len(), 5);
    // The server's own channels do not wait.
    assert_eq!(get(server.addr, "/readyz").await.status, 200);
}

/// Publishes more than sockets hold; gives the last offset.
async fn flood(server: &TestServer) -> u64 {
    let text = "가".repeat(20_000);
    let mut last = 0;
    for _ in 0..300 {
        let answer = post(server.addr, "/channels/n:x", &text).await.json();
        last = answer["offset"].as_u64().expect("an offset");
    }
    last
}

fn disconnects() -> Lag {
    Lag {
        bytes: 200_000,
        ..lag(LagPolicy::Disconnect)
    }
}

#[tokio::test]
async fn a_websocket_that_is_too_slow_ends_and_comes_back_where_it_was() {
    let server = server(disconnects()).await;
    let mut slow = Ws::connect(server.addr, "/channels/n:x").await.unwrap();
    let mut raw = Ws::connect(server.addr, "/channels/n:x?format=raw")
        .await
        .unwrap();
    slow.json().await;
    let last = flood(&server).await;
    let mut position = String::new();
    let error = loop {
        let json = slow.json().await.expect("an error before the end");
        if json["type"] == "error" {
            break json;
        }
        position = format!("{}-{}", json["epoch"].as_str().unwrap(), json["offset"]);
    };
    assert_eq!(
        (&error["code"], &error["temporary"]),
        (&json!("too_slow"), &json!(true))
    );
    let close = slow.frame().await.unwrap();
    assert_eq!(close.close_code(), Some(4203));
    assert_eq!(&close.payload[2..], position.as_bytes());
    let mut got = 0;
    let close = loop {
        let frame = raw.frame().await.unwrap();
        if frame.opcode == 8 {
            break frame;
        }
        got += 1;
    };
    let ends = format!("-{got}");
    assert_eq!(close.close_code(), Some(4203));
    assert!(close.payload.ends_with(ends.as_bytes()), "{ends}");
    // Back again it reads history, which is not being slow.
    let back = format!("/channels/n:x?after={position}");
    let mut back = Ws::connect(server.addr, &back).await.unwrap();
    back.json().await;
    let (_, at) = position.split_once('-').unwrap();
    for offset in at.parse::<u64>().unwrap() + 1..=last {
        assert_eq!(back.json().await.unwrap()["offset"], json!(offset));
    }
}

#[tokio::test]
async fn a_stream_of_events_that_is_too_slow_ends_and_comes_back_where_it_was() {
    let server = server(disconnects()).await;
    let mut slow = Events::open(server.addr, "/channels/n:x", "")
        .await
        .unwrap();
    slow.next().await;
    let last = flood(&server).await;
    let (mut at, mut error) = (slow.last_id.clone(), None);
    while let Some(event) = slow.next().await {
        match event.name.as_str() {
            "$error" => error = Some(event),
            _ => at = event.id,
        }
    }
    let error = error.expect("an error before the end");
    assert_eq!((&error.id, &slow.last_id), (&at, &at), "the place stays");
    let told: Value = serde_json::from_str(&error.data).unwrap();
    assert_eq!(
        (&told["code"], told["retry_ms"].as_u64()),
        (&json!("too_slow"), slow.retry)
    );
    let refusals = &server.app.stats().refusals[Code::TooSlow.index()];
    assert_eq!(refusals.get(), 1);
    let mut back = Events::open(server.addr, "/channels/n:x", &at)
        .await
        .unwrap();
    back.next().await;
    let (epoch, offset) = at.split_once('-').unwrap();
    for offset in offset.parse::<u64>().unwrap() + 1..=last {
        assert_eq!(back.next().await.unwrap().id, format!("{epoch}-{offset}"));
    }
}

#[tokio::test]
async fn a_poll_that_was_woken_too_late_is_answered_and_reads_on() {
    let server = server(Lag {
        bytes: 1,
        ..lag(LagPolicy::Disconnect)
    })
    .await;
    let mut poll = Http::connect(server.addr).await;
    poll.request("GET", "/channels/n:x?wait=30", "", b"").await;
    let waits = "tidings_readers{transport=\"long-poll\"} 1\n";
    while !get(server.addr, "/metrics").await.text().contains(waits) {
        tokio::task::yield_now().await;
    }
    // Any message is too much for a reader that is live.
    post(server.addr, "/channels/n:x", "하나").await;
    let answer = poll.answer().await.json();
    assert_eq!(
        (&answer["messages"], &answer["more"]),
        (&json!([]), &json!(true))
    );
    let cursor = answer["cursor"].as_str().unwrap();
    poll.request(
        "GET",
        &format!("/channels/n:x?wait=30&after={cursor}"),
        "",
        b"",
    )
    .await;
    let messages = &poll.answer().await.json()["messages"];
    assert_eq!(messages[0]["data"], json!("하나"));
    assert_eq!(server.app.stats().refusals[Code::TooSlow.index()].get(), 0);
}

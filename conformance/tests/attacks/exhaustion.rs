//! What there is much of, and what remains of it.

use std::collections::BTreeSet;
use std::time::Duration;

use conformance::http::{Http, fetch, get, percent};
use conformance::server::TestServer;
use conformance::ws::Ws;
use serde_json::{Value, json};
use tidings_core::History;
use tidings_protocol::Code;

use crate::support::{
    Bystander, bearer, is, keyed, keyed_limited, keyed_with, patiently, publish, refusals, session,
    socket, token, told, until, with_key,
};

async fn say(ws: &mut Ws, command: Value) -> Value {
    ws.command(command).await;
    patiently(ws.json()).await.expect("an answer")
}

#[tokio::test]
async fn channels_that_are_only_read_cost_nothing_once_they_are_left() {
    let server = keyed_limited(|limits| {
        limits.channels_per_connection = 10_000;
        limits.sweep = Duration::from_millis(20);
    })
    .await;
    let mut bystander = Bystander::new(&server).await;
    let held = || server.app.hub().broker().holdings();
    let before = held().channels;
    let (mut ws, _) = socket(&server, "/channels", &with_key("backend")).await;
    for at in 0..5_000 {
        let answer = say(
            &mut ws,
            json!({"type": "subscribe", "id": at, "channel": format!("c{at}")}),
        )
        .await;
        assert_eq!(answer["type"], "subscribed", "{answer}");
    }
    assert!(held().channels >= before + 5_000);
    drop(ws);
    // The server's figures have a channel of their own, which may have come meanwhile.
    until(|| held().channels <= before + 1).await;
    assert_eq!(of_channel(&server, "c4").await, Value::Null);
    bystander.lives().await;
}

#[tokio::test]
async fn a_loop_of_subscribing_and_leaving_is_slowed_down() {
    let server = keyed_limited(|limits| {
        limits.subscribes_per_address = 10;
        limits.burst = Duration::from_secs(1);
    })
    .await;
    let mut bystander = Bystander::new(&server).await;
    let (mut ws, _) = socket(&server, "/channels", &bearer(&token("mallory"))).await;
    let mut refused = 0;
    for at in 0..200 {
        let answer = say(
            &mut ws,
            json!({"type": "subscribe", "id": at, "channel": "x"}),
        )
        .await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "too_many_requests", "{answer}");
            assert!(
                answer["retry_ms"].as_u64().is_some_and(|ms| ms <= 1_000),
                "{answer}"
            );
            refused += 1;
            continue;
        }
        let answer = say(
            &mut ws,
            json!({"type": "unsubscribe", "id": at, "channel": "x"}),
        )
        .await;
        assert_eq!(answer["type"], "unsubscribed");
    }
    assert!(refused > 0 && refusals(&server, Code::TooManyRequests) >= refused);
    // By URLs it is the same, and a page that reconnects for ever is one, too.
    let mallory = bearer(&token("mallory"));
    let mut last = fetch(server.addr, "GET", "/channels/x", &mallory, b"").await;
    for _ in 0..200 {
        if last.status == 429 {
            break;
        }
        last = fetch(server.addr, "GET", "/channels/x", &mallory, b"").await;
    }
    assert_eq!(told(&last), is(429, "too_many_requests"));
    assert!(last.header("retry-after").is_some());
    bystander.lives().await;
}

#[tokio::test]
async fn many_names_are_refused_and_the_connection_is_kept() {
    let server = keyed().await;
    let mut bystander = Bystander::new(&server).await;
    let mallory = bearer(&token("mallory"));
    let names = |count: usize| {
        (0..count)
            .map(|at| format!("name=c{at}"))
            .collect::<Vec<_>>()
            .join("&")
    };
    let mut http = Http::connect(server.addr).await;
    for (count, status) in [(128, 200), (129, 400), (1_000, 400), (128, 200)] {
        http.request("GET", &format!("/channels?{}", names(count)), &mallory, b"")
            .await;
        assert_eq!(http.answer().await.status, status, "{count}");
    }
    let channels: Vec<_> = (0..30_000)
        .map(|at| json!({"name": format!("c{at}")}))
        .collect();
    let body = json!({"channels": channels}).to_string();
    http.request("POST", "/read", &mallory, body.as_bytes())
        .await;
    assert_eq!(told(&http.answer().await), is(400, "too_many_channels"));
    let (mut ws, _) = socket(&server, "/channels", &mallory).await;
    for at in 0..200 {
        let answer = say(
            &mut ws,
            json!({"type": "subscribe", "id": at, "channel": format!("c{at}")}),
        )
        .await;
        match at < 128 {
            true => assert_eq!(answer["type"], "subscribed", "{at}"),
            false => assert_eq!(answer["code"], "too_many_channels", "{at}"),
        }
    }
    assert_eq!(
        say(&mut ws, json!({"type": "ping", "id": 1})).await["type"],
        "pong"
    );
    bystander.lives().await;
}

/// What the administration says of a channel; null where it holds none of this name.
async fn of_channel(server: &TestServer, name: &str) -> Value {
    let target = format!("/admin/channels?prefix={name}&limit=1");
    let list = fetch(server.addr, "GET", &target, &with_key("admin"), b"")
        .await
        .json();
    list["channels"][0].clone()
}

#[tokio::test]
async fn a_channel_holds_what_its_history_may_and_the_oldest_goes() {
    let history = History {
        count: 50,
        bytes: 64 << 10,
        ..History::default()
    };
    let server = keyed_with(|options| {
        let rules = tidings_core::Rules {
            may: tidings_core::May::BY_TOKEN,
            ..tidings_core::Rules::open(history, &options.limits)
        };
        options.rules = Some(tidings_core::Rulebook::new(rules));
    })
    .await;
    let (mut http, headers) = (Http::connect(server.addr).await, with_key("backend"));
    for at in 0..500 {
        let body = format!("{at} {}", "x".repeat(at * 17 % 8_000));
        http.request("POST", "/channels/x", &headers, body.as_bytes())
            .await;
        assert_eq!(http.answer().await.status, 200);
        if at % 50 == 49 {
            let held = of_channel(&server, "x").await;
            let (messages, bytes) = (&held["messages"], &held["bytes"]);
            assert!(messages.as_u64().is_some_and(|count| count <= 50), "{held}");
            assert!(
                bytes.as_u64().is_some_and(|bytes| bytes <= 64 << 10),
                "{held}"
            );
        }
    }
    // Who was away is told, in an answer that is bounded itself.
    let epoch = fetch(server.addr, "GET", "/channels/x?last=1", &headers, b"")
        .await
        .json();
    let epoch = epoch["messages"][0]["epoch"]
        .as_str()
        .expect("an epoch")
        .to_owned();
    let target = format!("/channels/x?after={epoch}-0&last=1000000000");
    let read = fetch(server.addr, "GET", &target, &headers, b"")
        .await
        .json();
    let messages = read["messages"].as_array().expect("a list");
    assert_eq!(
        (&messages[0]["type"], &messages[0]["reason"]),
        (&json!("gap"), &json!("expired"))
    );
    assert!(messages.len() <= 51);
}

#[tokio::test]
async fn one_publish_to_many_is_paid_in_deliveries() {
    let server = keyed_limited(|limits| {
        limits.deliveries_per_user = 20;
        limits.burst = Duration::from_secs(1);
    })
    .await;
    let mut bystander = Bystander::new(&server).await;
    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(socket(&server, "/channels/x", &with_key("backend")).await);
    }
    let mallory = bearer(&token("mallory"));
    let first = fetch(server.addr, "POST", "/channels/x", &mallory, b"1").await;
    assert_eq!(
        (first.status, &first.json()["subscribers"]),
        (200, &json!(60))
    );
    let second = fetch(server.addr, "POST", "/channels/x", &mallory, b"2").await;
    assert_eq!(told(&second), is(429, "too_many_requests"));
    assert!(second.header("retry-after").is_some());
    let (mut ws, _) = socket(&server, "/channels", &mallory).await;
    let answer = say(
        &mut ws,
        json!({"type": "publish", "id": 1, "channel": "x", "data": 1}),
    )
    .await;
    assert_eq!(answer["code"], "too_many_requests");
    assert!(
        answer["retry_ms"].as_u64().is_some_and(|ms| ms > 0),
        "{answer}"
    );
    // Another user and the backend are not held up by it.
    let other = fetch(
        server.addr,
        "POST",
        "/channels/x",
        &bearer(&token("bob")),
        b"3",
    )
    .await;
    assert_eq!(other.status, 200);
    for (ws, _) in &mut crowd {
        assert_eq!(patiently(ws.json()).await.expect("the first")["data"], 1);
        assert_eq!(patiently(ws.json()).await.expect("bob's")["data"], 3);
    }
    bystander.lives().await;
}

#[tokio::test]
async fn keys_of_publishes_are_short_and_few() {
    let server = keyed_limited(|limits| limits.keys_per_channel = 100).await;
    for key in ["x".repeat(65), "x".repeat(1_000), "x".repeat(15_000)] {
        let by_query = publish(&server, &format!("/channels/x?key={}", percent(&key)), "1").await;
        assert_eq!(told(&by_query), is(400, "invalid_key"), "{}", key.len());
        let header = format!("{}Idempotency-Key: {key}\r\n", with_key("backend"));
        let by_header = fetch(server.addr, "POST", "/channels/x", &header, b"1").await;
        assert_eq!(told(&by_header), is(400, "invalid_key"), "{}", key.len());
    }
    let million = json!({"messages": [{"channel": "x", "data": 1, "key": "x".repeat(1_000_000)}]});
    let answer = fetch(
        server.addr,
        "POST",
        "/publish",
        &with_key("backend"),
        million.to_string().as_bytes(),
    )
    .await;
    assert_eq!(told(&answer), is(400, "invalid_key"));
    // Of more than are remembered the first is forgotten: a repeat of it is a new message.
    for at in 0..=100 {
        let answer = publish(&server, &format!("/channels/x?key=k{at}"), "1").await;
        assert_eq!(answer.json()["duplicate"], Value::Null, "{at}");
    }
    let last = publish(&server, "/channels/x?key=k100", "1").await;
    assert_eq!(last.json()["duplicate"], true);
    let first = publish(&server, "/channels/x?key=k0", "1").await;
    assert_eq!(
        (first.status, &first.json()["duplicate"]),
        (200, &Value::Null)
    );
}

#[tokio::test]
async fn members_of_a_channel_are_bounded() {
    let server = keyed_limited(|limits| limits.presence_members = 3).await;
    let mut bystander = Bystander::new(&server).await;
    for at in 0..6 {
        let (session, _) = session(&server, &token("mallory")).await;
        let headers = format!(
            "{}Tidings-Session: {session}\r\n",
            bearer(&token("mallory"))
        );
        let answer = fetch(
            server.addr,
            "GET",
            "/channels/room?join=true",
            &headers,
            b"",
        )
        .await;
        match at < 3 {
            true => assert_eq!(answer.status, 200),
            false => assert_eq!(told(&answer), is(503, "server_full")),
        }
    }
    let answer = fetch(
        server.addr,
        "GET",
        "/presence?name=room",
        &with_key("backend"),
        b"",
    )
    .await;
    assert_eq!(answer.json()["count"], 3);
    bystander.lives().await;
}

#[tokio::test]
async fn tickets_and_revocations_are_bounded() {
    let server = keyed_limited(|limits| {
        limits.tickets = 5;
        limits.revocations = 5;
    })
    .await;
    for at in 0..10 {
        let answer = fetch(
            server.addr,
            "POST",
            "/tickets",
            &bearer(&token("mallory")),
            b"",
        )
        .await;
        match at < 5 {
            true => assert_eq!(answer.status, 200),
            false => assert_eq!(told(&answer), is(503, "server_full")),
        }
        let body = json!({"user": format!("u{at}")}).to_string();
        let answer = fetch(
            server.addr,
            "POST",
            "/admin/revoke",
            &with_key("admin"),
            body.as_bytes(),
        )
        .await;
        match at < 5 {
            true => assert_eq!(answer.status, 200),
            false => assert_eq!(told(&answer), is(503, "server_full")),
        }
    }
}

/// The labels of all metrics, as `name=value`.
fn labels(metrics: &str) -> BTreeSet<String> {
    let of_lines = metrics.lines().filter(|line| !line.starts_with('#'));
    let labelled = of_lines.filter_map(|line| Some(line.split_once('{')?.1.rsplit_once('}')?.0));
    labelled
        .flat_map(|labels| labels.split(',').map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn no_metric_names_a_channel_or_a_user() {
    let server = keyed().await;
    let figures = async || {
        fetch(server.addr, "GET", "/metrics", &with_key("admin"), b"")
            .await
            .text()
            .to_owned()
    };
    let before = figures().await;
    let mut open = Vec::new();
    for at in 0..50 {
        let (user, channel) = (format!("canaryuser{at}"), format!("canarychannel{at}"));
        publish(
            &server,
            &format!("/channels/{channel}?event=canaryevent{at}&key=canarykey{at}"),
            "canarydata",
        )
        .await;
        let who = bearer(&token(&user));
        open.push(socket(&server, &format!("/channels/{channel}?join=true"), &who).await);
        let agent = format!("{who}User-Agent: canaryagent{at}\r\n");
        fetch(
            server.addr,
            "GET",
            &format!("/channels/{channel}?canaryparameter{at}=1"),
            &agent,
            b"",
        )
        .await;
    }
    let after = figures().await;
    assert!(!after.contains("canary"), "{after}");
    assert_eq!(labels(&before), labels(&after));
    assert_eq!(before.lines().count(), after.lines().count());
    let names: BTreeSet<String> = labels(&after)
        .iter()
        .map(|label| label.split('=').next().unwrap_or("").to_owned())
        .collect();
    let known = ["code", "reason", "transport"].map(str::to_owned).into();
    assert_eq!(names, known);
}

#[tokio::test]
async fn patterns_that_blow_up_elsewhere_cost_their_length() {
    let server = keyed().await;
    let mut claims = crate::support::claims("mallory");
    let evil = format!("{}b", "a*".repeat(120));
    claims["channels"] = json!({"subscribe": vec![evil; 20]});
    let token = crate::support::sign(&claims);
    let name = "a".repeat(255);
    let begun = std::time::Instant::now();
    let answer = fetch(
        server.addr,
        "GET",
        &format!("/channels/{name}"),
        &bearer(&token),
        b"",
    )
    .await;
    assert!(matches!(answer.status, 401 | 403), "{}", answer.status);
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    claims["channels"] = json!({"subscribe": vec!["a"; 65]});
    let answer = fetch(
        server.addr,
        "GET",
        "/channels/a",
        &bearer(&crate::support::sign(&claims)),
        b"",
    )
    .await;
    assert_eq!(told(&answer), is(401, "unauthorized"), "65 patterns");
}

#[tokio::test]
async fn a_server_that_is_open_needs_no_key_and_has_the_same_bounds() {
    let server = TestServer::start().await;
    let names: Vec<_> = (0..129).map(|at| format!("name=c{at}")).collect();
    let answer = get(server.addr, &format!("/channels?{}", names.join("&"))).await;
    assert_eq!(told(&answer), is(400, "too_many_channels"));
}

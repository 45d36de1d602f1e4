//! Reading: where it starts, cursors, gaps, polls and their tags, raw payloads.

use std::time::Duration;

use conformance::http::{Http, fetch, get, post};
use conformance::server::{Options, TestServer};
use conformance::sse::Events;
use conformance::ws::Ws;
use serde_json::{Value, json};
use tidings_core::{History, Limits};

fn datas(answer: &Value) -> Vec<String> {
    let list = answer["messages"].as_array().expect("a list");
    list.iter()
        .map(|m| {
            m["data"]
                .as_str()
                .map_or_else(|| m["type"].to_string(), str::to_owned)
        })
        .collect()
}

async fn publish(
    server: &TestServer,
    channel: &str,
    texts: impl IntoIterator<Item = impl ToString>,
) -> Vec<String> {
    let mut positions = Vec::new();
    for text in texts {
        let receipt = post(
            server.addr,
            &format!("/channels?name={channel}"),
            &text.to_string(),
        )
        .await
        .json();
        positions.push(format!(
            "{}-{}",
            receipt["epoch"].as_str().expect("an epoch"),
            receipt["offset"]
        ));
    }
    positions
}

async fn short_history(count: usize) -> TestServer {
    let history = History {
        count,
        ..History::default()
    };
    TestServer::with(Options {
        history,
        ..Options::default()
    })
    .await
}

#[tokio::test]
async fn a_reading_starts_where_it_says() {
    let server = TestServer::start().await;
    let at = publish(&server, "x", 1..=5).await;
    for (query, want) in [
        ("".to_owned(), "1 2 3 4 5"),
        ("?limit=2".into(), "4 5"),
        ("?after=earliest".into(), "1 2 3 4 5"),
        ("?after=earliest&limit=2".into(), "1 2"),
        ("?after=now".into(), ""),
        ("?last=2".into(), "4 5"),
        ("?last=0".into(), ""),
        ("?last=99".into(), "1 2 3 4 5"),
        (format!("?after={}", at[2]), "4 5"),
        (format!("?after={}&last=5", at[2]), "4 5"),
        (format!("?after={}", at[4]), ""),
    ] {
        let answer = get(server.addr, &format!("/channels/x{query}"))
            .await
            .json();
        assert_eq!(datas(&answer).join(" "), want, "{query}");
        assert_eq!(answer["more"], query.contains("earliest&limit"), "{query}");
    }
    // Last-Event-ID comes first; an empty one is none.
    for (id, want) in [(at[3].as_str(), "5"), ("", "1 2 3 4 5")] {
        let headers = format!("Last-Event-ID: {id}\r\n");
        let answer = fetch(
            server.addr,
            "GET",
            "/channels/x?after=earliest",
            &headers,
            b"",
        )
        .await
        .json();
        assert_eq!(datas(&answer).join(" "), want);
    }
}

#[tokio::test]
async fn a_position_that_cannot_be_honoured_is_told_and_never_hangs() {
    let server = short_history(3).await;
    let at = publish(&server, "x", 1..=6).await;
    let epoch = at[0].split_once('-').unwrap().0.to_owned();
    let future = format!("{epoch}-7");
    for (after, from, reason) in [
        (at[0].as_str(), json!(2), "expired"),
        ("zzzz-3", Value::Null, "epoch_changed"),
        (future.as_str(), Value::Null, "unknown_cursor"),
        ("garbage", Value::Null, "unknown_cursor"),
        ("", Value::Null, "unknown_cursor"),
        ("C!!!!", Value::Null, "unknown_cursor"),
        ("0-0", Value::Null, "unknown_cursor"),
    ] {
        let gap = json!({"type": "gap", "channel": "x", "epoch": epoch, "from": from, "to": 3, "reason": reason});
        for target in [
            format!("/channels/x?after={after}"),
            format!("/channels/x?after={after}&wait=20"),
        ] {
            let answer = get(server.addr, &target).await.json();
            assert_eq!(answer["messages"][0], gap, "{target}");
            assert_eq!(datas(&answer)[1..].join(" "), "4 5 6");
            assert_eq!(answer["cursor"], at[5].as_str());
        }
        // SSE: the first id is the position asked for, so that a cut tells the gap again.
        let asked = if after.parse::<tidings_core::Position>().is_ok() {
            after
        } else {
            "0-0"
        };
        let mut events = Events::open(server.addr, &format!("/channels/x?after={after}"), "")
            .await
            .unwrap();
        let hello = events.next().await.unwrap();
        assert_eq!((hello.id.as_str(), hello.name.as_str()), (asked, "$hello"));
        let place = serde_json::from_str::<Value>(&hello.data).unwrap()["channels"]["x"].clone();
        assert_eq!(
            place,
            json!({"epoch": epoch, "offset": 3, "recovered": false})
        );
        let told = events.next().await.unwrap();
        assert_eq!(
            (told.name.as_str(), told.id.as_str()),
            ("$gap", format!("{epoch}-3").as_str())
        );
        assert_eq!(serde_json::from_str::<Value>(&told.data).unwrap(), gap);
        let mut ws = Ws::connect(server.addr, &format!("/channels/x?after={after}"))
            .await
            .unwrap();
        assert_eq!(
            ws.json().await.unwrap()["channels"]["x"]["recovered"],
            false
        );
        assert_eq!(ws.json().await.unwrap(), gap);
        assert_eq!(ws.json().await.unwrap()["offset"], 4);
    }
    let metrics = get(server.addr, "/metrics").await;
    assert!(
        metrics
            .text()
            .contains("tidings_gaps_total{reason=\"unknown_cursor\"} 20"),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn garbage_as_last_event_id_is_answered_too() {
    let server = TestServer::start().await;
    publish(&server, "x", ["하나"]).await;
    for garbage in [
        "garbage",
        "\"; DROP",
        "\u{c3}\u{a9}",
        "k-99999999999999999999",
    ] {
        let mut events = Events::open(server.addr, "/channels/x", garbage)
            .await
            .unwrap();
        assert_eq!(events.next().await.unwrap().id, "0-0");
        assert_eq!(events.next().await.unwrap().name, "$gap");
        assert!(events.next().await.unwrap().data.contains("하나"));
    }
}

#[tokio::test]
async fn several_channels_have_one_cursor_bound_to_names() {
    let server = TestServer::start().await;
    publish(&server, "a", ["a1", "a2"]).await;
    publish(&server, "b/방", ["b1"]).await;
    let both = get(
        server.addr,
        "/channels?name=a&name=b%2F%EB%B0%A9&after=earliest",
    )
    .await
    .json();
    assert_eq!(datas(&both).join(" "), "a1 a2 b1");
    let cursor = both["cursor"].as_str().unwrap().to_owned();
    publish(&server, "a", ["a3"]).await;
    publish(&server, "b/방", ["b2"]).await;
    publish(&server, "c", ["c1"]).await;
    // In another order, with another channel that starts by the rest of the rule, and alone.
    for (names, rest, want) in [
        ("name=b/%EB%B0%A9&name=a", "", "b2 a3"),
        ("name=c&name=a&name=b/%EB%B0%A9", "&last=1", "c1 a3 b2"),
        ("name=c&name=a", "", "c1 a3"),
        ("name=a", "", "a3"),
    ] {
        let target = format!("/channels?{names}&after={cursor}{rest}");
        assert_eq!(
            datas(&get(server.addr, &target).await.json()).join(" "),
            want,
            "{target}"
        );
    }
    // One for each name, in their order.
    let each = get(
        server.addr,
        "/channels?name=a&name=c&after=now&after=earliest",
    )
    .await
    .json();
    assert_eq!(datas(&each).join(" "), "c1");
    for bad in [
        "name=a&name=b&name=c&after=now&after=now",
        "name=a&name=a",
        "name=",
        "name=a%20b",
        "after=now",
    ] {
        assert_eq!(
            get(server.addr, &format!("/channels?{bad}")).await.status,
            400,
            "{bad}"
        );
    }
    // The same as a body.
    let body = json!({"channels": [{"name": "a", "last": 1}, {"name": "b/방", "after": "earliest"}, {"name": "c"}], "after": cursor});
    let read = fetch(
        server.addr,
        "POST",
        "/read",
        "",
        body.to_string().as_bytes(),
    )
    .await
    .json();
    assert_eq!(
        datas(&read).join(" "),
        "a3 b1 b2 c1",
        "the cursor comes after what a channel says for itself"
    );
}

#[tokio::test]
async fn read_takes_a_poll_and_a_stream_as_a_body() {
    let server = TestServer::start().await;
    publish(&server, "x", [1, 2]).await;
    let body = br#"{"channels":[{"name":"x","after":"earliest"}],"limit":1,"future":{}}"#;
    let answer = fetch(server.addr, "POST", "/read", "", body).await.json();
    assert_eq!(
        (datas(&answer).join(" ").as_str(), &answer["more"]),
        ("1", &json!(true))
    );
    let mut http = Http::connect(server.addr).await;
    http.request("POST", "/read", "Accept: text/event-stream\r\n", body)
        .await;
    assert_eq!(
        http.head().await.header("content-type"),
        Some("text/event-stream")
    );
    assert!(
        String::from_utf8(http.chunk().await.unwrap())
            .unwrap()
            .contains("event: $hello\n")
    );
    let waiting = tokio::spawn({
        let addr = server.addr;
        async move {
            fetch(
                addr,
                "POST",
                "/read",
                "",
                br#"{"channels":[{"name":"x"}],"wait":30}"#,
            )
            .await
            .json()
        }
    });
    wait_for_readers(&server, 1).await;
    publish(&server, "x", ["새 글"]).await;
    assert_eq!(datas(&waiting.await.unwrap()).join(" "), "새 글");
    for bad in [
        "",
        "{}",
        r#"{"channels":[]}"#,
        r#"{"channels":[{"name":""}]}"#,
        r#"{"channels":["x"]}"#,
        r#"{"channels":[{"name":"x"},{"name":"x"}]}"#,
        r#"{"channels":[{"name":"x"}],"wait":-1}"#,
        r#"{"channels":[{"name":"x"}],"transport":"websocket"}"#,
        r#"{"channels":[{"name":"x"}],"limit":0}"#,
    ] {
        let status = fetch(server.addr, "POST", "/read", "", bad.as_bytes())
            .await
            .status;
        assert!(status == 400 || status == 426, "{bad}: {status}");
    }
    assert_eq!(get(server.addr, "/read").await.status, 405);
}

/// Waits until so many long polls wait.
async fn wait_for_readers(server: &TestServer, count: usize) {
    let line = format!("tidings_readers{{transport=\"long-poll\"}} {count}\n");
    while !get(server.addr, "/metrics").await.text().contains(&line) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_long_poll_waits_and_frees_what_it_held() {
    let server = TestServer::start().await;
    let mut http = Http::connect(server.addr).await;
    http.request("GET", "/channels/x?wait=0.05", "", b"").await;
    let empty = http.answer().await.json();
    assert_eq!((datas(&empty).len(), &empty["more"]), (0, &json!(false)));
    // On the same connection, twice more: it is kept.
    let cursor = empty["cursor"].as_str().unwrap().to_owned();
    http.request(
        "GET",
        &format!("/channels/x?wait=30&after={cursor}"),
        "",
        b"",
    )
    .await;
    wait_for_readers(&server, 1).await;
    publish(&server, "x", ["안녕"]).await;
    let answer = http.answer().await.json();
    assert_eq!(datas(&answer), ["안녕"]);
    http.request(
        "GET",
        &format!("/channels/x?wait=30&after={cursor}"),
        "Connection: close\r\n",
        b"",
    )
    .await;
    assert_eq!(
        datas(&http.answer().await.json()),
        ["안녕"],
        "the same cursor gives the same"
    );
    assert!(http.rest().await.is_empty());
    // One that goes away is gone.
    let mut gone = Http::connect(server.addr).await;
    gone.request("GET", "/channels/x?wait=30", "", b"").await;
    wait_for_readers(&server, 1).await;
    drop(gone);
    wait_for_readers(&server, 0).await;
}

#[tokio::test]
async fn a_request_behind_a_waiting_poll_is_answered_after_it() {
    let server = TestServer::start().await;
    let mut http = Http::connect(server.addr).await;
    http.request("GET", "/healthz", "", b"").await;
    http.request("GET", "/channels/x?wait=30", "", b"").await;
    http.request("GET", "/channels/x?last=1", "", b"").await;
    http.request("GET", "/healthz", "", b"").await;
    assert_eq!(http.answer().await.text(), "ok\n");
    wait_for_readers(&server, 1).await;
    publish(&server, "x", ["하나"]).await;
    assert_eq!(datas(&http.answer().await.json()), ["하나"]);
    assert_eq!(datas(&http.answer().await.json()), ["하나"]);
    assert_eq!(http.answer().await.text(), "ok\n");
}

#[tokio::test]
async fn a_short_poll_has_a_tag() {
    let server = TestServer::start().await;
    let first = get(server.addr, "/channels/x").await;
    let tag = first.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with("W/\""));
    let again = |tag: String| {
        let addr = server.addr;
        async move {
            fetch(
                addr,
                "GET",
                "/channels/x",
                &format!("If-None-Match: {tag}\r\n"),
                b"",
            )
            .await
        }
    };
    let unchanged = again(tag.clone()).await;
    assert_eq!(
        (
            unchanged.status,
            unchanged.body.len(),
            unchanged.header("etag")
        ),
        (304, 0, Some(tag.as_str()))
    );
    assert_eq!(again(format!("\"other\", {tag}")).await.status, 304);
    let user = fetch(
        server.addr,
        "GET",
        "/channels/x?user=bob",
        &format!("If-None-Match: {tag}\r\n"),
        b"",
    )
    .await;
    assert_eq!(user.status, 200, "another's tag is another tag");
    publish(&server, "x", ["새"]).await;
    let changed = again(tag.clone()).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(tag.as_str()));
    let head = fetch(
        server.addr,
        "HEAD",
        "/channels/x?wait=30",
        "Accept: text/event-stream\r\n",
        b"",
    )
    .await;
    assert_eq!(
        (head.status, head.header("etag")),
        (200, changed.header("etag"))
    );
    assert_eq!(
        head.header("content-length"),
        Some(changed.body.len().to_string().as_str())
    );
}

#[tokio::test]
async fn the_headers_keep_caches_and_buffers_away() {
    let server = TestServer::start().await;
    for (accept, buffering) in [
        ("Accept: */*\r\n", None),
        ("Accept: text/event-stream\r\n", Some("no")),
    ] {
        let mut http = Http::connect(server.addr).await;
        http.request("GET", "/channels/x", accept, b"").await;
        let head = http.head().await;
        assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
        assert_eq!(
            head.header("vary"),
            Some("Accept, Origin, Authorization, Cookie")
        );
        assert_eq!(head.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(head.header("x-accel-buffering"), buffering);
        assert!(head.header("date").is_some());
    }
}

#[tokio::test]
async fn a_raw_stream_carries_payloads_alone() {
    let server = TestServer::start().await;
    post(server.addr, "/channels/x?event=토큰", "a\r\nb").await;
    fetch(server.addr, "POST", "/channels/x", "", &[0xff, 1]).await;
    fetch(
        server.addr,
        "POST",
        "/channels/x?close=true",
        "Content-Type: application/json\r\n",
        b"{\"a\":1.0}",
    )
    .await;
    let mut events = Events::open(server.addr, "/channels/x?format=raw&after=earliest", "")
        .await
        .unwrap();
    assert_eq!(events.next().await.unwrap().name, "$hello");
    let mut got = Vec::new();
    while let Some(event) = events.next().await {
        got.push((event.name, event.data));
    }
    let want = [
        ("토큰", "a\nb"),
        ("", "/wE="),
        ("", "{\"a\":1.0}"),
        ("", "[DONE]"),
    ];
    assert_eq!(
        got,
        want.map(|(name, data)| (name.to_owned(), data.to_owned()))
    );
    let past = Events::open(server.addr, "/channels/x?format=raw", &events.last_id)
        .await
        .err()
        .expect("no stream");
    assert_eq!(past.status, 204);
    for bad in [
        "/channels/x?format=raw",
        "/channels/x?format=json",
        "/channels?name=x&name=y&format=raw&transport=sse",
    ] {
        assert_eq!(get(server.addr, bad).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn sse_ends_with_its_channels() {
    let server = TestServer::start().await;
    publish(&server, "a", ["a1"]).await;
    let mut events = Events::open(server.addr, "/channels?name=a&name=b&after=earliest", "")
        .await
        .unwrap();
    assert_eq!(events.next().await.unwrap().name, "$hello");
    assert!(events.next().await.unwrap().data.contains("a1"));
    fetch(server.addr, "POST", "/channels/a?close=true", "", b"").await;
    assert_eq!(events.next().await.unwrap().name, "$closed");
    let only_a = events.last_id.clone();
    fetch(
        server.addr,
        "POST",
        "/channels/b?close=true",
        "Content-Type: text/plain\r\n",
        "끝".as_bytes(),
    )
    .await;
    assert!(events.next().await.unwrap().data.contains("끝"));
    assert_eq!(events.next().await.unwrap().name, "$closed");
    assert_eq!(
        events.next().await,
        None,
        "the stream ends with its last channel"
    );
    // Between the two: the end of `a` was told before and is not told again.
    let mut between = Events::open(server.addr, "/channels?name=a&name=b", &only_a)
        .await
        .unwrap();
    assert_eq!(between.next().await.unwrap().name, "$hello");
    assert!(between.next().await.unwrap().data.contains("끝"));
    let past = Events::open(server.addr, "/channels?name=a&name=b", &events.last_id)
        .await
        .err()
        .expect("no stream");
    assert_eq!(past.status, 204);
    let poll = get(server.addr, "/channels?name=a&name=b&after=now&wait=30")
        .await
        .json();
    assert_eq!(
        poll["closed"], true,
        "a poll past the end is answered at once"
    );
}

#[tokio::test]
async fn an_ephemeral_message_reaches_those_of_the_moment() {
    let server = TestServer::start().await;
    let mut events = Events::open(server.addr, "/channels/x", "").await.unwrap();
    let hello = events.next().await.unwrap();
    let waiting = tokio::spawn({
        let addr = server.addr;
        async move { get(addr, "/channels/x?wait=30").await.json() }
    });
    wait_for_readers(&server, 1).await;
    let receipt = post(
        server.addr,
        "/channels/x?ephemeral=true&event=typing",
        "입력 중",
    )
    .await
    .json();
    assert_eq!(
        (&receipt["subscribers"], receipt.get("offset")),
        (&json!(2), None)
    );
    let event = events.next().await.unwrap();
    assert_eq!(
        (event.name.as_str(), &event.id),
        ("typing", &hello.id),
        "it has no id of its own"
    );
    let poll = waiting.await.unwrap();
    assert_eq!(datas(&poll), ["입력 중"]);
    assert_eq!(poll["messages"][0].get("offset"), None);
    assert!(
        datas(&get(server.addr, "/channels/x").await.json()).is_empty(),
        "it is never replayed"
    );
}

#[tokio::test]
async fn the_transport_is_chosen_by_the_request() {
    let server = TestServer::start().await;
    let kind = |target: &'static str, headers: &'static str| {
        let addr = server.addr;
        async move {
            let mut http = Http::connect(addr).await;
            http.request("GET", target, headers, b"").await;
            let head = http.head().await;
            (
                head.status,
                head.header("content-type").unwrap_or("").to_owned(),
            )
        }
    };
    let sse = (200, "text/event-stream".to_owned());
    let poll = (200, "application/json".to_owned());
    let events = "Accept: text/event-stream\r\n";
    assert_eq!(kind("/channels/x", events).await, sse);
    assert_eq!(kind("/channels/x", "").await, poll);
    assert_eq!(kind("/channels/x?transport=poll", events).await, poll);
    assert_eq!(kind("/channels/x?transport=sse", "").await, sse);
    assert_eq!(
        kind(
            "/channels/x",
            "Accept: application/json, text/event-stream;q=0.9\r\n"
        )
        .await,
        poll
    );
    assert_eq!(kind("/channels/x?transport=websocket", "").await.0, 426);
    assert_eq!(kind("/channels/x?transport=pigeon", "").await.0, 400);
    assert_eq!(kind("/channels/x?lastId=1", events).await.0, 400);
    assert!(
        Ws::connect(server.addr, "/channels/x?transport=websocket")
            .await
            .is_ok()
    );
    let overridden = Ws::connect(server.addr, "/channels/x?transport=poll")
        .await
        .err()
        .expect("a poll");
    assert_eq!(overridden.status, 200);
}

#[tokio::test]
async fn answers_of_polls_are_bounded() {
    let limits = Limits {
        poll_bytes: 1_000,
        poll_messages: 5,
        ..Limits::default()
    };
    let server = TestServer::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    publish(
        &server,
        "x",
        (0..8).map(|n| format!("{n}{}", "가".repeat(100))),
    )
    .await;
    let mut seen = 0;
    let mut after = "earliest".to_owned();
    loop {
        let answer = get(
            server.addr,
            &format!("/channels/x?after={after}&limit=1000"),
        )
        .await
        .json();
        let count = answer["messages"].as_array().unwrap().len();
        assert!((1..=2).contains(&count), "1,000 bytes hold two of these");
        seen += count;
        after = answer["cursor"].as_str().unwrap().to_owned();
        if answer["more"] == false {
            break;
        }
    }
    assert_eq!(seen, 8);
    for bad in [
        "limit=0", "limit=-1", "limit=x", "last=-1", "wait=x", "wait=NaN",
    ] {
        assert_eq!(
            get(server.addr, &format!("/channels/x?{bad}")).await.status,
            400,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_wait_is_cut_to_the_limit() {
    let limits = Limits {
        wait: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = TestServer::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    for wait in ["1e9", "1e300"] {
        assert!(
            datas(
                &get(server.addr, &format!("/channels/x?wait={wait}"))
                    .await
                    .json()
            )
            .is_empty()
        );
    }
}

#[tokio::test]
async fn idle_channels_are_evicted_without_a_false_gap() {
    let limits = Limits {
        sweep: Duration::from_millis(10),
        ..Limits::default()
    };
    let history = History {
        age: Duration::from_millis(20),
        ..History::default()
    };
    let server = TestServer::with(Options {
        limits,
        history,
        ..Options::default()
    })
    .await;
    publish(&server, "quiet", ["하나"]).await;
    let mut after = publish(&server, "quiet", ["둘"]).await.pop().unwrap();
    let mut evicted = 0;
    let mut http = Http::connect(server.addr).await;
    for _ in 0..1_000 {
        http.request("GET", &format!("/channels/quiet?after={after}"), "", b"")
            .await;
        let answer = http.answer().await.json();
        assert_eq!(answer["messages"], json!([]), "no gap, no message");
        after = answer["cursor"].as_str().unwrap().to_owned();
        evicted += server.app.hub().broker().holdings().remembered;
    }
    // The polls are faster than the sweeps; some of them found the channel evicted.
    while evicted == 0 {
        tokio::task::yield_now().await;
        evicted += server.app.hub().broker().holdings().remembered;
    }
    let answer = get(server.addr, &format!("/channels/quiet?after={after}"))
        .await
        .json();
    assert_eq!(
        (answer["messages"].clone(), answer["cursor"].as_str()),
        (json!([]), Some(after.as_str()))
    );
}

#[tokio::test]
async fn the_server_tells_its_own_figures() {
    let server = TestServer::start().await;
    let mut events = Events::open(server.addr, "/channels/$stats", "")
        .await
        .unwrap();
    assert_eq!(events.next().await.unwrap().name, "$hello");
    let envelope: Value = serde_json::from_str(&events.next().await.unwrap().data).unwrap();
    let figures = envelope["data"].as_object().expect("an object");
    for key in [
        "uptime_s",
        "connections",
        "accepted",
        "requests",
        "refused",
        "published",
        "published_bytes",
        "ephemeral",
        "duplicates",
        "resumed",
        "gaps",
        "channels",
        "remembered",
        "messages",
        "bytes",
    ] {
        assert!(figures[key].is_u64(), "{key}");
    }
    assert_eq!(figures["transports"]["sse"]["open"], 1);
    assert_eq!(
        get(server.addr, "/channels/$nothing").await.json()["code"],
        "forbidden"
    );
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(server.addr, path).await.status, 200);
    }
}

#[tokio::test]
async fn a_gap_that_was_not_told_yet_is_told_to_the_next_poll() {
    let server = TestServer::start().await;
    let a = publish(&server, "a", ["a1", "a2"]).await;
    let b = publish(&server, "b", ["b1", "b2"]).await;
    fetch(server.addr, "DELETE", "/channels/b", "", b"").await;
    publish(&server, "b", ["b3"]).await;
    let zero = a[0].replace("-1", "-0");
    let first = get(
        server.addr,
        &format!(
            "/channels?name=a&name=b&after={zero}&after={}&limit=1",
            b[1]
        ),
    )
    .await
    .json();
    assert_eq!(
        (datas(&first), &first["more"]),
        (vec!["a1".to_owned()], &json!(true))
    );
    let cursor = first["cursor"].as_str().unwrap();
    let second = get(
        server.addr,
        &format!("/channels?name=a&name=b&after={cursor}"),
    )
    .await
    .json();
    assert_eq!(datas(&second), ["a2", "\"gap\"", "b3"]);
    assert_eq!(second["messages"][1]["reason"], "epoch_changed");
    // The same where a channel is left before it was read.
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    let subscribe = json!({"type": "subscribe", "channel": "b", "after": b[1]});
    let both = [subscribe, json!({"type": "unsubscribe", "channel": "b"})];
    for command in both {
        ws.command(command).await;
    }
    assert_eq!(ws.json().await.unwrap()["type"], "subscribed");
    let mut told = false;
    loop {
        let next = ws.json().await.unwrap();
        told |= next["type"] == "gap";
        if next["type"] == "unsubscribed" {
            let position = format!("{}-{}", next["epoch"].as_str().unwrap(), next["offset"]);
            assert!(told || position == b[1], "{position}");
            break;
        }
    }
}

#[tokio::test]
async fn the_end_counts_for_no_message() {
    let server = TestServer::start().await;
    publish(&server, "x", [1, 2]).await;
    fetch(server.addr, "POST", "/channels/x?close=true", "", b"").await;
    let answer = get(server.addr, "/channels/x?last=1").await.json();
    assert_eq!(datas(&answer), ["2", "\"closed\""]);
}

#[tokio::test]
async fn an_answer_over_many_channels_is_bounded_as_a_whole() {
    let limits = Limits {
        poll_bytes: 100_000,
        ..Limits::default()
    };
    let server = TestServer::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    let text = "x".repeat(40_000);
    for channel in ["a", "b", "c", "d", "e"] {
        publish(&server, channel, [&text]).await;
    }
    let names = "name=a&name=b&name=c&name=d&name=e";
    let first = get(server.addr, &format!("/channels?{names}&after=earliest")).await;
    assert!(first.body.len() < 100_000, "{}", first.body.len());
    let mut seen = first.json()["messages"].as_array().unwrap().len();
    let mut cursor = first.json()["cursor"].as_str().unwrap().to_owned();
    while seen < 5 {
        let next = get(server.addr, &format!("/channels?{names}&after={cursor}"))
            .await
            .json();
        seen += next["messages"].as_array().unwrap().len();
        cursor = next["cursor"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn a_fast_channel_leaves_room_for_the_others() {
    let server = TestServer::start().await;
    publish(&server, "fast", 0..200).await;
    publish(&server, "slow", ["하나"]).await;
    let answer = get(
        server.addr,
        "/channels?name=fast&name=slow&after=earliest&limit=50",
    )
    .await
    .json();
    assert!(datas(&answer).contains(&"하나".to_owned()));
}

#[tokio::test]
async fn a_poll_that_sent_something_early_is_freed_too() {
    let server = TestServer::start().await;
    let mut http = Http::connect(server.addr).await;
    http.request("GET", "/channels/x?wait=30", "", b"").await;
    http.send(b"GET /half").await;
    wait_for_readers(&server, 1).await;
    drop(http);
    wait_for_readers(&server, 0).await;
}

//! Polls: waiting, tags, bounds, and what happens to them across evictions.

use std::time::Duration;

use conformance::http::{Http, fetch, get};
use conformance::server::{Options, TestServer};
use conformance::ws::Ws;
use serde_json::json;
use tidings_core::{History, Limits};

use crate::support::*;

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

//! Where a reading starts, cursors, and gaps.

use conformance::http::{Http, fetch, get};
use conformance::server::TestServer;
use conformance::sse::Events;
use conformance::ws::Ws;
use serde_json::{Value, json};

use crate::support::*;

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

#[tokio::test]
async fn the_end_counts_for_no_message() {
    let server = TestServer::start().await;
    publish(&server, "x", [1, 2]).await;
    fetch(server.addr, "POST", "/channels/x?close=true", "", b"").await;
    let answer = get(server.addr, "/channels/x?last=1").await.json();
    assert_eq!(datas(&answer), ["2", "\"closed\""]);
}

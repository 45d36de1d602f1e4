//! The right to the past, apart from that to read.

use serde_json::{Value, json};

use crate::support::{Kind, Reader, bearer, command, get, next, publish, start, token, ws};

/// Everybody may read it, and who has a token for it its past.
const TARGET: &str = "/channels?name=live:1";

fn insider() -> String {
    bearer(&token(json!({"channels": {"subscribe": ["live:*"]}})))
}

fn datas(answer: &Value) -> Vec<&Value> {
    let list = answer["messages"].as_array().expect("a list");
    list.iter().map(|entry| &entry["data"]).collect()
}

#[tokio::test]
async fn without_it_nothing_old_is_told_and_live_goes_on() {
    let server = start().await;
    for data in ["하나", "둘", "셋"] {
        publish(&server, "live:1", json!(data)).await;
    }
    for start in ["", "&after=earliest", "&last=2", "&after=now"] {
        let answer = get(server.addr, &format!("{TARGET}{start}"), "")
            .await
            .json();
        assert_eq!(answer["messages"], json!([]), "{start}");
    }
    for kind in Kind::ALL {
        for start in ["", "&after=earliest", "&last=2"] {
            let target = format!("{TARGET}{start}");
            let mut reader = Reader::open(kind, &server, &target, "").await;
            let data = json!(format!("{kind:?}{start}"));
            publish(&server, "live:1", data.clone()).await;
            assert_eq!(reader.told().await["data"], data, "{kind:?}{start}");
        }
    }
    let all = get(server.addr, &format!("{TARGET}&after=earliest"), &insider()).await;
    assert_eq!(datas(&all.json()).len(), 3 + 9, "who may reads all of it");
}

#[tokio::test]
async fn without_it_a_cursor_has_a_gap_up_to_the_newest() {
    let server = start().await;
    let cursor = get(server.addr, TARGET, "").await.json()["cursor"].clone();
    let cursor = cursor.as_str().expect("a cursor").to_owned();
    for data in ["하나", "둘", "셋"] {
        publish(&server, "live:1", json!(data)).await;
    }
    let target = format!("{TARGET}&after={cursor}");
    let mut streams = Vec::new();
    for kind in [Kind::WebSocket, Kind::Sse] {
        let mut reader = Reader::open(kind, &server, &target, "").await;
        is_gap(&reader.told().await);
        streams.push(reader);
    }
    let answer = get(server.addr, &format!("{target}&wait=9"), "")
        .await
        .json();
    is_gap(&answer["messages"][0]);
    assert_eq!(datas(&answer).len(), 1);
    publish(&server, "live:1", json!("live")).await;
    for reader in &mut streams {
        assert_eq!(reader.told().await["data"], "live", "{:?}", reader.kind);
    }
    let read_on = format!(
        "{TARGET}&after={}",
        answer["cursor"].as_str().expect("a cursor")
    );
    let missed = get(server.addr, &read_on, "").await.json();
    is_gap_to(&missed["messages"][0], 4, 4);
    let all = get(server.addr, &target, &insider()).await.json();
    assert_eq!(datas(&all), ["하나", "둘", "셋", "live"]);
}

fn is_gap(told: &Value) {
    is_gap_to(told, 1, 3);
}

fn is_gap_to(told: &Value, from: u64, to: u64) {
    assert_eq!(
        (&told["type"], &told["reason"]),
        (&json!("gap"), &json!("expired")),
        "{told}"
    );
    assert_eq!(
        (&told["from"], &told["to"]),
        (&json!(from), &json!(to)),
        "{told}"
    );
}

#[tokio::test]
async fn a_subscription_is_no_way_around_it() {
    let server = start().await;
    publish(&server, "live:1", json!("alt")).await;
    let (mut socket, _) = ws(server.addr, "/channels/open:1", "").await;
    let subscribe =
        json!({"type": "subscribe", "channel": "live:1", "after": "earliest", "last": 9});
    let told = command(&mut socket, subscribe).await;
    assert_eq!(
        (&told["type"], &told["offset"]),
        (&json!("subscribed"), &json!(1))
    );
    publish(&server, "live:1", json!("neu")).await;
    assert_eq!(next(&mut socket).await["data"], "neu");
}

//! Publishing: content types, batches, idempotency, the end of a channel.

use conformance::http::{fetch, get, post};
use conformance::server::{Options, TestServer};
use serde_json::{Value, json};
use tidings_core::Limits;

const JSON: &str = "Content-Type: application/json\r\n";

async fn messages(server: &TestServer, channel: &str) -> Vec<Value> {
    let answer = get(server.addr, &format!("/channels/{channel}?limit=1000")).await;
    answer.json()["messages"]
        .as_array()
        .expect("a list")
        .clone()
}

#[tokio::test]
async fn a_body_is_what_its_content_type_says() {
    let server = TestServer::start().await;
    let cases: [(&str, &[u8], &str); 9] = [
        (JSON, b" {\"n\": 1.000} ", r#""data":{"n": 1.000},"#),
        (
            "Content-Type: application/vnd.x+json\r\n",
            b"[1e400]",
            r#""data":[1e400],"#,
        ),
        (
            "Content-Type: text/plain\r\n",
            "{\"서울\"}".as_bytes(),
            r#""data":"{\"서울\"}","#,
        ),
        (
            "Content-Type: text/html; charset=utf-8\r\n",
            b"a\r\nb\n",
            r#""data":"a\r\nb\n","#,
        ),
        (
            "Content-Type: application/x-www-form-urlencoded\r\n",
            b"{\"a\":1}",
            r#""data":{"a":1},"#,
        ),
        (
            "Content-Type: application/x-www-form-urlencoded\r\n",
            b"a=1",
            r#""data":"a=1","#,
        ),
        ("", "🎉".as_bytes(), r#""data":"🎉","#),
        ("", &[0xff, 0], r#""encoding":"base64","data":"/wA=","#),
        (
            "Content-Type: image/png\r\n",
            b"{}",
            r#""encoding":"base64","data":"e30=","#,
        ),
    ];
    for (index, (content_type, body, data)) in cases.iter().enumerate() {
        let channel = format!("/channels/c{index}");
        let answer = fetch(server.addr, "POST", &channel, content_type, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = get(server.addr, &channel).await;
        assert!(
            answer.text().contains(data),
            "{} lacks {data}",
            answer.text()
        );
    }
    for (content_type, body) in [
        (JSON, &b"{"[..]),
        (JSON, b""),
        ("Content-Type: text/plain\r\n", b"\xff"),
    ] {
        let answer = fetch(server.addr, "POST", "/channels/bad", content_type, body).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (400, Some("invalid_payload"))
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    assert!(messages(&server, "bad").await.is_empty());
}

#[tokio::test]
async fn a_batch_is_checked_whole_and_answered_in_order() {
    let server = TestServer::start().await;
    let batch = json!({"messages": [
        {"channel": "a", "data": {"n": 1}, "event": "first", "unknown": true},
        {"channel": "b/방", "data": "글", "encoding": "text"},
        {"channel": "a", "data": "AP8=", "encoding": "base64", "key": "k"},
        {"channel": "a", "data": null, "ephemeral": true},
    ]});
    let publish = |batch: Value| {
        let addr = server.addr;
        async move { fetch(addr, "POST", "/publish", JSON, batch.to_string().as_bytes()).await }
    };
    let answer = publish(batch).await.json();
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 4);
    assert_eq!(
        (&results[0]["offset"], &results[2]["offset"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        (&results[1]["channel"], &results[1]["offset"]),
        (&json!("b/방"), &json!(1))
    );
    assert_eq!(
        (&results[3]["offset"], &results[3]["subscribers"]),
        (&Value::Null, &json!(0))
    );
    for bad in [
        json!({"channel": "a"}),
        json!({"channel": "a b", "data": 1}),
        json!({"channel": "$stats", "data": 1}),
        json!({"channel": "~alice", "data": 1}),
        json!({"channel": "a", "data": 1, "encoding": "text"}),
        json!({"channel": "a", "data": 1, "event": "$hello"}),
        json!({"channel": "a", "data": 1, "key": "ü"}),
        json!({"channel": "a", "data": "x".repeat(70_000)}),
        json!({"channel": "a", "data": 1, "echo": false}),
    ] {
        let answer =
            publish(json!({"messages": [{"channel": "a", "data": "good"}, bad.clone()]})).await;
        assert!(
            (400..=413).contains(&answer.status),
            "{bad}: {}",
            answer.text()
        );
        assert!(
            answer.json()["detail"]
                .as_str()
                .expect("a detail")
                .starts_with("messages[1]: "),
            "{}",
            answer.text()
        );
    }
    assert_eq!(
        messages(&server, "a").await.len(),
        2,
        "nothing of a refused batch was published"
    );
    for bad in ["", "[]", "{}", "{\"messages\":[]}", "{\"messages\":[1]}"] {
        let answer = fetch(server.addr, "POST", "/publish", JSON, bad.as_bytes()).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_result_of_a_batch_can_be_a_refusal() {
    let server = TestServer::start().await;
    fetch(server.addr, "POST", "/channels/done?close=true", "", b"").await;
    let batch =
        json!({"messages": [{"channel": "done", "data": 1}, {"channel": "open", "data": 2}]});
    let answer = fetch(
        server.addr,
        "POST",
        "/publish",
        JSON,
        batch.to_string().as_bytes(),
    )
    .await
    .json();
    assert_eq!(answer["results"][0]["code"], "channel_closed");
    assert_eq!(answer["results"][1]["offset"], 1);
}

#[tokio::test]
async fn an_idempotency_key_makes_a_retry_safe() {
    let server = TestServer::start().await;
    let send = |key: &'static str, body: &'static str, target: &'static str| {
        let addr = server.addr;
        async move {
            fetch(
                addr,
                "POST",
                target,
                &format!("Idempotency-Key: {key}\r\n"),
                body.as_bytes(),
            )
            .await
        }
    };
    let first = send("k1", "하나", "/channels/x").await.json();
    let again = send("k1", "하나", "/channels/x").await.json();
    assert_eq!(
        (&first["offset"], first.get("duplicate")),
        (&json!(1), None)
    );
    assert_eq!(
        (&again["offset"], &again["epoch"], &again["duplicate"]),
        (&json!(1), &first["epoch"], &json!(true))
    );
    let other = send("k1", "둘", "/channels/x").await;
    assert_eq!(
        (other.status, other.json()["code"].as_str()),
        (422, Some("key_reused"))
    );
    let user = send("k1", "둘", "/channels/x?user=%EC%98%81%ED%9D%AC")
        .await
        .json();
    assert_eq!(user["offset"], 2, "another publisher's key is another key");
    let long = "k".repeat(65);
    for bad in ["\"quoted key\" with spaces", "", &long] {
        let answer = fetch(
            server.addr,
            "POST",
            "/channels/x",
            &format!("Idempotency-Key: {bad}\r\n"),
            b"1",
        )
        .await;
        assert_eq!(answer.json()["code"], "invalid_key", "{bad}");
    }
    assert_eq!(messages(&server, "x").await.len(), 2);
    assert_eq!(server.app.hub().stats().duplicates.get(), 1);
}

#[tokio::test]
async fn a_channel_ends_and_says_so_to_all() {
    let server = TestServer::start().await;
    let end = fetch(
        server.addr,
        "POST",
        "/channels/run?close=true",
        "Content-Type: text/plain\r\n",
        "끝".as_bytes(),
    )
    .await;
    assert_eq!(
        (end.status, &end.json()["offset"], &end.json()["closed"]),
        (200, &json!(2), &json!(true))
    );
    let again = fetch(server.addr, "POST", "/channels/run?close=true", "", b"").await;
    assert_eq!((again.status, &again.json()["offset"]), (200, &json!(2)));
    let late = post(server.addr, "/channels/run", "late").await;
    assert_eq!(
        (late.status, late.json()["code"].as_str()),
        (409, Some("channel_closed"))
    );
    let late = post(server.addr, "/channels/run?ephemeral=true", "late").await;
    assert_eq!(late.status, 409);
    let list = get(server.addr, "/channels/run").await.json();
    let types: Vec<_> = list["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        (types, &list["closed"]),
        (vec!["message", "closed"], &json!(true))
    );
    // Emptied, it begins anew.
    let cleared = fetch(server.addr, "DELETE", "/channels/run", "", b"").await;
    assert_eq!(
        (cleared.status, &cleared.json()["offset"]),
        (200, &json!(0))
    );
    assert_ne!(cleared.json()["epoch"], end.json()["epoch"]);
    assert_eq!(
        post(server.addr, "/channels/run", "anew").await.json()["offset"],
        1
    );
}

#[tokio::test]
async fn names_are_decoded_once_and_compared_as_bytes() {
    let server = TestServer::start().await;
    for (target, name) in [
        ("/channels/%EC%84%9C%EC%9A%B8%3A1", "서울:1"),
        ("/channels/%F0%9F%8E%89", "🎉"),
        ("/channels?name=a%2Fb", "a/b"),
        ("/channels?name=..", ".."),
        ("/channels/a+b", "a+b"),
        ("/channels/%2561", "%61"),
    ] {
        assert_eq!(post(server.addr, target, "x").await.json()["channel"], name);
    }
    for bad in [
        "/channels/",
        "/channels/a%2Fb",
        "/channels/..",
        "/channels/%2e",
        "/channels/%ff",
        "/channels/a%20b",
        "/channels/a%00b",
        "/channels?name=",
        "/channels",
        "/channels?name=a&name=b",
        "/channels/a/b",
    ] {
        assert_eq!(post(server.addr, bad, "x").await.status, 400, "{bad}");
    }
    let long = "가".repeat(85);
    let escaped: String = long.bytes().map(|b| format!("%{b:02X}")).collect();
    assert_eq!(
        post(server.addr, &format!("/channels/{escaped}"), "x")
            .await
            .status,
        200,
        "255 bytes"
    );
    assert_eq!(
        post(server.addr, &format!("/channels/{escaped}a"), "x")
            .await
            .status,
        400,
        "256 bytes"
    );
}

#[tokio::test]
async fn parameters_are_checked() {
    let server = TestServer::start().await;
    for (target, code) in [
        ("/channels/x?room=a", "unknown_parameter"),
        ("/channels/x?topic=", "invalid_parameter"),
        ("/channels/x?topic=a%0Ab", "invalid_parameter"),
        ("/channels/x?event=%24hello", "invalid_event"),
        ("/channels/x?event=open", "invalid_event"),
        ("/channels/x?event=a%0Ab", "invalid_event"),
        ("/channels/x?event=", "invalid_event"),
        ("/channels/x?ephemeral=yes", "invalid_parameter"),
        ("/channels/x?close=true&ephemeral=true", "invalid_parameter"),
        ("/channels/x?event=a&event=b", "invalid_parameter"),
        ("/channels/$stats", "forbidden"),
        ("/channels/~nobody", "invalid_name"),
        ("/channels/@", "unauthorized"),
        ("/channels/x?echo=false", "invalid_parameter"),
        ("/channels/x?exclude=c1", "invalid_parameter"),
    ] {
        let answer = post(server.addr, target, "x").await;
        assert_eq!(answer.json()["code"], code, "{target}");
    }
    assert_eq!(
        post(server.addr, "/channels/x?_=123&event=e", "x")
            .await
            .status,
        200
    );
    assert!(
        get(server.addr, "/metrics")
            .await
            .text()
            .contains("tidings_refusals_total{code=\"invalid_event\"} 4")
    );
}

#[tokio::test]
async fn sizes_are_limited() {
    let limits = Limits {
        message_bytes: 100,
        body_bytes: 1_000,
        batch_messages: 3,
        ..Limits::default()
    };
    let server = TestServer::with(Options {
        limits,
        ..Options::default()
    })
    .await;
    assert_eq!(
        post(server.addr, "/channels/x", &"a".repeat(100))
            .await
            .status,
        200
    );
    let big = post(server.addr, "/channels/x", &"a".repeat(101)).await;
    assert_eq!(
        (big.status, big.json()["code"].as_str()),
        (413, Some("message_too_large"))
    );
    let chunked = "Transfer-Encoding: chunked\r\n\r\n80\r\n";
    let mut http = conformance::http::Http::connect(server.addr).await;
    http.send(
        format!(
            "POST /channels/x HTTP/1.1\r\nHost: localhost\r\n{chunked}{}\r\n0\r\n\r\n",
            "a".repeat(128)
        )
        .as_bytes(),
    )
    .await;
    assert_eq!(http.answer().await.status, 413);
    let body = json!({"messages": [{"channel": "x", "data": "a".repeat(1_000)}]}).to_string();
    assert_eq!(
        fetch(server.addr, "POST", "/publish", JSON, body.as_bytes())
            .await
            .json()["code"],
        "body_too_large"
    );
    let four = json!({"messages": vec![json!({"channel": "x", "data": 1}); 4]}).to_string();
    assert_eq!(
        fetch(server.addr, "POST", "/publish", JSON, four.as_bytes())
            .await
            .json()["code"],
        "batch_too_large"
    );
}

//! Publishing against scripted answers: what goes over the wire, and what a retry may and may not do.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use support::{Server, soon};
use tidings_client::{Error, Limits, Publish, Timings};

const RECEIPT: &str = r#"{"channel":"방","epoch":"k3","offset":7,"subscribers":2}"#;

#[tokio::test]
async fn a_message_goes_out_as_it_is() {
    let server = Server::start().await;
    let client = server
        .builder()
        .user("앨리스")
        .user_agent("시험/1".replace("시험", "test"))
        .build()
        .expect("a client");
    let publish = Publish::json(&["안녕 🙂"])
        .expect("JSON")
        .event("인사")
        .ephemeral()
        .key("k-1");
    let sent = tokio::spawn(async move { client.publish("방 7/b", publish).await });
    let (mut peer, request) = server.request().await;
    let query = "name=%EB%B0%A9%207%2Fb&event=%EC%9D%B8%EC%82%AC&ephemeral=true&user=%EC%95%A8%EB%A6%AC%EC%8A%A4";
    assert_eq!(request.line, format!("POST /channels?{query} HTTP/1.1"));
    assert_eq!(request.header("idempotency-key"), Some("k-1"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("user-agent"), Some("test/1"));
    assert_eq!(request.body_text(), r#"["안녕 🙂"]"#);
    peer.json(r#"{"channel":"방 7/b","subscribers":0}"#).await;
    let receipt = soon("a receipt", sent)
        .await
        .expect("no panic")
        .expect("a receipt");
    assert_eq!(
        (
            receipt.channel.as_str(),
            receipt.position,
            receipt.duplicate
        ),
        ("방 7/b", None, false)
    );
}

#[tokio::test]
async fn retries_keep_their_key() {
    let server = Server::start().await;
    let client = server.client();
    let sent =
        tokio::spawn(async move { client.publish("방", Publish::guess("끝").close()).await });

    let (mut peer, first) = server.request().await;
    assert_eq!(first.line, "POST /channels/%EB%B0%A9?close=true HTTP/1.1");
    assert_eq!(first.header("content-type"), None);
    let key = first
        .header("idempotency-key")
        .expect("a key of its own")
        .to_owned();
    assert!(
        key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_graphic()),
        "{key}"
    );
    peer.problem(
        "503 Service Unavailable",
        "retry-after: 0\r\nconnection: close\r\n",
        "draining",
    )
    .await;

    let (peer, second) = server.request().await;
    assert_eq!(second.header("idempotency-key"), Some(&*key));
    drop(peer); // Taken and not answered: nobody knows whether it was published.

    let (mut peer, third) = server.request().await;
    assert_eq!(third.header("idempotency-key"), Some(&*key));
    assert_eq!(third.body_text(), "끝");
    peer.json(&RECEIPT.replace('}', r#","duplicate":true,"closed":true}"#))
        .await;
    let receipt = soon("a receipt", sent)
        .await
        .expect("no panic")
        .expect("a receipt");
    assert_eq!(
        receipt
            .position
            .map(|position| position.to_string())
            .as_deref(),
        Some("k3-7")
    );
    assert!(receipt.duplicate && receipt.closed);
}

#[tokio::test]
async fn keys_of_two_messages_differ() {
    let server = Server::start().await;
    let client = server.client();
    let sent = tokio::spawn(async move {
        for _ in 0..2 {
            client
                .publish("방", Publish::text("같은 글"))
                .await
                .expect("a receipt");
        }
    });
    let (mut peer, first) = server.request().await;
    peer.json(RECEIPT).await;
    let second = peer.request().await;
    peer.json(RECEIPT).await;
    soon("both", sent).await.expect("two receipts");
    assert_ne!(
        first.header("idempotency-key"),
        second.header("idempotency-key")
    );
}

#[tokio::test]
async fn a_final_refusal_is_told_at_once() {
    let server = Server::start().await;
    let client = server.client();
    let sent = tokio::spawn(async move { client.publish("방", Publish::text("x")).await });
    let (mut peer, _) = server.request().await;
    peer.problem("409 Conflict", "", "closed").await;
    let error = soon("an error", sent)
        .await
        .expect("no panic")
        .expect_err("a refusal");
    assert_eq!(
        (error.status(), error.code(), error.detail()),
        (Some(409), Some("closed"), Some("이유"))
    );
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn retries_are_bounded() {
    let server = Server::start().await;
    let limits = Limits {
        publish_attempts: 3,
        ..Limits::default()
    };
    let client = server.builder().limits(limits).build().expect("a client");
    let sent = tokio::spawn(async move { client.publish("방", Publish::text("x")).await });
    for _ in 0..3 {
        let (mut peer, _) = server.request().await;
        peer.problem("429 Too Many Requests", "connection: close\r\n", "rate")
            .await;
    }
    let error = soon("an error", sent)
        .await
        .expect("no panic")
        .expect_err("a refusal");
    assert!(
        error.is_temporary() && error.code() == Some("rate"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wish_beyond_the_time_is_handed_to_the_caller() {
    let server = Server::start().await;
    let client = server.client();
    let sent = tokio::spawn(async move { client.publish("방", Publish::text("x")).await });
    let (mut peer, _) = server.request().await;
    peer.problem("503 Service Unavailable", "retry-after: 60\r\n", "draining")
        .await;
    let error = soon("an error", sent)
        .await
        .expect("no panic")
        .expect_err("a refusal");
    assert_eq!(error.retry_after().map(|after| after.as_secs()), Some(60));
}

#[tokio::test]
async fn without_a_key_nothing_is_sent_twice() {
    let server = Server::start().await;
    let limits = Limits {
        publish_attempts: 1,
        ..Limits::default()
    };
    let client = server.builder().limits(limits).build().expect("a client");
    let sent = tokio::spawn(async move { client.publish("방", Publish::text("x")).await });
    let (peer, request) = server.request().await;
    assert_eq!(request.header("idempotency-key"), None);
    drop(peer);
    let error = soon("an error", sent)
        .await
        .expect("no panic")
        .expect_err("no answer came");
    assert!(matches!(error, Error::Lost(_)), "{error:?}");
}

#[tokio::test]
async fn answers_of_others_are_recognised() {
    let server = Server::start().await;
    let limits = Limits {
        max_response: 1_000,
        ..Limits::default()
    };
    let client = server.builder().limits(limits).build().expect("a client");
    for (body, too_large) in [("<h1>Hi</h1>".to_owned(), false), ("x".repeat(1_001), true)] {
        let client = client.clone();
        let sent = tokio::spawn(async move { client.publish("방", Publish::text("x")).await });
        let (mut peer, _) = server.request().await;
        peer.answer("200 OK", "connection: close\r\n", &body).await;
        let error = soon("an error", sent)
            .await
            .expect("no panic")
            .expect_err("no receipt");
        assert_eq!(
            matches!(error, Error::TooLarge { .. }),
            too_large,
            "{error:?}"
        );
        assert_eq!(matches!(error, Error::Foreign(_)), !too_large, "{error:?}");
    }
}

#[tokio::test]
async fn messages_of_a_channel_keep_their_order_over_an_outage() {
    let server = Server::start().await;
    let address = server.address();
    let client = server.client();
    drop(server);
    let sent: Vec<_> = (0..5)
        .map(|number| {
            let client = client.clone();
            let text = Publish::text(number.to_string());
            let task = tokio::spawn(async move { client.publish("방", text).await });
            async move { soon("a receipt", task).await.expect("no panic") }
        })
        .collect();
    tokio::task::yield_now().await;
    let server = Server::start_at(address).await;
    let (mut peer, first) = server.request().await;
    let mut request = first;
    for number in 0..5 {
        assert_eq!(request.body_text(), number.to_string());
        peer.json(RECEIPT).await;
        if number < 4 {
            request = peer.request().await;
        }
    }
    for receipt in sent {
        receipt.await.expect("a receipt");
    }
}

#[tokio::test]
async fn no_more_wait_for_a_server_that_is_away_than_may() {
    let server = Server::start().await;
    let limits = Limits {
        queue: 2,
        ..Limits::default()
    };
    let client = server.builder().limits(limits).build().expect("a client");
    drop(server);
    let ephemeral = client.publish("방", Publish::text("x").ephemeral()).await;
    let error = ephemeral.expect_err("it does not wait");
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.publish("방", Publish::text("x")).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let error = client.publish("other", Publish::text("x")).await;
    assert!(matches!(error, Err(Error::QueueFull { limit: 2 })));
    assert!(waiting.iter().all(|task| !task.is_finished()));
}

#[tokio::test]
async fn what_was_sent_and_never_answered_is_not_sent_for_ever() {
    let server = Server::start().await;
    let timings = Timings {
        unknown_outcome: std::time::Duration::from_millis(200),
        ..support::short()
    };
    let client = server.builder().timings(timings).build().expect("a client");
    let sent = tokio::spawn(async move { client.publish("방", Publish::text("x")).await });
    let (peer, first) = server.request().await;
    drop((peer, server));
    let error = soon("an error", sent).await.expect("no panic");
    assert!(matches!(error, Err(Error::UnknownOutcome)), "{error:?}");
    assert!(first.header("idempotency-key").is_some());
}

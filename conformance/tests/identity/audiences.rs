//! Whom the rules of a namespace let in, and who is sent away.

use serde_json::json;

use crate::support::{
    ADMIN, BACKEND, authenticate, bearer, get, limited, next, now, post, raw_ws, rest_of, start,
    token, ws,
};

#[tokio::test]
async fn each_audience_lets_in_whom_it_names() {
    let server = start().await;
    let nothing = token(json!({"sub": "bob"}));
    let named = token(json!({"channels": {"subscribe": ["members:*", "back:*", "room:*"]}}));
    for (who, headers, allowed) in [
        ("nobody", String::new(), [200, 401, 401, 401]),
        ("a user", bearer(&nothing), [200, 200, 403, 403]),
        ("a token without user", bearer(&named), [200, 200, 200, 403]),
        ("a backend", bearer(&BACKEND), [200, 200, 200, 200]),
        (
            "a backend for nothing",
            bearer(&ADMIN),
            [403, 403, 403, 403],
        ),
    ] {
        for (channel, status) in ["open:1", "members:1", "room:1", "back:1"]
            .iter()
            .zip(allowed)
        {
            let answer = get(server.addr, &format!("/channels/{channel}"), &headers).await;
            assert_eq!(answer.status, status, "{who}: {channel}");
        }
    }
}

#[tokio::test]
async fn a_refusal_lists_the_channels_that_are_refused() {
    let server = start().await;
    let named = bearer(&token(json!({"channels": {"subscribe": ["room:1"]}})));
    let path = "/channels?name=room:1&name=room:2&name=back:1";
    let answer = get(server.addr, path, &named).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["channels"], json!(["room:2", "back:1"]));
    let answer = get(server.addr, "/channels/room:1", &named).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn who_says_nothing_on_a_websocket_is_sent_away() {
    let server = start().await;
    let mut socket = raw_ws(server.addr, "/channels", "").await;
    next(&mut socket).await;
    let began = std::time::Instant::now();
    let (told, code) = rest_of(&mut socket).await;
    assert_eq!(told.last().expect("an error")["code"], "unauthorized");
    assert_eq!(code, Some(4021));
    assert!(began.elapsed().as_secs() >= 9);
}

#[tokio::test]
async fn who_guesses_is_slowed_down() {
    let server = limited(|limits| limits.auth_failures_per_address = 3).await;
    let good = bearer(&token(json!({"channels": {"subscribe": ["room:*"]}})));
    let expired = bearer(&token(json!({"exp": now() - 1})));
    for _ in 0..9 {
        // A token that has ended is no guess.
        assert_eq!(
            get(server.addr, "/channels/room:1", &expired).await.status,
            401
        );
    }
    for _ in 0..3 {
        let guess = bearer("garbage");
        assert_eq!(
            get(server.addr, "/channels/room:1", &guess).await.status,
            401
        );
    }
    let answer = get(server.addr, "/channels/room:1", &bearer("garbage")).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json()["code"], "too_many_requests");
    let seconds: u64 = answer.header("retry-after").expect("when").parse().unwrap();
    assert!((1..=60).contains(&seconds));
    // Many share an address: who guesses there keeps nobody out who knows.
    assert_eq!(
        get(server.addr, "/channels/room:1", &good).await.status,
        200
    );
    assert_eq!(get(server.addr, "/channels/open:1", "").await.status, 200);
    let (mut socket, _) = ws(server.addr, "/channels/open:1", "").await;
    let told = authenticate(&mut socket, "garbage").await;
    assert_eq!(told["code"], "too_many_requests");
    assert!(told["retry_ms"].as_u64().is_some_and(|ms| ms > 0), "{told}");
}

#[tokio::test]
async fn a_batch_needs_the_right_to_all_of_it() {
    let server = start().await;
    let token = token(json!({"sub": "alice", "channels": {"publish": ["room:*"]}}));
    let batch = |channels: [&str; 2]| {
        let message = |channel: &&str| json!({"channel": channel, "data": 1});
        json!({"messages": channels.iter().map(message).collect::<Vec<_>>()})
    };
    let good = post(
        server.addr,
        "/publish",
        &bearer(&token),
        &batch(["room:1", "room:2"]),
    )
    .await;
    assert_eq!(good.status, 200, "{}", good.text());
    let mixed = post(
        server.addr,
        "/publish",
        &bearer(&token),
        &batch(["room:1", "hall:1"]),
    )
    .await;
    assert_eq!(
        (mixed.status, &mixed.json()["code"]),
        (403, &json!("forbidden"))
    );
    let read = get(server.addr, "/channels/room:1", &bearer(&BACKEND))
        .await
        .json();
    assert_eq!(
        read["messages"].as_array().map(Vec::len),
        Some(1),
        "all or nothing"
    );
}

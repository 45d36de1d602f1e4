//! Rights that end while somebody uses them, and tickets, which stand for them.

use std::time::{Duration, Instant};

use conformance::http::{Http, fetch};
use conformance::server::TestServer;
use conformance::sse::Events;
use serde_json::json;

use crate::support::{
    ORIGIN, ask, bearer, claims, is, keyed, keyed_limited, now, patiently, publish, session, sign,
    socket, token, told, with_key,
};

/// A ticket of alice's.
async fn ticket(server: &TestServer, token: &str) -> String {
    let answer = ask(server, "POST", "/tickets", &bearer(token), "")
        .await
        .json();
    answer["ticket"].as_str().expect("a ticket").to_owned()
}

#[tokio::test]
async fn a_ticket_is_of_the_page_that_used_it_first() {
    let server = keyed().await;
    let ticket = ticket(&server, &token("alice")).await;
    let target = format!("/channels/x?ticket={ticket}");
    let origin = format!("Origin: {ORIGIN}\r\n");
    let first = ask(&server, "GET", &target, &origin, "").await;
    assert_eq!(first.status, 200);
    let elsewhere = format!("Origin: http://{}\r\n", server.addr);
    for other in ["", &elsewhere] {
        let answer = ask(&server, "GET", &target, other, "").await;
        assert_eq!(told(&answer), is(401, "unauthorized"), "{other}");
    }
    for forged in [
        "",
        "tdt_",
        "x",
        &ticket[..ticket.len() - 1],
        &format!("{ticket}A"),
    ] {
        let answer = ask(
            &server,
            "GET",
            &format!("/channels/x?ticket={forged}"),
            &origin,
            "",
        )
        .await;
        assert_eq!(told(&answer), is(401, "unauthorized"), "{forged}");
    }
    let twice = format!("{target}&ticket={ticket}");
    assert_eq!(ask(&server, "GET", &twice, &origin, "").await.status, 400);
    let both = ask(
        &server,
        "GET",
        &target,
        &format!("{origin}{}", bearer(&token("bob"))),
        "",
    )
    .await;
    assert_eq!(told(&both), is(400, "bad_request"), "one who asks");
}

#[tokio::test]
async fn of_many_first_uses_one_wins() {
    let server = keyed().await;
    let ticket = ticket(&server, &token("alice")).await;
    let origins = [
        format!("Origin: {ORIGIN}\r\n"),
        format!("Origin: http://{}\r\n", server.addr),
        String::new(),
    ];
    let begun = Instant::now();
    let uses = (0..60).map(|at| {
        let (addr, origin) = (server.addr, origins[at % 3].clone());
        let target = format!("/channels/x?ticket={ticket}");
        tokio::spawn(async move { (at, fetch(addr, "GET", &target, &origin, b"").await.status) })
    });
    let mut won = Vec::new();
    for used in uses.collect::<Vec<_>>() {
        let (at, status) = patiently(used).await.expect("answered");
        assert!(status == 200 || status == 401, "{status}");
        if status == 200 {
            won.push(at % 3);
        }
    }
    assert!(
        !won.is_empty() && won.iter().all(|origin| *origin == won[0]),
        "{won:?}"
    );
    // After a second the page that was first may use it again.
    assert!(
        won.len() == 1 || begun.elapsed() > Duration::from_secs(1),
        "{won:?}"
    );
}

#[tokio::test]
async fn a_revoked_or_expired_right_ends_streams_and_comes_back_by_nothing() {
    let server = keyed_limited(|limits| limits.auth_failures_per_address = 0).await;
    let alice = token("alice");
    let ticket = ticket(&server, &alice).await;
    let (session, _) = session(&server, &alice).await;
    let origin = format!("Origin: {ORIGIN}\r\n");
    let by_ticket = format!("/channels/x?ticket={ticket}");
    assert_eq!(
        ask(&server, "GET", &by_ticket, &origin, "").await.status,
        200
    );
    let (mut ws, hello) = socket(&server, "/channels/x", &bearer(&alice)).await;
    let position = format!(
        "{}-{}",
        hello["channels"]["x"]["epoch"].as_str().expect("text"),
        0
    );
    let revoke = json!({"user": "alice"}).to_string();
    let revoked = ask(
        &server,
        "POST",
        "/admin/revoke",
        &with_key("admin"),
        &revoke,
    )
    .await;
    assert_eq!(revoked.json()["disconnected"], 1);
    let error = patiently(ws.json()).await.expect("a last word");
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("error"), &json!("revoked"))
    );
    assert_eq!(
        patiently(ws.frame()).await.expect("a close").close_code(),
        Some(4023)
    );
    publish(&server, "/channels/x", "secret").await;
    let resume = format!("{}Tidings-Session: {session}\r\n", bearer(&alice));
    let events = format!("{resume}Accept: text/event-stream\r\nLast-Event-ID: {position}\r\n");
    let after = format!("/channels/x?after={position}");
    for (target, headers) in [(&*after, &resume), ("/channels/x", &events)] {
        let answer = ask(&server, "GET", target, headers, "").await;
        assert_eq!(told(&answer), is(401, "revoked"), "{target}");
    }
    // Within a second of its first use the ticket is refused for that.
    let answer = ask(&server, "GET", &by_ticket, &origin, "").await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let (mut again, first) = socket(&server, &after, &bearer(&alice)).await;
    assert_eq!(first["code"], "revoked");
    assert_eq!(
        patiently(again.frame())
            .await
            .expect("a close")
            .close_code(),
        Some(4023)
    );
    assert_eq!(server.app.stats().revoked.get(), 1);
}

#[tokio::test]
async fn a_token_that_ends_ends_its_streams_in_time() {
    let server = keyed().await;
    let mut short = claims("alice");
    let ends = now() + 2;
    short["exp"] = json!(ends);
    let short = sign(&short);
    let headers = bearer(&short);
    let mut http = Http::connect(server.addr).await;
    http.request(
        "GET",
        "/channels/x",
        &format!("{headers}Accept: text/event-stream\r\n"),
        b"",
    )
    .await;
    assert_eq!(http.head().await.status, 200);
    let mut events = Events::begun(http, "");
    let (mut ws, _) = socket(&server, "/channels/x", &headers).await;
    let close = patiently(async {
        loop {
            let frame = ws.frame().await.expect("a close");
            if frame.opcode == 8 {
                return frame.close_code();
            }
        }
    })
    .await;
    assert_eq!(close, Some(4022));
    let mut last = None;
    while let Some(event) = patiently(events.next()).await {
        last = Some(event);
    }
    let last = last.expect("events");
    assert_eq!(last.name, "$error");
    assert!(last.data.contains("token_expired"), "{}", last.data);
    let late = now();
    assert!(
        (ends..=ends + 2).contains(&late),
        "{late} instead of {ends}"
    );
}

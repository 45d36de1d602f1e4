//! Tokens and keys: by which way they come, and that one that is not good is always refused.

use conformance::carrier::{Carrier, Endpoint};
use conformance::server::TestServer;
use serde_json::{Value, json};

use crate::support::{
    BACKEND, SIGNERS, Signer, authenticate, bearer, command, get, next, now, post, raw_ws,
    refused_ws, start, token, ws,
};

/// What a user may read here.
fn claims() -> Value {
    json!({"sub": "alice", "channels": {"subscribe": ["room:*"]}})
}

fn cookie(token: &str) -> String {
    format!("Cookie: other=1; tidings_token={token}\r\n")
}

fn own_origin(server: &TestServer) -> String {
    format!("Origin: http://{}\r\n", server.addr)
}

const LISTED: &str = "Origin: https://app.example\r\n";

/// What nobody signed, or not so.
fn bad_tokens() -> Vec<(&'static str, String, &'static str)> {
    let stranger = Signer::secret("hs", &[6; 32]);
    let unknown = Signer::ed25519("nobody");
    let good = token(claims());
    let (head, _) = good.rsplit_once('.').expect("a signature");
    let mut late = claims();
    late["exp"] = (now() - 1).into();
    let mut early = claims();
    early["nbf"] = (now() + 600).into();
    vec![
        (
            "of another secret",
            stranger.token(claims()),
            "unauthorized",
        ),
        ("of an unknown key", unknown.token(claims()), "unauthorized"),
        ("without signature", format!("{head}."), "unauthorized"),
        ("no token", "garbage".into(), "unauthorized"),
        ("three dots", "a.b.c".into(), "unauthorized"),
        (
            "no such key",
            BACKEND.replace("tdk_app", "tdk_apq"),
            "unauthorized",
        ),
        ("not valid yet", token(early), "unauthorized"),
        ("expired", token(late), "token_expired"),
    ]
}

#[tokio::test]
async fn every_algorithm_by_header_on_every_carrier() {
    let server = start().await;
    for carrier in [
        Carrier::Http1,
        Carrier::Tls,
        Carrier::Http2,
        Carrier::Http2Tls,
    ] {
        let endpoint: Endpoint = server.endpoint(carrier).await;
        for signer in SIGNERS.iter() {
            let header = bearer(&signer.token(claims()));
            let answer = get(&endpoint, "/channels/room:1", &header).await;
            let what = format!("{} by {}", signer.algorithm(), carrier.name());
            assert_eq!(answer.status, 200, "{what}: {}", answer.text());
            let mut socket = raw_ws(&endpoint, "/channels/room:1", &header).await;
            assert_eq!(next(&mut socket).await["user"], "alice", "{what}");
            assert_eq!(
                get(&endpoint, "/channels/hall:1", &header).await.status,
                403
            );
        }
        let anonymous = get(&endpoint, "/channels/room:1", "").await;
        assert_eq!(anonymous.status, 401);
    }
}

#[tokio::test]
async fn every_algorithm_by_cookie_and_subprotocol_and_command_and_ticket() {
    let server = start().await;
    let addr = server.addr;
    for signer in SIGNERS.iter() {
        let token = signer.token(claims());
        for origin in [own_origin(&server), LISTED.into()] {
            let headers = format!("{}{origin}", cookie(&token));
            let answer = get(addr, "/channels/room:1", &headers).await;
            assert_eq!(answer.status, 200, "{origin}");
        }
        let protocol = format!("Sec-WebSocket-Protocol: tidings.v1, bearer.{token}\r\n");
        let (socket, hello) = ws(addr, "/channels/room:1", &protocol).await;
        assert_eq!(hello["user"], "alice");
        assert!(hello["channels"]["room:1"].is_object());
        let chosen = socket.handshake.header("sec-websocket-protocol");
        assert_eq!(chosen, Some("tidings.v1"), "a token is not told back");

        let (mut socket, hello) = ws(addr, "/channels", "").await;
        assert_eq!(hello["user"], Value::Null);
        let identified = authenticate(&mut socket, &token).await;
        assert_eq!(
            (&identified["type"], &identified["user"]),
            (&json!("ack"), &json!("alice"))
        );
        assert_ne!(identified["client"], hello["client"]);
        let subscribe = json!({"type": "subscribe", "channel": "room:1"});
        assert_eq!(command(&mut socket, subscribe).await["type"], "subscribed");

        let ticket = post(addr, "/tickets", &bearer(&token), &Value::Null).await;
        let ticket = ticket.json();
        let ticket = ticket["ticket"].as_str().expect("a ticket");
        let target = format!("/channels/room:1?ticket={ticket}");
        assert_eq!(get(addr, &target, "").await.status, 200);
    }
}

#[tokio::test]
async fn a_cookie_counts_for_pages_that_may_and_nobody_else() {
    let server = start().await;
    let cookie = cookie(&token(claims()));
    let status = async |more: &str| {
        let headers = format!("{cookie}{more}");
        get(server.addr, "/channels/room:1", &headers).await.status
    };
    assert_eq!(status("").await, 401, "as if it were not there");
    assert_eq!(status("Sec-Fetch-Site: same-site\r\n").await, 401);
    assert_eq!(status("Sec-Fetch-Site: same-origin\r\n").await, 200);
    assert_eq!(status("Origin: https://evil.example\r\n").await, 403);
    assert_eq!(status("Origin: null\r\n").await, 403);
    let ignored = get(server.addr, "/channels/open:1", &cookie).await;
    assert_eq!(ignored.status, 200, "anonymous");
    let twice = format!("{cookie}{cookie}{LISTED}");
    assert_eq!(
        get(server.addr, "/channels/room:1", &twice).await.status,
        400
    );
}

#[tokio::test]
async fn what_is_shown_on_purpose_goes_before_a_cookie() {
    let server = start().await;
    let bob = token(json!({"sub": "bob"}));
    let headers = format!("{}{LISTED}{}", cookie(&token(claims())), bearer(&bob));
    let answer = post(server.addr, "/session", &headers, &json!({})).await;
    assert_eq!(answer.json()["user"], "bob");
}

#[tokio::test]
async fn what_is_not_good_is_refused_even_where_anybody_may() {
    let server = start().await;
    let addr = server.addr;
    for (what, bad, code) in bad_tokens() {
        for channel in ["room:1", "open:1"] {
            let target = format!("/channels/{channel}");
            for headers in [bearer(&bad), format!("{}{LISTED}", cookie(&bad))] {
                let answer = get(addr, &target, &headers).await;
                assert_eq!(answer.status, 401, "{what}: {channel}");
                assert_eq!(answer.json()["code"], code, "{what}");
                let challenge = answer.header("www-authenticate");
                assert!(challenge.is_some_and(|c| c.starts_with("Bearer")), "{what}");
                assert!(!answer.text().contains(&bad), "a token is not told back");
                let events = format!("{headers}Accept: text/event-stream\r\n");
                assert_eq!(get(addr, &target, &events).await.status, 401, "{what}");
                let publish = post(addr, &target, &headers, &json!(1)).await;
                assert_eq!(publish.status, 401, "{what}");
            }
            let close = if code == "token_expired" { 4022 } else { 4021 };
            let protocol = format!("Sec-WebSocket-Protocol: bearer.{bad}\r\n");
            for headers in [bearer(&bad), protocol] {
                let refused = refused_ws(addr, &target, &headers).await;
                assert_eq!(refused, (json!(code), Some(close)), "{what}");
            }
        }
        for target in ["/session", "/tickets", "/publish", "/admin/revoke"] {
            let answer = post(addr, target, &bearer(&bad), &json!({})).await;
            assert_eq!(answer.status, 401, "{what}: {target}");
        }
        let (mut socket, _) = ws(addr, "/channels/open:1", "").await;
        let told = authenticate(&mut socket, &bad).await;
        assert_eq!(
            (&told["type"], &told["code"]),
            (&json!("error"), &json!(code))
        );
        let still = command(&mut socket, json!({"type": "ping"})).await;
        assert_eq!(still["type"], "pong", "the connection lives on as it was");
    }
    for scheme in ["Basic YTpi", "Bearer", "tidings"] {
        let header = format!("Authorization: {scheme}\r\n");
        assert_eq!(get(addr, "/channels/open:1", &header).await.status, 401);
    }
}

#[tokio::test]
async fn who_is_said_twice_or_by_name_is_refused() {
    let server = start().await;
    let addr = server.addr;
    let token = token(claims());
    let ticket = post(addr, "/tickets", &bearer(&token), &Value::Null).await;
    let ticket = ticket.json()["ticket"]
        .as_str()
        .expect("a ticket")
        .to_owned();
    let with_ticket = format!("/channels/room:1?ticket={ticket}");
    let twice = get(addr, &with_ticket, &bearer(&token)).await;
    assert_eq!(
        (twice.status, &twice.json()["code"]),
        (400, &json!("bad_request"))
    );
    let protocol = format!("Sec-WebSocket-Protocol: bearer.{token}\r\n");
    let bad_request = (json!("bad_request"), Some(4000));
    let both = format!("{protocol}{}", bearer(&token));
    assert_eq!(
        refused_ws(addr, "/channels/room:1", &both).await,
        bad_request
    );
    assert_eq!(refused_ws(addr, &with_ticket, &protocol).await, bad_request);
    let fields = format!("{0}{0}", bearer(&token));
    assert_eq!(get(addr, "/channels/room:1", &fields).await.status, 400);
    for headers in ["".to_owned(), bearer(&token)] {
        let named = get(addr, "/channels/open:1?user=alice", &headers).await;
        assert_eq!(named.status, 400);
        assert_eq!(named.json()["code"], "invalid_parameter");
    }
    let refused = refused_ws(addr, "/channels/open:1?user=alice", "").await;
    assert_eq!(refused, (json!("invalid_parameter"), Some(4002)));
    // Nothing of that used the ticket up.
    assert_eq!(get(addr, &with_ticket, "").await.status, 200);
}

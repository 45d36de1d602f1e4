//! The administration by HTTP: what there is, who may see it, and where.

use conformance::server::TestServer;
use serde_json::{Value, json};
use tidings_server::{Kind as ListenerKind, Policy, TrustedProxies};

use crate::support::{
    ADMIN, BACKEND, Kind, Reader, access, administrate, auth, bearer, everything, get, post,
    publish, rules, start, token, token_of,
};

async fn list(server: &TestServer, query: &str) -> Value {
    let target = format!("/admin/channels{query}");
    let answer = get(server.addr, &target, &bearer(&ADMIN)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn names(page: &Value) -> Vec<&str> {
    let channels = page["channels"].as_array().expect("a list");
    channels
        .iter()
        .map(|c| c["channel"].as_str().expect("a name"))
        .collect()
}

#[tokio::test]
async fn channels_are_listed_a_page_at_a_time() {
    let server = start().await;
    for name in ["room:3", "room:1", "hall:1", "room:2", "@alice"] {
        publish(&server, name, json!("소식")).await;
    }
    let first = list(&server, "?prefix=room:&limit=2").await;
    assert_eq!(names(&first), ["room:1", "room:2"]);
    let next = first["next"].as_str().expect("there are more");
    let second = list(&server, &format!("?prefix=room:&limit=2&after={next}")).await;
    assert_eq!(names(&second), ["room:3"]);
    assert_eq!(second["next"], Value::Null);
    assert_eq!(
        names(&list(&server, "?prefix=none").await),
        Vec::<&str>::new()
    );
    let all = list(&server, "").await;
    for name in ["@alice", "hall:1", "room:3"] {
        assert!(names(&all).contains(&name), "{name}: {all}");
    }
    for wrong in ["?limit=x", "?colour=red"] {
        let target = format!("/admin/channels{wrong}");
        assert_eq!(
            get(server.addr, &target, &bearer(&ADMIN)).await.status,
            400,
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_channel_is_listed_with_what_happens_there() {
    let server = start().await;
    let alice = bearer(&token_of("alice"));
    let target = "/channels?name=room:1&join=true";
    let _readers = [
        Reader::open(Kind::Sse, &server, target, &alice).await,
        Reader::open(Kind::WebSocket, &server, "/channels?name=room:1", &alice).await,
    ];
    for _ in 0..3 {
        publish(&server, "room:1", json!("소식")).await;
    }
    let page = list(&server, "?prefix=room:").await;
    let channel = &page["channels"][0];
    for (field, value) in [
        ("channel", json!("room:1")),
        ("offset", json!(3)),
        ("oldest", json!(1)),
        ("messages", json!(3)),
        ("readers", json!(2)),
        ("members", json!(1)),
        ("closed", json!(false)),
        ("published", json!(3)),
    ] {
        assert_eq!(channel[field], value, "{field}: {channel}");
    }
    assert!(channel["epoch"].is_string() && channel["bytes"].as_u64() > Some(0));
    assert!(channel["per_second"].as_f64() > Some(0.0));
}

#[tokio::test]
async fn it_is_for_keys_that_say_so() {
    let server = start().await;
    let posing = token(json!({"sub": "alice", "admin": true, "channels": everything()}));
    let made = token(json!({"sub": "ops", "backend": true, "admin": true}));
    for (who, headers, status) in [
        ("nobody", String::new(), 401),
        ("a user", bearer(&token_of("alice")), 403),
        ("a user that calls itself so", bearer(&posing), 403),
        ("a backend", bearer(&BACKEND), 403),
        ("its key", bearer(&ADMIN), 200),
        ("a token that is a backend's", bearer(&made), 200),
    ] {
        for target in ["/admin/channels", "/admin/revocations", "/metrics"] {
            assert_eq!(
                get(server.addr, target, &headers).await.status,
                status,
                "{who}: {target}"
            );
        }
        for target in ["/admin/disconnect", "/admin/revoke"] {
            let body = json!({"user": "nobody"});
            let answer = post(server.addr, target, &headers, &body).await;
            assert_eq!(answer.status, status, "{who}: {target}");
        }
    }
    let wrong = get(server.addr, "/admin/revoke", &bearer(&ADMIN)).await;
    assert_eq!(
        (wrong.status, wrong.header("allow")),
        (405, Some("POST, OPTIONS"))
    );
    assert_eq!(
        get(server.addr, "/", "").await.status,
        404,
        "no page on a keyed server"
    );
    assert_eq!(get(server.addr, "/healthz", "").await.status, 200);
}

#[tokio::test]
async fn revocations_are_listed_and_never_made_weaker() {
    let server = start().await;
    let mut held = Vec::new();
    for whom in [
        json!({"user": "alice", "for": 600}),
        json!({"user": "alice", "for": 1}),
        json!({"token": "t1"}),
    ] {
        held.push(administrate(&server, "/admin/revoke", &whom).await);
    }
    let told = post(server.addr, "/session", "", &json!({})).await.json();
    let of_client = json!({"client": told["client"], "for": 600});
    held.push(administrate(&server, "/admin/revoke", &of_client).await);
    let answer = get(server.addr, "/admin/revocations", &bearer(&ADMIN))
        .await
        .json();
    let listed = answer["revocations"].as_array().expect("a list");
    assert_eq!(listed.len(), 3, "{answer}");
    let of = |kind: &str| {
        let found = listed.iter().find(|entry| entry.get(kind).is_some());
        found.unwrap_or_else(|| panic!("no {kind}: {answer}"))
    };
    assert_eq!(
        (&of("user")["user"], &of("user")["until"]),
        (&json!("alice"), &held[0]["until"])
    );
    assert_eq!(
        (&of("token")["token"], &of("token")["until"]),
        (&json!("t1"), &held[2]["until"])
    );
    assert_eq!(of("client")["client"], told["client"]);
}

#[tokio::test]
async fn with_a_listener_of_its_own_it_is_only_there() {
    let server = start().await;
    let policy = Policy {
        access: access(),
        auth: auth(),
        admin_elsewhere: true,
    };
    server.app.reload(policy, rules());
    let kinds = vec![ListenerKind::Admin { tls: None }];
    let elsewhere = server.beside(TrustedProxies::default(), kinds).await[0];
    for target in ["/admin/channels", "/admin/revocations", "/metrics"] {
        assert_eq!(
            get(server.addr, target, &bearer(&ADMIN)).await.status,
            404,
            "{target}"
        );
        assert_eq!(
            get(elsewhere, target, &bearer(&ADMIN)).await.status,
            200,
            "{target}"
        );
    }
    let revoke = json!({"user": "nobody"});
    let hidden = post(server.addr, "/admin/revoke", &bearer(&ADMIN), &revoke).await;
    assert_eq!(hidden.status, 404);
    assert_eq!(get(elsewhere, "/admin/channels", "").await.status, 401);
    assert_eq!(
        get(elsewhere, "/admin/channels", &bearer(&BACKEND))
            .await
            .status,
        403
    );
    assert_eq!(
        get(elsewhere, "/metrics", "").await.status,
        200,
        "figures are for all there"
    );
}

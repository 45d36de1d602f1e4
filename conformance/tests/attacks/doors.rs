//! Administration, figures, foreign names of the server, and guessing.

use conformance::http::{Answer, Http, fetch, get};
use conformance::server::TestServer;
use serde_json::json;
use tidings_protocol::Code;
use tidings_server::{AccessRules, Kind, TrustedProxies};

use crate::support::{
    Bystander, bearer, is, keyed, keyed_limited, keyed_with, patiently, refusals, socket, text_of,
    token, told, with_key,
};

const ADMINISTRATION: [(&str, &str); 6] = [
    ("GET", "/metrics"),
    ("GET", "/admin/channels"),
    ("GET", "/admin/revocations"),
    ("POST", "/admin/disconnect"),
    ("POST", "/admin/revoke"),
    ("POST", "/admin/revoke?x=1"),
];

const TARGET: &[u8] = br#"{"user":"alice"}"#;

#[tokio::test]
async fn administration_wants_a_key_of_its_own() {
    let server = keyed().await;
    let mut claims = crate::support::claims("mallory");
    claims["admin"] = json!(true);
    let says_so = bearer(&crate::support::sign(&claims));
    let (mut alice, _) = socket(&server, "/channels/x", &bearer(&token("alice"))).await;
    for (method, target) in ADMINISTRATION {
        for (headers, expected) in [
            (String::new(), is(401, "unauthorized")),
            (
                "Cookie: tidings_token=x\r\n".into(),
                is(401, "unauthorized"),
            ),
            (bearer(&token("mallory")), is(403, "forbidden")),
            (says_so.clone(), is(403, "forbidden")),
            (with_key("backend"), is(403, "forbidden")),
            (bearer(text_of("nobody").as_str()), is(401, "unauthorized")),
        ] {
            let answer = fetch(server.addr, method, target, &headers, TARGET).await;
            assert_eq!(told(&answer), expected, "{method} {target} {headers}");
        }
    }
    for page in ["/", "/index.html", "/console/main.js"] {
        assert_eq!(
            fetch(server.addr, "GET", page, &with_key("admin"), b"")
                .await
                .status,
            404
        );
    }
    alice.command(json!({"type": "ping", "id": 1})).await;
    assert_eq!(
        patiently(alice.json()).await.expect("she is there")["type"],
        "pong"
    );
    let metrics = fetch(server.addr, "GET", "/metrics", &with_key("admin"), b"").await;
    assert_eq!(metrics.status, 200);
}

/// A keyed server whose administration has a listener of its own; where each is.
async fn two_listeners() -> (TestServer, std::net::SocketAddr, std::net::SocketAddr) {
    let server = keyed_with(|options| options.access.any_host = true).await;
    let policy = tidings_server::Policy {
        access: AccessRules {
            any_host: true,
            ..AccessRules::default()
        },
        auth: crate::support::auth(vec![crate::support::issuer(
            "main",
            None,
            crate::support::SECRET,
        )]),
        admin_elsewhere: true,
    };
    server.app.reload(
        policy,
        tidings_core::Rulebook::new(tidings_core::Rules {
            may: tidings_core::May::BY_TOKEN,
            ..tidings_core::Rules::open(
                tidings_core::History::default(),
                &tidings_core::Limits::default(),
            )
        }),
    );
    let admin = server
        .beside(TrustedProxies::default(), vec![Kind::Admin { tls: None }])
        .await[0];
    let public = server.addr;
    (server, public, admin)
}

async fn by_name(addr: std::net::SocketAddr, method: &str, target: &str, head: &str) -> Answer {
    let mut http = Http::connect(addr).await;
    let request = format!("{method} {target} HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n");
    http.send(request.as_bytes()).await;
    http.answer().await
}

#[tokio::test]
async fn what_is_on_the_listener_of_the_administration_is_not_elsewhere() {
    let (_server, public, admin) = two_listeners().await;
    for (method, target) in ADMINISTRATION {
        for headers in [String::new(), with_key("admin")] {
            let answer = fetch(public, method, target, &headers, TARGET).await;
            assert_eq!(told(&answer), is(404, "not_found"), "{method} {target}");
        }
    }
    // What changes things for others wants the key there, too.
    for (method, target) in &ADMINISTRATION[1..] {
        let answer = fetch(admin, method, target, "", TARGET).await;
        assert_eq!(told(&answer), is(401, "unauthorized"), "{method} {target}");
    }
    assert_eq!(get(admin, "/metrics").await.status, 200);
    // A Host that names the other listener is still a Host.
    let head = format!("Host: {admin}\r\n{}", with_key("admin"));
    assert_eq!(by_name(public, "GET", "/metrics", &head).await.status, 404);
}

#[tokio::test]
async fn a_name_that_was_rebound_to_the_machine_reaches_nothing() {
    let server = keyed().await;
    let (_public_server, public, admin) = two_listeners().await;
    let mut bystander = Bystander::new(&server).await;
    for host in [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
    ] {
        let head = format!(
            "Host: {host}\r\nOrigin: http://{host}\r\n{}",
            with_key("admin")
        );
        for (method, target) in ADMINISTRATION {
            for addr in [server.addr, admin] {
                let answer = by_name(addr, method, target, &head).await;
                assert_eq!(
                    told(&answer),
                    is(403, "host_not_allowed"),
                    "{method} {target} {host}"
                );
                assert_eq!(answer.header("access-control-allow-origin"), None);
            }
        }
        let answer = by_name(server.addr, "GET", "/channels/x", &head).await;
        assert_eq!(told(&answer), is(403, "host_not_allowed"), "{host}");
        // A public server is known by names that it does not know itself: nothing but its channels is there.
        assert_eq!(by_name(public, "GET", "/metrics", &head).await.status, 404);
    }
    for absolute in [
        "http://evil.example/metrics",
        "http://localhost@evil.example/metrics",
    ] {
        let answer = by_name(admin, "GET", absolute, "Host: localhost\r\n").await;
        assert_eq!(answer.status, 400, "{absolute}");
    }
    assert!(refusals(&server, Code::HostNotAllowed) > 0);
    bystander.lives().await;
}

#[tokio::test]
async fn who_guesses_is_slowed_down_and_learns_nothing() {
    let server = keyed().await;
    let known = text_of("backend").as_str().to_owned();
    let wrong = format!("{}A", &known[..known.len() - 1]);
    assert_ne!(wrong, known);
    let unknown = text_of("nobody").as_str().to_owned();
    let mut answers = Vec::new();
    for key in [&wrong, &unknown].into_iter().cycle().take(10) {
        answers.push(fetch(server.addr, "GET", "/channels/x", &bearer(key), b"").await);
    }
    for answer in &answers {
        assert_eq!(told(answer), is(401, "unauthorized"));
        assert_eq!(answer.body, answers[0].body, "byte for byte");
        let shown = |answer: &Answer| {
            let fields = answer.headers.iter().filter(|(name, _)| name != "date");
            fields.cloned().collect::<Vec<_>>()
        };
        assert_eq!(shown(answer), shown(&answers[0]));
    }
    for key in [&unknown, &wrong] {
        let answer = fetch(server.addr, "GET", "/channels/x", &bearer(key), b"").await;
        assert_eq!(
            told(&answer),
            is(429, "too_many_requests"),
            "the same for both"
        );
        let after: u64 = answer
            .header("retry-after")
            .expect("when")
            .parse()
            .expect("seconds");
        assert!((1..=60).contains(&after), "{after}");
    }
    assert_eq!(refusals(&server, Code::Unauthorized), 10);
    assert_eq!(refusals(&server, Code::TooManyRequests), 2);
    // Many share an address: who guesses there keeps nobody out who knows.
    let answer = fetch(server.addr, "GET", "/channels/x", &bearer(&known), b"").await;
    assert_eq!(answer.status, 200);
    assert_eq!(get(server.addr, "/channels/x").await.status, 401);
    assert_eq!(get(server.addr, "/healthz").await.status, 200);
}

#[tokio::test]
async fn guessing_on_one_socket_is_guessing_too() {
    let server = keyed_limited(|limits| limits.auth_failures_per_address = 10).await;
    let (mut ws, _) = socket(&server, "/channels", "").await;
    let mut codes = Vec::new();
    for at in 0..12 {
        let key = text_of(&format!("nobody{at}"));
        ws.command(json!({"type": "auth", "id": at, "token": key.as_str()}))
            .await;
        let answer = patiently(ws.json()).await.expect("an answer");
        codes.push(answer["code"].as_str().expect("a code").to_owned());
        if at >= 10 {
            assert!(
                answer["retry_ms"]
                    .as_u64()
                    .is_some_and(|ms| (1..=60_000).contains(&ms)),
                "{answer}"
            );
        }
    }
    assert_eq!(codes[..10], ["unauthorized"; 10]);
    assert_eq!(codes[10..], ["too_many_requests"; 2]);
}

#[tokio::test]
async fn an_address_slows_down_itself_alone() {
    let server = keyed().await;
    let mut bystander = Bystander::new(&server).await;
    let guess = "GET /channels/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n";
    let mut statuses = Vec::new();
    for _ in 0..11 {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket
            .bind(([127, 0, 0, 9], 0).into())
            .expect("loopback is wide");
        let mut stream = socket.connect(server.addr).await.expect("it listens");
        tokio::io::AsyncWriteExt::write_all(&mut stream, guess.as_bytes())
            .await
            .expect("taken");
        let mut head = [0; 12];
        let read = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head);
        patiently(read).await.expect("an answer");
        statuses.push(String::from_utf8_lossy(&head[9..]).into_owned());
    }
    assert_eq!(statuses[..10], ["401"; 10]);
    assert_eq!(statuses[10], "429");
    bystander.lives().await;
}

//! Pages of other sites, which a browser lets send what it knows of a user.

use conformance::http::{Answer, Http, fetch};
use conformance::server::TestServer;
use conformance::ws::HANDSHAKE;
use tidings_protocol::Code;

use crate::support::{
    Bystander, COOKIE, ORIGIN, bearer, is, keyed, publish, refusals, token, told, with_key,
};

/// A way to the server, as a page can take it.
const WAYS: [(&str, &str, &str); 9] = [
    ("GET", "/channels/x", HANDSHAKE),
    ("GET", "/channels", HANDSHAKE),
    ("GET", "/channels/x", "Accept: text/event-stream\r\n"),
    ("GET", "/channels/x", ""),
    ("GET", "/channels/x?after=earliest&wait=30", ""),
    ("POST", "/channels/x", "Content-Type: text/plain\r\n"),
    ("POST", "/read", "Content-Type: text/plain\r\n"),
    ("POST", "/session", ""),
    ("POST", "/tickets", ""),
];

/// Origins that are none of the server's and none that is listed, each by a little.
fn foreign(server: &TestServer) -> Vec<String> {
    let port = server.addr.port();
    let others = [
        "https://evil.example",
        "null",
        "https://app.example.evil.example",
        "https://evil-app.example",
        "https://sub.app.example",
        "https://app.example.",
        "https://app.example@evil.example",
        "https://app.example:8443",
        "http://app.example",
        "file://",
        "http://localhost",
        "",
    ];
    let mut all: Vec<String> = others.map(str::to_owned).into();
    all.push(format!("http://127.0.0.1:{}", port ^ 1));
    all.push(format!("ftp://127.0.0.1:{port}"));
    all.push(format!("http://127.0.0.2:{port}"));
    all
}

fn cookie() -> String {
    format!("Cookie: {COOKIE}={}\r\n", token("alice"))
}

/// The answer, whatever it is: of a WebSocket or a stream of events its head.
async fn ask(server: &TestServer, way: (&str, &str, &str), more: &str) -> Answer {
    let (method, target, headers) = way;
    let mut http = Http::connect(server.addr).await;
    let body: &[u8] = match target {
        "/read" => br#"{"channels":[{"name":"x"}]}"#,
        "/channels/x" if method == "POST" => b"forged",
        _ => b"",
    };
    let headers = format!("{headers}{more}");
    http.request(method, target, &headers, body).await;
    let head = http.head().await;
    match head.status {
        101 | 200 => head,
        _ => {
            let length = head.header("content-length").unwrap_or("0");
            let mut answer = Answer {
                body: vec![0; length.parse().expect("a number")],
                ..head
            };
            let mut io = http.into_inner();
            tokio::io::AsyncReadExt::read_exact(&mut io, &mut answer.body)
                .await
                .expect("a body");
            answer
        }
    }
}

#[tokio::test]
async fn a_foreign_page_gets_no_stream_no_answer_and_publishes_nothing() {
    let server = keyed().await;
    let mut bystander = Bystander::new(&server).await;
    let before = refusals(&server, Code::OriginNotAllowed);
    let mut asked = 0;
    for origin in foreign(&server) {
        for way in WAYS {
            let origin = format!("Origin: {origin}\r\n");
            // A cookie, a header on purpose, and nothing: the origin is judged before.
            for credentials in [cookie(), bearer(&token("alice")), String::new()] {
                let answer = ask(&server, way, &format!("{origin}{credentials}")).await;
                assert_eq!(
                    told(&answer),
                    is(403, "origin_not_allowed"),
                    "{way:?} {origin}"
                );
                assert_eq!(answer.header("access-control-allow-origin"), None);
                assert_eq!(answer.header("access-control-allow-credentials"), None);
                asked += 1;
            }
        }
    }
    assert_eq!(refusals(&server, Code::OriginNotAllowed), before + asked);
    let read = fetch(server.addr, "GET", "/channels/x", &with_key("backend"), b"").await;
    assert_eq!(read.json()["messages"], serde_json::json!([]));
    bystander.lives().await;
}

#[tokio::test]
async fn a_cookie_counts_for_pages_that_may_come_alone() {
    let server = keyed().await;
    publish(&server, "/channels/x", "for alice").await;
    let own = format!("Origin: http://{}\r\n", server.addr);
    let listed = format!("Origin: {ORIGIN}\r\n");
    let same_origin = "Sec-Fetch-Site: same-origin\r\n".to_owned();
    for allowed in [&own, &listed, &same_origin] {
        for way in WAYS {
            let answer = ask(&server, way, &format!("{allowed}{}", cookie())).await;
            assert!(
                matches!(answer.status, 101 | 200),
                "{way:?} {allowed} {answer:?}"
            );
        }
    }
    // A request without Origin may come from any page: an image, a link, a form of an old browser.
    for site in [
        "",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: none\r\n",
    ] {
        let answer = ask(
            &server,
            ("GET", "/channels/x", ""),
            &format!("{site}{}", cookie()),
        )
        .await;
        assert_eq!(told(&answer), is(401, "unauthorized"), "{site}");
    }
    let by_key = ask(&server, ("GET", "/channels/x", ""), &with_key("backend")).await;
    assert_eq!(by_key.status, 200, "a key is sent on purpose");
}

#[tokio::test]
async fn a_cookie_of_another_name_is_none_and_one_that_stands_twice_is_refused() {
    let server = keyed().await;
    let (good, origin) = (token("alice"), format!("Origin: {ORIGIN}\r\n"));
    for twice in [
        format!("Cookie: {COOKIE}={good}; {COOKIE}={good}\r\n"),
        format!("Cookie: {COOKIE}=x\r\nCookie: {COOKIE}={good}\r\n"),
    ] {
        let headers = format!("{origin}{twice}");
        let answer = ask(&server, ("GET", "/channels/x", ""), &headers).await;
        assert_eq!(told(&answer), is(400, "bad_request"), "{twice}");
    }
    for cookies in [
        format!("Cookie: x{COOKIE}={good}\r\n"),
        format!("Cookie: {}={good}\r\n", COOKIE.to_uppercase()),
        format!("Cookie: a=b,{COOKIE}={good}\r\n"),
    ] {
        let answer = ask(
            &server,
            ("GET", "/channels/x", ""),
            &format!("{origin}{cookies}"),
        )
        .await;
        assert_eq!(told(&answer), is(401, "unauthorized"), "{cookies}");
    }
}

#[tokio::test]
async fn what_other_sites_may_read_is_a_list_and_never_a_mirror() {
    let server = keyed().await;
    let listed = format!("Origin: {ORIGIN}\r\n");
    let preflight =
        "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";
    for (method, target, status) in [
        ("GET", "/channels/x", 401),
        ("GET", "/channels/x?since=1", 400),
        ("GET", "/nothing", 404),
        ("PUT", "/channels/x", 405),
        ("OPTIONS", "/channels/x", 204),
        ("GET", "/healthz", 200),
    ] {
        let answer = fetch(
            server.addr,
            method,
            target,
            &format!("{listed}{preflight}"),
            b"",
        )
        .await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        let vary = answer.header("vary").expect("for caches");
        assert!(vary.contains("Origin"), "{vary}");
    }
    for origin in foreign(&server) {
        let headers = format!("Origin: {origin}\r\n{preflight}");
        for method in ["OPTIONS", "GET"] {
            let answer = fetch(server.addr, method, "/channels/x", &headers, b"").await;
            assert_eq!(answer.status, 403, "{origin}");
            let shown = answer
                .headers
                .iter()
                .filter(|(name, _)| name.starts_with("access-control"));
            assert_eq!(shown.count(), 0, "{origin}");
            assert!(
                answer
                    .header("vary")
                    .is_some_and(|vary| vary.contains("Origin"))
            );
        }
    }
    // Two origins, of which one is good.
    let two = format!("{listed}Origin: https://evil.example\r\n");
    let answer = fetch(server.addr, "GET", "/channels/x", &two, b"").await;
    assert_eq!(told(&answer), is(400, "bad_request"));
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

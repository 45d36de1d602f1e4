//! The demo of the real binary: its pages, and what they show.

#![allow(clippy::unwrap_used)]

mod common;
mod model;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use common::{Server, serve, serve_with, tidings};
use conformance::http::{Answer, Http, fetch, get};
use conformance::sse::{Event, Events};
use conformance::ws::Ws;
use model::Model;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Longer than an answer of the generator takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// `work`, unless it hangs.
async fn patiently<T>(work: impl Future<Output = T>) -> T {
    timeout(PATIENCE, work).await.expect("it comes to an end")
}

async fn post(address: SocketAddr, target: &str, body: &Value) -> Answer {
    let json = "Content-Type: application/json\r\n";
    patiently(fetch(
        address,
        "POST",
        target,
        json,
        body.to_string().as_bytes(),
    ))
    .await
}

/// The events of a channel from its beginning.
async fn follow(address: SocketAddr, channel: &str) -> Events {
    let target = format!("/channels/{channel}?after=earliest");
    patiently(Events::open(address, &target, ""))
        .await
        .expect("events")
}

/// The next message: its event and data.
async fn next(events: &mut Events) -> Option<(String, Value)> {
    loop {
        let event = patiently(events.next()).await?;
        let envelope: Value = serde_json::from_str(&event.data).expect("JSON");
        match envelope["type"].as_str() {
            Some("message") => return Some((event.name, envelope["data"].clone())),
            Some("closed") => return None,
            _ => {}
        }
    }
}

/// Asks for an answer, and gives its channel.
async fn ask(address: SocketAddr, body: &Value) -> String {
    let answer = post(address, "/demos/answers", body).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.json()["channel"]
        .as_str()
        .expect("a channel")
        .to_owned()
}

/// All of an answer: what its messages hold, and their events, each once.
async fn read(address: SocketAddr, channel: &str) -> (String, Vec<String>) {
    let (mut text, mut names) = (String::new(), Vec::new());
    let mut events = follow(address, channel).await;
    while let Some((name, data)) = next(&mut events).await {
        let content = data["content"].as_str();
        assert!(content.is_some() || name == "stop", "{name}: {data}");
        text += content.unwrap_or_default();
        names.push(name);
    }
    names.dedup();
    (text, names)
}

#[tokio::test]
async fn its_pages_are_there_where_the_server_is_open_and_of_this_machine() {
    let server = serve(&[]);
    server
        .process
        .out
        .find(&format!("demos     {}/demos/", server.url));
    let page = get(server.address(), "/demos/").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'self'; connect-src 'self' ws: wss:"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
    let permissions = page.header("permissions-policy").unwrap();
    assert!(permissions.starts_with("camera=()"), "{permissions}");
    let to = get(server.address(), "/demos?channel=a").await;
    assert_eq!(
        (to.status, to.header("location")),
        (308, Some("/demos/?channel=a"))
    );
    for path in [
        "/demos/none/",
        "/demos/index",
        "/demos//",
        "/demos/./index.html",
        "/demos/../Cargo.toml",
        "/demos/%2e%2e/Cargo.toml",
        "/demosx",
    ] {
        assert_eq!(get(server.address(), path).await.status, 404, "{path}");
    }
    let put = fetch(server.address(), "PUT", "/demos/answers", "", b"").await;
    assert_eq!(put.status, 405);
}

#[tokio::test]
async fn elsewhere_it_is_there_when_it_is_asked_for() {
    let hash = format!("keys.app.hash=sha256:{}", "00".repeat(32));
    let keyed = ["--set", hash.as_str()];
    for (arguments, status) in [
        (&["--set", "demo.on=false"][..], 404),
        (&keyed[..], 404),
        (&[&keyed[..], &["--demo"]].concat(), 200),
        (&["--insecure", "--listen", "0.0.0.0:0"][..], 404),
    ] {
        let mut all = vec!["serve"];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        all.extend(arguments);
        let server = serve_with(&mut tidings(&all));
        let page = get(server.address(), "/demos/").await;
        assert_eq!(page.status, status, "{arguments:?}");
        if status == 200 {
            let refused = post(server.address(), "/demos/answers", &json!({"prompt": "x"})).await;
            assert_eq!(refused.json()["code"], "unauthorized", "it opens nothing");
        }
    }
}

#[tokio::test]
async fn the_exchange_trades_while_somebody_looks_and_nothing_else_runs() {
    let server = serve(&[]);
    let listed = || async {
        let list = get(server.address(), "/admin/channels?prefix=demo")
            .await
            .json();
        let names = list["channels"].as_array().unwrap().iter();
        names
            .map(|channel| channel["channel"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed().await, [] as [Value; 0]);
    let mut events = follow(server.address(), "demo-ticker:all").await;
    let mut symbols = BTreeSet::new();
    for _ in 0..120 {
        let (name, data) = next(&mut events).await.expect("a price");
        assert_eq!(name, "price");
        assert!(
            data["price"].as_f64() > Some(0.0) && data["change"].is_number(),
            "{data}"
        );
        assert!(data["at"].as_u64() > Some(1_600_000_000_000), "{data}");
        symbols.insert(data["symbol"].as_str().unwrap().to_owned());
    }
    assert_eq!(symbols.len(), 40);
    assert_eq!(listed().await, ["demo-ticker:all"]);
    // Who comes late gets the newest of each, and is told what it does not get.
    let late = "/channels/demo-ticker:all?after=earliest&limit=1000";
    let late = get(server.address(), late).await.json();
    let of = |kind: &str| {
        let all = late["messages"].as_array().unwrap().iter();
        all.filter(|message| message["type"] == kind).count()
    };
    assert_eq!(of("message"), 40, "{late}");
    assert!(of("skip") > 0, "{late}");
}

#[tokio::test]
async fn the_dashboard_tells_the_figures_of_this_machine() {
    let server = serve(&[]);
    let mut events = follow(server.address(), "demo:server").await;
    let mut told = BTreeSet::new();
    let all = ["cpu", "disk", "load", "memory", "network"];
    while told.len() < all.len() {
        let (name, data) = next(&mut events).await.expect("figures");
        match name.as_str() {
            "cpu" => {
                let percents = [&data["percent"], &data["cores"][0]].map(Value::as_f64);
                assert!(
                    percents.iter().all(|p| (0.0..=100.0).contains(&p.unwrap())),
                    "{data}"
                );
            }
            "memory" => {
                let [total, used, left] =
                    ["total", "used", "available"].map(|n| data[n].as_u64().unwrap());
                assert_eq!(used + left, total, "{data}");
            }
            "disk" => assert!(data["total"].as_u64() >= data["used"].as_u64(), "{data}"),
            "network" => assert!(data["received"].is_u64() && data["sent"].is_u64(), "{data}"),
            "load" => assert!(data["one"].as_f64() >= Some(0.0), "{data}"),
            other => panic!("{other}"),
        }
        told.insert(name);
    }
    assert_eq!(Vec::from_iter(told), all);
}

#[tokio::test]
async fn cursors_come_thirty_times_a_second_and_the_newest_of_each() {
    let server = serve(&[]);
    let target = "/channels/demo-cursors:1";
    let mut reader = Ws::connect(server.address(), target).await.unwrap();
    let mut writer = Ws::connect(server.address(), "/channels").await.unwrap();
    assert_eq!(reader.json().await.unwrap()["type"], "hello");
    for x in 0..300 {
        for id in ["a", "b"] {
            let data = json!({"id": id, "x": x});
            writer
                .command(json!({"type": "publish", "channel": "demo-cursors:1", "data": data}))
                .await;
        }
    }
    let (mut messages, mut newest) = (0, json!({}));
    while newest != json!({"a": 299, "b": 299}) {
        let told = patiently(reader.json()).await.expect("more");
        if told["type"] == "message" {
            messages += 1;
            newest[told["data"]["id"].as_str().unwrap()] = told["data"]["x"].clone();
        }
    }
    assert!(messages < 300, "{messages} of 600 came");
}

#[tokio::test]
async fn an_answer_grows_in_its_channel_and_is_begun_once() {
    let server = serve(&[]);
    let at = server.address();
    let asked = json!({"prompt": "무엇이 새로워?", "id": "my-1"});
    let channel = ask(at, &asked).await;
    assert_eq!(channel, "demo-answers:my-1");
    assert_eq!(ask(at, &asked).await, channel);
    let (text, names) = read(at, &channel).await;
    assert_eq!(names, ["question", "token", "done"]);
    assert!(
        text.contains("“무엇이 새로워?”") && text.split_whitespace().count() > 200,
        "{text}"
    );
    assert_eq!(ask(at, &asked).await, channel, "asked again after its end");
    let other = post(at, "/demos/answers", &json!({"prompt": "?", "id": "my-1"})).await;
    assert_eq!(
        (other.status, &other.json()["code"]),
        (422, &json!("key_reused"))
    );
    assert_eq!(
        read(at, &channel).await.0,
        text,
        "and nothing was begun anew"
    );
}

#[tokio::test]
async fn the_word_to_stop_is_a_message() {
    let server = serve(&[]);
    let at = server.address();
    let channel = ask(at, &json!({"prompt": "Tell me a long story"})).await;
    let mut events = follow(at, &channel).await;
    while next(&mut events).await.expect("the answer goes on").0 != "token" {}
    let stop = format!("/channels/{channel}?event=stop");
    assert_eq!(post(at, &stop, &json!(null)).await.status, 200);
    let mut last = Vec::new();
    while let Some((name, _)) = next(&mut events).await {
        last.push(name);
    }
    assert_eq!(last.last().map(String::as_str), Some("stopped"), "{last:?}");
    assert!(last.len() < 150, "{} more came", last.len());
    let closed = post(at, &format!("/channels/{channel}"), &json!(1)).await;
    assert_eq!(closed.json()["code"], "channel_closed");
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused() {
    let server = serve(&[]);
    for (target, body, status, code) in [
        ("/demos/answers", json!([]), 400, "bad_request"),
        ("/demos/answers", json!({}), 400, "bad_request"),
        (
            "/demos/answers",
            json!({"prompt": " "}),
            400,
            "invalid_parameter",
        ),
        (
            "/demos/answers",
            json!({"prompt": "x", "id": "a:b"}),
            400,
            "invalid_parameter",
        ),
        (
            "/demos/answers",
            json!({"prompt": "x", "id": ""}),
            400,
            "invalid_parameter",
        ),
        (
            "/demos/answers",
            json!({"prompt": "x".repeat(4097)}),
            413,
            "body_too_large",
        ),
        (
            "/demos/answers",
            json!({"prompt": "x".repeat(40_000)}),
            413,
            "body_too_large",
        ),
        (
            "/api/chat",
            json!({"messages": []}),
            400,
            "invalid_parameter",
        ),
        (
            "/api/chat",
            json!({"messages": [{"role": "user"}]}),
            400,
            "bad_request",
        ),
        (
            "/api/chat",
            json!({"messages": [{"role": "root", "content": "x"}]}),
            400,
            "invalid_parameter",
        ),
    ] {
        let refused = post(server.address(), target, &body).await;
        assert_eq!(refused.status, status, "{body}");
        assert_eq!(refused.json()["code"], code, "{body}");
    }
}

/// Reads a raw answer up to so many pieces, or to its end: its text, and whether that came.
async fn take(events: &mut Events, most: usize) -> (String, bool) {
    let mut text = String::new();
    let mut taken = 0;
    while taken < most {
        let Event { name, data, .. } = patiently(events.next()).await.expect("more");
        match (name.as_str(), data.as_str()) {
            ("$hello", _) => {}
            ("", "[DONE]") => return (text, true),
            ("", piece) => {
                let piece: Value = serde_json::from_str(piece).expect("JSON");
                text += piece["content"].as_str().expect("content");
                taken += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    (text, false)
}

#[tokio::test]
async fn a_chat_is_its_stream_and_goes_on_after_a_reload() {
    let server = serve(&[]);
    let at = server.address();
    let body = json!({"messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": "안녕"},
    ]});
    for target in ["/demos/api/chat", "/api/chat"] {
        let mut http = Http::connect(at).await;
        http.request("POST", target, "", body.to_string().as_bytes())
            .await;
        let head = patiently(http.head()).await;
        assert_eq!(
            (head.status, head.header("content-type")),
            (200, Some("text/event-stream"))
        );
        let channel = head
            .header("tidings-channel")
            .expect("where it stands")
            .to_owned();
        let mut events = Events::begun(http, "");
        let (first, _) = take(&mut events, 20).await;
        let id = events.last_id.clone();
        drop(events);
        let target = format!("/channels/{channel}?format=raw");
        let mut again = Events::open(at, &target, &id).await.expect("events");
        let (rest, ended) = take(&mut again, usize::MAX).await;
        assert!(ended);
        let whole = format!("{target}&after=earliest");
        let mut whole = Events::open(at, &whole, "").await.expect("events");
        assert_eq!(take(&mut whole, usize::MAX).await.0, first + &rest);
    }
}

/// A server whose answers are a model's.
fn with_model(model: &Model) -> Server {
    let url = format!("demo.model_url={}", model.url);
    let mut command = tidings(&["serve", "--listen", "127.0.0.1:0", "--set", &url]);
    command.args(["--set", "demo.model=small", "--log-level", "debug"]);
    command.env("TIDINGS_DEMO__MODEL_KEY", model::KEY);
    serve_with(&mut command)
}

#[tokio::test]
async fn a_model_answers_where_one_is_configured() {
    let mut model = Model::start(model::WHOLE).await;
    let mut server = with_model(&model);
    let channel = ask(server.address(), &json!({"prompt": "Who are you?"})).await;
    let (text, names) = read(server.address(), &channel).await;
    assert_eq!(
        (text.as_str(), names),
        (
            "Ich bin 나 👋.",
            vec!["question".into(), "token".into(), "done".into()]
        )
    );
    let (head, body) = patiently(model.asked()).await;
    assert!(
        head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"),
        "{head}"
    );
    let bearer = format!("authorization: Bearer {}\r\n", model::KEY);
    assert!(head.contains(&bearer), "{head}");
    let expected = json!({
        "model": "small", "stream": true,
        "messages": [{"role": "user", "content": "Who are you?"}],
    });
    assert_eq!(body, expected);
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait().code(), Some(0));
    let said = server.process.err.rest().join("\n");
    assert!(!said.contains(model::KEY), "{said}");
}

#[tokio::test]
async fn a_model_that_fails_is_told() {
    for (answer, why) in [
        (model::REFUSED, "it answers 401"),
        (model::CUT, "cannot be reached"),
        (model::SHORT, "ended before it said so"),
        (model::BROKEN, "broke off with an error"),
        (model::NONSENSE, "not what was asked for"),
        (model::ELSEWHERE, "redirect"),
    ] {
        let model = Model::start(answer).await;
        let server = with_model(&model);
        let channel = ask(server.address(), &json!({"prompt": "?"})).await;
        let mut events = follow(server.address(), &channel).await;
        let mut last = None;
        while let Some(told) = next(&mut events).await {
            last = Some(told);
        }
        let (name, data) = last.expect("messages");
        let error = data["error"].as_str().expect("why");
        assert!(name == "failed" && error.contains(why), "{name}: {error}");
        assert!(!error.contains("secret"), "{error}");
        server
            .process
            .err
            .find("the model of the demo did not answer");
    }
}

#[tokio::test]
async fn a_model_that_says_nothing_can_be_stopped() {
    let mut model = Model::start(model::SILENT).await;
    let server = with_model(&model);
    let channel = ask(server.address(), &json!({"prompt": "?"})).await;
    patiently(model.asked()).await;
    let stop = format!("/channels/{channel}?event=stop");
    assert_eq!(
        post(server.address(), &stop, &json!(null)).await.status,
        200
    );
    let (_, names) = read(server.address(), &channel).await;
    assert_eq!(names, ["question", "stop", "stopped"]);
    patiently(model.until_left()).await;
}

#[tokio::test]
async fn no_more_answers_are_made_at_once_than_may_be_and_all_end_with_the_server() {
    let mut model = Model::start(model::SILENT).await;
    let mut server = with_model(&model);
    for _ in 0..32 {
        ask(server.address(), &json!({"prompt": "?"})).await;
    }
    let full = post(server.address(), "/demos/answers", &json!({"prompt": "?"})).await;
    assert_eq!((full.status, full.header("retry-after")), (429, Some("5")));
    let mut events = follow(server.address(), "demo:server").await;
    next(&mut events).await.expect("figures");
    patiently(model.asked()).await;
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait().code(), Some(0));
    patiently(model.until_left()).await;
}

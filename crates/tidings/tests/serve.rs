//! `tidings serve` and `tidings config` as processes: what is printed, refused, and how it ends.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::{PATIENCE, run, serve, serve_with, start, tidings};
use rustix::process::Signal;

#[test]
fn it_serves_at_once_and_says_how_to_use_it() {
    let begun = Instant::now();
    let mut server = serve(&[]);
    let answer = server.get("/healthz");
    let took = begun.elapsed();
    println!("first answer after {took:?}");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(took < Duration::from_secs(2), "{took:?}");

    let url = server.url.clone();
    assert!(!url.ends_with(":0"), "{url}");
    let out = &server.process.out;
    for text in [
        format!("curl -d '{{\"text\":\"안녕 👋\"}}' {url}/channels/hello"),
        format!("curl -N '{url}/channels/hello?transport=sse'"),
        format!("open      {url}/"),
        "open development server".to_owned(),
    ] {
        out.find(&text);
    }
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait().code(), Some(0));
}

#[test]
fn either_signal_ends_streams_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = serve(&[]);
        let stream = follow(&server);
        server.process.signal(signal);
        let rest: Vec<String> = stream.map_while(Result::ok).collect();
        assert!(
            rest.iter().any(|line| line.contains("reconnect")),
            "{rest:#?}"
        );
        assert_eq!(server.process.wait().code(), Some(0), "{signal:?}");
    }
}

/// The lines of an SSE stream past its greeting.
fn follow(server: &common::Server) -> std::io::Lines<BufReader<TcpStream>> {
    let mut socket = TcpStream::connect(server.address()).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    let host = server.address();
    let path = "/channels/%EB%B0%A9?transport=sse";
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    socket.write_all(head.as_bytes()).expect("taken");
    let mut lines = BufReader::new(socket).lines();
    let hello = lines
        .by_ref()
        .map_while(Result::ok)
        .find(|line| line.contains("\"type\":\"hello\""));
    assert!(hello.is_some());
    lines
}

#[test]
fn a_second_signal_ends_at_once() {
    // A request whose body never comes: the drain waits for it.
    let mut server = serve(&["--set", "limits.drain=10m", "--set", "limits.body_time=10m"]);
    let mut socket = TcpStream::connect(server.address()).unwrap();
    let host = server.address();
    let head = format!(
        "POST /channels/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).unwrap();
    let mut told = String::new();
    BufReader::new(socket.try_clone().unwrap())
        .read_line(&mut told)
        .unwrap();
    assert!(told.contains(" 100 "), "{told}");
    server.process.signal(Signal::TERM);
    server.process.err.find("stopping");
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait().code(), Some(128 + 15));
}

#[test]
fn json_logs_hold_what_is_served() {
    let server = start(
        tidings(&["serve"])
            .env("TIDINGS_LISTEN", "127.0.0.1:0")
            .env("TIDINGS_LOG__FORMAT", "json"),
    );
    let line = server.err.find("serving");
    let object: serde_json::Value = serde_json::from_str(&line).unwrap();
    let open = object["open"].as_str().unwrap();
    assert!(
        open.starts_with("http://127.0.0.1:") && open.ends_with('/'),
        "{line}"
    );
    assert_eq!(object["message"], "serving");
    assert!(
        object["note"].as_str().unwrap().contains("loopback only"),
        "{line}"
    );
}

#[test]
fn an_address_in_use_is_told_with_the_fix() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(&mut tidings(&["serve", "--listen", &address]));
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains(&format!("cannot listen on {address}")),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("fix: another program listens there"),
        "{}",
        ended.err
    );
}

#[test]
fn other_machines_are_refused_without_insecure() {
    let ended = run(&mut tidings(&["serve", "--listen", "0.0.0.0:0"]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.is_empty(), "{}", ended.out);
    assert!(
        ended.err.starts_with("flag --listen 0.0.0.0:0: listen: "),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("--insecure"), "{}", ended.err);

    let server = serve_with(&mut tidings(&[
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--insecure",
    ]));
    assert!(
        server.url.starts_with("http://127.0.0.1:"),
        "{}",
        server.url
    );
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    server.process.out.find("It is open (--insecure)");
}

#[test]
fn the_configuration_reaches_the_server() {
    let server = serve(&[
        "--set",
        "limits.message_bytes=5",
        "--set",
        "namespaces.방.message_bytes=9",
    ]);
    let publish = |channel: &str, data: &str| {
        run(&mut tidings(&["pub", "--url", &server.url, channel, data])).code
    };
    assert_eq!(publish("a", "12345"), Some(0));
    assert_eq!(publish("a", "123456"), Some(1));
    assert_eq!(publish("방:7", "123456789"), Some(0));
    assert_eq!(publish("방:7", "1234567890"), Some(1));
}

#[test]
fn config_prints_what_config_checks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidings.toml");
    let printed = run(tidings(&[
        "config",
        "--print",
        "--set",
        "namespaces.방.history.count=3",
    ])
    .env("TIDINGS_LIMITS__WAIT", "20s"));
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    std::fs::write(&path, &printed.out).unwrap();
    let mut check = tidings(&["config", "--check"]);
    let checked = run(check.env("TIDINGS_CONFIG", &path));
    assert_eq!(
        (checked.code, checked.out.as_str()),
        (Some(0), "ok\n"),
        "{}",
        checked.err
    );
    assert!(
        printed.out.contains("\nwait = \"20s\"\n"),
        "{}",
        printed.out
    );

    std::fs::write(&path, printed.out.replace("wait = \"20s\"", "wait = 20")).unwrap();
    let checked = run(tidings(&["config", "--check"]).arg("--config").arg(&path));
    assert_eq!(checked.code, Some(1));
    assert!(
        checked
            .err
            .contains("limits.wait: 20 is not a length of time"),
        "{}",
        checked.err
    );
}

#[test]
fn help_and_version() {
    let nothing = run(&mut tidings(&[]));
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.err.contains("Usage: tidings"), "{}", nothing.err);
    for (arguments, text) in [
        (["--help", ""], "tail -F app.log | tidings pub logs"),
        (["--version", ""], env!("CARGO_PKG_VERSION")),
        (["serve", "--help"], "TIDINGS_LIMITS__WAIT"),
        (["config", "--help"], "--check"),
        (["pub", "--help"], "TIDINGS_URL"),
        (["sub", "--help"], "--after"),
    ] {
        let arguments: Vec<&str> = arguments.into_iter().filter(|a| !a.is_empty()).collect();
        let helped = run(&mut tidings(&arguments));
        assert_eq!(helped.code, Some(0));
        assert!(helped.out.contains(text), "{}", helped.out);
    }
}

//! `tidings pub` and `tidings sub` as processes, against the real server.

mod common;

use std::io::{Read, Write};
use std::process::Stdio;

use common::{Running, Server, run, serve, serve_with, start, tidings};
use rustix::process::Signal;

fn subscribe(server: &Server, arguments: &[&str]) -> Running {
    let mut all = vec!["sub", "--url", &server.url];
    all.extend(arguments);
    let process = start(&mut tidings(&all));
    process.err.find("connected over");
    process
}

fn publish(server: &Server, arguments: &[&str]) -> common::Ended {
    run(tidings(&["pub", "--url", &server.url]).args(arguments))
}

#[test]
fn every_transport_prints_what_is_published() {
    let server = serve(&[]);
    for (at, transport) in ["auto", "websocket", "sse", "sse-post", "long-poll", "poll"]
        .into_iter()
        .enumerate()
    {
        let channel = format!("방:{at}");
        assert_eq!(
            publish(&server, &[&channel, "{\"말\": 1.50}"]).code,
            Some(0)
        );
        let mut reader = subscribe(
            &server,
            &[&channel, "--after", "earliest", "--transport", transport],
        );
        assert_eq!(
            publish(&server, &[&channel, "안녕 👋", "--text"]).code,
            Some(0)
        );
        assert_eq!(publish(&server, &[&channel, "끝", "--close"]).code, Some(0));
        assert_eq!(reader.out.next(), "{\"말\": 1.50}", "{transport}");
        assert_eq!(reader.out.next(), "안녕 👋", "{transport}");
        assert_eq!(reader.out.next(), "끝", "{transport}");
        assert_eq!(reader.wait().code(), Some(0), "{transport}");
    }
}

#[test]
fn envelopes_and_several_channels() {
    let server = serve(&[]);
    publish(&server, &["a", "[1,\n2]", "--json", "--event", "가격"]);
    publish(
        &server,
        &["b", "한글", "--type", "application/octet-stream"],
    );
    for transport in ["websocket", "sse"] {
        let both = ["a", "b", "--last", "1", "--transport", transport];
        let plain = subscribe(&server, &both);
        let mut lines = [plain.out.next(), plain.out.next()];
        lines.sort();
        assert_eq!(lines, ["a\t[1, 2]", "b\t7ZWc6riA"], "{transport}");

        let whole = subscribe(&server, &[&both[..], &["--json"]].concat());
        let mut objects: Vec<serde_json::Value> = (0..2)
            .map(|_| serde_json::from_str(&whole.out.next()).unwrap())
            .collect();
        objects.sort_by_key(|object| object["channel"].to_string());
        assert_eq!(objects[0]["data"], serde_json::json!([1, 2]));
        assert_eq!(objects[0]["event"], "가격");
        assert_eq!(objects[1]["data"], "7ZWc6riA", "{transport}");
        assert_eq!(objects[1]["encoding"], "base64");

        let late = subscribe(
            &server,
            &["a", "--json", "--after", "zzz-1", "--transport", transport],
        );
        let lines = [late.out.next(), late.out.next()];
        let [gap, message] =
            lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
        assert_eq!(
            (&gap["type"], &gap["reason"], &gap["to"]),
            (&"gap".into(), &"epoch_changed".into(), &0.into())
        );
        assert_eq!(message["offset"], 1, "{transport}");
    }
}

#[test]
fn lines_are_published_as_they_come() {
    let server = serve(&[]);
    let reader = subscribe(&server, &["logs"]);
    let mut writer = start(&mut tidings(&["pub", "--url", &server.url, "logs"]));
    for number in 0..50 {
        let line = format!("줄 {number} 🙂 {{\"not\": json");
        writer.write(&line);
        assert_eq!(reader.out.next(), line);
        let receipt = writer.out.next();
        assert!(
            receipt.starts_with("logs ") && receipt.contains(&format!("-{},", number + 1)),
            "{receipt}"
        );
    }
    writer.write("");
    assert_eq!(reader.out.next(), "");
    assert_eq!(writer.wait().code(), Some(0));
}

#[test]
fn a_restart_of_the_server_loses_and_doubles_no_line() {
    let mut server = serve(&[]);
    let port = server.address().port();
    let reader = subscribe(&server, &["logs"]);
    let mut writer = start(&mut tidings(&["pub", "--url", &server.url, "logs"]));
    writer.write("하나");
    assert_eq!(reader.out.next(), "하나");
    writer.out.next();
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait().code(), Some(0));
    for line in ["둘", "셋", "넷"] {
        writer.write(line);
    }
    writer.err.find("trying on until it is held");
    let address = format!("127.0.0.1:{port}");
    let again = serve_with(&mut tidings(&["serve", "--listen", &address]));
    reader.err.find("gap on logs");
    for line in ["둘", "셋", "넷"] {
        assert_eq!(reader.out.next(), line);
    }
    writer.err.find("held now");
    assert_eq!(writer.wait().code(), Some(0));
    let log = again.get("/channels/logs?after=earliest");
    assert_eq!(log.matches("\"offset\"").count(), 3, "{log}");
}

#[test]
fn receipts_and_refusals() {
    let server = serve(&[]);
    let receipt = publish(&server, &["방", "1", "--receipts", "json", "--key", "k1"]);
    let first: serde_json::Value = serde_json::from_str(&receipt.out).unwrap();
    assert_eq!(
        (first["channel"].as_str(), first["offset"].as_u64()),
        (Some("방"), Some(1))
    );
    let again = publish(&server, &["방", "1", "--key", "k1"]);
    assert!(again.out.contains("(published before)"), "{}", again.out);
    let other = publish(&server, &["방", "2", "--key", "k1"]);
    assert_eq!(other.code, Some(1));
    assert!(other.err.contains("422"), "{}", other.err);
    assert_eq!(publish(&server, &["방", "1", "--quiet"]).out, "");
    assert_eq!(publish(&server, &["bad name", "1"]).code, Some(1));
    assert_eq!(publish(&server, &["a", "{", "--json"]).code, Some(2));
    assert_eq!(publish(&server, &["a", "--key", "k"]).code, Some(2));
    assert_eq!(
        run(&mut tidings(&["pub", "a", "1", "--url", "ftp://x"])).code,
        Some(2)
    );
    assert_eq!(
        run(&mut tidings(&["sub", "a", "a", "--url", &server.url])).code,
        Some(2)
    );
    let refused = run(&mut tidings(&["sub", "bad name", "--url", &server.url]));
    assert_eq!(refused.code, Some(1), "{}", refused.err);
}

#[test]
fn a_line_that_is_refused_does_not_stop_the_next() {
    let server = serve(&["--set", "limits.message_bytes=10"]);
    let mut writer = start(&mut tidings(&[
        "pub",
        "--url",
        &server.url,
        "logs",
        "--close",
    ]));
    writer.write("first");
    writer.write("much too long a line");
    writer.write("셋");
    assert!(writer.out.next().contains("-1,"));
    assert!(
        writer
            .err
            .next()
            .starts_with("line 2: refused with status 413")
    );
    assert!(writer.out.next().contains("-2,"));
    writer.stdin = None;
    assert!(writer.out.next().contains("-3,"));
    assert_eq!(writer.wait().code(), Some(1));
    assert_eq!(publish(&server, &["logs", "x"]).code, Some(1));
}

#[test]
fn signals_and_closed_outputs_end_it_cleanly() {
    let server = serve(&[]);
    for signal in [Signal::INT, Signal::TERM] {
        publish(&server, &["a", "x"]);
        let mut reader = subscribe(&server, &["a", "--last", "1"]);
        assert_eq!(reader.out.next(), "x");
        reader.signal(signal);
        reader.err.find("go on with --after");
        assert_eq!(reader.wait().code(), Some(0));
    }
}

#[test]
fn a_reader_of_the_output_that_goes_ends_it() {
    let server = serve(&[]);
    publish(&server, &["busy", "x"]);
    // With a message to write, and with none to come.
    for channel in ["busy", "quiet"] {
        let mut child = tidings(&["sub", "--url", &server.url, channel, "--after", "earliest"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut err = String::new();
        let mut errors = child.stderr.take().unwrap();
        errors.read_to_string(&mut err).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{err}");
        let err = err.to_lowercase();
        assert!(!err.contains("panic") && !err.contains("pipe"), "{err}");
    }
}

const SECRET: &str = "correct horse battery staple, and more of it";

/// What a token for the rooms says, printed by the command itself.
fn token(expires: &str) -> String {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(SECRET.as_bytes()).expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let mut command = tidings(&["token", "new", "--secret-file", path, "--expires", expires]);
    let rooms = [
        "--user",
        "alice",
        "--subscribe",
        "room:*",
        "--publish",
        "room:*",
    ];
    run(command.args(rooms)).out
}

#[test]
fn a_token_comes_from_a_file_or_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (config, file, nothing) = (at("config.toml"), at("token"), at("nothing"));
    let keyed = format!("[tokens.main]\nalgorithm = \"HS256\"\nsecret = \"{SECRET}\"\n");
    std::fs::write(&config, keyed).unwrap();
    let server = serve(&["--config", &config]);

    let refused = publish(&server, &["room:7", "1"]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("unauthorized"), "{}", refused.err);
    assert!(refused.err.contains("fix: give a token"), "{}", refused.err);
    let forbidden =
        run(tidings(&["pub", "--url", &server.url, "news", "1"]).env("TIDINGS_TOKEN", token("1h")));
    assert!(forbidden.err.contains("forbidden"), "{}", forbidden.err);

    std::fs::write(&file, token("1h")).unwrap();
    let mut command = tidings(&["sub", "--url", &server.url, "room:7", "--token-file", &file]);
    let reader = start(&mut command);
    reader.err.find("connected over");
    let published = publish(&server, &["room:7", "안녕", "--token-file", &file]);
    assert_eq!(published.code, Some(0), "{}", published.err);
    assert_eq!(reader.out.next(), "안녕");

    std::fs::write(&nothing, " \n").unwrap();
    for wrong in [&nothing, &at("absent")] {
        let wrong = publish(&server, &["room:7", "1", "--token-file", wrong]);
        assert_eq!(wrong.code, Some(2));
        assert!(wrong.err.contains("--token-file"), "{}", wrong.err);
    }
    // The variable is no key of the configuration.
    let checked = run(tidings(&["config", "--check"]).env("TIDINGS_TOKEN", "x"));
    assert_eq!(
        (checked.code, checked.out.trim()),
        (Some(0), "ok"),
        "{}",
        checked.err
    );
}

#[test]
fn a_topic_is_published() {
    let server = serve(&["--set", "namespaces.prices.lag.policy=latest_by"]);
    for (topic, price) in [("BTC", "1"), ("ETH", "2"), ("BTC", "3")] {
        let published = publish(&server, &["prices:a", price, "--topic", topic]);
        assert_eq!(published.code, Some(0), "{}", published.err);
    }
    let read = server.get("/channels/prices:a?after=earliest");
    assert!(
        read.contains("conflated") && !read.contains(r#""data":1"#),
        "{read}"
    );
    assert!(
        read.contains(r#""data":2"#) && read.contains(r#""data":3"#),
        "{read}"
    );
    assert_eq!(
        publish(&server, &["prices:a", "1", "--topic", ""]).code,
        Some(1)
    );
}

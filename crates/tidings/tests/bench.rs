//! `tidings bench`, whole and small: the real server, the real floor, and a server that loses.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use common::{run, serve, tidings};

/// The floor, built as this test was.
fn floor() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_BIN_EXE_tidings"));
    path.set_file_name("floor");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", "floor"]);
    if path
        .parent()
        .is_some_and(|parent| parent.ends_with("release"))
    {
        cargo.arg("--release");
    }
    let target = path.ancestors().nth(2).expect("target/PROFILE/floor");
    let built = cargo.arg("--target-dir").arg(target).status();
    assert!(built.expect("cargo runs").success());
    path
}

fn json(arguments: &[&str]) -> Value {
    let ended = run(tidings(&["bench", "--json"]).args(arguments));
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    serde_json::from_str(&ended.out).expect("JSON")
}

fn figure(row: &Value, name: &str) -> f64 {
    let value = &row["figures"][name]["median"];
    value
        .as_f64()
        .unwrap_or_else(|| panic!("no {name} in {row:#}"))
}

/// Readers that get each message of a row.
fn readers_of_a_message(row: &Value) -> f64 {
    match row["scenario"].as_str().expect("a name") {
        "channels" => 5.0,
        "echo" => 1.0,
        // A tenth is not honest.
        "isolation" => 18.0,
        _ => 20.0,
    }
}

#[test]
fn every_scenario_gives_plausible_figures() {
    let floor = floor();
    let floor = floor.to_str().expect("UTF-8");
    let small = "--readers 20 --seconds 0.3 --repetitions 1 --floor";
    let arguments: Vec<&str> = small.split(' ').chain([floor]).collect();
    let report = json(&arguments);
    let machine = &report["machine"];
    assert!(machine["cores"].as_u64() > Some(0) && machine["kernel"].is_string());
    let rows = report["results"].as_array().expect("a list");
    let of = |scenario: &str| {
        rows.iter()
            .filter(|row| row["scenario"] == scenario)
            .count()
    };
    let counts = ["fanout", "channels", "idle", "echo", "isolation"].map(of);
    // Phases times transports; the floor is one where there are streams.
    assert_eq!(counts, [2 * 4, 2 * 4, 3, 4, 3 * 3]);
    for row in rows {
        for fault in ["lost", "repeated", "reordered"] {
            assert_eq!(row[fault], 0, "{row:#}");
        }
        if row["scenario"] == "idle" {
            plausible_memory(row);
        } else {
            plausible_stream(row);
        }
    }
}

fn plausible_memory(row: &Value) {
    let each = figure(row, "resident_bytes_per_connection");
    assert!((0.0..200_000.0).contains(&each), "{row:#}");
    assert!(figure(row, "resident_bytes") > 1e6, "{row:#}");
}

fn plausible_stream(row: &Value) {
    let published = figure(row, "published");
    assert!(published >= 2.0, "{row:#}");
    let expected = published * readers_of_a_message(row);
    assert_eq!(figure(row, "deliveries"), expected, "{row:#}");
    assert!(
        figure(row, "received_bytes_per_delivery") >= 128.0,
        "{row:#}"
    );
    let quantiles = ["p50", "p99", "p999"].map(|q| figure(row, &format!("latency_{q}_us")));
    assert!(quantiles[0] > 0.0 && quantiles.is_sorted(), "{row:#}");
    let cpu = figure(row, "cpu_us_per_delivery");
    assert!(cpu > 0.0, "{row:#}");
    let ratio = &row["figures"]["cpu_us_per_delivery"]["to_floor"]["median"];
    let compared = row["transport"] != "floor" && row["scenario"] != "isolation";
    assert_eq!(
        ratio.as_f64().is_some_and(|ratio| ratio > 0.0),
        compared,
        "{row:#}"
    );
}

#[test]
fn a_server_that_runs_is_measured_where_it_is() {
    let server = serve(&[]);
    let id = server.process.id().to_string();
    let ended = run(
        tidings(&["bench", "--url", &server.url, "--pid", &id]).args(
            "--scenario fanout --transport sse --readers 3 --seconds 0.2 --repetitions 2"
                .split(' '),
        ),
    );
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for part in [
        server.url.as_str(),
        "fanout paced: 3 readers, 20 messages/s",
        "fanout saturated: 3 readers",
        "server CPU us/delivery",
        "2 repetitions of 0.2 s, 128 bytes of payload",
    ] {
        assert!(ended.out.contains(part), "{part:?} in {}", ended.out);
    }
    assert!(ended.err.contains("repetition 2/2"), "{}", ended.err);
    assert!(!ended.out.contains("floor"), "{}", ended.out);
}

/// A server that takes what is published and does not deliver every third message.
fn forgetful() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let readers = Arc::new(Mutex::new(Vec::new()));
    let count = Arc::new(Mutex::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (readers, count) = (readers.clone(), count.clone());
            thread::spawn(move || attend(&stream, &readers, &count));
        }
    });
    url
}

fn attend(stream: &TcpStream, readers: &Mutex<Vec<TcpStream>>, count: &Mutex<u32>) -> Option<()> {
    let mut input = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if input.read_until(b'\n', &mut head).ok()? == 0 {
                return None;
            }
        }
        let mut output = stream;
        if head.starts_with(b"GET") {
            let hello = b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x10{\"type\":\"hello\"}";
            output.write_all(hello).ok()?;
            readers.lock().ok()?.push(stream.try_clone().ok()?);
            continue;
        }
        let mut payload = [0; 100];
        input.read_exact(&mut payload).ok()?;
        let mut count = count.lock().ok()?;
        *count += 1;
        if *count % 3 != 0 {
            let frame = [&[0x81, 100][..], &payload].concat();
            let mut readers = readers.lock().ok()?;
            readers
                .iter_mut()
                .try_for_each(|reader| reader.write_all(&frame))
                .ok()?;
        }
        output
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .ok()?;
    }
}

#[test]
fn a_loss_is_counted_and_is_exit_code_1() {
    let url = forgetful();
    let id = std::process::id().to_string();
    let ended = run(
        tidings(&["bench", "--json", "--url", &url, "--pid", &id]).args(
            "--scenario echo --transport ws --seconds 0.3 --repetitions 1 --payload 100".split(' '),
        ),
    );
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("lost"), "{}", ended.err);
    let report: Value = serde_json::from_str(&ended.out).expect("JSON");
    let row = &report["results"][0];
    let missing = figure(row, "published") - figure(row, "deliveries");
    assert!(missing > 0.0);
    assert_eq!(row["lost"].as_f64(), Some(missing), "{row:#}");
}

#[test]
fn what_cannot_be_measured_is_told() {
    let own = std::process::id().to_string();
    for (arguments, code, words) in [
        ("--url http://127.0.0.1:1", 2, "--pid"),
        ("--payload 10", 2, "write a number from"),
        ("--scenario fanuot", 2, "fanout"),
        ("--seconds 0", 2, "write a number from"),
        ("--url http://127.0.0.1:1 --pid 4294967295", 1, "no process"),
        ("--url https://127.0.0.1:1 --pid PID", 1, "write http://"),
        (
            "--url http://127.0.0.1:1 --pid PID --scenario echo",
            1,
            "cannot be reached",
        ),
        ("--floor no-such-floor --scenario echo", 1, "no-such-floor"),
    ] {
        let arguments = arguments.replace("PID", &own);
        let ended = run(tidings(&["bench"]).args(arguments.split(' ')));
        assert_eq!(ended.code, Some(code), "{arguments}: {}", ended.err);
        assert!(ended.err.contains(words), "{arguments}: {}", ended.err);
    }
}

//! The examples, run as they are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running example. It ends with the test.
struct Example {
    process: Child,
    address: String,
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts an example, which Cargo builds beside the tests, on a free port that it prints.
fn start(name: &str) -> Example {
    let tests = PathBuf::from(env!("CARGO_BIN_EXE_tidings"));
    let path = tests.with_file_name("examples").join(name);
    let mut process = Command::new(&path)
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "{}: {error}; `cargo test -p tidings` builds it",
                path.display()
            )
        });
    let mut line = String::new();
    let mut out = BufReader::new(process.stdout.take().expect("it is piped"));
    out.read_line(&mut line).expect("a line");
    let address = line.split('/').nth(2).expect("a URL").trim().to_owned();
    Example { process, address }
}

impl Example {
    fn ask(&self, request: &str) -> BufReader<TcpStream> {
        let mut socket = TcpStream::connect(&self.address).expect("it listens");
        let request = request.replace("HOST", &self.address);
        let sent = socket.write_all(request.as_bytes());
        sent.expect("it reads");
        BufReader::new(socket)
    }

    fn answer(&self, request: &str) -> String {
        let mut text = String::new();
        let read = self.ask(request).read_to_string(&mut text);
        read.expect("an answer");
        text
    }
}

#[test]
fn axum_serves_its_own_pages_and_channels() {
    let example = start("axum");
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n");
    assert!(example.answer(&get("/")).contains("EventSource"));
    let said = example.answer(
        "POST /rooms/7 HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"a\":\"\u{c548}\"}",
    );
    assert!(
        said.contains("400"),
        "a body that is cut is not JSON: {said}"
    );
    let said = example.answer(
        "POST /rooms/7 HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"a\":\"\u{c548}\"}",
    );
    assert!(said.contains("Some(1)"), "{said}");
    let list = example.answer(&get("/realtime/channels/room:7"));
    assert!(
        list.contains("\"event\":\"say\",\"data\":{\"a\":\"\u{c548}\"}"),
        "{list}"
    );
    let mut clock = example.ask(
        "GET /realtime/channels/clock?after=earliest HTTP/1.1\r\nHost: HOST\r\nAccept: text/event-stream\r\n\r\n",
    );
    let mut seen = String::new();
    while !seen.contains("\"second\":1}") {
        let line = seen.len();
        assert!(clock.read_line(&mut seen).unwrap() > 0, "{seen}");
        assert!(seen.len() > line);
    }
}

#[test]
fn hyper_serves_its_own_and_channels() {
    let example = start("hyper");
    let get = |path| format!("GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n");
    assert!(
        example
            .answer(&get("/"))
            .contains("an application of its own")
    );
    let list = example.answer(&get("/realtime/channels/news"));
    assert!(list.contains("\"data\":\"started\""), "{list}");
}

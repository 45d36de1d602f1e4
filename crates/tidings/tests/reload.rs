//! SIGHUP at the real server: what is in force after it, that nobody is dropped, and that a wrong file
//! changes nothing.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

use common::{PATIENCE, Server, serve_with, tidings};
use rustix::process::Signal;

struct Configured {
    server: Server,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Configured {
    fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tidings.toml");
        std::fs::write(&path, file).expect("written");
        let path_text = path.to_str().expect("UTF-8");
        let mut command = tidings(&["serve", "--listen", "127.0.0.1:0", "--config", path_text]);
        Self {
            server: serve_with(&mut command),
            path,
            _folder: folder,
        }
    }

    /// Writes the file anew and has it read; what the log says of it.
    fn reload(&self, file: &str, said: &str) -> String {
        std::fs::write(&self.path, file).expect("written");
        self.server.process.signal(Signal::HUP);
        self.server.process.err.find(said)
    }

    fn publish(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.server.address()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let (host, length) = (self.server.address(), text.len());
        let request = format!(
            "POST /channels/a HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{text}"
        );
        stream.write_all(request.as_bytes()).expect("taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        answer
    }

    fn retained(&self) -> usize {
        let answer = self.server.get("/channels/a?after=earliest");
        let names = ["eins-1", "zwei-2", "drei-3", "vier-4", "funf-5", "sechs-6"];
        names.iter().filter(|name| answer.contains(**name)).count()
    }
}

#[test]
fn another_history_is_in_force_and_nobody_is_dropped() {
    let all = Configured::new("history.count = 4\n");
    let mut stream = TcpStream::connect(all.server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = all.server.address();
    let head = format!("GET /channels/a?transport=sse HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream)
        .lines()
        .map(|line| line.expect("it goes on"));
    assert!(lines.any(|line| line.contains("\"type\":\"hello\"")));
    for text in ["eins-1", "zwei-2", "drei-3", "vier-4"] {
        all.publish(text);
    }
    assert_eq!(all.retained(), 4);
    let said = all.reload("history.count = 2\n", "reloaded");
    assert!(said.contains("history.count"), "{said}");
    all.publish("funf-5");
    assert_eq!(all.retained(), 2);
    assert!(lines.any(|line| line.contains("funf-5")));
    // What needs a restart is named, the rest is in force.
    let said = all.reload(
        "workers = 1\nhistory.count = 3\nlimits.wait = '1s'\n",
        "needs a restart",
    );
    assert!(said.contains("workers, limits.wait"), "{said}");
    all.server.process.err.find("reloaded");
    all.publish("sechs-6");
    assert_eq!(all.retained(), 3);
    assert!(lines.any(|line| line.contains("sechs-6")));
}

#[test]
fn a_wrong_file_changes_nothing() {
    let all = Configured::new("history.count = 4\n");
    let said = all.reload("history.count = 1\nlimits.wait = 30\n", "not reloaded");
    assert!(said.contains("ERROR"), "{said}");
    assert!(said.contains("tidings.toml:2:15"), "{said}");
    assert!(
        said.contains("limits.wait") && said.contains("write a text with its unit"),
        "{said}"
    );
    for text in ["eins-1", "zwei-2", "drei-3"] {
        all.publish(text);
    }
    assert_eq!(all.retained(), 3);
}

#[test]
fn the_level_of_the_log_can_be_changed() {
    let all = Configured::new("log.level = 'error'\n");
    all.reload("log.level = 'info'\n", "reloaded");
    let mut server = all.server;
    server.process.signal(Signal::TERM);
    server.process.err.find("stopped");
    assert_eq!(server.process.wait().code(), Some(0));
}

#[test]
fn without_a_file_it_ends_as_a_closed_terminal_does() {
    let mut server = common::serve(&[]);
    server.process.signal(Signal::HUP);
    server.process.err.find("SIGHUP");
    assert_eq!(server.process.wait().code(), Some(0));
}

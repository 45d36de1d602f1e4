//! The command `fault-proxy`.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use conformance::http::{get, post};
use conformance::server::TestServer;
use serde_json::Value;

use crate::support::patiently;

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fault-proxy"));
    command
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Its end, with what it printed.
fn ran(words: &[&str]) -> (Option<i32>, String) {
    let output = command(words).output().expect("the command runs");
    let printed = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8(printed).expect("text"),
    )
}

/// The two addresses in its first line.
fn addresses(child: &mut Child) -> [SocketAddr; 2] {
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let said: Value = serde_json::from_str(&line).expect("JSON");
    ["listen", "control"].map(|name| {
        let url = said[name].as_str().expect("a URL");
        url.strip_prefix("http://")
            .expect("http")
            .parse()
            .expect("an address")
    })
}

#[tokio::test]
async fn it_serves_until_its_input_closes() {
    let server = TestServer::start().await;
    let to = server.addr.to_string();
    let mut child = command(&["--to", &to, "--seed", "5", "--until-stdin-closes"])
        .spawn()
        .expect("it runs");
    let [front, control] = addresses(&mut child);
    assert_eq!(post(front, "/channels/x", "through it").await.status, 200);
    let log = get(control, "/log").await.json();
    assert_eq!(log[0]["kind"], "publish");
    drop(child.stdin.take());
    let ended = tokio::task::spawn_blocking(move || child.wait());
    let status = patiently(ended).await.expect("no panic").expect("an end");
    assert!(status.success());
}

#[test]
fn it_says_what_is_wrong_and_what_there_is() {
    let (code, help) = ran(&["--help"]);
    assert_eq!(code, Some(0));
    let faults = [
        "status",
        "strip_upgrade",
        "buffer",
        "buffer_bytes",
        "cut_bytes",
        "cut_ms",
        "cut_request_bytes",
    ];
    let more = [
        "stall",
        "stall_bytes",
        "stall_ms",
        "drop_response",
        "throttle",
        "delay_ms",
        "jitter_ms",
        "refuse",
    ];
    for name in faults.iter().chain(&more) {
        assert!(help.contains(&format!("{{\"{name}\":")), "{name}");
    }
    for request in conformance::fault::control::REQUESTS {
        assert!(help.contains(request), "{request}");
    }
    for (words, code, told) in [
        (&[][..], 2, "--to HOST:PORT is needed"),
        (&["--to"], 2, "--to needs a value"),
        (
            &["--to", "127.0.0.1:1", "--seed", "x"],
            2,
            "--seed x: not a number",
        ),
        (
            &["--to", "127.0.0.1:1", "--listen", "8000"],
            2,
            "--listen 8000: ADDRESS:PORT",
        ),
        (&["--top", "127.0.0.1:1"], 2, "what is --top?"),
        (&["--to", "nowhere"], 1, "nowhere: "),
        (
            &["--to", "127.0.0.1:1", "--listen", "192.0.2.1:1"],
            1,
            "cannot listen on 192.0.2.1:1",
        ),
    ] {
        let (ended, printed) = ran(words);
        assert_eq!(ended, Some(code), "{words:?}: {printed}");
        assert!(printed.contains(told), "{words:?}: {printed}");
    }
}

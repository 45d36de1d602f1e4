//! The proxy of `conformance::fault` as a command: it stands before a server and breaks what it is told to.
//! Prints one line of JSON, where it listens and where it is commanded, and serves until it is ended.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use conformance::fault::{FaultProxy, control};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const HELP: &str = r#"fault-proxy --to HOST:PORT [--listen ADDRESS:PORT] [--control ADDRESS:PORT] [--seed N] [--until-stdin-closes]

Stands between clients and a Tidings server, and breaks what it is told to. HTTP/1.1 without TLS.

  --to HOST:PORT           the server
  --listen ADDRESS:PORT    where clients come; port 0 takes a free one [default: 127.0.0.1:0]
  --control ADDRESS:PORT   where it is commanded [default: 127.0.0.1:0]
  --seed N                 chance begins here: the same seed, the same decisions [default: 1]
  --until-stdin-closes     end with standard input, so that whoever started it leaves nothing behind

It prints {"listen":"http://…","control":"http://…"} and relays all there is, until faults are set:

  curl -X PUT $CONTROL/faults -d '[{"on":["websocket"],"fault":{"status":403}},
                                   {"on":["sse"],"fault":{"buffer":true}},
                                   {"fault":{"cut_bytes":500},"probability":0.1,"after":3,"times":5}]'

The first one that matches a request applies. Without `on` it matches every kind:
websocket, sse, sse-post, long-poll, poll, publish, other.

  {"status":403}            answers itself; beside it "body" and "content_type" [HTML]
  {"strip_upgrade":true}    a WebSocket handshake goes on without Upgrade and Connection
  {"buffer":true}           holds the answer back until it ends, 64 MiB at most
  {"buffer_bytes":N}        hands the answer on when N bytes have gathered
  {"cut_bytes":N}           resets both sides after N bytes of the answer's body
  {"cut_ms":N}              … N ms after the answer's head
  {"cut_request_bytes":N}   … after N bytes of the request with its head
  {"stall":true}            forwards nothing and keeps the connection open
  {"stall_bytes":N}         falls silent after N bytes of the answer's body
  {"stall_ms":N}            … N ms after the answer's head
  {"drop_response":true}    the server answers, the client gets nothing and is reset
  {"throttle":N}            N bytes of the answer per second
  {"delay_ms":N}            the request goes on later
  {"jitter_ms":N}           … by a random time up to N ms
  {"refuse":true}           resets the connection instead of an answer

Commands, answered in JSON; 400 says what there is:

  PUT /faults [...]         replaces the faults               DELETE /faults
  POST /cut                 resets live connections; {"on":["sse"]} those whose present request is one
  POST /stall               silences them, likewise
  PUT /down                 the server cannot be reached: everything is reset    DELETE /down
  PUT /to {"to":"…"}        another server for connections to come
  GET /log                  the newest 10,000 requests and what became of them
  GET /live                 open connections by kind
"#;

/// What the command line said.
struct Wanted {
    to: String,
    listen: SocketAddr,
    control: SocketAddr,
    seed: u64,
    until_stdin_closes: bool,
}

impl Wanted {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (mut to, mut listen, mut control, mut seed) = (None, any, any, 1);
        let mut until_stdin_closes = false;
        while let Some(word) = words.next() {
            if word == "--until-stdin-closes" {
                until_stdin_closes = true;
                continue;
            }
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--to" => to = Some(value()?),
                "--listen" => listen = address(&word, &value()?)?,
                "--control" => control = address(&word, &value()?)?,
                "--seed" => {
                    let seed_text = value()?;
                    let wrong = |_| format!("--seed {seed_text}: not a number");
                    seed = seed_text.parse().map_err(wrong)?;
                }
                _ => return Err(format!("what is {word}?")),
            }
        }
        Ok(Self {
            to: to.ok_or("--to HOST:PORT is needed: the server that it stands before")?,
            listen,
            control,
            seed,
            until_stdin_closes,
        })
    }
}

fn address(word: &str, value: &str) -> Result<SocketAddr, String> {
    let parsed = value.parse();
    parsed.map_err(|_| format!("{word} {value}: ADDRESS:PORT is needed, as 127.0.0.1:0"))
}

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let wanted = match Wanted::parse(words.into_iter()) {
        Ok(wanted) => wanted,
        Err(wrong) => {
            eprintln!("{wrong}\nfault-proxy --help says what there is");
            return ExitCode::from(2);
        }
    };
    match run(wanted).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
    }
}

async fn run(wanted: Wanted) -> Result<(), String> {
    let to = control::resolve(&wanted.to).await?;
    let failed = |address| move |error| format!("cannot listen on {address}: {error}");
    let proxy = FaultProxy::listen(wanted.listen, to, wanted.seed).await;
    let proxy = Arc::new(proxy.map_err(failed(wanted.listen))?);
    let listener = TcpListener::bind(wanted.control).await;
    let listener = listener.map_err(failed(wanted.control))?;
    let control = listener.local_addr().map_err(failed(wanted.control))?;
    println!(
        "{}",
        json!({
            "listen": format!("http://{}", proxy.addr),
            "control": format!("http://{control}"),
        })
    );
    let serving = control::serve(proxy, listener);
    if !wanted.until_stdin_closes {
        return serving.await.map_err(|error| error.to_string());
    }
    tokio::select! {
        served = serving => served.map_err(|error| error.to_string()),
        _ = stdin_closed() => Ok(()),
    }
}

/// Resolves at the end of standard input.
fn stdin_closed() -> oneshot::Receiver<()> {
    let (closed, told) = oneshot::channel();
    // A thread of its own: reading cannot be given up, and the process does not wait for it.
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin();
        while matches!(stdin.read(&mut [0; 256]), Ok(1..)) {}
        let _ = closed.send(());
    });
    told
}

//! What a reader costs that takes a kilobyte a second of a channel that gets a megabyte: a bounded number of
//! bytes, on every transport; and it is told what it did not get, while others get everything.

#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

mod common;

use std::fs::read_to_string;
use std::net::SocketAddr;
use std::time::Duration;

use common::{Server, serve};
use conformance::checker::{Item, Place, follow};
use conformance::http::{Http, get};
use conformance::sse::Events;
use conformance::ws::Ws;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const READERS: u64 = 50;

/// Of these, those that read all that is left for them: the others are no different.
const ASKED: u64 = 5;

/// Messages of a kilobyte: 8 MB in all, twice what the kernel takes for each.
const MESSAGES: u64 = 8_000;

/// What is taken of a log for one write, and what is retained of it.
const FLUSH: u64 = 64 << 10;

/// A poll's answer: 100 messages where the request says nothing, each with its envelope.
const PAGE: u64 = 100 * (1_024 + 128);

/// A connection, its session, its timers, and the buffers of the library that read its request.
const CONNECTION: u64 = 16 << 10;

/// What an allocator keeps besides what is in use.
const SLACK: u64 = 2;

/// A hang is a failure, too.
const TOO_LONG: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    WebSocket,
    Sse,
    LongPoll,
}

/// One run: how much the process holds at its end, and what stands in the kernel, both in bytes.
#[derive(Clone, Copy, Debug)]
struct Cost {
    process: u64,
    kernel: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_costs_a_bounded_number_of_bytes() {
    for policy in ["keep", "latest"] {
        let idle = run(policy, Transport::WebSocket, true).await;
        for transport in [Transport::WebSocket, Transport::Sse, Transport::LongPoll] {
            let slow = run(policy, transport, false).await;
            let each = slow.process.saturating_sub(idle.process) / READERS;
            println!(
                "{policy}, {transport:?}: {each} bytes of the process for each slow reader, {} in the kernel",
                slow.kernel / READERS
            );
            // One write's worth of the log and the message that goes over it; nothing else waits for a socket.
            let held = match transport {
                Transport::LongPoll => PAGE,
                _ => FLUSH + 2_048,
            };
            let most = SLACK * (held + CONNECTION);
            assert!(
                each <= most,
                "{policy}, {transport:?}: {each} and not at most {most} bytes"
            );
            let most = socket_max("tcp_wmem") + socket_max("tcp_rmem");
            assert!(
                slow.kernel / READERS <= most,
                "{policy}, {transport:?}: {slow:?}"
            );
        }
    }
}

/// Publishes all while readers read slowly, or look at another channel; then lets them read on.
async fn run(policy: &str, transport: Transport, idle: bool) -> Cost {
    let policy = format!("lag.policy={policy}");
    let server = serve(&[
        "--set",
        &policy,
        "--set",
        "history.count=100",
        "--set",
        "history.bytes=256KiB",
        "--set",
        "limits.write_time=5m",
    ]);
    let addr = server.address();
    let channel = if idle { "quiet" } else { "busy" };
    let (published, over) = watch::channel(false);
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        let slow = Slow::connect(addr, transport, channel).await;
        readers.spawn(slow.read(over.clone(), number < ASKED));
    }
    timeout(TOO_LONG, publish(addr))
        .await
        .expect("others get everything");
    let cost = cost(&server);
    if idle {
        return cost;
    }
    published.send_replace(true);
    while let Some(told) = timeout(TOO_LONG, readers.join_next())
        .await
        .expect("it is told")
    {
        assert!(
            told.expect("a reader") > 0,
            "it was told of what it did not get"
        );
    }
    cost
}

/// Each message is published when the one before has come to a reader that keeps up: 1–2 MB a second.
async fn publish(addr: SocketAddr) {
    let mut good = Ws::connect(addr, "/channels/busy").await.unwrap();
    good.json().await.unwrap();
    let mut http = Http::connect(addr).await;
    let text = "x".repeat(1_024);
    for offset in 1..=MESSAGES {
        http.request(
            "POST",
            "/channels/busy",
            "Content-Type: text/plain\r\n",
            text.as_bytes(),
        )
        .await;
        assert_eq!(http.answer().await.status, 200);
        let message = good.json().await.expect("the stream goes on");
        assert_eq!(
            (&message["type"], &message["offset"]),
            (&"message".into(), &offset.into())
        );
    }
}

fn cost(server: &Server) -> Cost {
    Cost {
        process: server.memory("VmRSS"),
        kernel: queued(server.address().port()),
    }
}

/// Bytes that wait in sockets of a port, at both ends: columns 2, 3 and 5 of what proc(5) describes.
fn queued(port: u16) -> u64 {
    let table = read_to_string("/proc/net/tcp").expect("Linux");
    let port = format!(":{port:04X}");
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (sent, received) = fields[4].split_once(':')?;
        let bytes = |text| u64::from_str_radix(text, 16).ok();
        match (
            fields[1].ends_with(&port),
            fields[2].ends_with(&port),
            fields[3],
        ) {
            (true, _, "01") => bytes(sent),
            (_, true, "01") => bytes(received),
            _ => None,
        }
    };
    table.lines().skip(1).filter_map(of_line).sum()
}

/// The most that the kernel lets a socket buffer one way: tcp(7).
fn socket_max(name: &str) -> u64 {
    let text = read_to_string(format!("/proc/sys/net/ipv4/{name}")).expect("Linux");
    let max = text.split_whitespace().next_back().expect("three numbers");
    max.parse().expect("a number")
}

/// A reader that takes one message a second, until it is told that all is published.
enum Slow {
    Ws(Ws),
    Sse(Events),
    Poll(Http, String),
}

impl Slow {
    async fn connect(addr: SocketAddr, transport: Transport, channel: &str) -> Self {
        let target = format!("/channels/{channel}");
        match transport {
            Transport::WebSocket => {
                let mut ws = Ws::connect(addr, &target).await.unwrap();
                ws.json().await.unwrap();
                Self::Ws(ws)
            }
            Transport::Sse => {
                let mut events = Events::open(addr, &target, "").await.unwrap();
                events.next().await.unwrap();
                Self::Sse(events)
            }
            Transport::LongPoll => {
                let cursor = get(addr, &target).await.json()["cursor"].clone();
                let cursor = cursor.as_str().expect("a cursor").to_owned();
                Self::Poll(Http::connect(addr).await, cursor)
            }
        }
    }

    /// Gives how many messages it was told that it did not get; 1 where that is not asked.
    async fn read(mut self, mut over: watch::Receiver<bool>, asked: bool) -> u64 {
        let (mut place, mut missed) = (None, 0);
        loop {
            for told in self.next().await {
                let Some(item) = Item::of(&told) else {
                    continue;
                };
                let before = place.take().unwrap_or_else(|| start(&item));
                let after = follow(&before, &item).unwrap();
                if !matches!(item, Item::Message(_)) {
                    missed += after.offset - before.offset;
                }
                if after.offset == MESSAGES {
                    return missed;
                }
                place = Some(after);
            }
            if *over.borrow() && !asked {
                return 1;
            }
            if !*over.borrow() {
                let pause = async { over.wait_for(|over| *over).await.map(|_| ()) };
                tokio::select! {
                    _ = pause => {}
                    () = sleep(Duration::from_secs(1)) => {}
                }
            }
        }
    }

    async fn next(&mut self) -> Vec<Value> {
        match self {
            Self::Ws(ws) => vec![ws.json().await.expect("the stream goes on")],
            Self::Sse(events) => {
                let event = events.next().await.expect("the stream goes on");
                vec![serde_json::from_str(&event.data).unwrap()]
            }
            Self::Poll(http, cursor) => {
                let target = format!("/channels/busy?wait=30&after={cursor}");
                http.request("GET", &target, "", b"").await;
                let answer = http.answer().await.json();
                *cursor = answer["cursor"].as_str().expect("a cursor").to_owned();
                answer["messages"].as_array().expect("a list").clone()
            }
        }
    }
}

/// Where a reader stood that was told this first: it came before anything was published.
fn start(item: &Item) -> Place {
    let epoch = match item {
        Item::Message(place) => place.epoch.clone(),
        Item::Gap(gap) => gap.epoch.clone(),
        Item::Skip(epoch, ..) => epoch.clone(),
    };
    Place { epoch, offset: 0 }
}

//! `tidings sub` behind a network that breaks things while it runs: its output has every line once and in order, and
//! what happened on the way is told beside it.
//!
//! `SEED=7` repeats a random sequence.

mod common;

use std::time::{Duration, Instant};

use common::{Running, Server, serve, start, tidings};
use conformance::fault::{Action, Fault, FaultProxy, Kind, Page};
use fastrand::Rng;
use rustix::process::Signal;
use tokio::runtime::Runtime;

/// The longest delay of the client, and what a connection takes.
const LONG: Duration = Duration::from_secs(60);

const STREAMS: [Kind; 3] = [Kind::Websocket, Kind::Sse, Kind::SsePost];

/// The server, the network before it, a reader behind that, and a writer that has a straight way.
struct Scene {
    runtime: Runtime,
    proxy: FaultProxy,
    reader: Running,
    writer: Running,
    /// Lines that were written.
    written: u64,
    _server: Server,
}

impl Scene {
    fn begin(faults: Vec<Fault>) -> Self {
        let server = serve(&[
            "--set",
            "limits.heartbeat=1s",
            "--set",
            "history.count=100000",
        ]);
        let runtime = Runtime::new().expect("threads");
        let proxy = FaultProxy::start(server.address(), 1);
        let proxy = runtime.block_on(proxy).expect("a free port");
        proxy.set(faults);
        let url = format!("http://{}", proxy.addr);
        let options = ["sub", "--url", &url, "logs", "--after", "earliest"];
        let reader = start(&mut tidings(&options));
        let options = ["pub", "--url", &server.url, "logs", "--quiet"];
        let writer = start(&mut tidings(&options));
        Self {
            runtime,
            proxy,
            reader,
            writer,
            written: 0,
            _server: server,
        }
    }

    /// Writes lines for so long.
    fn write(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.writer.write(&self.written.to_string());
            self.written += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Writes until the reader tells this.
    fn write_until(&mut self, told: &str) {
        let until = Instant::now() + LONG;
        let mut seen = Vec::new();
        while Instant::now() < until {
            self.write(Duration::from_millis(50));
            while let Some(line) = self.reader.err.within(Duration::ZERO) {
                if line.contains(told) {
                    return;
                }
                seen.push(line);
            }
        }
        panic!("{told:?} is not told: {seen:#?}");
    }

    fn cut(&self) {
        self.runtime.block_on(self.proxy.cut(None));
    }

    fn down(&self) {
        self.runtime.block_on(self.proxy.down());
    }

    /// All lines came, and what else was told.
    fn end(mut self) -> Vec<String> {
        self.write(Duration::from_millis(100));
        let lines = &self.reader.out;
        for number in 0..self.written {
            let line = lines.within(LONG);
            let told = || self.reader.err.here();
            assert_eq!(line, Some(number.to_string()), "{:#?}", told());
        }
        self.reader.signal(Signal::TERM);
        assert_eq!(self.reader.wait().code(), Some(0));
        assert_eq!(self.reader.out.here(), [""; 0]);
        let told = self.reader.err.rest();
        assert!(
            !told.iter().any(|line| line.contains("gap on")),
            "{told:#?}"
        );
        told
    }
}

fn on(kind: Kind, action: Action) -> Fault {
    Fault::new(action).on(&[kind])
}

#[test]
fn every_line_once_whatever_is_in_the_way() {
    let blocked = || on(Kind::Websocket, Action::StripUpgrade);
    let mut scene = Scene::begin(vec![blocked()]);
    scene.write_until("from websocket to sse: blocked");
    scene.write_until("connected over sse");
    scene
        .proxy
        .set(vec![blocked(), on(Kind::Sse, Action::Buffer)]);
    scene.cut();
    scene.write_until("from sse to sse-post: mute");
    scene.write_until("connected over sse-post");
    scene.cut();
    scene.write_until("trying again");
    scene.write_until("connected over sse-post");
    scene.down();
    scene.write_until("trying again");
    scene.proxy.up();
    scene.write_until("connected over sse-post");
    scene.proxy.clear();
    scene.write_until("from sse-post to websocket: climbed");
    scene.write_until("connected over websocket");
    scene.end();
}

#[test]
fn every_line_once_in_a_random_sequence() {
    let seed = std::env::var("SEED").ok();
    let seed = seed.map_or_else(
        || fastrand::u64(..1_000_000),
        |seed| seed.parse().expect("SEED is a number"),
    );
    println!("SEED={seed}");
    let mut chance = Rng::with_seed(seed);
    let mut scene = Scene::begin(Vec::new());
    let until = Instant::now() + Duration::from_secs(15);
    while Instant::now() < until {
        change(&scene, &mut chance);
        scene.write(Duration::from_millis(chance.u64(100..1_500)));
        scene.proxy.up();
    }
    scene.proxy.clear();
    let told = scene.end();
    assert!(
        told.iter().any(|line| line.contains("trying again")),
        "{told:#?}"
    );
}

fn change(scene: &Scene, chance: &mut Rng) {
    match chance.u32(..8) {
        0..3 => {
            let kind = STREAMS[chance.usize(..STREAMS.len())];
            scene.proxy.set(vec![on(kind, action(chance))]);
            scene.cut();
        }
        3 => scene.proxy.clear(),
        4 | 5 => scene.cut(),
        6 => {
            let stalled = scene.proxy.stall(Some(&STREAMS));
            scene.runtime.block_on(stalled);
        }
        _ => scene.down(),
    }
}

fn action(chance: &mut Rng) -> Action {
    match chance.u32(..6) {
        0 => Action::Status(Page::of(403)),
        1 => Action::Buffer,
        2 => Action::CutBytes(chance.u64(..3_000)),
        3 => Action::StallMs(chance.u64(..1_000)),
        4 => Action::Throttle(chance.u64(2_000..20_000)),
        _ => Action::JitterMs(chance.u64(1..1_000)),
    }
}

//! The threads that carry connections: each a runtime of its own, with a fair share of them.
//!
//! A connection never changes its thread, so waking its task costs no lock and no system call, and
//! a crowd of readers is woken by the bell-ringer of their own runtime (docs/decisions/001).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_core::Tower;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::connection;
use crate::contain::contain;
use crate::visit::Visit;

/// Readers that are woken before others have their turn.
const SLICE: usize = 512;

/// Sooner than the time-outs of connections.
const TICK: Duration = Duration::from_secs(1);

/// A connection on its way to its thread.
pub struct Accepted {
    pub socket: std::net::TcpStream,
    pub visit: Visit,
}

/// All threads.
pub struct Workers(Vec<Worker>);

struct Worker {
    queue: mpsc::UnboundedSender<Accepted>,
    /// Connections that it carries, those in the queue included.
    load: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Workers {
    /// Starts `count` threads.
    pub fn start(count: usize, connections: &TaskTracker) -> std::io::Result<Self> {
        let start = |index| Worker::start(index, connections.clone());
        (0..count).map(start).collect::<Result<_, _>>().map(Self)
    }

    /// Gives a connection to the thread that has the fewest.
    pub fn take(&self, accepted: Accepted) {
        let load = |worker: &&Worker| worker.load.load(Ordering::Relaxed);
        let worker = self
            .0
            .iter()
            .min_by_key(load)
            .expect("there is at least one worker");
        worker.load.fetch_add(1, Ordering::Relaxed);
        // A worker ends only when this queue does.
        let _ = worker.queue.send(accepted);
    }

    /// Ends the threads, with what they still carry.
    pub async fn stop(self) {
        let threads = self
            .0
            .into_iter()
            .map(|worker| worker.thread)
            .collect::<Vec<_>>();
        let joined =
            tokio::task::spawn_blocking(|| threads.into_iter().try_for_each(JoinHandle::join));
        if !matches!(joined.await, Ok(Ok(()))) {
            tracing::error!("a worker ended by a panic");
        }
    }
}

impl Worker {
    fn start(index: usize, connections: TaskTracker) -> std::io::Result<Self> {
        let (queue, mut accepted) = mpsc::unbounded_channel::<Accepted>();
        let load = Arc::new(AtomicUsize::new(0));
        let carried = load.clone();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let run = async move {
            let tower = Tower::of_this_thread();
            tokio::spawn(async move { tower.run(SLICE).await });
            tokio::spawn(tick());
            while let Some(accepted) = accepted.recv().await {
                let app = accepted.visit.app().clone();
                connections.spawn(counted(app, carried.clone(), serve(accepted)));
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("worker-{index}"))
            .spawn(move || runtime.block_on(run))?;
        Ok(Self {
            queue,
            load,
            thread,
        })
    }
}

/// Keeps a timer that is due sooner than nearly all others. A timer that becomes the next one makes
/// the runtime wake itself by a system call, for every one that is set in the same turn: with it, a
/// thousand polls that begin together set theirs for nothing.
async fn tick() {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
    }
}

/// The future of a connection; before a PROXY header that is awaited, what comes after it needs no
/// memory.
fn serve(Accepted { socket, visit }: Accepted) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let socket = match TcpStream::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(%error, "a connection could not be taken");
            return Box::pin(async {});
        }
    };
    if !visit.wants_proxy_header() {
        return Box::pin(connection::serve(Arc::new(visit), socket));
    }
    Box::pin(async move {
        if let Some((visit, socket)) = behind_proxy(visit, socket).await {
            Box::pin(connection::serve(visit, socket)).await;
        }
    })
}

async fn behind_proxy(mut visit: Visit, mut socket: TcpStream) -> Option<(Arc<Visit>, TcpStream)> {
    let reading = Box::pin(visit.read_proxy_header(&mut socket));
    reading.await.then(|| (Arc::new(visit), socket))
}

/// Runs a connection, and counts it while it is open.
async fn counted(
    app: Arc<App>,
    load: Arc<AtomicUsize>,
    connection: Pin<Box<dyn Future<Output = ()> + Send>>,
) {
    app.stats.connections.add(1);
    contain(&app, connection).await;
    app.stats.connections.add(-1);
    load.fetch_sub(1, Ordering::Relaxed);
}

//! `tidings serve`: puts the parts together, says what it serves, and ends in order. What a request
//! gets is the business of the crates below.

use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tidings_core::Hub;
use tidings_core::broker::memory::MemoryBroker;
use tidings_server::{AccessRules, App, Options, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::command::config::{Config, Loaded, LogFormat, is_loopback};
use crate::command::{logging, tls};

/// Open files that are no connections, and connections that are only told that the server is full.
const OTHER_FILES: u64 = 128;

/// So few connections are a surprise.
const FEW: usize = 1_000;

/// Serves until a signal comes.
///
/// # Errors
///
/// What keeps the server from starting, or from listening on.
pub fn run(mut loaded: Loaded) -> anyhow::Result<ExitCode> {
    logging::start(&loaded.config.log);
    fit_open_files(&mut loaded);
    // Connections are on threads of the server's own: here are accepting, housekeeping and signals.
    let runtime = crate::command::runtime()?;
    let ended = runtime.block_on(serve(&loaded.config));
    // What a second signal left behind is not waited for.
    runtime.shutdown_background();
    ended
}

async fn serve(config: &Config) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new().context("signals cannot be received")?;
    let tls = tls::keys(&config.tls)?;
    let server = tidings_server::bind(config.listen, workers(config), app(config)?, tls)
        .await
        .map_err(|error| cannot_listen(config.listen, &error))?;
    announce(config, server.local_addr());
    run_until_signal(server, &mut signals).await
}

fn workers(config: &Config) -> usize {
    match config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        chosen => chosen,
    }
}

fn app(config: &Config) -> anyhow::Result<Arc<App>> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed)
        .map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    let [low, high] = halves(u128::from_ne_bytes(seed));
    let broker = MemoryBroker::new([low, high], &config.limits);
    let hub = Hub::new(broker, config.rulebook(), config.limits.clone());
    let only_here = is_loopback(config.listen);
    let access = AccessRules {
        origins: config.origins.clone(),
        hosts: config.hosts.clone(),
        any_host: !only_here && config.hosts.is_empty(),
        loopback_origins: only_here,
        read_only: false,
        hides_own_channels: false,
    };
    let options = Options {
        access,
        compresses: config.compression,
    };
    Ok(App::new(hub, options))
}

fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

/// The first signal begins the drain, the second ends it at once.
async fn run_until_signal(server: Server, signals: &mut Signals) -> anyhow::Result<ExitCode> {
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = pin!(server.run(async {
        let _ = stopped.await;
    }));
    let first = tokio::select! {
        ended = &mut serving => return finished(ended),
        name = signals.next() => name.0,
    };
    tracing::info!(
        signal = first,
        "ending in order; another signal ends at once"
    );
    let _ = stop.send(());
    tokio::select! {
        ended = &mut serving => finished(ended),
        (name, number) = signals.next() => {
            tracing::warn!(signal = name, "stopped at once: a second signal came");
            Ok(ExitCode::from(128 + number))
        }
    }
}

fn finished(ended: io::Result<()>) -> anyhow::Result<ExitCode> {
    ended.context("the server cannot go on")?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next signal: its name and its number.
    async fn next(&mut self) -> (&'static str, u8) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 15),
            _ = self.interrupt.recv() => ("SIGINT", 2),
        }
    }
}

/// Every connection is an open file: the soft limit, often 1024, is raised as far as it goes, and
/// no more connections are taken than files may be open. One more gets its answer then, instead of
/// waiting in the kernel for a file that never comes.
fn fit_open_files(loaded: &mut Loaded) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let Some(files) = getrlimit(Resource::Nofile).current else {
        return;
    };
    let wanted = loaded.config.limits.connections;
    let possible = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    if possible >= wanted {
        return;
    }
    loaded.config.limits.connections = possible.max(1);
    let connections = loaded.config.limits.connections;
    let why = "no more connections than files may be open; `ulimit -n` raises it";
    // The default is meant as "many"; who wrote a number, or has few, wants to know.
    if loaded.sources.contains_key("limits.connections") || connections < FEW {
        tracing::warn!(files, wanted, connections, "{why}");
    } else {
        tracing::info!(files, connections, "{why}");
    }
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> anyhow::Error {
    let fix = match error.kind() {
        ErrorKind::AddrInUse => {
            let free = SocketAddr::new(address.ip(), 0);
            format!("another program listens there: stop it, or take a free port with --listen {free}")
        }
        ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 need a privilege: take a higher one with --listen, as --listen 127.0.0.1:8000".into()
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no such address: take one of its own with --listen, as --listen 127.0.0.1:8000".into()
        }
        _ => "take another address with --listen".into(),
    };
    anyhow!("cannot listen on {address}: {error}\n  fix: {fix}")
}

/// The URL under which this machine reaches the server.
fn base_url(address: SocketAddr, tls: bool) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if tls { "https" } else { "http" };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

fn announce(config: &Config, address: SocketAddr) {
    let url = base_url(address, config.tls.cert.is_some());
    let publish = format!("curl -d '{{\"text\":\"안녕 👋\"}}' {url}/channels/hello");
    let follow = format!("curl -N '{url}/channels/hello?transport=sse'");
    let who = if is_loopback(address) {
        "This is an open development server: nobody is asked who they are, all on this machine may read and\n\
         publish. That is why it listens on loopback only; for a network see `tidings serve --help`."
    } else {
        "It is open (--insecure): everybody who reaches this address may read and publish."
    };
    if config.log.format == LogFormat::Json {
        if tracing::enabled!(tracing::Level::INFO) {
            tracing::info!(%address, publish, follow, open = format!("{url}/"),
                note = who.replace('\n', " "),
                "serving");
        } else {
            // Whoever asked for a free port needs it, however little is logged.
            println!(
                "{}",
                serde_json::json!({"message": "serving", "address": address.to_string()})
            );
        }
        return;
    }
    let text = format!(
        "tidings {} serves {url}\n\n  \
         publish   {publish}\n  \
         follow    {follow}\n  \
         open      {url}/\n\n{who}\nCtrl-C ends it.\n",
        env!("CARGO_PKG_VERSION")
    );
    let mut out = io::stdout().lock();
    // Nobody reads it: no reason not to serve.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_can_be_opened() {
        for (address, url) in [
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("0.0.0.0:8000", "http://127.0.0.1:8000"),
            ("[::]:8000", "http://[::1]:8000"),
            ("192.0.2.7:1", "http://192.0.2.7:1"),
        ] {
            assert_eq!(base_url(address.parse().unwrap(), false), url);
        }
    }

    #[test]
    fn errors_of_listening_say_what_to_do() {
        let text = |kind: ErrorKind, address: &str| {
            cannot_listen(address.parse().unwrap(), &kind.into()).to_string()
        };
        assert!(text(ErrorKind::AddrInUse, "127.0.0.1:8000").ends_with("--listen 127.0.0.1:0"));
        assert!(text(ErrorKind::PermissionDenied, "127.0.0.1:80").contains("below 1024"));
        assert!(text(ErrorKind::AddrNotAvailable, "127.0.0.1:80").contains("no such address"));
    }
}

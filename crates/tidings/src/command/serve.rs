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
use tidings_server::{App, Extension, Kind, Listener, Options, Server, TlsSlot, TrustedProxies};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::command::config::{self, Config, Fault, Inputs, Loaded, LogFormat, is_loopback};
use crate::command::demo::Demo;
use crate::command::{logging, policy, tls};

/// Open files that are no connections, and connections that are only told that the server is full.
const OTHER_FILES: u64 = 256;

/// So few connections are a surprise.
const FEW: usize = 1_000;

/// Serves until a signal comes. SIGHUP reads the `inputs` again.
///
/// # Errors
///
/// What keeps the server from starting, or from listening on.
pub fn run(mut loaded: Loaded, inputs: Inputs) -> anyhow::Result<ExitCode> {
    logging::start(&loaded.config.log);
    warn_of(&loaded.warnings);
    let asked = loaded.config.clone();
    fit_open_files(&mut loaded);
    // Connections are on threads of the server's own: here are accepting, housekeeping and signals.
    let runtime = crate::command::runtime()?;
    let ended = runtime.block_on(serve(&loaded.config, asked, inputs));
    // What a second signal left behind is not waited for.
    runtime.shutdown_background();
    ended
}

async fn serve(config: &Config, asked: Config, inputs: Inputs) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::new(inputs.file.is_some()).context("signals cannot be received")?;
    let tls = tls::keys(&config.tls)?.map(TlsSlot::new);
    let random = random()?;
    let demo = config
        .demo
        .on
        .then(|| Demo::new(&config.demo))
        .transpose()?;
    let app = app(config, &random, demo.clone())?;
    let server = listen(config, &app, tls.clone()).await?;
    announce(config, &server.local_addrs());
    let parts = Parts { app, tls, random };
    if let Some(demo) = &demo {
        demo.start(&parts.app);
    }
    let mut reload = Reload::new(parts, asked, inputs);
    let stop = || demo.iter().for_each(|demo| demo.stop());
    run_until_signal(server, &mut signals, || reload.run(), stop).await
}

/// Puts a configuration in force that was read anew. What may fail comes first, so that nothing has
/// changed when it does.
fn apply(parts: &Parts, config: &Config) -> anyhow::Result<()> {
    let keys = tls::keys(&config.tls)?;
    let policy = policy::policy(config, &parts.random)?;
    if let (Some(slot), Some(keys)) = (&parts.tls, keys) {
        slot.replace(keys);
    }
    parts.app.reload(policy, config.rulebook());
    logging::set_level(config.log.level);
    Ok(())
}

/// What a reload changes.
struct Parts {
    app: Arc<App>,
    tls: Option<TlsSlot>,
    /// Signs sessions where no secret is configured.
    random: [u8; 32],
}

/// Listens on all addresses of the configuration, the main one first.
async fn listen(config: &Config, app: &Arc<App>, tls: Option<TlsSlot>) -> anyhow::Result<Server> {
    let proxies = TrustedProxies {
        networks: config
            .proxy
            .trusted
            .iter()
            .map(network)
            .collect::<Result<_, _>>()?,
        field: config.proxy.field,
    };
    let proxy_protocol = config.proxy.protocol;
    let main = Kind::Public {
        tls: tls.clone(),
        proxy_protocol,
    };
    let admin = config
        .admin
        .listen
        .map(|at| (at, Kind::Admin { tls: tls.clone() }));
    let mut server = Server::new(app.clone(), workers(config)).trusting(proxies);
    server = add(server, config.listen, main).await?;
    // Of port 0 it is known only now which one it is.
    let port = server.local_addr().port();
    let redirect = Kind::Redirect {
        port,
        proxy_protocol,
    };
    let redirect = config.tls.redirect.map(|at| (at, redirect));
    for (address, kind) in [admin, redirect].into_iter().flatten() {
        server = add(server, address, kind).await?;
    }
    Ok(server)
}

async fn add(server: Server, address: SocketAddr, kind: Kind) -> anyhow::Result<Server> {
    server
        .listen(Listener { address, kind })
        .await
        .map_err(|error| cannot_listen(address, &error))
}

fn network(network: &config::Network) -> anyhow::Result<tidings_server::Network> {
    Ok(network.to_string().parse()?)
}

/// Reads the configuration again, with the file, the environment and the flags of the start.
struct Reload {
    parts: Parts,
    inputs: Inputs,
    /// What the server was started with.
    started: Config,
    /// What is in force, as far as that can be changed.
    current: Config,
}

impl Reload {
    fn new(parts: Parts, started: Config, inputs: Inputs) -> Self {
        Self {
            parts,
            inputs,
            current: started.clone(),
            started,
        }
    }

    fn run(&mut self) {
        let loaded = match config::load(&self.inputs) {
            Ok(loaded) => loaded,
            Err(faults) => return refuse(&faults.0),
        };
        // Where it listens is as it was: what is allowed there must go by that.
        let mut next = loaded.config.clone();
        next.listen = self.started.listen;
        next.admin = self.started.admin.clone();
        next.demo = self.started.demo.clone();
        let opens = !self.current.is_open() || !is_loopback(next.listen);
        if next.is_open() && !next.insecure && opens {
            return tracing::error!(
                listen = %next.listen,
                "not reloaded, all stays as it was: without tokens, keys and auth.authorize everybody who reaches the server could read and publish; restart it if that is meant, or set insecure = true"
            );
        }
        if let Err(error) = apply(&self.parts, &next) {
            return tracing::error!("not reloaded, all stays as it was: {error:#}");
        }
        warn_of(&loaded.warnings);
        let restart = config::compare(&self.started, &loaded.config).restart;
        if !restart.is_empty() {
            let keys = restart.join(", ");
            tracing::warn!(keys, "needs a restart; the rest is in force");
        }
        let changed = config::compare(&self.current, &loaded.config).live;
        tracing::info!(changed = changed.join(", "), "reloaded");
        self.current = loaded.config;
    }
}

fn refuse(faults: &[Fault]) {
    for fault in faults {
        let (place, key) = (&fault.place, fault.key.as_deref());
        let fix = &fault.wrong.fix;
        tracing::error!(%place, key, fix, "not reloaded, all stays as it was: {}", fault.wrong.what);
    }
}

fn warn_of(warnings: &[Fault]) {
    for warning in warnings {
        let (place, key) = (&warning.place, warning.key.as_deref());
        let fix = &warning.wrong.fix;
        tracing::warn!(%place, key, fix, "{}", warning.wrong.what);
    }
}

fn workers(config: &Config) -> usize {
    match config.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        chosen => chosen,
    }
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    Ok(bytes)
}

fn app(config: &Config, secret: &[u8; 32], demo: Option<Arc<Demo>>) -> anyhow::Result<Arc<App>> {
    let [low, high] = halves(u128::from_ne_bytes(random()?));
    let broker = MemoryBroker::new([low, high], &config.limits);
    let hub = Hub::new(broker, config.rulebook(), config.limits.clone());
    let options = Options {
        policy: policy::policy(config, secret)?,
        compresses: config.compression,
        extension: demo.map(|demo| demo as Arc<dyn Extension>),
    };
    Ok(App::new(hub, options))
}

fn halves(number: u128) -> [u64; 2] {
    [number as u64, (number >> 64) as u64]
}

/// The first signal begins the drain, the second ends it at once.
async fn run_until_signal(
    server: Server,
    signals: &mut Signals,
    mut reload: impl FnMut(),
    end: impl FnOnce(),
) -> anyhow::Result<ExitCode> {
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = pin!(server.run(async {
        let _ = stopped.await;
    }));
    let first = loop {
        tokio::select! {
            ended = &mut serving => return finished(ended),
            signal = signals.next() => match signal {
                Some((name, _)) => break name,
                None => reload(),
            },
        }
    };
    tracing::info!(
        signal = first,
        "ending in order; another signal ends at once"
    );
    end();
    let _ = stop.send(());
    tokio::select! {
        ended = &mut serving => finished(ended),
        (name, number) = signals.stop() => {
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
    hangup: Signal,
    has_file: bool,
}

impl Signals {
    /// Without a file nothing can have changed: then SIGHUP says that a terminal was closed.
    fn new(has_file: bool) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            has_file,
        })
    }

    /// The next signal to end, its name and its number; `None`: to read the configuration again.
    async fn next(&mut self) -> Option<(&'static str, u8)> {
        tokio::select! {
            _ = self.terminate.recv() => Some(("SIGTERM", 15)),
            _ = self.interrupt.recv() => Some(("SIGINT", 2)),
            _ = self.hangup.recv() => (!self.has_file).then_some(("SIGHUP", 1)),
        }
    }

    /// The next signal to end. What holds while it ends is as it was.
    async fn stop(&mut self) -> (&'static str, u8) {
        loop {
            if let Some(signal) = self.next().await {
                return signal;
            }
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

fn announce(config: &Config, addresses: &[SocketAddr]) {
    let address = addresses[0];
    let url = base_url(address, config.tls.cert.is_some());
    let bearer = match config.is_open() {
        true => "",
        false => "-H \"Authorization: Bearer $TOKEN\" ",
    };
    let publish = format!("curl {bearer}-d '{{\"text\":\"안녕 👋\"}}' {url}/channels/hello");
    let follow = format!("curl {bearer}-N '{url}/channels/hello?transport=sse'");
    let who = if !config.is_open() {
        "Those who come are asked for a token or key: `tidings token` and `tidings key` make and explain them."
    } else if is_loopback(address) {
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
    let admin = config
        .admin
        .listen
        .map(|_| base_url(addresses[1], config.tls.cert.is_some()));
    let page = match (&admin, config.is_open()) {
        (Some(admin), _) => format!("  open      {admin}/\n  figures   {admin}/metrics\n"),
        (None, true) => format!("  open      {url}/\n"),
        (None, false) => String::new(),
    };
    let demo = match config.demo.on {
        true => format!("  demos     {url}/demos/\n"),
        false => String::new(),
    };
    let text = format!(
        "tidings {} serves {url}\n\n  \
         publish   {publish}\n  \
         follow    {follow}\n\
         {page}{demo}\n{who}\nCtrl-C ends it.\n",
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

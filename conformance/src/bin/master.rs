//! The master property at length.
//!
//! `master [--messages N] [--channels 1,5] [--seeds N] [--first-seed N] [--rate N] [--readers N] [--carriers h1,tls,h2,h2-tls,embedded,embedded-h2] [--url http://HOST:PORT] [--identities]`
//!
//! With `--identities` the server is keyed, and rights come and go: see `conformance::master::identities`.
//! Without `--url` it brings its own server; with it, the history of that server must hold a whole run, and
//! the carriers are those in clear.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use conformance::carrier::{Carrier, Endpoint};
use conformance::master::{Plan, identities, run};
use conformance::server::{Options, TestServer};
use tidings_core::History;

const USAGE: &str = "master [--messages N] [--channels 1,5] [--seeds N] [--first-seed N] [--rate N, 0: as fast as possible] \
                     [--readers N] [--carriers h1,tls,h2,h2-tls,embedded,embedded-h2] [--url http://HOST:PORT] [--identities]";

/// What the command line said.
struct Wanted {
    messages: u64,
    channels: Vec<usize>,
    seeds: u64,
    first_seed: u64,
    rate: u64,
    readers: usize,
    carriers: Vec<Carrier>,
    url: Option<String>,
    identities: bool,
}

impl Wanted {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wanted = Self {
            messages: 100_000,
            channels: vec![1, 5],
            seeds: 1,
            first_seed: 1,
            rate: 1_000,
            readers: 4,
            carriers: vec![Carrier::Http1],
            url: None,
            identities: false,
        };
        while let Some(word) = words.next() {
            if word == "--identities" {
                wanted.identities = true;
                continue;
            }
            let value = words
                .next()
                .ok_or_else(|| format!("{word} needs a value"))?;
            let number = || {
                value
                    .parse::<u64>()
                    .map_err(|_| format!("{word} {value}: not a number"))
            };
            match word.as_str() {
                "--messages" => wanted.messages = number()?,
                "--seeds" => wanted.seeds = number()?,
                "--first-seed" => wanted.first_seed = number()?,
                "--rate" => wanted.rate = number()?,
                "--readers" => wanted.readers = number()? as usize,
                "--url" => wanted.url = Some(value),
                "--carriers" => {
                    let carriers: Option<_> = value.split(',').map(Carrier::parse).collect();
                    wanted.carriers = carriers.ok_or_else(|| {
                        format!("--carriers {value}: h1,tls,h2,h2-tls,embedded,embedded-h2")
                    })?;
                }
                "--channels" => {
                    let counts: Result<_, _> = value.split(',').map(str::parse).collect();
                    wanted.channels =
                        counts.map_err(|_| format!("--channels {value}: not numbers"))?;
                }
                _ => return Err(format!("what is {word}?")),
            }
        }
        let elsewhere = [Carrier::Http1, Carrier::Http2];
        if wanted.url.is_some() && wanted.carriers.iter().any(|one| !elsewhere.contains(one)) {
            return Err("--url is read by h1 and h2: the others need a server of its own".into());
        }
        let embedded = [Carrier::Embedded, Carrier::EmbeddedHttp2];
        let known = |carrier: &Carrier| !embedded.contains(carrier);
        if wanted.identities && (wanted.url.is_some() || !wanted.carriers.iter().all(known)) {
            return Err("--identities brings its own server, and is for h1, tls, h2 and h2-tls: in an application others say who somebody is".into());
        }
        Ok(wanted)
    }

    /// Four times what the run takes at its rate, and never less than what a slow machine needs.
    fn patience(&self) -> Duration {
        let seconds = self.messages.checked_div(self.rate).unwrap_or(0);
        Duration::from_secs(4 * seconds.max(self.messages / 2_000) + 60)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let wanted = match Wanted::parse(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(fault) => {
            eprintln!("{fault}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match prove(&wanted).await {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            println!("FAILED: {fault}");
            ExitCode::FAILURE
        }
    }
}

async fn prove(wanted: &Wanted) -> Result<String, String> {
    let began = Instant::now();
    let (mut runs, mut published, mut read, mut cut) = (0, 0, 0, 0);
    for &channels in &wanted.channels {
        for seed in wanted.first_seed..wanted.first_seed + wanted.seeds {
            let plan = Plan {
                seed,
                channels,
                messages: wanted.messages,
                rate: wanted.rate,
                readers: wanted.readers,
                losses: None,
            };
            if wanted.identities {
                let report = known(wanted, &plan).await?;
                println!("channels {channels}, seed {seed}: ok: {report}");
                runs += 1;
                published += report.published;
                read += report.events.get("messages").unwrap_or(&0);
                cut += report.events.get("cut").unwrap_or(&0);
                continue;
            }
            let report = one(wanted, &plan).await?;
            println!("channels {channels}, seed {seed}: ok: {report}");
            runs += 1;
            published += report.published;
            read += report.tally.sum().messages;
            cut += report.tally.sum().cut;
        }
    }
    let took = began.elapsed().as_secs_f64();
    Ok(format!(
        "PASSED: {runs} runs in {took:.0} s: {published} messages published, {read} read once and in order, over {cut} cuts"
    ))
}

/// One run with identities.
async fn known(wanted: &Wanted, plan: &Plan) -> Result<identities::Report, String> {
    let run = identities::run(&wanted.carriers, plan);
    let ran = tokio::time::timeout(wanted.patience(), run).await;
    ran.map_err(|_| format!("{plan:?} did not end in {:?}", wanted.patience()))?
}

/// One run, on a server of its own where there is no other.
async fn one(wanted: &Wanted, plan: &Plan) -> Result<conformance::master::Report, String> {
    if let Some(url) = &wanted.url {
        let addr = resolve(url).await?;
        let clear = |&carrier: &Carrier| Endpoint::clear(addr, carrier);
        let endpoints: Vec<_> = wanted.carriers.iter().map(clear).collect();
        return patient(wanted, &endpoints, plan).await;
    }
    let server = TestServer::with(roomy(wanted.messages)).await;
    let mut endpoints = Vec::new();
    for &carrier in &wanted.carriers {
        endpoints.push(server.endpoint(carrier).await);
    }
    let ran = patient(wanted, &endpoints, plan).await;
    server.stop().await;
    ran
}

async fn patient(
    wanted: &Wanted,
    endpoints: &[Endpoint],
    plan: &Plan,
) -> Result<conformance::master::Report, String> {
    let ran = tokio::time::timeout(wanted.patience(), run(endpoints, plan)).await;
    ran.map_err(|_| format!("{plan:?} did not end in {:?}", wanted.patience()))?
}

async fn resolve(url: &str) -> Result<SocketAddr, String> {
    let host = url
        .strip_prefix("http://")
        .unwrap_or(url)
        .trim_end_matches('/');
    let mut found = tokio::net::lookup_host(host)
        .await
        .map_err(|error| format!("{url}: {error}"))?;
    found.next().ok_or_else(|| format!("{url}: no address"))
}

fn roomy(messages: u64) -> Options {
    Options {
        history: History {
            count: messages as usize + 1,
            bytes: 4 << 30,
            age: Duration::from_secs(24 * 3600),
        },
        ..Options::default()
    }
}

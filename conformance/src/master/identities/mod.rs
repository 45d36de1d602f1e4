//! The master property with identities: whoever may read gets everything, once and in order; nobody gets what
//! they may not; a good token is never refused; a client stays itself.
//!
//! Rights come and go in every way there is: tokens end, are renewed, narrowed, forged and revoked, and the rules
//! change. It brings its own server, whose rules it changes and whose tokens it mints.

pub mod realm;
pub mod truth;
mod visitor;
mod ways;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::json;
use tidings_core::Audience;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::Plan;
use super::publisher::ok;
use crate::carrier::{Carrier, Endpoint};
use crate::http::{Http, fetch, percent};
use realm::Realm;
use truth::{Channel, NAMESPACES, Truth, now};
use visitor::{Events, Visitor};

const BATCH_MAX: usize = 20;

/// Readers of each user.
const CLIENTS: usize = 2;

/// Messages of a run that is long enough for everything to happen.
const LONG: u64 = 20_000;

/// What has to have happened in one that proves something.
const TRIED: [&str; 16] = [
    "messages",
    "gaps",
    "cut",
    "tickets",
    "subscribed",
    "unsubscribed",
    "deed: auth",
    "deed: refresh",
    "deed: forge",
    "deed: revoke user",
    "deed: revoke token",
    "deed: revoke client",
    "ended: token_expired",
    "ended: revoked",
    "ended: disconnected",
    "refused: forbidden",
];

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// Messages published.
    pub published: u64,
    /// What happened, and how often.
    pub events: Events,
    /// How long it took.
    pub took: Duration,
}

/// Does a run by these carriers. The plan's losses do not count.
///
/// # Errors
/// The first thing that was not as it has to be, with the plan and the state of all.
///
/// # Panics
/// A carrier is one of an application that embeds the server: who somebody is, is its own business.
pub async fn run(carriers: &[Carrier], plan: &Plan) -> Result<Report, String> {
    let began = Instant::now();
    let embedded = [Carrier::Embedded, Carrier::EmbeddedHttp2];
    assert!(!carriers.iter().any(|carrier| embedded.contains(carrier)));
    let realm = Arc::new(Realm::start(plan.messages).await);
    let mut endpoints = Vec::new();
    for &carrier in carriers {
        endpoints.push(realm.server.endpoint(carrier).await);
    }
    let ran = meet(&realm, &endpoints, plan).await;
    let events = ran.map_err(|fault| format!("{plan:?}: {fault}"))?;
    let untried: Vec<_> = TRIED
        .iter()
        .filter(|&&event| !events.contains_key(event))
        .collect();
    let report = Report {
        published: plan.messages,
        events,
        took: began.elapsed(),
    };
    match untried.is_empty() || plan.messages < LONG {
        true => Ok(report),
        false => Err(format!("{plan:?}: never tried: {untried:?} in {report}")),
    }
}

/// Everybody until the last one is done; the first fault is the one that counts.
async fn meet(realm: &Arc<Realm>, endpoints: &[Endpoint], plan: &Plan) -> Result<Events, String> {
    let mut rng = Rng::with_seed(plan.seed);
    let truth = Arc::new(Truth::new(channels(realm, plan.channels).await?));
    let mut tasks = JoinSet::new();
    let mut visitors = Vec::new();
    for reader in 0..plan.readers {
        let user = format!("user-{}", reader / CLIENTS);
        let (realm, truth, endpoints) = (realm.clone(), truth.clone(), endpoints.to_vec());
        visitors.push(Visitor::introduce(realm, truth, endpoints, user, rng.fork()).await?);
    }
    visitors.into_iter().for_each(|visitor| {
        tasks.spawn(visitor.run());
    });
    tasks.spawn(rule(realm.clone(), truth.clone(), plan.clone(), rng.fork()));
    let mut events = Events::new();
    while let Some(done) = tasks.join_next().await {
        for (event, count) in done.map_err(|panic| panic.to_string())?? {
            *events.entry(event).or_default() += count;
        }
    }
    Ok(events)
}

async fn channels(realm: &Realm, count: usize) -> Result<Vec<Channel>, String> {
    let run = fastrand::u64(..);
    let mut channels = Vec::new();
    for index in 0..count.max(NAMESPACES.len()) {
        let namespace = NAMESPACES[index % NAMESPACES.len()];
        let name = format!("{}:방-{run:x}-{index}", namespace.name());
        let target = format!("/channels/{}", percent(&name));
        let answer = fetch(realm.server.addr, "GET", &target, &realm.backend(), b"").await;
        let answer = ok(answer)?;
        let epoch = answer["cursor"]
            .as_str()
            .and_then(|cursor| cursor.strip_suffix("-0"));
        channels.push(Channel {
            epoch: epoch
                .ok_or_else(|| format!("a new channel answers {answer}"))?
                .into(),
            name,
            namespace,
            asked: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
        });
    }
    Ok(channels)
}

/// Publishes, and changes the rules meanwhile; at the end they are those of the beginning.
async fn rule(
    realm: Arc<Realm>,
    truth: Arc<Truth>,
    plan: Plan,
    mut rng: Rng,
) -> Result<Events, String> {
    let mut reloads = 0;
    let mut change = async |mut rng: Rng| {
        loop {
            sleep(Duration::from_millis(rng.u64(300..1_500))).await;
            let mut any = || match rng.u8(..6) {
                0 => Audience::Backend,
                1 => Audience::Authenticated,
                _ => Audience::Token,
            };
            let audiences = [any(), any()];
            truth.rule(audiences, || realm.rule(audiences));
            reloads += 1;
        }
    };
    let changing = rng.fork();
    tokio::select! {
        published = publish(&realm, &truth, &plan, &mut rng) => published?,
        () = change(changing) => {}
    }
    let first = [Audience::Token; 2];
    truth.rule(first, || realm.rule(first));
    truth.done.store(true, Ordering::SeqCst);
    Ok(Events::from([("reloads".into(), reloads)]))
}

async fn publish(realm: &Realm, truth: &Truth, plan: &Plan, rng: &mut Rng) -> Result<(), String> {
    let mut http = Http::connect(realm.server.addr).await;
    let (began, mut sent) = (tokio::time::Instant::now(), 0);
    while sent < plan.messages {
        let count = rng
            .usize(1..=BATCH_MAX)
            .min((plan.messages - sent) as usize);
        let mut messages = Vec::new();
        let mut published = Vec::new();
        for _ in 0..count {
            let channel = rng.choice(&truth.channels).expect("two at least");
            let offset = channel.asked.fetch_add(1, Ordering::SeqCst) + 1;
            published.push((channel, offset));
            messages.push(json!({"channel": channel.name, "data": format!("{offset} {}", now())}));
        }
        let body = json!({ "messages": messages }).to_string();
        http.request("POST", "/publish", &realm.backend(), body.as_bytes())
            .await;
        let answer = ok(http.answer().await)?;
        for (index, (channel, offset)) in published.into_iter().enumerate() {
            if answer["results"][index]["offset"] != offset {
                return Err(format!("{offset} of {} got {answer}", channel.name));
            }
            channel.acknowledged.store(offset, Ordering::SeqCst);
        }
        sent += count as u64;
        if plan.rate > 0 {
            sleep_until(began + Duration::from_secs_f64(sent as f64 / plan.rate as f64)).await;
        }
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        write!(f, "{} published in {seconds:.1} s", self.published)?;
        self.events
            .iter()
            .try_for_each(|(event, count)| write!(f, ", {event} {count}"))
    }
}

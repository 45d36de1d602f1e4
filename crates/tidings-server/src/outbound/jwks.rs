//! Keeps the keys of remote issuers fresh. When they are fetched is [`JwksSchedule`]'s to say; what
//! they are good for, the [`Verifier`]'s.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use tidings_auth::{JwksSchedule, Verifier};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Outbound, OutboundError, Place};

/// One fetch has so long.
const WITHIN: Duration = Duration::from_secs(10);

/// The keys of all remote issuers of a verifier. Cheap to clone.
#[derive(Clone)]
pub struct Jwks {
    verifier: Arc<Verifier>,
    outbound: Outbound,
    issuers: Arc<[Remote]>,
}

/// One issuer.
struct Remote {
    issuer: usize,
    url: String,
    place: Place,
    kick: Notify,
    /// How many fetches have ended, well or not.
    ended: watch::Sender<u64>,
}

impl Jwks {
    /// For these issuers. Nothing is fetched before [`Self::run`].
    ///
    /// # Errors
    ///
    /// The URL of an issuer is none to fetch from.
    pub fn new(verifier: Arc<Verifier>, outbound: Outbound) -> Result<Self, OutboundError> {
        let remote = |(issuer, url): (usize, &str)| {
            Ok(Remote {
                issuer,
                url: url.to_owned(),
                place: outbound.place(url)?,
                kick: Notify::new(),
                ended: watch::Sender::new(0),
            })
        };
        let issuers: Result<_, OutboundError> = verifier.remotes().map(remote).collect();
        Ok(Self {
            issuers: issuers?,
            verifier,
            outbound,
        })
    }

    /// A token named a key that this issuer has not. It costs next to nothing, whoever does it how
    /// often; an issuer whose keys are configured is passed over.
    pub fn unknown_key(&self, issuer: usize) {
        if let Some(remote) = self.of(issuer) {
            remote.kick.notify_one();
        }
    }

    /// How many fetches for an issuer have ended, well or not, to be waited for; `None` if its keys are
    /// configured.
    pub fn fetches(&self, issuer: usize) -> Option<watch::Receiver<u64>> {
        self.of(issuer).map(|remote| remote.ended.subscribe())
    }

    /// Fetches when it is time. Never ends; ends all when it is dropped.
    pub async fn run(self) {
        let mut tasks = JoinSet::new();
        for at in 0..self.issuers.len() {
            let own = self.clone();
            tasks.spawn(async move { own.keep(&own.issuers[at]).await });
        }
        while tasks.join_next().await.is_some() {}
        std::future::pending().await
    }

    fn of(&self, issuer: usize) -> Option<&Remote> {
        self.issuers.iter().find(|remote| remote.issuer == issuer)
    }

    async fn keep(&self, remote: &Remote) {
        let start = Instant::now();
        let mut schedule = JwksSchedule::new(Duration::ZERO);
        loop {
            tokio::select! {
                () = sleep_until(start + schedule.due()) => {
                    self.fetch(remote, &mut schedule, start).await;
                    remote.ended.send_modify(|ended| *ended += 1);
                }
                () = remote.kick.notified() => schedule.unknown_key(start.elapsed()),
            }
        }
    }

    async fn fetch(&self, remote: &Remote, schedule: &mut JwksSchedule, start: Instant) {
        match self.fetch_once(remote).await {
            Ok((keys, max_age)) => {
                tracing::debug!(url = remote.url, keys, "fetched the keys of an issuer");
                schedule.fetched(start.elapsed(), max_age);
            }
            Err(why) => {
                schedule.failed(start.elapsed(), fastrand::f64());
                let again = schedule.due().saturating_sub(start.elapsed());
                tracing::warn!(
                    url = remote.url,
                    ?again,
                    "the keys of an issuer cannot be fetched, those of before stay: {why}"
                );
            }
        }
    }

    async fn fetch_once(&self, remote: &Remote) -> Result<(usize, Option<Duration>), String> {
        let mut request = Request::new(Full::<Bytes>::default());
        let json = http::HeaderValue::from_static("application/jwk-set+json, application/json");
        request.headers_mut().insert(ACCEPT, json);
        let answer = self.outbound.exchange(&remote.place, request, WITHIN).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status != StatusCode::OK {
            return Err(format!("it answers {}", answer.status));
        }
        let installed = self.verifier.install(remote.issuer, &answer.body);
        let keys = installed.map_err(|error| error.to_string())?;
        Ok((keys, max_age(&answer.headers)))
    }
}

/// How long an answer may be kept (RFC 9111 section 5.2.2). One that must not be is stale at once.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get_all(CACHE_CONTROL).into_iter();
    let directives: Vec<String> = said
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    if directives
        .iter()
        .any(|it| it == "no-store" || it == "no-cache")
    {
        return Some(Duration::ZERO);
    }
    let age = directives
        .iter()
        .find_map(|it| it.strip_prefix("max-age="))?;
    age.trim_matches('"').parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (value, expected) in [
            ("max-age=600", Some(600)),
            ("public, Max-Age=600, must-revalidate", Some(600)),
            ("max-age=\"7\"", Some(7)),
            ("no-store", Some(0)),
            ("no-cache, max-age=600", Some(0)),
            ("max-age=-1", None),
            ("max-age=99999999999999999999", None),
            ("s-maxage=5", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, value.parse().unwrap());
            assert_eq!(
                max_age(&headers),
                expected.map(Duration::from_secs),
                "{value}"
            );
        }
        assert_eq!(max_age(&HeaderMap::new()), None);
    }
}

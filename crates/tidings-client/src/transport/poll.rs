//! Reading by polls, long and short: a short poll is a long one that waits for nothing and pauses afterwards. The
//! first request never waits, so that it shows at once whether the way is open.

use std::time::Duration;

use hyper::{
    HeaderMap, StatusCode,
    header::{ETAG, HeaderValue, IF_NONE_MATCH},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep};

use super::{Attempt, Followed, Stop, request};
use crate::{
    Error,
    envelope::parse_text,
    event::Transport,
    http::{Answer, Reuse, refusal, retry_after},
    subscription::Join,
};

/// The answer to a poll.
#[derive(Deserialize)]
struct PollAnswer<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
    cursor: String,
    #[serde(default)]
    more: bool,
    #[serde(default)]
    closed: bool,
}

/// What one answer means for the next request.
struct Took {
    /// Nothing was new.
    empty: bool,
    /// There is more at once.
    more: bool,
}

/// Reads until something stops it.
pub(super) async fn follow(attempt: &mut Attempt) -> Followed {
    let is_long = attempt.transport == Transport::LongPoll;
    let seconds = attempt.options.wait.as_secs().max(1);
    let mut etag = None;
    let mut wait = None;
    if matches!(attempt.options.join, Join::As(_)) && attempt.session.is_none() {
        // A member is a client, and no answer to a poll says which.
        attempt.ask_for_session().await?;
    }
    loop {
        let started = Instant::now();
        let answer = ask(attempt, wait, etag.as_ref()).await?;
        let took = take(attempt, &answer).await?;
        if answer.status == StatusCode::OK {
            etag = answer.headers.get(ETAG).cloned();
        }
        // An answer that had nothing to wait for and nothing to say must not become a loop.
        let in_vain = took.empty
            && wait.is_some_and(|wait| started.elapsed() < Duration::from_secs(wait) / 2);
        if !took.more && (!is_long || in_vain) {
            sleep(pause(attempt, &answer.headers)).await;
        }
        // What there is at once is fetched without waiting.
        wait = (is_long && !took.more).then_some(seconds);
    }
}

fn pause(attempt: &Attempt, headers: &HeaderMap) -> Duration {
    let wished = retry_after(headers)
        .unwrap_or_default()
        .min(attempt.inner.timings.hint_max);
    attempt.options.poll_interval.max(wished)
}

async fn ask(
    attempt: &mut Attempt,
    wait: Option<u64>,
    etag: Option<&HeaderValue>,
) -> Result<Answer, Stop> {
    let asks = attempt.places.asks();
    // The server counts a long poll by its waiting, which its first request does not do.
    let shows_its_rung = wait.is_some() || attempt.transport == Transport::Poll;
    let moved = attempt.moved.take_if(|_| shows_its_rung);
    let (inner, join) = (&attempt.inner, &attempt.options.join);
    let mut request = request::poll(inner, &asks, wait, join, moved.as_deref())
        .map_err(|error| attempt.broke(error))?;
    if let Some(etag) = etag.filter(|_| wait.is_none() && request.method() == hyper::Method::GET) {
        request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
    }
    attempt.sign(&mut request).await?;
    let timings = &attempt.inner.timings;
    let (reuse, within) = match attempt.opened {
        None => (Reuse::Never, timings.first_frame),
        Some(_) => (
            Reuse::Allowed,
            timings.request + Duration::from_secs(wait.unwrap_or(0)),
        ),
    };
    let limit = attempt.inner.limits.max_response;
    let answer = attempt
        .inner
        .http
        .exchange(request, reuse, within, limit)
        .await;
    let answer = answer.map_err(|error| attempt.broke(error))?;
    attempt.heard();
    if matches!(answer.status, StatusCode::OK | StatusCode::NOT_MODIFIED) {
        return Ok(answer);
    }
    Err(attempt.broke(refusal(&answer)))
}

async fn take(attempt: &mut Attempt, answer: &Answer) -> Result<Took, Stop> {
    if answer.status == StatusCode::NOT_MODIFIED {
        attempt.is_open().await?;
        return Ok(Took {
            empty: true,
            more: false,
        });
    }
    let parsed: PollAnswer<'_> = serde_json::from_slice(&answer.body)
        .map_err(|error| attempt.broke(Error::Foreign(format!("bad answer to a poll: {error}"))))?;
    attempt.is_open().await?;
    for message in &parsed.messages {
        let frame = parse_text(message.get()).map_err(|why| attempt.broke(Error::Foreign(why)))?;
        attempt.take(frame).await?;
    }
    attempt.take_cursor(&parsed.cursor).await?;
    if parsed.closed {
        return Err(attempt.close_all().await);
    }
    Ok(Took {
        empty: parsed.messages.is_empty(),
        more: parsed.more,
    })
}

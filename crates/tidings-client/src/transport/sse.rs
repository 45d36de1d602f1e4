//! Reading over Server-Sent Events, asked for by `GET` or by `POST`. It resumes by its own positions in the request, not by `Last-Event-ID`: they
//! are exact on any number of channels. What the bytes of the stream mean is `sse_parser`'s, what the events
//! mean is `envelope`'s.

use http_body_util::BodyExt;
use hyper::{
    Response, StatusCode,
    body::Incoming,
    header::{ACCEPT, CACHE_CONTROL, HeaderValue},
};
use tokio::time::Instant;

use super::{Attempt, Followed, Stop, request};
use crate::{
    Error,
    envelope::{Frame, parse_text},
    event::Transport,
    http::{chain, media_type},
    sse_parser::{Item, SseParser},
};

const EVENT_STREAM: &str = "text/event-stream";

/// Reads until something stops it.
pub(super) async fn follow(attempt: &mut Attempt) -> Followed {
    let asks = attempt.places.asks();
    let moved = attempt.moved.take();
    let (inner, join) = (&attempt.inner, &attempt.options.join);
    let request = match attempt.transport {
        Transport::SsePost => request::posted_stream(inner, &asks, join, moved.as_deref()),
        _ => request::stream(inner, &asks, join, moved.as_deref()),
    };
    let mut request = request.map_err(|error| attempt.broke(error))?;
    request
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static(EVENT_STREAM));
    request
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (response, first_frame_by) = attempt.open(request).await?;
    if response.status() == StatusCode::NO_CONTENT {
        return Err(attempt.close_all().await);
    }
    if response.status() != StatusCode::OK {
        return Err(attempt.not_a_stream(response).await);
    }
    let kind = media_type(response.headers());
    if kind != EVENT_STREAM {
        return Err(attempt.broke(Error::Foreign(format!(
            "{kind:?} instead of {EVENT_STREAM}"
        ))));
    }
    read(attempt, response, first_frame_by).await
}

async fn read(
    attempt: &mut Attempt,
    response: Response<Incoming>,
    first_frame_by: Instant,
) -> Followed {
    let limit = attempt.inner.limits.max_message;
    let mut body = response.into_body();
    let mut parser = SseParser::new(limit);
    let mut items = Vec::new();
    loop {
        let by = attempt.silence_ends(first_frame_by);
        let piece = match attempt.piece(by, body.frame()).await? {
            None => return Err(attempt.broke(Error::Lost("the stream ended".into()))),
            Some(Err(error)) => return Err(attempt.broke(Error::Lost(chain(&error)))),
            // Trailers mean nothing here.
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        attempt.heard();
        let fed = parser.feed(&piece, &mut items);
        for item in items.drain(..) {
            take(attempt, item).await?;
        }
        if fed.is_err() {
            return Err(attempt.broke(Error::TooLarge {
                what: "an event",
                limit,
            }));
        }
    }
}

async fn take(attempt: &mut Attempt, item: Item) -> Result<(), Stop> {
    match item {
        Item::Retry(delay) => attempt.floor = Some(delay),
        // The envelope says all that the names of the events say.
        Item::Event(event) => {
            let frame = parse_text(&event.data);
            if let Ok(Frame::Expiring(_)) = frame {
                renew(attempt).await;
            }
            attempt.frame(frame).await?;
        }
    }
    Ok(())
}

/// Shows a newer token for the stream that is open (`POST /session`). That it was not taken shows when the old one
/// has ended.
async fn renew(attempt: &mut Attempt) {
    if attempt.renewed().await.is_some() {
        let _ = attempt.ask_for_session().await;
    }
}

//! Begins a reading: the answer of a poll, or the head of a stream and the stream.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Version, request};
use tidings_protocol::websocket::{self as ws, Handshake, HandshakeError};
use tidings_protocol::{Code, Problem};
use tokio::time::Instant;

use crate::app::App;
use crate::charge::address;
use crate::charge::charge_subscribes;
use crate::reading::Reading;
use crate::refuse::unavailable;
use crate::reply::{Answer, Reply, Takeover, empty, guard, no_buffering, refusal};
use crate::stats::Transport;
use crate::transport::{LongPoll, Sse, Stream, WebSocket, poll};
use crate::via::via;

/// Begins a reading that is no WebSocket.
pub async fn start(
    app: &Arc<App>,
    head: &request::Parts,
    reading: Reading,
) -> Result<Reply, Problem> {
    let claims = &reading.who.claims;
    charge_subscribes(app, claims, address(app, head), reading.channels.len())?;
    if let (Some(client), false) = (reading.who.client, reading.transport == Transport::Poll) {
        app.clients
            .have_room(client, claims, reading.who.address, app.limits())?;
    }
    reading.charge_joins(app, head)?;
    let mut feed = reading.open(app).await?;
    if reading.transport == Transport::Poll {
        reading.join_for_a_poll(app).await?;
        return Ok(poll::answer(app, &reading, &mut feed, &head.method, &head.headers).into());
    }
    if reading.transport == Transport::Sse {
        if feed.all_past_end() {
            return Ok(empty(StatusCode::NO_CONTENT).into());
        }
        let membership = reading.join(app).await?;
        let stream = Sse::new(app, feed, &reading, membership);
        return Ok(takeover(
            StatusCode::OK,
            event_stream_headers(),
            Stream::Sse(Box::new(stream)),
        ));
    }
    reading.join_for_a_poll(app).await?;
    let page = poll::read(app, &mut feed, reading.limit);
    if page.news {
        return Ok(poll::answer_at_once(app, page).into());
    }
    let stream = LongPoll::new(app, feed, &reading, Instant::now() + reading.wait);
    Ok(takeover(
        StatusCode::OK,
        headers_of("application/json"),
        Stream::LongPoll(Box::new(stream)),
    ))
}

/// A WebSocket. Only a broken handshake is refused by a status: a browser shows no other to its
/// page, so every other refusal is told inside.
pub async fn websocket(
    app: &Arc<App>,
    head: &request::Parts,
    reading: Result<Reading, Problem>,
) -> Result<Reply, Problem> {
    let version = if head.version >= Version::HTTP_11 {
        (1, 1)
    } else {
        (1, 0)
    };
    let values = |name| head.headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let tunnel = via(head).tunnel;
    let handshake = match tunnel {
        true => ws::accept_tunnel(values, app.compresses),
        false => ws::accept(head.method.as_str(), version, values, app.compresses),
    };
    let handshake = match handshake {
        Ok(handshake) => handshake,
        Err(error) => return Ok(bad_handshake(app, error).into()),
    };
    let opened = async {
        let reading = reading?;
        if let Some(problem) = unavailable(app, head) {
            return Err(problem);
        }
        let address = address(app, head);
        charge_subscribes(app, &reading.who.claims, address, reading.channels.len())?;
        if let Some(client) = reading.who.client {
            let claims = &reading.who.claims;
            app.clients
                .have_room(client, claims, reading.who.address, app.limits())?;
        }
        reading.charge_joins(app, head)?;
        let feed = reading.open(app).await?;
        let membership = reading.join(app).await?;
        Ok(WebSocket::new(
            app,
            feed,
            &reading,
            membership,
            address,
            handshake.deflate,
        ))
    };
    let stream = match opened.await {
        Ok(stream) => stream,
        Err(problem) => {
            app.stats.refused(&problem);
            WebSocket::refused(app, &problem, address(app, head), handshake.deflate)
        }
    };
    let status = match tunnel {
        true => StatusCode::OK,
        false => StatusCode::SWITCHING_PROTOCOLS,
    };
    Ok(takeover(
        status,
        websocket_headers(&handshake),
        Stream::WebSocket(Box::new(stream)),
    ))
}

fn websocket_headers(handshake: &Handshake) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: Option<&str>| {
        if let Some(value) = value {
            let value = HeaderValue::from_str(value).expect("tokens and base64");
            headers.insert(name, value);
        }
    };
    if let Some(accept) = &handshake.accept {
        set(header::UPGRADE, Some("websocket"));
        set(header::CONNECTION, Some("Upgrade"));
        set(header::SEC_WEBSOCKET_ACCEPT, Some(accept));
    }
    set(header::SEC_WEBSOCKET_PROTOCOL, handshake.subprotocol);
    set(
        header::SEC_WEBSOCKET_EXTENSIONS,
        handshake.extensions.as_deref(),
    );
    headers
}

fn bad_handshake(app: &App, error: HandshakeError) -> Answer {
    let code = match error.status() {
        426 => Code::UpgradeRequired,
        _ => Code::BadHandshake,
    };
    let problem = Problem::new(code, error.to_string());
    app.stats.refused(&problem);
    let mut answer = refusal(&problem);
    for (name, value) in error.headers() {
        answer
            .headers_mut()
            .insert(*name, HeaderValue::from_static(value));
    }
    answer
}

fn takeover(status: StatusCode, headers: HeaderMap, stream: Stream) -> Reply {
    Reply::Takeover(Box::new(Takeover {
        status,
        headers,
        stream,
    }))
}

fn event_stream_headers() -> HeaderMap {
    let mut headers = headers_of("text/event-stream");
    no_buffering(&mut headers);
    headers
}

fn headers_of(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    guard(&mut headers);
    headers
}

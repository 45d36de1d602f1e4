//! Judges a request: which route, which transport, and what becomes of it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode, Version, request};
use hyper::body::Body;
use tidings_core::ChannelName;
use tidings_protocol::command::{Read, parse_body};
use tidings_protocol::envelope::Notice;
use tidings_protocol::websocket::{self as ws, HandshakeError};
use tidings_protocol::{Code, Problem};
use tokio::time::Instant;

use crate::app::App;
use crate::clock::spread;
use crate::query::{Query, channel_of_segment};
use crate::reading::{Reading, Wishes, accepts_events};
use crate::reply::{Answer, Reply, Takeover, answer, empty, guard, refusal};
use crate::stats::Transport;
use crate::transport::{LongPoll, Sse, Stream, WebSocket, poll, sse_refusal};
use crate::{metrics, page, publish, request_body, stats_channel};

type Handled = Result<Reply, Problem>;

/// Marks the requests of a connection for which there is no room.
#[derive(Clone, Copy)]
pub struct Full;

/// Answers a request, or says which stream takes the connection over.
pub async fn handle<B>(app: &Arc<App>, request: Request<B>) -> Reply
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    app.stats.requests.add(1);
    let (head, body) = request.into_parts();
    let origin = head.headers.get(header::ORIGIN).cloned();
    let admitted = app.access.check(head.version, &head.uri, &head.headers);
    let handled = match admitted {
        Ok(()) => route(app, &head, body).await,
        Err(problem) => return refuse(app, &head, &problem).into(),
    };
    let mut reply = handled.unwrap_or_else(|problem| refuse(app, &head, &problem).into());
    app.access.cors(origin.as_ref(), reply.headers_mut());
    reply
}

async fn route<B>(app: &Arc<App>, head: &request::Parts, body: B) -> Handled
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    allow(head)?;
    let websocket = wishes(head).upgrade;
    if let (Some(problem), false) = (unavailable(app, head), websocket) {
        return Err(problem);
    }
    if head.method == Method::OPTIONS {
        return Ok(preflight(app).into());
    }
    let path = head.uri.path();
    match path {
        "/channels" => channel(app, head, None, body).await,
        "/read" => read(app, head, body).await,
        "/publish" => {
            let body = request_body::read(body, app.limits().body_bytes, app.limits()).await?;
            Ok(publish::batch(app, &query(head)?, &body).await?.into())
        }
        "/healthz" | "/readyz" | "/metrics" => Ok(operations(app, path).await?.into()),
        _ => match path.strip_prefix("/channels/") {
            Some(segment) => channel(app, head, Some(channel_of_segment(segment)), body).await,
            None => {
                let missing = || {
                    Problem::new(
                        Code::NotFound,
                        "there is nothing at this path; channels are at /channels/NAME",
                    )
                };
                Ok(page::file(path).ok_or_else(missing)?.into())
            }
        },
    }
}

/// A channel, or several: named by the path or, whatever the characters, by `name=`.
async fn channel<B>(
    app: &Arc<App>,
    head: &request::Parts,
    segment: Option<Result<ChannelName, Problem>>,
    body: B,
) -> Handled
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if head.method == Method::GET || head.method == Method::HEAD {
        return open(app, head, segment, &body).await;
    }
    let mut query = query(head)?;
    let name = match segment {
        Some(name) => name?,
        None => query.take_name()?,
    };
    if head.method == Method::DELETE {
        return Ok(publish::clear(app, name, &query).await?.into());
    }
    let body = message_body(app, &name, body).await?;
    Ok(publish::one(app, name, &query, &head.headers, body)
        .await?
        .into())
}

async fn message_body<B>(app: &App, name: &ChannelName, body: B) -> Result<Bytes, Problem>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let max = app.hub.rules(name).message_bytes;
    request_body::read(body, max, app.limits())
        .await
        .map_err(|problem| match problem.code {
            Code::BodyTooLarge => publish::too_large(name, max),
            _ => problem,
        })
}

/// `POST /read`: a poll or SSE whose channels stand in the body.
async fn read<B>(app: &Arc<App>, head: &request::Parts, body: B) -> Handled
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = request_body::read(body, app.limits().body_bytes, app.limits()).await?;
    let body: Read = parse_body(
        &body,
        "{\"channels\":[{\"name\":…,\"after\":…}],\"wait\":…}",
    )?;
    let reading = Reading::from_body(app, body, &query(head)?, &head.headers, wishes(head))?;
    start(app, head, reading).await
}

/// A reading by URL.
async fn open<B: Body>(
    app: &Arc<App>,
    head: &request::Parts,
    name: Option<Result<ChannelName, Problem>>,
    body: &B,
) -> Handled {
    let wishes = wishes(head);
    let reading = || {
        let name = name.transpose()?;
        Reading::from_url(app, name, &query(head)?, &head.headers, wishes)
    };
    if wishes.upgrade {
        return websocket(app, head, reading()).await;
    }
    if head.headers.contains_key(header::SEC_WEBSOCKET_KEY) && asked(head).is_none() {
        return Err(Problem::new(
            Code::UpgradeRequired,
            "this is a WebSocket handshake without `Upgrade: websocket`: a proxy on the way drops it and must be told to pass upgrades on",
        ));
    }
    if !body.is_end_stream() {
        return Err(Problem::new(
            Code::BadRequest,
            "a GET here has no body; POST /read takes one",
        ));
    }
    let mut reading = reading()?;
    if head.method == Method::HEAD {
        reading.transport = Transport::Poll;
    }
    start(app, head, reading).await
}

/// Begins a reading that is no WebSocket.
async fn start(app: &Arc<App>, head: &request::Parts, reading: Reading) -> Handled {
    let mut feed = reading.open(app, None).await?;
    if reading.transport == Transport::Poll {
        return Ok(poll::answer(app, &reading, &mut feed, &head.method, &head.headers).into());
    }
    if reading.transport == Transport::Sse {
        if feed.all_past_end() {
            return Ok(empty(StatusCode::NO_CONTENT).into());
        }
        let stream = Sse::new(app, feed, reading.user, reading.raw);
        return Ok(takeover(
            StatusCode::OK,
            event_stream_headers(head.version),
            Stream::Sse(Box::new(stream)),
        ));
    }
    let page = poll::read(app, &mut feed, reading.limit);
    if page.news {
        return Ok(poll::answer_at_once(app, page).into());
    }
    let keep_alive = keeps_alive(head);
    let stream = LongPoll::new(
        app,
        feed,
        reading.limit,
        Instant::now() + reading.wait,
        keep_alive,
    );
    Ok(takeover(
        StatusCode::OK,
        long_poll_headers(keep_alive),
        Stream::LongPoll(Box::new(stream)),
    ))
}

/// A WebSocket. Only a broken handshake is refused by a status: a browser shows no other to its
/// page, so every other refusal is told inside.
async fn websocket(
    app: &Arc<App>,
    head: &request::Parts,
    reading: Result<Reading, Problem>,
) -> Handled {
    let version = if head.version >= Version::HTTP_11 {
        (1, 1)
    } else {
        (1, 0)
    };
    let values = |name| head.headers.get_all(name).iter().map(HeaderValue::as_bytes);
    let handshake = match ws::accept(head.method.as_str(), version, values) {
        Ok(handshake) => handshake,
        Err(error) => return Ok(bad_handshake(app, error).into()),
    };
    let opened = async {
        let reading = reading?;
        if let Some(problem) = unavailable(app, head) {
            return Err(problem);
        }
        let client = app.new_client();
        let feed = reading.open(app, Some(client)).await?;
        Ok(WebSocket::new(app, feed, client, &reading))
    };
    let stream = match opened.await {
        Ok(stream) => stream,
        Err(problem) => {
            app.stats.refused(&problem);
            WebSocket::refused(app, &problem)
        }
    };
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        headers.insert(
            name,
            HeaderValue::from_str(value).expect("tokens and base64"),
        );
    };
    set(header::UPGRADE, "websocket");
    set(header::CONNECTION, "Upgrade");
    set(header::SEC_WEBSOCKET_ACCEPT, &handshake.accept);
    if let Some(subprotocol) = handshake.subprotocol {
        set(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
    }
    Ok(takeover(
        StatusCode::SWITCHING_PROTOCOLS,
        headers,
        Stream::WebSocket(Box::new(stream)),
    ))
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

async fn operations(app: &Arc<App>, path: &str) -> Result<Answer, Problem> {
    match path {
        "/healthz" => Ok(answer(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")),
        "/readyz" => {
            stats_channel::probe(app).await?;
            Ok(answer(
                StatusCode::OK,
                "text/plain; charset=utf-8",
                "ready\n",
            ))
        }
        _ => Ok(answer(
            StatusCode::OK,
            metrics::CONTENT_TYPE,
            metrics::render(app),
        )),
    }
}

/// Refuses a request in the form that its reader understands.
fn refuse(app: &App, head: &request::Parts, problem: &Problem) -> Answer {
    app.stats.refused(problem);
    if !wants_events(head) || !problem.code.temporary() {
        let mut answer = refusal(problem);
        if problem.code == Code::MethodNotAllowed {
            let methods = HeaderValue::from_static(methods(head.uri.path()));
            answer.headers_mut().insert(header::ALLOW, methods);
        }
        return answer;
    }
    let retry = spread(app.limits().retry);
    let notice = Notice::Error {
        id: None,
        problem,
        retry_ms: Some(retry.as_millis() as u64),
    };
    let id = head
        .headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .filter(|id| !id.is_empty());
    let mut answer = answer(
        StatusCode::OK,
        "text/event-stream",
        sse_refusal(id, retry, &notice),
    );
    no_buffering(answer.headers_mut());
    answer
}

/// Why no request is answered just now, if so. A server that goes away still takes messages and
/// says how it is.
fn unavailable(app: &App, head: &request::Parts) -> Option<Problem> {
    if head.extensions.get::<Full>().is_some() {
        let detail = "the server has as many connections as it may; ask again";
        return Some(Problem::new(Code::ServerFull, detail));
    }
    let reads = matches!(head.uri.path(), "/read" | "/readyz")
        || head.method == Method::GET && is_channel(head);
    (app.stopping() && reads)
        .then(|| Problem::new(Code::Stopping, "the server goes away; ask again"))
}

fn is_channel(head: &request::Parts) -> bool {
    let path = head.uri.path();
    path == "/channels" || path.starts_with("/channels/")
}

/// Whether the request is for events, and is to be refused as one.
fn wants_events(head: &request::Parts) -> bool {
    let reads = head.method == Method::GET && is_channel(head) || head.uri.path() == "/read";
    let wishes = wishes(head);
    reads && !wishes.upgrade && asked(head).map_or(wishes.accepts_events, |asked| asked == "sse")
}

fn preflight(app: &App) -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    app.access.preflight(answer.headers_mut());
    answer
}

fn takeover(status: StatusCode, headers: HeaderMap, stream: Stream) -> Reply {
    Reply::Takeover(Box::new(Takeover {
        status,
        headers,
        stream,
    }))
}

fn event_stream_headers(version: Version) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    guard(&mut headers);
    no_buffering(&mut headers);
    // It ends with its stream: no request can follow on it.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if version >= Version::HTTP_11 {
        headers.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        );
    }
    headers
}

fn long_poll_headers(keep_alive: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    guard(&mut headers);
    if !keep_alive {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers
}

/// nginx buffers answers unless told not to.
fn no_buffering(headers: &mut HeaderMap) {
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// Whether the connection goes on after this request (RFC 9112 section 9.3).
fn keeps_alive(head: &request::Parts) -> bool {
    let says = |token: &str| {
        let lines = head
            .headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|line| line.to_str().ok());
        lines
            .flat_map(|line| line.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    head.version >= Version::HTTP_11 && !says("close")
}

fn wishes(head: &request::Parts) -> Wishes {
    let upgrade = head
        .headers
        .get_all(header::UPGRADE)
        .iter()
        .map(HeaderValue::as_bytes);
    let elsewhere = matches!(asked(head).as_deref(), Some("poll" | "sse"));
    Wishes {
        upgrade: ws::requests_upgrade(upgrade) && head.method == Method::GET && !elsewhere,
        accepts_events: accepts_events(&head.headers),
    }
}

/// What `transport=` says, whatever else is wrong with the query.
fn asked(head: &request::Parts) -> Option<String> {
    Some(query(head).ok()?.one("transport").ok()??.to_owned())
}

fn query(head: &request::Parts) -> Result<Query, Problem> {
    Query::parse(head.uri.query())
}

/// The methods that a path takes, as `Allow` lists them (RFC 9110 section 10.2.1).
fn methods(path: &str) -> &'static str {
    match path {
        "/read" | "/publish" => "POST, OPTIONS",
        "/channels" => "GET, HEAD, POST, DELETE, OPTIONS",
        _ if path.starts_with("/channels/") => "GET, HEAD, POST, DELETE, OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    }
}

fn allow(head: &request::Parts) -> Result<(), Problem> {
    let methods = methods(head.uri.path());
    if methods
        .split(", ")
        .any(|method| method == head.method.as_str())
    {
        return Ok(());
    }
    Err(Problem::new(
        Code::MethodNotAllowed,
        format!("this path takes {methods}"),
    ))
}

//! Judges a request: which route, which transport, and what becomes of it.

use std::sync::Arc;

use bytes::Bytes;
use http::header;
use http::{Method, StatusCode, request};
use tidings_core::ChannelName;
use tidings_protocol::command::{Read, Session, parse_body};
use tidings_protocol::websocket as ws;
use tidings_protocol::{Code, Problem};

use crate::app::App;
use crate::identity::identify;
use crate::publish::Publisher;
use crate::query::channel_of_segment;
use crate::reading::{Reading, asked, own_inbox, query, wishes};
use crate::refuse::{refuse, unavailable};
use crate::reply::{Answer, Reply, answer, close, empty};
use crate::request_body::RequestBody;
use crate::start::{start, websocket};
use crate::stats::Transport;
use crate::via::via;
use crate::{
    admin, extension, identity, metrics, openapi, page, presence, publish, request_body, routes,
    sdk, stats_channel,
};

type Handled = Result<Reply, Problem>;

/// Answers a request, or says which stream takes the connection over.
pub async fn handle<B: RequestBody>(app: &Arc<App>, head: &request::Parts, body: &mut B) -> Reply {
    app.stats.requests.add(1);
    let policy = app.policy();
    let admitted = policy.access.check(head);
    let (handled, admitted) = match admitted {
        Ok(()) => (route(app, head, body).await, true),
        // A probe comes by whatever name or address it has, and learns nothing but "ok".
        Err(problem) if problem.code == Code::HostNotAllowed && is_probe(head) => {
            (route(app, head, body).await, false)
        }
        // What everybody may load is no page's of this origin or that.
        Err(problem) if problem.code == Code::OriginNotAllowed && sdk::is_asked(head) => {
            (route(app, head, body).await, false)
        }
        Err(problem) => (Err(problem), false),
    };
    let ambiguous =
        !admitted && matches!(&handled, Err(problem) if problem.code == Code::BadRequest);
    let mut reply = handled.unwrap_or_else(|problem| refuse(app, head, &problem).into());
    if let Reply::Answer(answer) = &mut reply
        && (ambiguous || requests_upgrade(head))
    {
        // Whoever in front reads such a request otherwise, or tunnels after an upgrade that was
        // refused, gets no further request through.
        close(answer.headers_mut());
    }
    if admitted && !sdk::is_asked(head) {
        let origin = head.headers.get(header::ORIGIN);
        policy.access.cors(origin, reply.headers_mut());
    }
    reply
}

async fn route<B: RequestBody>(app: &Arc<App>, head: &request::Parts, body: &mut B) -> Handled {
    allow(app, head)?;
    let websocket = wishes(head).upgrade;
    if let (Some(problem), false) = (unavailable(app, head), websocket) {
        return Err(problem);
    }
    if head.method == Method::OPTIONS {
        return Ok(preflight(app).into());
    }
    let path = head.uri.path();
    if routes::methods(path).is_none() {
        return match &app.extension {
            Some(own) if own.methods(path).is_some() => {
                extension::answer(app, &**own, head, body).await
            }
            _ => Err(missing()),
        };
    }
    match path {
        "/channels" => channel(app, head, None, body).await,
        "/read" => read(app, head, body).await,
        "/publish" => batch(app, head, body).await,
        "/presence" => Ok(presence::answer(app, head, None).await?.into()),
        "/session" => session(app, head, body).await,
        "/tickets" => {
            let answer = identity::answer_ticket(app, head, &query(head)?).await?;
            Ok(answer.into())
        }
        _ => match path.strip_prefix("/channels/") {
            Some(segment) => match segment.strip_suffix("/presence") {
                Some(of) => {
                    let of = channel_of_segment(of)?;
                    Ok(presence::answer(app, head, Some(of)).await?.into())
                }
                None => channel(app, head, Some(channel_of_segment(segment)), body).await,
            },
            None if path.starts_with("/tidings.") => {
                Ok(sdk::file(head).ok_or_else(missing)?.into())
            }
            None if via(head).guest => Err(missing()),
            None => match admin::route(app, head, body).await {
                Some(answered) => Ok(answered?.into()),
                None => Ok(operations(app, head).await?.into()),
            },
        },
    }
}

/// `POST /publish`.
async fn batch<B: RequestBody>(app: &Arc<App>, head: &request::Parts, body: &mut B) -> Handled {
    let query = query(head)?;
    // Before the body is waited for.
    let who = identify(app, head, &query, None).await?;
    let body = request_body::read(body, app.limits().body_bytes, app.limits()).await?;
    let publisher = Publisher::of(app, &who, head);
    publisher.look_again(app)?;
    Ok(publish::batch(app, &publisher, &query, &body).await?.into())
}

/// `POST /session`.
async fn session<B: RequestBody>(app: &Arc<App>, head: &request::Parts, body: &mut B) -> Handled {
    let body = request_body::read(body, app.limits().body_bytes, app.limits()).await?;
    let given: Session = match body.is_empty() {
        true => Session::default(),
        false => parse_body(&body, "{\"session\":…}, or no body")?,
    };
    let query = query(head)?;
    let answer = identity::answer_session(app, head, &query, given.session.as_deref()).await?;
    Ok(answer.into())
}

fn missing() -> Problem {
    Problem::new(
        Code::NotFound,
        "there is nothing at this path; channels are at /channels/NAME",
    )
}

/// A channel, or several: named by the path or, whatever the characters, by `name=`.
async fn channel<B: RequestBody>(
    app: &Arc<App>,
    head: &request::Parts,
    segment: Option<Result<ChannelName, Problem>>,
    body: &mut B,
) -> Handled {
    if head.method == Method::GET || head.method == Method::HEAD {
        // A WebSocket's stream is no body.
        let is_alone = wishes(head).upgrade || request_body::is_empty(body, app.limits()).await;
        return open(app, head, segment, !is_alone).await;
    }
    let mut query = query(head)?;
    let name = match segment {
        Some(name) => name?,
        None => query.take_name()?,
    };
    let who = identify(app, head, &query, None).await?;
    let name = own_inbox(name, &who.claims, who.client)?;
    let publisher = Publisher::of(app, &who, head);
    if head.method == Method::DELETE {
        let answer = publish::clear(app, &publisher, name, &query).await?;
        return Ok(answer.into());
    }
    // Before the body is waited for.
    publisher.may(app, &name)?;
    let body = message_body(app, &name, body).await?;
    publisher.look_again(app)?;
    publisher.may(app, &name)?;
    let answer = publish::one(app, &publisher, name, &query, &head.headers, body).await?;
    Ok(answer.into())
}

async fn message_body<B: RequestBody>(
    app: &App,
    name: &ChannelName,
    body: &mut B,
) -> Result<Bytes, Problem> {
    let max = app.hub.rules(name).message_bytes;
    request_body::read(body, max, app.limits())
        .await
        .map_err(|problem| match problem.code {
            Code::BodyTooLarge => publish::too_large(name, max),
            _ => problem,
        })
}

/// `POST /read`: a poll or SSE whose channels stand in the body.
async fn read<B: RequestBody>(app: &Arc<App>, head: &request::Parts, body: &mut B) -> Handled {
    let body = request_body::read(body, app.limits().body_bytes, app.limits()).await?;
    let body: Read = parse_body(
        &body,
        "{\"channels\":[{\"name\":…,\"after\":…}],\"wait\":…}",
    )?;
    let query = query(head)?;
    let who = identify(app, head, &query, body.session.as_deref()).await?;
    let reading = Reading::from_body(app, body, &query, &head.headers, wishes(head), who)?;
    start(app, head, reading).await
}

/// A reading by URL.
async fn open(
    app: &Arc<App>,
    head: &request::Parts,
    name: Option<Result<ChannelName, Problem>>,
    has_body: bool,
) -> Handled {
    let wishes = wishes(head);
    let reading = async {
        let name = name.transpose()?;
        let query = query(head)?;
        let who = identify(app, head, &query, None).await?;
        Reading::from_url(app, name, &query, &head.headers, wishes, who)
    };
    if wishes.upgrade {
        return websocket(app, head, reading.await).await;
    }
    if head.headers.contains_key(header::SEC_WEBSOCKET_KEY) && asked(head).is_none() {
        return Err(Problem::new(
            Code::UpgradeRequired,
            "this is a WebSocket handshake without `Upgrade: websocket`: a proxy on the way drops it and must be told to pass upgrades on",
        ));
    }
    if has_body {
        return Err(Problem::new(
            Code::BadRequest,
            "a GET here has no body; POST /read takes one",
        ));
    }
    let mut reading = reading.await?;
    if head.method == Method::HEAD {
        reading.transport = Transport::Poll;
    }
    start(app, head, reading).await
}

/// What a server of its own has besides its channels.
async fn operations(app: &Arc<App>, head: &request::Parts) -> Result<Answer, Problem> {
    let text = |body| answer(StatusCode::OK, "text/plain; charset=utf-8", body);
    match head.uri.path() {
        "/healthz" => Ok(text("ok\n")),
        "/readyz" => {
            stats_channel::probe(app).await?;
            Ok(text("ready\n"))
        }
        "/metrics" => {
            admin::may_watch(app, head).await?;
            let figures = metrics::render(app);
            Ok(answer(StatusCode::OK, metrics::CONTENT_TYPE, figures))
        }
        "/openapi.json" => Ok(openapi::answer_document()),
        path => page::file(path)
            .filter(|_| admin::shows_page(app, head))
            .ok_or_else(missing),
    }
}

fn requests_upgrade(head: &request::Parts) -> bool {
    let values = head.headers.get_all(header::UPGRADE);
    ws::requests_upgrade(values.iter().map(http::HeaderValue::as_bytes))
}

fn is_probe(head: &request::Parts) -> bool {
    matches!(head.uri.path(), "/healthz" | "/readyz") && head.method != Method::OPTIONS
}

/// Whether the path is one of channels.
pub fn is_channel(head: &request::Parts) -> bool {
    let path = head.uri.path();
    path == "/channels" || path.starts_with("/channels/")
}

fn preflight(app: &App) -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    app.policy().access.preflight(answer.headers_mut());
    answer
}

fn allow(app: &App, head: &request::Parts) -> Result<(), Problem> {
    let methods = app.methods(head.uri.path()).unwrap_or(routes::OF_NOTHING);
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

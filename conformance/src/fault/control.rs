//! How tests in other processes, and pages, command a proxy: HTTP with JSON, open to every origin.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    CONTENT_TYPE,
};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, lookup_host};

use super::action::NAMES;
use super::{Fault, FaultProxy, Kind};

/// What can be asked for.
pub const REQUESTS: [&str; 9] = [
    "PUT /faults",
    "DELETE /faults",
    "POST /cut",
    "POST /stall",
    "PUT /to",
    "PUT /down",
    "DELETE /down",
    "GET /log",
    "GET /live",
];

/// Obeys what comes to this listener, as long as it is polled.
pub async fn serve(proxy: Arc<FaultProxy>, listener: TcpListener) -> io::Result<()> {
    let router = Router::new().fallback(answer).with_state(proxy);
    axum::serve(listener, router).await
}

/// The first address of `HOST:PORT`, with or without `http://` before it.
pub async fn resolve(server: &str) -> Result<SocketAddr, String> {
    let host = server.strip_prefix("http://").unwrap_or(server);
    let host = host.trim_end_matches('/');
    let found = lookup_host(host).await;
    let mut found = found.map_err(|error| format!("{server}: {error}; HOST:PORT is needed"))?;
    found.next().ok_or_else(|| format!("{server}: no address"))
}

/// The body of `/cut` and `/stall`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    on: Option<Vec<Kind>>,
}

/// The body of `/to`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct To {
    to: String,
}

async fn answer(
    State(proxy): State<Arc<FaultProxy>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    if method == Method::OPTIONS {
        return open(StatusCode::NO_CONTENT, String::new());
    }
    let request = format!("{method} {}", uri.path());
    let (status, said) = match obey(&proxy, &request, &body).await {
        Some(Ok(said)) => (StatusCode::OK, said),
        Some(Err(wrong)) => (StatusCode::BAD_REQUEST, refusal(&wrong)),
        None => (
            StatusCode::NOT_FOUND,
            refusal(&format!("what is {request}?")),
        ),
    };
    open(status, said.to_string())
}

/// `None` where there is no such request.
async fn obey(proxy: &FaultProxy, request: &str, body: &[u8]) -> Option<Result<Value, String>> {
    Some(match request {
        "PUT /faults" => set(proxy, body),
        "DELETE /faults" => {
            proxy.clear();
            Ok(json!({ "faults": 0 }))
        }
        "POST /cut" => match which(body) {
            Ok(on) => Ok(json!({ "connections": proxy.cut(on.as_deref()).await })),
            Err(wrong) => Err(wrong),
        },
        "POST /stall" => match which(body) {
            Ok(on) => Ok(json!({ "connections": proxy.stall(on.as_deref()).await })),
            Err(wrong) => Err(wrong),
        },
        "PUT /to" => to(proxy, body).await,
        "PUT /down" => {
            proxy.down().await;
            Ok(json!({ "down": true }))
        }
        "DELETE /down" => {
            proxy.up();
            Ok(json!({ "down": false }))
        }
        "GET /log" => serde_json::to_value(proxy.log()).map_err(|error| error.to_string()),
        "GET /live" => Ok(live(proxy)),
        _ => return None,
    })
}

fn set(proxy: &FaultProxy, body: &[u8]) -> Result<Value, String> {
    let faults: Vec<Fault> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    faults.iter().try_for_each(Fault::check)?;
    let count = faults.len();
    proxy.set(faults);
    Ok(json!({ "faults": count }))
}

/// Without a body: all.
fn which(body: &[u8]) -> Result<Option<Vec<Kind>>, String> {
    let which = match body {
        [] => Ok(Which::default()),
        body => serde_json::from_slice(body),
    };
    which
        .map(|which| which.on)
        .map_err(|error| error.to_string())
}

async fn to(proxy: &FaultProxy, body: &[u8]) -> Result<Value, String> {
    let To { to } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let server = resolve(&to).await?;
    proxy.to(server);
    Ok(json!({ "to": server }))
}

/// All kinds, and `idle`: connections between two requests.
fn live(proxy: &FaultProxy) -> Value {
    let counts = proxy.live();
    let count = |kind| json!(counts.get(&kind).copied().unwrap_or(0));
    let named = Kind::ALL.map(|kind| (kind.name().to_owned(), count(Some(kind))));
    let mut live: Map<_, _> = named.into_iter().collect();
    live.insert("idle".into(), count(None));
    live.into()
}

fn refusal(wrong: &str) -> Value {
    json!({
        "error": wrong,
        "example": [{"on": ["websocket"], "fault": {"status": 403}, "probability": 1, "after": 0, "times": 1}],
        "faults": NAMES,
        "kinds": Kind::ALL,
        "requests": REQUESTS,
    })
}

fn open(status: StatusCode, body: String) -> Response {
    let fields = [
        (CONTENT_TYPE, "application/json"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
    ];
    (status, fields, body).into_response()
}

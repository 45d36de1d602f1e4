//! Tidings inside an axum application: pages and an API of its own at `/`, channels under
//! `/realtime`, and a ticker that publishes from Rust.
//!
//! ```sh
//! cargo run --example axum
//! curl -N 'http://127.0.0.1:3000/realtime/channels/clock?transport=sse'
//! ```

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Html;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde_json::{Value, json};
use tidings::{Message, Problem, Tidings};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let tidings = Tidings::builder().start()?;
    tokio::spawn(tick(tidings.clone()));
    let app = Router::new()
        .route("/", get(|| async { Html(PAGE) }))
        .route("/rooms/{room}", post(say))
        .with_state(tidings.clone())
        .nest_service("/realtime", tidings.service());
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:3000");
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("open http://{}", listener.local_addr()?);
    let stopped = async move {
        // Streams end first: the HTTP server waits for its connections.
        let _ = tokio::signal::ctrl_c().await;
        tidings.stop();
    };
    // Messages are small: they leave at once.
    let listener = listener.tap_io(|socket| {
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await?;
    Ok(())
}

/// A route of the application's own, which decides what is published.
async fn say(
    State(tidings): State<Tidings>,
    Path(room): Path<String>,
    Json(body): Json<Value>,
) -> Result<String, String> {
    let message = Message::json(&body).map_err(|problem: Problem| problem.detail)?;
    let channel = format!("room:{room}");
    match tidings.publish(&channel, message.event("say")).await {
        Ok(held) => Ok(format!("{:?}\n", held.offset)),
        Err(problem) => Err(problem.detail),
    }
}

async fn tick(tidings: Tidings) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for second in 0.. {
        seconds.tick().await;
        let message = Message::json(&json!({ "second": second })).expect("plain JSON");
        if let Err(problem) = tidings.publish("clock", message).await {
            eprintln!("not published: {}", problem.detail);
        }
    }
}

const PAGE: &str = r#"<!doctype html><title>Clock</title><h1 id="clock">…</h1>
<script>
  new EventSource("realtime/channels/clock").onmessage =
    (event) => clock.textContent = JSON.parse(event.data).data.second;
</script>"#;

//! Tidings inside a plain hyper server: channels under `/realtime`, everything else its own.
//!
//! ```sh
//! cargo run --example hyper
//! curl 'http://127.0.0.1:3000/realtime/channels/news?wait=10'
//! ```

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings::{Message, Tidings};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let tidings = Tidings::builder().start()?;
    tidings.publish("news", Message::text("started")).await?;
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:3000");
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!(
        "open http://{}/realtime/channels/news",
        listener.local_addr()?
    );
    loop {
        let (socket, _) = listener.accept().await?;
        let tidings = tidings.clone();
        let service = service_fn(move |request| answer(tidings.clone(), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        tokio::spawn(connection);
    }
}

async fn answer(
    tidings: Tidings,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    if request.uri().path().starts_with("/realtime/") {
        let answer = tidings.service().under("/realtime").answer(request).await?;
        return Ok(answer.map(BodyExt::boxed));
    }
    Ok(Response::new(
        Full::from("an application of its own\n").boxed(),
    ))
}

//! What the tests of reading share.

use conformance::http::{get, post};
use conformance::server::{Options, TestServer};
use serde_json::Value;
use tidings_core::History;

pub fn datas(answer: &Value) -> Vec<String> {
    let list = answer["messages"].as_array().expect("a list");
    list.iter()
        .map(|m| {
            m["data"]
                .as_str()
                .map_or_else(|| m["type"].to_string(), str::to_owned)
        })
        .collect()
}

pub async fn publish(
    server: &TestServer,
    channel: &str,
    texts: impl IntoIterator<Item = impl ToString>,
) -> Vec<String> {
    let mut positions = Vec::new();
    for text in texts {
        let receipt = post(
            server.addr,
            &format!("/channels?name={channel}"),
            &text.to_string(),
        )
        .await
        .json();
        positions.push(format!(
            "{}-{}",
            receipt["epoch"].as_str().expect("an epoch"),
            receipt["offset"]
        ));
    }
    positions
}

pub async fn short_history(count: usize) -> TestServer {
    let history = History {
        count,
        ..History::default()
    };
    TestServer::with(Options {
        history,
        ..Options::default()
    })
    .await
}

/// Waits until so many long polls wait.
pub async fn wait_for_readers(server: &TestServer, count: usize) {
    let line = format!("tidings_readers{{transport=\"long-poll\"}} {count}\n");
    while !get(server.addr, "/metrics").await.text().contains(&line) {
        tokio::task::yield_now().await;
    }
}

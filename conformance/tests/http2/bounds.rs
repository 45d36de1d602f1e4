//! What bounds a connection and its requests.

use bytes::Bytes;
use conformance::http::post;
use conformance::server::TestServer;
use h2::Reason;
use h2::client::Builder;
use http::{Method, Request};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, json, until};

/// The client opens its streams before it has read the settings that forbid them.
#[tokio::test]
async fn one_stream_too_many_is_refused_alone() {
    let server = TestServer::limited(|limits| limits.streams = 4).await;
    let mut builder = Builder::new();
    builder.initial_max_send_streams(100);
    let tcp = TcpStream::connect(server.addr).await.unwrap();
    let (mut send, connection) = builder.handshake::<_, Bytes>(tcp).await.unwrap();
    let uri = format!("http://{}/channels/a?transport=sse", server.addr);
    let asked: Vec<_> = (0..7)
        .map(|_| {
            let head = Request::get(&uri).body(()).unwrap();
            send.send_request(head, true).unwrap().0
        })
        .collect();
    let _driver = tokio::spawn(connection);
    let (mut open, mut refused) = (Vec::new(), 0);
    for response in asked {
        match timeout(PATIENCE, response).await.unwrap() {
            Ok(response) => open.push(response.into_body()),
            Err(error) => {
                assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM), "{error:?}");
                refused += 1;
            }
        }
    }
    assert_eq!((open.len(), refused), (4, 3));
    let receipt = post(server.addr, "/channels/a", "안녕").await.json();
    assert_eq!(receipt["subscribers"], 4);
    for receive in &mut open {
        let mut text = String::new();
        while !text.contains("안녕") {
            let data = timeout(PATIENCE, receive.data()).await.unwrap();
            text += std::str::from_utf8(&data.unwrap().unwrap()).unwrap();
        }
    }
    // There is room again once one has gone, on the same connection.
    drop(open.pop());
    until(&server, "tidings_readers{transport=\"sse\"} 3").await;
    let head = Request::get(&uri).body(()).unwrap();
    let mut send = send.ready().await.unwrap();
    let again = send.send_request(head, true).unwrap().0;
    assert_eq!(
        timeout(PATIENCE, again).await.unwrap().unwrap().status(),
        200
    );
}

#[tokio::test]
async fn too_many_header_fields() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let with = |count: usize| {
        let head = client.request(Method::GET, "/channels/a");
        (0..count).fold(head, |head, field| head.header(format!("x-{field}"), "1"))
    };
    assert_eq!(client.ask(with(100)).await.unwrap().status(), 200);
    let refused = client.ask(with(101)).await.unwrap();
    assert_eq!(refused.status(), 431);
    assert_eq!(json(refused).await["code"], "head_too_large");
    assert_eq!(client.get("/channels/a").await.status(), 200);
}

#[tokio::test]
async fn a_head_of_too_many_bytes() {
    let server = TestServer::start().await;
    let client = Client::connect(server.addr).await;
    let with = |bytes: usize| {
        let value = "x".repeat(bytes);
        client
            .request(Method::GET, "/channels/a")
            .header("x-long", value)
    };
    assert_eq!(client.ask(with(15 << 10)).await.unwrap().status(), 200);
    assert_eq!(client.ask(with(20 << 10)).await.unwrap().status(), 431);
    assert_eq!(client.get("/channels/a").await.status(), 200);
}

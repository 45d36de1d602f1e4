//! Floods: each ends its own connection and is counted, while a bystander's messages go through.

use conformance::http2::floods::{CALM, PROTOCOL, all};
use conformance::http2::{END_HEADERS, END_STREAM, Http2, field, frame, get, indexed_field, kind};
use conformance::server::TestServer;

use crate::support::{Bystander, metric, patiently, wait_for};

const FLOODS: &str = "tidings_http2_floods_total";
const ERRORS: &str = "tidings_http2_errors_total";

/// Every flood must be ended for what it is.
async fn judge(reads: bool) {
    let server = TestServer::start().await;
    let mut bystander = Bystander::new(&server).await;
    let mut wrong = Vec::new();
    for flood in all() {
        let counter = match flood.code {
            CALM => FLOODS,
            PROTOCOL => ERRORS,
            code => panic!("no counter of {code}"),
        };
        let before = metric(&server, counter).await;
        let code = bystander.lives_while(flood.run(server.addr, reads)).await;
        // The bystander and the one who asks.
        wait_for(&server, "tidings_connections", 2).await;
        wait_for(&server, "tidings_readers{transport=\"long-poll\"}", 0).await;
        let counted = metric(&server, counter).await - before;
        // Who does not read while it floods may miss the last word, as the reset overtakes it.
        let told = code == Some(flood.code) || (!reads && code.is_none());
        if !told || counted != 1 {
            wrong.push(format!(
                "{}: GOAWAY {code:?}, counted {counted}",
                flood.name
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    for counter in ["panics", "write_timeouts"] {
        assert_eq!(
            metric(&server, &format!("tidings_{counter}_total")).await,
            0
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_by_who_reads_the_answers() {
    judge(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_by_who_reads_nothing() {
    judge(false).await;
}

/// The status of a head of `references` to one field of almost 4 KiB, after which the connection must
/// go on, or an error for its end.
async fn bomb(server: &TestServer, references: usize) -> Result<u16, ()> {
    let mut http2 = Http2::connect(server.addr).await;
    let head: Vec<u8> = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/healthz"),
        (":authority", "localhost"),
    ]
    .iter()
    .flat_map(|(name, value)| field(name, value))
    .chain(indexed_field("a", &"b".repeat(4_000)))
    // The newest entry of the dynamic table (RFC 7541 section 2.3.3).
    .chain(std::iter::repeat_n(0x80 | 62, references))
    .collect();
    let flags = END_HEADERS | END_STREAM;
    http2.send(&frame(kind::HEADERS, flags, 1, &head)).await;
    match patiently(http2.answer(1)).await {
        Some((status, ..)) => {
            http2.send(&get(3, "/healthz")).await;
            let second = patiently(http2.answer(3)).await.expect("it goes on");
            assert_eq!(second.0, 200);
            Ok(status)
        }
        None => Err(()),
    }
}

#[tokio::test]
async fn a_head_that_unpacks_to_more_than_may_be() {
    let server = TestServer::start().await;
    // The name, the value and 32 bytes each (RFC 9113 section 6.5.2): up to 16 KiB, up to four
    // times that, and more.
    assert_eq!(bomb(&server, 2).await, Ok(200));
    assert_eq!(bomb(&server, 4).await, Ok(431));
    assert_eq!(bomb(&server, 14).await, Ok(431));
    assert_eq!(metric(&server, FLOODS).await, 0);
    for references in [16, 1_000, 12_000] {
        assert_eq!(bomb(&server, references).await, Err(()), "{references}");
    }
    assert_eq!(metric(&server, FLOODS).await, 3);
}

#[tokio::test]
async fn many_fields_are_refused_as_on_http_1() {
    let server = TestServer::start().await;
    for (count, status) in [(100, 200), (101, 431), (300, 431)] {
        let mut http2 = Http2::connect(server.addr).await;
        let more: Vec<String> = (0..count).map(|n| format!("x{n}")).collect();
        let mut fields = conformance::http2::request("GET", "/healthz").to_vec();
        fields.extend(more.iter().map(|name| (name.as_str(), "")));
        http2
            .send(&conformance::http2::headers(1, END_STREAM, &fields))
            .await;
        let answer = patiently(http2.answer(1)).await.expect("an answer");
        assert_eq!(answer.0, status, "{count}");
    }
}

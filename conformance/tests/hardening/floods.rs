//! WebSocket frames by the hundred thousand. What they cost is counted, and never by the clock:
//! bystanders' messages go through meanwhile, and what was sent is what is answered.

use conformance::deflate::deflate;
use conformance::http::Http;
use conformance::server::TestServer;
use conformance::ws::{HANDSHAKE, RSV1, Ws};
use serde_json::json;

use crate::support::{Bystander, frame, metric, patiently, stored, wait_for};

const CONTINUE: u8 = 0x00;
const END: u8 = 0x80;
const TEXT_BEGIN: u8 = 0x01;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// The close code at the end of a connection, and how many frames came before it.
async fn end(ws: &mut Ws) -> (u64, Option<u16>) {
    let mut count = 0;
    while let Some(frame) = patiently(ws.frame()).await {
        if frame.opcode == 8 {
            let code = frame.close_code();
            assert!(patiently(ws.frame()).await.is_none(), "nothing follows");
            return (count, code);
        }
        count += 1;
    }
    (count, None)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_empty_and_tiny_fragments_costs_what_its_bytes_cost() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::new(&server).await;
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    let text = format!(
        r#"{{"type":"publish","id":1,"channel":"x","data":"{}"}}"#,
        "나".repeat(20_000)
    );
    let mut sent = frame(TEXT_BEGIN, b"");
    for byte in text.as_bytes() {
        sent.extend(frame(CONTINUE, b""));
        sent.extend(frame(CONTINUE, &[*byte]));
        sent.extend(frame(CONTINUE, b""));
    }
    sent.extend(frame(END, b""));
    bystander.lives_while(ws.send_bytes(&sent)).await;
    let ack = patiently(ws.json()).await.unwrap();
    assert_eq!((&ack["type"], &ack["offset"]), (&json!("ack"), &json!(1)));
    let received = "tidings_received_bytes_total{transport=\"websocket\"}";
    assert_eq!(metric(&server, received).await, sent.len() as u64);
}

#[tokio::test]
async fn endless_continuation_ends_at_the_limit() {
    let server = TestServer::limited(|limits| limits.command_bytes = 10_000).await;
    for size in [1, 100, 10_001] {
        let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
        ws.json().await;
        ws.send_bytes(&frame(TEXT_BEGIN, b"")).await;
        let piece = vec![b'x'; size];
        // The byte that is too much is in none of them alone.
        let fragments = frame(CONTINUE, &piece).repeat(20_000 / size + 1);
        ws.send_bytes(&fragments).await;
        assert_eq!(end(&mut ws).await, (0, Some(1009)), "{size}");
    }
    assert_eq!(metric(&server, "tidings_frame_errors_total").await, 3);
}

#[tokio::test]
async fn a_size_is_refused_where_it_is_declared() {
    let server = TestServer::limited(|limits| limits.command_bytes = 10_000).await;
    let declared = |first: u8, length: u64| {
        let mut header = vec![first, 0xff];
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(&[0; 4]);
        header
    };
    // Not one byte of the payload is sent.
    for (header, code) in [
        (declared(0x82, (1 << 63) - 1), 1009),
        (declared(0x82, u64::from(u32::MAX) + 1), 1009),
        (declared(0x82, 65_536), 1009),
        (vec![0x82, 0xfe, 0x27, 0x11, 0, 0, 0, 0], 1009),
        (declared(0x82, 1 << 63), 1002),
        (declared(0x89, (1 << 63) - 1), 1002),
    ] {
        let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
        ws.json().await;
        ws.send_bytes(&header).await;
        assert_eq!(end(&mut ws).await, (0, Some(code)), "{header:02x?}");
    }
    // What fits to the byte is taken, and lives.
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    ws.send(1, &[b' '; 10_000]).await;
    assert_eq!(ws.json().await.unwrap()["code"], "invalid_command");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_and_pongs_beyond_the_allowance_end_the_connection() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::new(&server).await;
    let addr = server.addr;
    for (opcode, answered) in [(PING, 200), (PONG, 0)] {
        let flood = async move {
            let mut ws = Ws::connect(addr, "/channels").await.unwrap();
            ws.json().await;
            ws.send_bytes(&frame(opcode, b"p").repeat(10_000)).await;
            let mut pongs = 0;
            loop {
                let answer = ws.frame().await.unwrap();
                if answer.opcode != 10 {
                    assert_eq!(answer.json()["code"], "too_many_frames");
                    assert_eq!(ws.frame().await.unwrap().close_code(), Some(1008));
                    return pongs;
                }
                assert_eq!(answer.payload, b"p");
                pongs += 1;
            }
        };
        let pongs = bystander.lives_while(flood).await;
        // A few more than at once are earned while they are read.
        assert!((answered..answered + 50).contains(&pongs), "{pongs}");
    }
    let refused = metric(&server, "tidings_refusals_total{code=\"too_many_frames\"}").await;
    assert_eq!(refused, 2);
}

#[tokio::test]
async fn a_client_may_ping_now_and_then_for_ever() {
    let server = TestServer::start().await;
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    for _ in 0..200 {
        ws.send_bytes(&frame(PING, b"now")).await;
        let pong = ws.frame().await.unwrap();
        assert_eq!((pong.opcode, &pong.payload[..]), (10, &b"now"[..]));
    }
}

#[tokio::test]
async fn who_pings_and_reads_no_pongs_is_let_go() {
    let server = TestServer::start().await;
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    ws.send_bytes(&frame(PING, &[b'p'; 125]).repeat(1_000))
        .await;
    wait_for(&server, "tidings_readers{transport=\"websocket\"}", 0).await;
    drop(ws);
}

#[tokio::test]
async fn the_first_close_is_the_last_word() {
    let server = TestServer::start().await;
    let close = frame(CLOSE, &1000u16.to_be_bytes());
    let publish = frame(0x81, br#"{"type":"publish","channel":"x","data":1}"#);
    for flood in [
        close.repeat(100_000),
        [&close[..], &publish].concat(),
        // What is no frame at all is no error any more (RFC 6455 section 5.5.1).
        [&close[..], b"GET / HTTP/1.1\r\n\r\n"].concat(),
        [&close[..], &[0xff; 50_000]].concat(),
    ] {
        let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
        ws.json().await;
        ws.send_bytes(&flood).await;
        assert_eq!(end(&mut ws).await, (0, Some(1000)));
    }
    assert_eq!(metric(&server, "tidings_frame_errors_total").await, 0);
    assert_eq!(stored(&server, "x").await, 0);
    wait_for(&server, "tidings_connections", 1).await;
}

#[tokio::test]
async fn what_follows_a_broken_frame_is_not_read() {
    let server = TestServer::start().await;
    let publish = frame(0x81, br#"{"type":"publish","channel":"x","data":1}"#);
    for (broken, code) in [
        (&[0x81, 0x01, b'x'][..], 1002),
        (&[0x80, 0x80, 0, 0, 0, 0], 1002),
        (&[0x09, 0x80, 0, 0, 0, 0], 1002),
        (&[0x89, 0xfe, 0, 126, 0, 0, 0, 0], 1002),
        (&[0x88, 0x81, 0, 0, 0, 0, 3], 1002),
        (&[0x81, 0x82, 0, 0, 0, 0, 0xc0, 0x80], 1007),
    ] {
        let mut ws = Ws::connect(server.addr, "/channels/x").await.unwrap();
        ws.json().await;
        ws.send_bytes(&[broken, &publish.repeat(1_000)[..]].concat())
            .await;
        assert_eq!(end(&mut ws).await, (0, Some(code)), "{broken:02x?}");
    }
    assert_eq!(stored(&server, "x").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_without_end_wait_for_their_answers_to_be_read() {
    let server = TestServer::limited(|limits| {
        limits.write_time = std::time::Duration::from_millis(300);
    })
    .await;
    let mut bystander = Bystander::new(&server).await;
    let mut ws = Ws::connect(server.addr, "/channels").await.unwrap();
    ws.json().await;
    let wrong = frame(0x81, br#"{"type":"fly","id":1}"#).repeat(1_000);
    let flood = async {
        while server.app.stats().write_timeouts.get() == 0 {
            ws.send_bytes(&wrong).await;
        }
    };
    bystander.lives_while(flood).await;
    wait_for(&server, "tidings_readers{transport=\"websocket\"}", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_inflate_without_end_are_charged() {
    let server = TestServer::start().await;
    let mut bystander = Bystander::new(&server).await;
    let mut http = Http::connect(server.addr).await;
    let offer = format!("{HANDSHAKE}Sec-WebSocket-Extensions: permessage-deflate\r\n");
    http.request("GET", "/channels", &offer, b"").await;
    let mut ws = Ws::requested(http).await.unwrap();
    ws.json().await;
    // A quarter of a mebibyte of blanks, a hundredth of it on the way.
    let bomb = deflate(&vec![b' '; 256 << 10]);
    let bomb = frame(0x80 | RSV1 | 2, &bomb);
    assert!(bomb.len() < 4_000, "{}", bomb.len());
    ws.send_bytes(&bomb.repeat(100)).await;
    let mut answers = 0;
    loop {
        let answer = ws.frame().await.unwrap();
        if answer.json()["code"] == "too_many_frames" {
            break;
        }
        answers += 1;
    }
    // Four mebibytes at once, and what the time was worth.
    assert!((16..60).contains(&answers), "{answers}");
    assert_eq!(ws.frame().await.unwrap().close_code(), Some(1008));
    bystander.lives().await;
}

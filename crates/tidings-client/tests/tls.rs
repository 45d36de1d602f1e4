//! TLS against a terminator in front of the real server: every transport, and every certificate that must not be
//! accepted.

#[allow(dead_code, reason = "each test binary uses its part")]
mod support;

use std::time::Duration;

use conformance::{
    server::TestServer,
    tls::{Authority, Certified, Flaw, Terminator},
};
use support::{next, next_message, next_state, options, short, soon, to_the_end};
use tidings_client::{
    BadCertificate, Client, ClientBuilder, Error, Publish, Start, State, SubscribeOptions, Timings,
    Transport,
};
use tokio::net::TcpListener;

const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

/// A server behind TLS, and the authority of its certificate.
struct Secure {
    authority: Authority,
    server: TestServer,
    terminator: Terminator,
}

impl Secure {
    async fn start() -> Self {
        let authority = Authority::new("시험");
        let certified = authority.issue(&LOCAL);
        Self::with(authority, &certified).await
    }

    async fn with(authority: Authority, certified: &Certified) -> Self {
        let server = TestServer::start().await;
        let terminator = Terminator::start(server.addr, certified).await;
        Self {
            authority,
            server,
            terminator,
        }
    }

    fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.terminator.addr.port())
    }

    fn builder(&self) -> ClientBuilder {
        trusting(&self.url("https", "localhost"), &self.authority)
    }

    /// The error of a publish, which has to be the same one that ends a subscription, and to be told at once.
    async fn refused(&self, builder: ClientBuilder) -> Error {
        let client = builder.build().expect("a client");
        let before = self.terminator.accepted();
        let published = soon("an answer", client.publish("방", Publish::text("x"))).await;
        let error = published.expect_err("a refusal");
        assert!(!error.is_temporary(), "{error}");
        assert_eq!(self.terminator.accepted() - before, 1, "{error}");
        let mut subscription = client
            .subscribe(&["방"], options())
            .expect("a subscription");
        let (_, ended) = to_the_end(&mut subscription).await;
        assert_eq!(ended.expect("an error").to_string(), error.to_string());
        error
    }

    async fn bad_certificate(&self, builder: ClientBuilder) -> BadCertificate {
        let error = self.refused(builder).await;
        assert_eq!(
            self.terminator.accepted(),
            2,
            "it is not tried again: {error}"
        );
        match error {
            Error::Certificate(bad) => bad,
            other => panic!("{other:?}"),
        }
    }
}

fn trusting(url: &str, authority: &Authority) -> ClientBuilder {
    Client::builder(url)
        .timings(short())
        .authorities(authority.pem())
}

fn over(transport: Transport) -> SubscribeOptions {
    SubscribeOptions {
        transport,
        after: Start::Earliest,
        ..options()
    }
}

#[tokio::test]
async fn every_transport_and_publishing_by_tls() {
    let secure = Secure::start().await;
    for host in LOCAL {
        let client = trusting(&secure.url("https", host), &secure.authority)
            .build()
            .expect("a client");
        for transport in [
            Transport::WebSocket,
            Transport::Sse,
            Transport::LongPoll,
            Transport::Poll,
        ] {
            let channel = format!("{host}:{transport}");
            let mut subscription = client
                .subscribe(&[&channel], over(transport))
                .expect("a subscription");
            assert_eq!(
                next_state(&mut subscription).await,
                State::Connecting(transport)
            );
            assert_eq!(next_state(&mut subscription).await, State::Open(transport));
            let large = "가".repeat(20_000);
            for text in ["안녕 👋", &large] {
                let sent = client.publish(&channel, Publish::text(text));
                soon("a receipt", sent).await.expect("a receipt");
                let message = next_message(&mut subscription).await;
                assert!(message.raw.contains(text), "{transport}");
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_trusted_where_it_is_given() {
    let server = TestServer::start().await;
    let certified = Certified::self_signed(&LOCAL);
    let terminator = Terminator::start(server.addr, &certified).await;
    let url = format!("https://localhost:{}", terminator.addr.port());
    let client = Client::builder(&url).authorities(certified.chain).build();
    let client = client.expect("a client");
    let sent = client.publish("방", Publish::text("x"));
    soon("a receipt", sent).await.expect("a receipt");
}

#[tokio::test]
async fn a_certificate_of_nobody_that_is_known() {
    let secure = Secure::start().await;
    let stranger = Authority::new("시험");
    let builder = trusting(&secure.url("https", "localhost"), &stranger);
    assert_eq!(
        secure.bad_certificate(builder).await,
        BadCertificate::Untrusted
    );
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let authority = Authority::new("시험");
    let certified = authority.issue(&["rt.example.com", "192.0.2.7"]);
    let secure = Secure::with(authority, &certified).await;
    let bad = secure.bad_certificate(secure.builder()).await;
    assert_eq!(
        bad.to_string(),
        r#"the server's certificate is not for "localhost", but for rt.example.com or 192.0.2.7"#
    );
}

#[tokio::test]
async fn a_certificate_that_is_not_valid() {
    for (flaw, text) in [
        (Flaw::Expired, "has expired"),
        (Flaw::NotYetValid, "is not valid yet"),
        (Flaw::OfAnAuthority, "CA:FALSE"),
    ] {
        let authority = Authority::new("시험");
        let certified = authority.issue_wrong(&LOCAL, flaw);
        let secure = Secure::with(authority, &certified).await;
        let bad = secure.bad_certificate(secure.builder()).await;
        assert!(bad.to_string().contains(text), "{flaw:?}: {bad}");
    }
}

#[tokio::test]
async fn a_certificate_that_turns_bad_ends_a_subscription() {
    let secure = Secure::start().await;
    let client = secure.builder().build().expect("a client");
    let mut subscription = client
        .subscribe(&["방"], over(Transport::Sse))
        .expect("a subscription");
    while next_state(&mut subscription).await != State::Open(Transport::Sse) {}
    let address = secure.terminator.addr;
    let other = Authority::new("다른").issue(&LOCAL);
    drop(secure.terminator);
    let terminator = loop {
        // The port is free once the task of the first has ended.
        if let Ok(listener) = TcpListener::bind(address).await {
            drop(listener);
            break Terminator::start_at(address, secure.server.addr, &other).await;
        }
        tokio::task::yield_now().await;
    };
    let (_, error) = to_the_end(&mut subscription).await;
    assert!(
        matches!(error, Some(Error::Certificate(BadCertificate::Untrusted))),
        "{error:?}"
    );
    // Whether the server is well may have been asked before.
    assert!((1..=2).contains(&terminator.accepted()));
}

#[tokio::test]
async fn plain_http_to_a_port_for_tls() {
    let secure = Secure::start().await;
    let url = secure.url("http", "localhost");
    let once = Timings {
        max_attempts: Some(1),
        ..short()
    };
    let error = secure.refused(Client::builder(&url).timings(once)).await;
    assert!(matches!(error, Error::Foreign(_)), "{error:?}");
    assert!(error.to_string().contains("write https://"), "{error}");
}

#[tokio::test]
async fn tls_to_a_port_for_plain_http() {
    let secure = Secure::start().await;
    let url = format!("https://localhost:{}", secure.server.addr.port());
    let client = trusting(&url, &secure.authority).build().expect("a client");
    let mut subscription = client
        .subscribe(&["방"], options())
        .expect("a subscription");
    let (_, error) = to_the_end(&mut subscription).await;
    let error = error.expect("an error");
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    assert!(error.to_string().contains("write http://"), "{error}");
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_late_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let timings = Timings {
        connect: Duration::from_millis(100),
        ..short()
    };
    let client = trusting(&url, &Authority::new("시험"))
        .timings(timings)
        .build()
        .expect("a client");
    let mut subscription = client
        .subscribe(&["방"], over(Transport::Sse))
        .expect("a subscription");
    let mut silent = Vec::new();
    for _ in 0..2 {
        let accepted = soon("a connection", listener.accept()).await;
        silent.push(accepted.expect("a connection"));
        let waiting = loop {
            if let State::Waiting { reason, .. } = next_state(&mut subscription).await {
                break reason;
            }
        };
        assert_eq!(waiting, "server unreachable: no TLS handshake within 100ms");
    }
}

#[tokio::test]
async fn a_handshake_that_is_cut_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let client = trusting(&url, &Authority::new("시험"))
        .build()
        .expect("a client");
    let mut subscription = client
        .subscribe(&["방"], over(Transport::Sse))
        .expect("a subscription");
    for _ in 0..2 {
        drop(soon("a connection", listener.accept()).await);
        while !matches!(next_state(&mut subscription).await, State::Waiting { reason, .. }
            if reason.contains("the TLS handshake was not finished"))
        {}
    }
    drop(listener);
    assert!(
        next(&mut subscription)
            .await
            .is_some_and(|event| event.is_ok())
    );
}

#[test]
fn authorities_that_cannot_be_used() {
    let good = Authority::new("시험").pem();
    let cut = good.replace("-----END CERTIFICATE-----", "");
    let broken = "-----BEGIN CERTIFICATE-----\nTm90IG9uZQ==\n-----END CERTIFICATE-----\n";
    let second = format!("{good}{broken}");
    for (pem, text) in [
        ("", "no PEM certificate"),
        ("쓰레기", "no PEM certificate"),
        ("0\u{3}\u{1}", "binary"),
        (&cut, "no end"),
        (broken, "certificate 1 cannot be read"),
        (&second, "certificate 2 cannot be read"),
    ] {
        for url in ["https://localhost", "http://localhost"] {
            let built = Client::builder(url).authorities(pem).build();
            let error = built.expect_err("nobody to trust");
            assert!(matches!(error, Error::Authorities(_)), "{error:?}");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}

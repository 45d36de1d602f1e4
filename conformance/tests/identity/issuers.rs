//! Keys of an issuer that are fetched from it.

use std::time::{Duration, Instant};

use conformance::server::{Options, TestServer};
use serde_json::{Value, json};
use tidings_auth::{Issuer, KeySource, Verifier};

use crate::support::{Application, Signer, bearer, get, issuer, options, with_tokens};

/// Longer than the server waits between two fetches for unknown keys.
const COOL_DOWN: Duration = Duration::from_secs(60);

fn set(signers: &[&Signer]) -> Value {
    let keys: Vec<&Value> = signers.iter().map(|signer| &signer.jwk).collect();
    json!({"keys": keys})
}

async fn fetching(application: &Application) -> TestServer {
    let remote = Issuer {
        keys: KeySource::Remote {
            url: application.url.clone(),
            algorithm: None,
        },
        ..issuer()
    };
    let verifier = Verifier::new(vec![remote]).expect("one issuer");
    TestServer::with(Options {
        auth: with_tokens(verifier),
        ..options()
    })
    .await
}

async fn status(server: &TestServer, signer: &Signer) -> u16 {
    let token = signer.token(json!({"sub": "alice", "channels": {"subscribe": ["room:*"]}}));
    get(server.addr, "/channels/room:1", &bearer(&token))
        .await
        .status
}

/// Shows tokens of an unknown key until the issuer is asked once more.
async fn until_asked(server: &TestServer, application: &Application, signer: &Signer) {
    let (began, before) = (Instant::now(), application.asked());
    while application.asked() == before {
        assert!(began.elapsed() < COOL_DOWN, "it is asked");
        status(server, signer).await;
    }
}

#[tokio::test]
async fn a_key_that_is_not_known_is_fetched_once() {
    let (first, second) = (Signer::ed25519("first"), Signer::ed25519("second"));
    let application = Application::start(200, set(&[&first])).await;
    let server = fetching(&application).await;
    assert_eq!(status(&server, &first).await, 200);
    application.answers(200, set(&[&first, &second]));
    until_asked(&server, &application, &second).await;
    assert_eq!(status(&server, &second).await, 200);
    assert_eq!(status(&server, &first).await, 200);
    let stranger = Signer::ed25519("stranger");
    for _ in 0..3 {
        assert_eq!(status(&server, &stranger).await, 401);
    }
    assert_eq!(
        application.asked(),
        2,
        "guesses do not make it be asked again at once"
    );
}

#[tokio::test]
async fn the_last_good_keys_stay_while_the_issuer_is_down() {
    let signer = Signer::ed25519("first");
    let application = Application::start(200, set(&[&signer])).await;
    let server = fetching(&application).await;
    assert_eq!(status(&server, &signer).await, 200);
    application.answers(500, "down");
    until_asked(&server, &application, &Signer::ed25519("stranger")).await;
    assert_eq!(status(&server, &signer).await, 200);
    application.answers(200, "{\"keys\":[]}");
    assert_eq!(status(&server, &signer).await, 200);
}

#[tokio::test]
async fn an_issuer_that_was_down_at_the_start_is_asked_again() {
    let signer = Signer::ed25519("first");
    let application = Application::start(500, "down").await;
    let server = fetching(&application).await;
    assert_eq!(status(&server, &signer).await, 401);
    application.answers(200, set(&[&signer]));
    let began = Instant::now();
    while status(&server, &signer).await != 200 {
        assert!(began.elapsed() < COOL_DOWN, "its keys are fetched");
    }
}

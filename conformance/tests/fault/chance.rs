//! The same seed, the same decisions; another one, others.

use conformance::fault::{Action, Fault, FaultProxy, Kind};
use conformance::http::Http;
use conformance::server::TestServer;

use crate::support::patiently;

/// Which of these polls were refused.
async fn fates(server: &TestServer, seed: u64) -> Vec<bool> {
    let proxy = FaultProxy::start(server.addr, seed)
        .await
        .expect("a free port");
    proxy.set(vec![
        Fault::new(Action::Refuse)
            .on(&[Kind::Poll])
            .probability(0.5),
    ]);
    let mut fates = Vec::new();
    for _ in 0..40 {
        let mut http = Http::connect(proxy.addr).await;
        http.request("GET", "/channels/x", "", b"").await;
        fates.push(patiently(http.try_answer()).await.is_none());
    }
    let log = proxy.log();
    let logged: Vec<_> = log.iter().map(|entry| entry.fault.is_some()).collect();
    assert_eq!(fates, logged);
    fates
}

#[tokio::test]
async fn decisions_come_from_the_seed() {
    let server = TestServer::start().await;
    let first = fates(&server, 7).await;
    assert!(first.contains(&true) && first.contains(&false));
    assert_eq!(first, fates(&server, 7).await);
    assert_ne!(first, fates(&server, 8).await);
}

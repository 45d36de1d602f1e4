//! Other rules and keys while streams are open.

use serde_json::json;
use tidings_auth::{Issuer, KeySource, VerificationKey, Verifier};
use tidings_core::{May, Rules};
use tidings_server::Policy;

use crate::support::{
    Kind, Reader, SIGNERS, Signer, access, auth, bearer, get, issuer, publish, refused_ws, rules,
    session, start, token, with_session, with_tokens,
};

fn policy() -> Policy {
    Policy {
        access: access(),
        auth: auth(),
        admin_elsewhere: false,
    }
}

#[tokio::test]
async fn other_rules_end_what_may_no_longer_be_read_and_drop_nothing() {
    let server = start().await;
    let target = "/channels?name=open:1&name=live:1";
    let mut readers = Vec::new();
    for kind in Kind::ALL {
        readers.push(Reader::open(kind, &server, target, "").await);
    }
    let mut closed = rules();
    let base: &Rules = closed.default();
    let base = Rules {
        may: May::BY_TOKEN,
        ..base.clone()
    };
    closed.set("open", base);
    server.app.reload(policy(), closed);
    for reader in &mut readers {
        let told = reader.told().await;
        let what = format!("{:?}: {told}", reader.kind);
        assert_eq!(told["type"], "unsubscribed", "{what}");
        assert_eq!(told["channel"], "open:1", "{what}");
        assert_eq!(told["reason"], "unauthorized", "{what}");
    }
    assert_eq!(get(server.addr, "/channels/open:1", "").await.status, 401);
    server.app.reload(policy(), rules());
    assert_eq!(get(server.addr, "/channels/open:1", "").await.status, 200);
}

#[tokio::test]
async fn nothing_is_dropped_while_rules_change() {
    const MESSAGES: u64 = 60;
    let server = start().await;
    let mut readers = Vec::new();
    for kind in [Kind::WebSocket, Kind::Sse] {
        readers.push(Reader::open(kind, &server, "/channels?name=live:1", "").await);
    }
    for data in 0..MESSAGES {
        if data % 3 == 0 {
            server.app.reload(policy(), rules());
        }
        publish(&server, "live:1", json!(data)).await;
    }
    for reader in &mut readers {
        for data in 0..MESSAGES {
            assert_eq!(reader.told().await["data"], data, "{:?}", reader.kind);
        }
    }
}

#[tokio::test]
async fn keys_are_rotated() {
    let server = start().await;
    let claims = json!({"sub": "alice", "channels": {"subscribe": ["room:*"]}});
    let before = token(claims.clone());
    let told = session(&server, &before).await;
    let text = told["session"].as_str().expect("a session");
    let target = "/channels?name=room:1";
    let mut open = Reader::open(Kind::Sse, &server, target, &with_session(&before, text)).await;
    let newer = Signer::ed25519("newer");
    let mut keys = vec![newer.verifying.clone()];
    let rotated = |keys: &[VerificationKey]| {
        let keys = KeySource::Static(keys.to_vec());
        let verifier = Verifier::new(vec![Issuer { keys, ..issuer() }]).expect("one issuer");
        Policy {
            auth: with_tokens(verifier),
            ..policy()
        }
    };
    // Both for a while …
    keys.push(SIGNERS[0].verifying.clone());
    server.app.reload(rotated(&keys), rules());
    let after = newer.token(claims);
    for token in [&before, &after] {
        assert_eq!(get(server.addr, target, &bearer(token)).await.status, 200);
    }
    // … then the newer one alone.
    keys.pop();
    server.app.reload(rotated(&keys), rules());
    assert_eq!(get(server.addr, target, &bearer(&before)).await.status, 401);
    let refused = refused_ws(server.addr, target, &bearer(&before)).await;
    assert_eq!(refused, (json!("unauthorized"), Some(4021)));
    let own = with_session(&after, text);
    let again = Reader::open(Kind::Sse, &server, target, &own).await;
    assert_eq!(
        again.hello["client"], told["client"],
        "sessions are no tokens"
    );
    publish(&server, "room:1", json!(1)).await;
    assert_eq!(
        open.told().await["data"],
        1,
        "what was let in stays until its token ends"
    );
}

//! What every request passes, names, sizes, and a broker that takes no more.

use crate::keyed::{bearer, credentials, key, keyed, revoke};
use crate::operations::{OPERATIONS, Operation, ask, ask_as};
use crate::table::Table;

#[tokio::test]
async fn what_every_request_passes() {
    let (table, who) = (Table::read(), credentials());
    let server = keyed(|_| {}).await;
    let full = keyed(|limits| limits.connections = 0).await;
    let stopped = keyed(|_| {}).await;
    stopped.app.stop();
    revoke(&server, "mallory").await;
    let mut held = 0;
    for operation in OPERATIONS {
        let name = operation.name;
        let alice = bearer(&who.alice);
        if table.answer(name, "host").is_some() {
            let got = ask_as(&server, operation, "evil.example", &alice).await;
            held += refused_by_status(&table, operation, "host", &got);
        }
        let foreign = format!("Origin: https://evil.example\r\n{alice}");
        let got = ask(&server, operation, &foreign).await;
        match table.answer(name, "origin") {
            Some(_) => held += refused_by_status(&table, operation, "origin", &got),
            None => assert_eq!(got, "200", "{name}"),
        }
        if table.answer(name, "method").is_some() {
            let put = Operation {
                method: "PUT",
                ..*operation
            };
            held += table.holds(name, "method", &ask(&server, &put, &alice).await);
        }
        if let Some(room) = table.answer(name, "room") {
            let server = match room.ends_with("stopping") {
                true => &stopped,
                false => &full,
            };
            held += table.holds(name, "room", &ask(server, operation, &alice).await);
        }
        for (check, token) in [
            ("credentials", "nonsense"),
            ("revocation", &who.mallory),
            ("right", &who.other),
        ] {
            if table.answer(name, check).is_some() {
                let got = ask(&server, operation, &bearer(token)).await;
                held += table.holds(name, check, &got);
            }
        }
    }
    assert!(held > 100, "only {held} answers were looked at");
}

/// Of a handshake, no page sees more than that it failed.
fn refused_by_status(table: &Table, operation: &Operation, check: &str, got: &str) -> usize {
    let named = table.answer(operation.name, check).expect("an answer");
    match got.strip_suffix(" in the handshake") {
        Some(status) => assert!(named.starts_with(&format!("{status} ")), "{check}: {got}"),
        None => assert_eq!(named, got, "{} × {check}", operation.name),
    }
    1
}

#[tokio::test]
async fn names() {
    let (table, who) = (Table::read(), credentials());
    let server = keyed(|_| {}).await;
    let mut held = 0;
    for operation in OPERATIONS {
        if table.answer(operation.name, "name").is_some() {
            let (target, body) = (
                operation.target.replace("room:1", "%20"),
                operation.body.replace("room:1", " "),
            );
            let named = Operation {
                target: target.leak(),
                body: body.leak(),
                ..*operation
            };
            let got = ask(&server, &named, &bearer(&who.alice)).await;
            held += table.holds(operation.name, "name", &got);
        }
    }
    assert_eq!(held, 8);
}

#[tokio::test]
async fn sizes() {
    let (table, who) = (Table::read(), credentials());
    let server = keyed(|limits| {
        limits.channels_per_connection = 1;
        limits.body_bytes = 64;
        limits.message_bytes = 32;
    })
    .await;
    let long = format!("\"{}\"", "x".repeat(100)).leak();
    let mut held = 0;
    for operation in OPERATIONS {
        let Some(answer) = table.answer(operation.name, "size") else {
            continue;
        };
        let too_much = match answer.ends_with("too_many_channels") {
            true => Operation {
                target: "/channels?name=room:1&name=room:2",
                ..*operation
            },
            false => Operation {
                body: long,
                ..*operation
            },
        };
        let token = match operation.target.starts_with("/admin") {
            true => key("ops", true).0,
            false => who.alice.clone(),
        };
        let got = ask(&server, &too_much, &bearer(&token)).await;
        held += table.holds(operation.name, "size", &got);
    }
    assert_eq!(held, 9);
}

#[tokio::test]
async fn a_broker_without_room() {
    let (table, who) = (Table::read(), credentials());
    let server = keyed(|limits| {
        limits.channels = 0;
        limits.tickets = 0;
        limits.revocations = 0;
    })
    .await;
    let mut held = 0;
    for operation in OPERATIONS {
        let named = table.answer(operation.name, "broker");
        if named.is_some_and(|named| named.ends_with("server_full")) {
            let token = match operation.target.starts_with("/admin") {
                true => key("ops", true).0,
                false => who.alice.clone(),
            };
            let got = ask(&server, operation, &bearer(&token)).await;
            held += table.holds(operation.name, "broker", &got);
        }
    }
    assert!(held >= 5, "{held}");
}

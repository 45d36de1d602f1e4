//! The document itself: its codes, paths, methods and parameters are the server's.

use std::collections::BTreeSet;

use conformance::http::fetch;
use conformance::server::TestServer;
use serde_json::Value;
use tidings_protocol::Code;

use crate::answers::sample;
use crate::contract::{Contract, METHODS};

#[test]
fn its_codes_are_the_table() {
    let contract = Contract::new();
    let code = &contract.document["components"]["schemas"]["Code"];
    let listed: Vec<&str> = code["enum"].as_array().unwrap().iter().map(text).collect();
    let table: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(listed, table);
    for row in Code::ALL {
        let meaning = &code["x-meaning"][row.as_str()];
        assert_eq!(meaning["status"], row.status(), "{row:?}");
        assert_eq!(meaning["close"], row.close_code(), "{row:?}");
        assert_eq!(meaning["temporary"], row.temporary(), "{row:?}");
        assert_eq!(meaning["meaning"], row.summary(), "{row:?}");
    }
}

#[test]
fn a_refusal_has_the_status_of_its_code() {
    let contract = Contract::new();
    let mut refusals = 0;
    for (path, method) in contract.operations() {
        for (status, response) in contract.responses(&path, &method) {
            let schema = &response["content"]["application/problem+json"]["schema"]["properties"];
            assert_eq!(
                status >= 400,
                schema.is_object(),
                "{method} {path} {status}"
            );
            for code in schema["code"]["enum"].as_array().into_iter().flatten() {
                let row = Code::ALL.iter().find(|row| row.as_str() == text(code));
                assert_eq!(row.unwrap().status(), status, "{method} {path} {code}");
                refusals += 1;
            }
        }
    }
    assert!(refusals > 0);
}

#[test]
fn its_paths_and_methods_are_the_servers() {
    let documented: BTreeSet<(String, String)> = Contract::new().operations().into_iter().collect();
    let methods = |(path, methods): (&str, &'static str)| {
        let path = path.to_owned();
        methods
            .split(", ")
            .map(move |method| (path.clone(), method.to_lowercase()))
    };
    let served: BTreeSet<_> = tidings_server::routes().flat_map(methods).collect();
    assert_eq!(documented, served);
}

#[tokio::test]
async fn other_methods_are_refused_and_all_of_its_own_are_answered() {
    let (contract, server) = (Contract::new(), TestServer::start().await);
    for (path, _) in tidings_server::routes() {
        for method in METHODS {
            let documented = contract.operation(path, method).is_object();
            let (target, body) = sample(path, method);
            let answer = fetch(server.addr, &method.to_uppercase(), &target, "", body).await;
            assert_eq!(answer.status == 405, !documented, "{method} {target}");
            assert_ne!(answer.status, 404, "{method} {target}");
        }
    }
}

/// What the server knows it says itself, when it is asked for what it does not know.
#[tokio::test]
async fn its_parameters_are_the_servers() {
    let (contract, server) = (Contract::new(), TestServer::start().await);
    for (path, method) in contract.operations() {
        if matches!(method.as_str(), "head" | "options") {
            continue;
        }
        let mut documented = contract.parameters(&path, &method, "query");
        let (target, body) = sample(&path, &method);
        let unknown = format!(
            "{target}{}unheard_of=1",
            if target.contains('?') { '&' } else { '?' }
        );
        let answer = fetch(server.addr, &method.to_uppercase(), &unknown, "", body).await;
        // A channel named by `name` is taken out before the others are looked at.
        let by_name = documented.remove("name");
        let plain = matches!(path.as_str(), "/channels" | "/presence");
        assert_eq!(by_name, plain, "{method} {path}");
        if answer.status == 200 {
            assert!(
                documented.is_empty(),
                "{method} {path} looks at no parameter"
            );
            continue;
        }
        let problem = answer.json();
        assert_eq!(
            problem["code"], "unknown_parameter",
            "{method} {path}: {problem}"
        );
        let (_, known) = text(&problem["detail"]).split_once("known here: ").unwrap();
        let known = known
            .split(", ")
            .filter(|name| !name.is_empty() && *name != "name");
        assert_eq!(
            documented,
            known.map(str::to_owned).collect(),
            "{method} {path}"
        );
    }
}

/// HEAD takes what GET takes.
#[test]
fn heads_are_those_of_their_gets() {
    let contract = Contract::new();
    for (path, _) in contract
        .operations()
        .iter()
        .filter(|(_, method)| method == "head")
    {
        for kind in ["query", "header"] {
            let of = |method| contract.parameters(path, method, kind);
            assert_eq!(of("get"), of("head"), "{path}");
        }
    }
}

/// What pages may send is documented as a parameter, as a credential, or by OpenAPI itself.
#[tokio::test]
async fn headers_of_pages_are_documented() {
    let (contract, server) = (Contract::new(), TestServer::start().await);
    let origin = "Origin: http://localhost:1\r\n";
    let answer = fetch(server.addr, "OPTIONS", "/read", origin, b"").await;
    let mut known: BTreeSet<String> = ["Authorization", "Content-Type"].map(Into::into).into();
    for (path, method) in contract.operations() {
        known.extend(contract.parameters(&path, &method, "header"));
    }
    let schemes = contract.document["components"]["securitySchemes"]
        .as_object()
        .unwrap();
    let of_header = schemes.values().filter(|scheme| scheme["in"] == "header");
    known.extend(of_header.map(|scheme| text(&scheme["name"]).to_owned()));
    for header in answer
        .header("access-control-allow-headers")
        .unwrap()
        .split(", ")
    {
        assert!(known.contains(header), "{header} is not documented");
    }
}

#[tokio::test]
async fn every_listener_serves_it() {
    let server = TestServer::start().await;
    let admin = tidings_server::Kind::Admin { tls: None };
    let admin = server
        .beside(tidings_server::TrustedProxies::default(), vec![admin])
        .await[0];
    for addr in [server.addr, admin, conformance::keyed::start().await.addr] {
        let answer = conformance::http::get(addr, "/openapi.json").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.text(), tidings_server::OPENAPI);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

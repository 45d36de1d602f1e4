//! `tidings token` and `tidings key`: what they print is what a server takes.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tidings_auth::{
    ApiKey, ApiKeys, Issuer, KeySource, KeyText, TokenError, VerificationKey, Verifier, parse_hash,
};
use tidings_core::Grants;

const SECRET: &str = "correct horse battery staple, and more of it";

/// Runs the command with this on its standard input.
fn tidings(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidings"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that wants no input may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What it printed, if it went well.
fn printed(args: &[&str], input: &str) -> String {
    let output = tidings(args, input);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it complained of, with its exit code.
fn refused(args: &[&str], input: &str) -> (Option<i32>, String) {
    let output = tidings(args, input);
    assert!(output.stdout.is_empty(), "{args:?}");
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn verifier(key: VerificationKey) -> Verifier {
    let issuer = Issuer {
        name: "main".into(),
        issuer: Some("app".into()),
        audience: Some("rt".into()),
        keys: KeySource::Static(vec![key]),
    };
    Verifier::new(vec![issuer]).unwrap()
}

#[test]
fn a_token_is_taken_by_a_server() {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let args = [
        "token",
        "new",
        "--secret-file",
        "-",
        "--user",
        "alice",
        "--expires",
        "10m",
        "--subscribe",
        "room:*",
        "--subscribe",
        "news",
        "--info",
        r#"{"name":"앨리스"}"#,
        "--issuer",
        "app",
        "--audience",
        "rt",
    ];
    let token = printed(&args, &format!("{SECRET}\n"));
    let verifier = verifier(VerificationKey::from_secret(SECRET.as_bytes()).unwrap());
    let claims = verifier.verify(token.trim_end(), now).unwrap();
    assert_eq!(claims.user.as_deref(), Some("alice"));
    assert_eq!(
        claims.grants.subscribe.iter().collect::<Vec<_>>(),
        ["room:*", "news"]
    );
    assert_eq!(claims.info.as_deref(), Some(r#"{"name":"앨리스"}"#));
    let left = claims.expires.unwrap() - now;
    assert!((540..=660).contains(&left), "{left}");
    assert_eq!(
        verifier.verify(token.trim_end(), now + 700),
        Err(TokenError::Expired)
    );

    let explained: Value = serde_json::from_str(&printed(&["token", "explain"], &token)).unwrap();
    assert_eq!(explained["header"], json!({ "alg": "HS256", "typ": "JWT" }));
    assert_eq!(explained["claims"]["sub"], "alice");
    let signature = token.trim_end().rsplit('.').next().unwrap();
    assert!(!explained.to_string().contains(signature));
}

#[test]
fn every_kind_of_key_signs() {
    for (kind, options, algorithm) in [
        ("RSA", vec!["-pkeyopt", "rsa_keygen_bits:2048"], "RS256"),
        ("EC", vec!["-pkeyopt", "ec_paramgen_curve:P-256"], "ES256"),
        ("ED25519", vec![], "EdDSA"),
    ] {
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", kind])
            .args(options)
            .output()
            .expect("openssl is there");
        let private = String::from_utf8(made.stdout).unwrap();
        let token = printed(
            &["token", "new", "--key-file", "-", "--kid", "k", "--json"],
            &private,
        );
        let printed_token: Value = serde_json::from_str(&token).unwrap();
        let token = printed_token["token"].as_str().unwrap();
        let explained: Value =
            serde_json::from_str(&printed(&["token", "explain", token], "")).unwrap();
        let header = json!({ "alg": algorithm, "kid": "k", "typ": "JWT" });
        assert_eq!(explained["header"], header);
        assert_eq!(explained["claims"], printed_token["claims"]);
    }
}

#[test]
fn what_no_server_would_take_is_not_signed() {
    let with = |more: &[&str]| {
        let args = [&["token", "new", "--secret-file", "-"], more].concat();
        refused(&args, SECRET)
    };
    for (more, code, said) in [
        (&["--subscribe", "a b"][..], 1, "white space"),
        (&["--user", ""], 1, "`sub`"),
        (&["--expires", "0s"], 1, "--expires"),
        (&["--expires", "soon"], 2, "--expires"),
        (&["--info", "{"], 2, "no JSON"),
        (&["--key-file", "x"], 2, "cannot be used with"),
    ] {
        let (status, complaint) = with(more);
        assert_eq!(status, Some(code), "{more:?}: {complaint}");
        assert!(complaint.contains(said), "{more:?}: {complaint}");
        assert!(!complaint.contains(SECRET));
    }
    let (_, complaint) = refused(&["token", "new", "--secret-file", "-"], "short");
    assert!(
        complaint.contains("32 bytes") && complaint.contains("openssl rand"),
        "{complaint}"
    );
    let (_, complaint) = refused(&["token", "new", "--key-file", "-"], SECRET);
    assert!(complaint.contains("BEGIN PRIVATE KEY"), "{complaint}");
    let (_, complaint) = refused(&["token", "new", "--key-file", "/no/such"], "");
    assert!(complaint.contains("/no/such cannot be read"), "{complaint}");
    let (code, complaint) = refused(&["token", "explain"], "nonsense.canary");
    assert_eq!(code, Some(1));
    assert!(
        complaint.contains("three parts") && !complaint.contains("canary"),
        "{complaint}"
    );
}

#[test]
fn a_key_and_what_the_configuration_needs() {
    let args = [
        "key",
        "new",
        "app",
        "--publish",
        "news:*",
        "--publish",
        "\"q\"",
        "--admin",
    ];
    let output = tidings(&args, "");
    let key = String::from_utf8(output.stdout).unwrap();
    let key = key.trim_end();
    let config: toml::Table = String::from_utf8(output.stderr).unwrap().parse().unwrap();
    let entry = config["keys"]["app"].as_table().unwrap();
    let publish = entry["publish"].as_array().unwrap();
    assert_eq!(
        publish
            .iter()
            .map(|it| it.as_str().unwrap())
            .collect::<Vec<_>>(),
        ["news:*", "\"q\""]
    );
    assert_eq!(entry["admin"].as_bool(), Some(true));
    assert!(!entry.contains_key("subscribe"));
    let hash = entry["hash"].as_str().unwrap();
    assert_eq!(
        printed(&["key", "hash"], &format!("{key}\n")).trim_end(),
        hash
    );
    assert_eq!(KeyText::name_in(key), Some("app"));
    let known = ApiKey {
        name: "app".into(),
        hash: parse_hash(hash).unwrap(),
        grants: Grants::default(),
        admin: true,
    };
    assert!(ApiKeys::new(vec![known]).unwrap().check(key).is_some());

    let json: Value = serde_json::from_str(&printed(&["key", "new", "app", "--json"], "")).unwrap();
    assert_ne!(json["key"], key, "every key is another");
    assert!(
        json["config"]
            .as_str()
            .unwrap()
            .contains(json["hash"].as_str().unwrap())
    );
    for (args, input, said) in [
        (&["key", "new", "a b"][..], "", "letters, digits"),
        (&["key", "new", "a", "--presence", ""], "", "--presence"),
        (&["key", "hash"], "canary", "form of a key"),
    ] {
        let (code, complaint) = refused(args, input);
        assert!(code == Some(1) && complaint.contains(said), "{complaint}");
        assert!(!complaint.contains("canary"));
    }
}

//! The opening handshake: what is accepted, and what each refusal answers.

use tidings_protocol::websocket::{
    Handshake, HandshakeError, SUBPROTOCOL, accept, requests_upgrade,
};

type Line = (&'static str, &'static str);

const KEY: Line = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
const GOOD: [Line; 4] = [
    ("Host", "example.org"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
];

fn judge(method: &str, version: (u8, u8), lines: &[Line]) -> Result<Handshake, HandshakeError> {
    let values = |name: &'static str| {
        lines
            .iter()
            .filter(move |line| line.0.eq_ignore_ascii_case(name))
            .map(|line| line.1.as_bytes())
    };
    accept(method, version, values, true)
}

/// A good request without the header `name`, with `lines` instead.
fn replaced(name: &str, lines: &[Line]) -> Result<Handshake, HandshakeError> {
    let kept = GOOD.into_iter().chain([KEY]).filter(|line| line.0 != name);
    judge(
        "GET",
        (1, 1),
        &kept.chain(lines.iter().copied()).collect::<Vec<_>>(),
    )
}

#[test]
fn the_example_of_the_rfc() {
    let expected = Handshake {
        accept: Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".into()),
        deflate: None,
        extensions: None,
        subprotocol: None,
    };
    assert_eq!(replaced("", &[]), Ok(expected));
}

#[test]
fn lists_and_letter_case_of_connection_and_upgrade() {
    for value in [
        "upgrade",
        "UPGRADE",
        "keep-alive, Upgrade",
        "Upgrade,keep-alive",
        "a ,\tuPgrade\t, b",
        ",,upgrade",
    ] {
        assert!(
            replaced("Connection", &[("connection", value)]).is_ok(),
            "{value}"
        );
    }
    assert!(
        replaced(
            "Connection",
            &[("Connection", "keep-alive"), ("Connection", "Upgrade")]
        )
        .is_ok()
    );
    for lines in [
        &[][..],
        &[("Connection", "")],
        &[("Connection", "keep-alive")],
        &[("Connection", "upgraded, up grade")],
    ] {
        assert_eq!(
            replaced("Connection", lines),
            Err(HandshakeError::ConnectionNotUpgrade),
            "{lines:?}"
        );
    }
    for value in ["WebSocket", "h2c, websocket"] {
        assert!(
            replaced("Upgrade", &[("Upgrade", value)]).is_ok(),
            "{value}"
        );
    }
    for lines in [
        &[][..],
        &[("Upgrade", "h2c")],
        &[("Upgrade", "websocket/13")],
    ] {
        assert_eq!(
            replaced("Upgrade", lines),
            Err(HandshakeError::UpgradeNotWebsocket),
            "{lines:?}"
        );
    }
}

#[test]
fn only_get_from_http_1_1_on() {
    let lines = [&GOOD[..], &[KEY]].concat();
    for method in ["POST", "HEAD", "get", "CONNECT", ""] {
        assert_eq!(
            judge(method, (1, 1), &lines),
            Err(HandshakeError::MethodNotGet),
            "{method}"
        );
    }
    for version in [(0, 9), (1, 0)] {
        assert_eq!(
            judge("GET", version, &lines),
            Err(HandshakeError::HttpTooOld)
        );
    }
}

#[test]
fn only_version_13() {
    let name = "Sec-WebSocket-Version";
    for lines in [
        &[][..],
        &[(name, "8")],
        &[(name, "013")],
        &[(name, "13, 8")],
        &[(name, "")],
        &[(name, "13"), (name, "13")],
    ] {
        let error = replaced(name, lines).expect_err("refused");
        assert_eq!(error, HandshakeError::VersionUnsupported, "{lines:?}");
        assert_eq!(error.status(), 426);
        assert!(error.headers().contains(&("sec-websocket-version", "13")));
    }
    assert!(replaced(name, &[(name, " 13\t")]).is_ok());
    let bad_version_and_no_key = judge("GET", (1, 1), &[GOOD[1], GOOD[2], (name, "7")]);
    assert_eq!(
        bad_version_and_no_key,
        Err(HandshakeError::VersionUnsupported),
        "the version comes first"
    );
}

#[test]
fn exactly_one_key_of_16_bytes() {
    let name = KEY.0;
    for lines in [
        &[][..],
        &[(name, "")],
        &[(name, "dGhlIHNhbXBsZSBub25j")],        // 15 bytes
        &[(name, "dGhlIHNhbXBsZSBub25jZSE=")],    // 17 bytes
        &[(name, "dGhlIHNhbXBsZSBub25jZQ")],      // no padding
        &[(name, "dGhlIHNhbXBsZSBub25jZQ=")],     // half of it
        &[(name, "dGhlIHNhbXBsZSBub2_jZQ==")],    // base64url
        &[(name, "dGhlIHNhbXBs ZSBub25jZQ==")],   // white space inside
        &[(name, "dGhlIHNhbXBsZSBub25jZQ==, x")], // a list
        &[(name, "a안녕하세요안녕==")],           // the right length in bytes
        &[KEY, KEY],
    ] {
        assert_eq!(
            replaced(name, lines),
            Err(HandshakeError::KeyInvalid),
            "{lines:?}"
        );
    }
    assert!(
        replaced(name, &[(name, "dGhlIHNhbXBsZSBub25jZR==")]).is_ok(),
        "unused bits may have any value"
    );
}

#[test]
fn no_body() {
    for line in [
        ("Content-Length", "1"),
        ("Content-Length", "+0"),
        ("Content-Length", ""),
        ("Transfer-Encoding", "chunked"),
        ("Transfer-Encoding", "identity"),
    ] {
        assert_eq!(
            replaced("", &[line]),
            Err(HandshakeError::BodyAnnounced),
            "{line:?}"
        );
    }
    let zero_and_more = [("Content-Length", "0"), ("Content-Length", "5")];
    assert_eq!(
        replaced("", &zero_and_more),
        Err(HandshakeError::BodyAnnounced)
    );
    assert!(replaced("", &[("Content-Length", "0")]).is_ok());
}

#[test]
fn the_subprotocol_is_chosen_if_offered() {
    let name = "Sec-WebSocket-Protocol";
    let chosen = |lines: &[Line]| replaced("", lines).expect("accepted").subprotocol;
    for value in [
        "tidings.v1",
        "tidings.v1, bearer.abc",
        "graphql-ws ,tidings.v1",
    ] {
        assert_eq!(chosen(&[(name, value)]), Some(SUBPROTOCOL), "{value}");
    }
    assert_eq!(
        chosen(&[(name, "chat"), (name, "tidings.v1")]),
        Some(SUBPROTOCOL)
    );
    for value in ["", "chat", "tidings.v2", "Tidings.V1", "tidings.v1.1"] {
        assert_eq!(chosen(&[(name, value)]), None, "{value}");
    }
}

#[test]
fn refusals_are_400_with_a_hint() {
    for error in [
        HandshakeError::BodyAnnounced,
        HandshakeError::ConnectionNotUpgrade,
        HandshakeError::ExtensionsInvalid,
        HandshakeError::HttpTooOld,
        HandshakeError::KeyInvalid,
        HandshakeError::MethodNotGet,
        HandshakeError::UpgradeNotWebsocket,
    ] {
        assert_eq!((error.status(), error.headers()), (400, &[][..]));
        assert!(error.to_string().len() > 20);
    }
}

#[test]
fn an_upgrade_is_recognised_by_its_header_alone() {
    let asks =
        |values: &[&'static str]| requests_upgrade(values.iter().map(|value| value.as_bytes()));
    assert!(asks(&["h2c", "WebSocket"]));
    assert!(!asks(&["h2c"]) && !asks(&[]) && !asks(&["websockets"]));
}

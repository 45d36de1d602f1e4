//! `Sec-WebSocket-Extensions`: which offers of permessage-deflate are taken, which are declined,
//! and what is no list of extensions at all.

use tidings_protocol::websocket::{Deflate, Handshake, HandshakeError, accept};

const GOOD: [(&str, &str); 4] = [
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const TAKEN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn offer_bytes(lines: &[&[u8]], compresses: bool) -> Result<Handshake, HandshakeError> {
    let values = |name: &'static str| {
        let good = GOOD.iter().filter(move |line| line.0 == name);
        let offers = lines
            .iter()
            .filter(move |_| name == "sec-websocket-extensions");
        good.map(|line| line.1.as_bytes())
            .chain(offers.map(|line| &line[..]))
    };
    accept("GET", (1, 1), values, compresses)
}

fn offer(lines: &[&str]) -> Result<Handshake, HandshakeError> {
    let lines: Vec<_> = lines.iter().map(|line| line.as_bytes()).collect();
    offer_bytes(&lines, true)
}

/// The offers are taken with this window, named in the response if `is_named`.
fn taken(lines: &[&str], window_bits: u8, is_named: bool) {
    let handshake = offer(lines).expect("a list of extensions");
    let response = if is_named {
        format!("{TAKEN}; server_max_window_bits={window_bits}")
    } else {
        TAKEN.to_owned()
    };
    assert_eq!(handshake.extensions, Some(response), "{lines:?}");
    assert_eq!(handshake.deflate, Deflate::new(window_bits), "{lines:?}");
}

fn declined(lines: &[&str]) {
    let handshake = offer(lines).expect("a list of extensions");
    assert_eq!(handshake.extensions, None, "{lines:?}");
    assert_eq!(handshake.deflate, None, "{lines:?}");
}

fn refused(line: &str) {
    let error = offer(&[line]).expect_err(line);
    assert_eq!(error, HandshakeError::ExtensionsInvalid, "{line}");
    assert_eq!(error.status(), 400);
    let offer_before = ["permessage-deflate", line];
    assert_eq!(offer(&offer_before), Err(error), "behind another line");
}

#[test]
fn offers_as_clients_make_them() {
    for line in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=15",
        "permessage-deflate; client_max_window_bits=\"10\"",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
        "\tpermessage-deflate\t;client_max_window_bits  =  12\t",
        "permessage-deflate,",
        ", ,permessage-deflate",
    ] {
        taken(&[line], 15, false);
    }
}

#[test]
fn a_smaller_window_of_the_client_is_agreed_to() {
    for bits in 8..=15 {
        for value in [
            bits.to_string(),
            format!("\"{bits}\""),
            format!("\"\\{bits}\""),
        ] {
            let line = format!("permessage-deflate; server_max_window_bits={value}");
            taken(&[&line], bits, true);
        }
    }
    taken(
        &["permessage-deflate; client_max_window_bits; server_max_window_bits=10"],
        10,
        true,
    );
}

#[test]
fn offers_with_wrong_parameters_are_declined() {
    for parameters in [
        "unknown",
        "unknown=1",
        "client_max_window_bits; unknown",
        "Server_No_Context_Takeover",
        "server_no_context_takeover=1",
        "server_no_context_takeover=\"x\"",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=9; client_max_window_bits=9",
        "server_max_window_bits=9; client_max_window_bits; server_max_window_bits=9",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=0",
        "server_max_window_bits=010",
        "server_max_window_bits=08",
        "server_max_window_bits=\"08\"",
        "server_max_window_bits=+9",
        "server_max_window_bits=-9",
        "server_max_window_bits=9.0",
        "server_max_window_bits=nine",
        "server_max_window_bits=110",
        "server_max_window_bits=99999999999999999999",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=x",
    ] {
        declined(&[&format!("permessage-deflate; {parameters}")]);
    }
    for other in [
        "x-webkit-deflate-frame",
        "permessage-deflate2",
        "Permessage-Deflate",
        "permessage-bzip2; client_max_window_bits",
    ] {
        declined(&[other]);
    }
    declined(&[]);
}

#[test]
fn the_first_acceptable_offer_wins() {
    let bits = |bits| format!("permessage-deflate; server_max_window_bits={bits}");
    let (nine, ten) = (bits("9"), bits("10"));
    taken(&[&format!("{nine}, {ten}")], 9, true);
    taken(&[&ten, &nine], 10, true);
    taken(&[&nine, "permessage-deflate"], 9, true);
    taken(&["permessage-deflate, ", &nine], 15, false);
    taken(&[&format!("{}, {ten}", bits("7")), &nine], 10, true);
    taken(&["mux; a=b; c=\"d\", permessage-foo,,", "", &ten], 10, true);
    declined(&["mux", &bits("7"), "permessage-deflate; unknown"]);
}

#[test]
fn what_is_no_list_of_extensions_fails_the_handshake() {
    for line in [
        "permessage-deflate client_max_window_bits",
        "permessage-deflate;",
        "permessage-deflate; ",
        "permessage-deflate;; client_max_window_bits",
        "permessage-deflate; , mux",
        "permessage-deflate; =1",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=, mux",
        "permessage-deflate; client_max_window_bits=10 11",
        "permessage-deflate=1",
        "; client_max_window_bits",
        "mux; a==b",
        "mux; a=\"",
        "mux; a=\"b",
        "mux; a=\"\"",
        "mux; a=\"b c\"",
        "mux; a=\"b,c\"",
        "mux; a=\"b\"c",
        "mux; a=\"b\\",
        "mux; a=\"b\\\"",
        "mux; a=\"\\\"\"",
        "per/message",
        "m\u{fc}x",
        "(mux)",
        "mux\0",
        "mux\u{b}",
    ] {
        refused(line);
    }
    for lines in [&[""][..], &[" \t"], &[",,"], &["", ","]] {
        assert_eq!(
            offer(lines),
            Err(HandshakeError::ExtensionsInvalid),
            "a header without an element: {lines:?}"
        );
    }
    let error = offer_bytes(&[b"mux; a=\xff"], false).expect_err("not in the grammar");
    assert_eq!(
        error,
        HandshakeError::ExtensionsInvalid,
        "even where nothing is compressed"
    );
}

#[test]
fn nothing_is_agreed_on_where_compression_is_off() {
    let handshake = offer_bytes(&[b"permessage-deflate"], false).expect("a list of extensions");
    assert_eq!((handshake.extensions, handshake.deflate), (None, None));
}

#[test]
fn only_the_first_sixteen_offers_are_read() {
    let many = |count| "mux, ".repeat(count);
    taken(&[&(many(15) + "permessage-deflate")], 15, false);
    declined(&[&(many(16) + "permessage-deflate, (")]);
    let line = "permessage-deflate; server_max_window_bits=7";
    declined(&[line; 1_000]);
    declined(&[&(line.to_owned() + &"; unknown=\"\\x\"".repeat(100_000))]);
    taken(
        &[&(",".repeat(1_000_000) + "permessage-deflate")],
        15,
        false,
    );
}

#[test]
fn what_fits_a_window() {
    for bits in 8..=14 {
        let deflate = Deflate::new(bits).expect("8 to 15");
        assert!(deflate.inflates(1 << bits) && !deflate.inflates((1 << bits) + 1));
        assert!(!deflate.inflates_all());
    }
    let largest = Deflate::new(15).expect("8 to 15");
    assert!(largest.inflates(usize::MAX) && largest.inflates_all());
    assert_eq!((Deflate::new(7), Deflate::new(16)), (None, None));
}

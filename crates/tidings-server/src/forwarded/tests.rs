use http::HeaderValue;

use super::*;

const PEER: &str = "10.0.0.1";

/// The client behind 10.0.0.1, where 10.0.0.0/8 and fd00::/8 are trusted.
fn client(field: ForwardedField, name: &'static str, lines: &[&str]) -> String {
    let trusted = TrustedProxies {
        networks: ["10.0.0.0/8", "fd00::/8"]
            .map(|n| n.parse().unwrap())
            .to_vec(),
        field,
    };
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    client_address(PEER.parse().unwrap(), &trusted, &headers).to_string()
}

#[test]
fn x_forwarded_for() {
    for (lines, expected) in [
        (&[][..], PEER),
        (&["192.0.2.1"], "192.0.2.1"),
        (&["  192.0.2.1\t"], "192.0.2.1"),
        // Who is behind the first that is not trusted may say what they like.
        (&["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
        (&["10.1.1.1, 192.0.2.1"], "192.0.2.1"),
        (
            &["127.0.0.1,10.1.1.1,192.0.2.1,10.2.2.2,10.3.3.3"],
            "192.0.2.1",
        ),
        (&["192.0.2.1", "10.2.2.2"], "192.0.2.1"),
        (&["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
        (&["192.0.2.1, fd00::7"], "192.0.2.1"),
        // All are trusted: it comes from the farthest.
        (&["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        // With ports and brackets.
        (&["192.0.2.1:4711"], "192.0.2.1"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["[2001:db8::1]:4711"], "2001:db8::1"),
        (&["::ffff:192.0.2.1"], "192.0.2.1"),
        (&["192.0.2.1, [::ffff:10.2.2.2]:80"], "192.0.2.1"),
        // What is no address ends the way: it is the proxy that wrote it.
        (&["unknown"], PEER),
        (&["192.0.2.1, unknown"], PEER),
        (&["192.0.2.1, unknown, 10.2.2.2"], "10.2.2.2"),
        (&[""], PEER),
        (&["192.0.2.1,"], PEER),
        (&["192.0.2.1, , 10.2.2.2"], "10.2.2.2"),
        (&["192.0.2.256"], PEER),
        (&["192.0.2.1:99999"], PEER),
        (&["[192.0.2.1]"], PEER),
        (&["2001:db8::1]"], PEER),
        (&["fe80::1%eth0"], PEER),
        (&["client.example"], PEER),
        (&["192.0.2.1 10.2.2.2"], PEER),
        (&["1\u{fc}2"], PEER),
        (&["\", 192.0.2.1"], "192.0.2.1"),
    ] {
        let name = "x-forwarded-for";
        assert_eq!(
            client(ForwardedField::XForwardedFor, name, lines),
            expected,
            "{lines:?}"
        );
        let other = client(ForwardedField::Forwarded, name, lines);
        assert_eq!(other, PEER, "the field that is not read says nothing");
    }
}

#[test]
fn forwarded() {
    for (lines, expected) in [
        (&["for=192.0.2.1"][..], "192.0.2.1"),
        (&["For=192.0.2.1"], "192.0.2.1"),
        (&["for=192.0.2.1;proto=https;by=10.0.0.1"], "192.0.2.1"),
        (&["by=10.0.0.1; FOR=\"192.0.2.1:80\" ;host=a"], "192.0.2.1"),
        (&["for=\"[2001:db8::1]:4711\""], "2001:db8::1"),
        (&["for=\"[2001:db8::1]\""], "2001:db8::1"),
        (
            &["for=203.0.113.9, for=192.0.2.1, for=10.2.2.2"],
            "192.0.2.1",
        ),
        (
            &[
                "for=203.0.113.9",
                "for=192.0.2.1;proto=http",
                "for=\"[fd00::1]\"",
            ],
            "192.0.2.1",
        ),
        (&["for=192.0.2.1;host=\"a,b\""], "192.0.2.1"),
        // A quote that a client leaves open swallows nothing.
        (&["for=\", for=192.0.2.1"], "192.0.2.1"),
        (&["\"", "for=192.0.2.1"], "192.0.2.1"),
        (&["for=unknown"], PEER),
        (&["for=_hidden, for=10.2.2.2"], "10.2.2.2"),
        (&["for=192.0.2.1, for=_hidden"], PEER),
        (&["proto=https"], PEER),
        (&["192.0.2.1"], PEER),
        (&["for=192.0.2.1;for=192.0.2.2"], PEER),
        (&["for=192.0.2.1;"], PEER),
        (&["for=\"192.0.2.1"], PEER),
        (&["for=\"\""], PEER),
        (&["for="], PEER),
        (&[""], PEER),
    ] {
        let name = "forwarded";
        assert_eq!(
            client(ForwardedField::Forwarded, name, lines),
            expected,
            "{lines:?}"
        );
        let other = client(ForwardedField::XForwardedFor, name, lines);
        assert_eq!(other, PEER, "the field that is not read says nothing");
    }
}

#[test]
fn who_is_not_trusted_is_not_believed() {
    let trusted = TrustedProxies {
        networks: vec!["10.0.0.1".parse().unwrap()],
        ..TrustedProxies::default()
    };
    let mut headers = HeaderMap::new();
    headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
    for (peer, trusted, expected) in [
        ("10.0.0.1", &trusted, "192.0.2.1"),
        ("::ffff:10.0.0.1", &trusted, "192.0.2.1"),
        ("10.0.0.2", &trusted, "10.0.0.2"),
        ("::ffff:10.0.0.2", &trusted, "10.0.0.2"),
        ("127.0.0.1", &TrustedProxies::default(), "127.0.0.1"),
    ] {
        let client = client_address(peer.parse().unwrap(), trusted, &headers);
        assert_eq!(client.to_string(), expected, "{peer}");
    }
}

#[test]
fn a_long_list_costs_what_its_bytes_do() {
    let many = "10.2.2.2,".repeat(1_800) + "10.2.2.2";
    assert_eq!(
        client(ForwardedField::XForwardedFor, "x-forwarded-for", &[&many]),
        "10.2.2.2"
    );
    let quotes = "\"".repeat(16_000);
    assert_eq!(
        client(ForwardedField::Forwarded, "forwarded", &[&quotes]),
        PEER
    );
}

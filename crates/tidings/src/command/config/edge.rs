//! Checks of the network edge: who reaches the server, by TLS or not, through which proxies, and where
//! administration is. Whether an address can be listened on is seen when the server starts.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::check::{Whole, is_loopback};

/// What is wrong although each value alone is right.
pub fn check(whole: &mut Whole<'_>) {
    tls(whole);
    open_to_a_network(whole, "listen", Some(whole.config.listen));
    open_to_a_network(whole, "admin.listen", whole.config.admin.listen);
    proxies(whole);
    same_addresses(whole);
}

/// What may be meant so, and may be a mistake.
pub fn doubt(whole: &mut Whole<'_>) {
    let config = whole.config;
    let plain = config.tls.cert.is_none() && config.proxy.trusted.is_empty();
    if plain && !is_loopback(config.listen) {
        let what = format!(
            "{} is reached from other machines by plain HTTP: everybody on the way reads tokens and messages",
            config.listen
        );
        let fix = "set tls.cert and tls.key, or list the proxy that speaks TLS for this server in proxy.trusted";
        whole.fault("listen", what, fix);
    }
}

fn tls(whole: &mut Whole<'_>) {
    let tls = &whole.config.tls;
    let half = match (&tls.cert, &tls.key) {
        (Some(_), None) => Some(("tls.cert", "tls.key")),
        (None, Some(_)) => Some(("tls.key", "tls.cert")),
        _ => None,
    };
    if let Some((set, missing)) = half
        && !whole.is_told(missing)
    {
        let what = format!("{set} is set and {missing} is not: TLS needs both");
        let fix = format!("set {missing}, too, or neither for plain HTTP");
        return whole.fault(set, what, fix);
    }
    if tls.redirect.is_some() && tls.cert.is_none() && !whole.is_told("tls.cert") {
        let what = "tls.redirect is set and tls.cert is not: there is no https to be sent to";
        let fix = "set tls.cert and tls.key, too, or leave tls.redirect out";
        whole.fault("tls.redirect", what, fix);
    }
}

fn open_to_a_network(whole: &mut Whole<'_>, key: &str, address: Option<SocketAddr>) {
    let config = whole.config;
    let Some(address) = address.filter(|address| !is_loopback(*address)) else {
        return;
    };
    // An issuer or key that is wrong by itself is meant to be one.
    if !config.is_open()
        || config.insecure
        || whole.is_told("insecure")
        || whole.is_told("auth.authorize")
        || whole.is_told(key)
    {
        return;
    }
    let loopback: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::LOCALHOST, address.port()).into(),
        SocketAddr::V6(_) => (Ipv6Addr::LOCALHOST, address.port()).into(),
    };
    let what = format!(
        "\"{address}\" is reached from other machines, and nothing asks those who come who they are"
    );
    let fix = format!(
        "configure keys or tokens, to begin with by `tidings key new` and [keys.NAME]; or write {key} = \"{loopback}\", \
         behind a proxy that decides who may; or say --insecure (insecure = true) to let everybody who reaches \
         this address read and publish"
    );
    whole.fault(key, what, fix);
}

fn proxies(whole: &mut Whole<'_>) {
    let proxy = &whole.config.proxy;
    if proxy.protocol && proxy.trusted.is_empty() && !whole.is_told("proxy.trusted") {
        let what = "proxy.protocol is set and proxy.trusted is not: nobody would be let in";
        let fix =
            "list the addresses or networks of the proxies, as proxy.trusted = [\"10.0.0.0/8\"]";
        whole.fault("proxy.protocol", what, fix);
    }
}

/// One address is for one purpose. Port 0 is another one each time.
fn same_addresses(whole: &mut Whole<'_>) {
    let config = whole.config;
    let all = [
        ("listen", Some(config.listen)),
        ("admin.listen", config.admin.listen),
        ("tls.redirect", config.tls.redirect),
    ];
    for (at, (key, address)) in all.iter().enumerate() {
        let taken =
            |(_, other): &&(&str, Option<SocketAddr>)| address.is_some() && other == address;
        let Some((other, _)) = all[..at].iter().find(taken) else {
            continue;
        };
        if address.is_some_and(|address| address.port() != 0) {
            let what = format!("{key} and {other} are the same address");
            whole.fault(key, what, "take another port for one of them");
        }
    }
}

//! The configuration of identity, rules, administration and network edge from outside: what each key
//! takes and refuses, and that secrets are never shown.

mod given;

use std::time::Duration;

use given::{CANARY, Given, HASH, rich};
use tidings::command::config::{Algorithm, Config, TlsVersion, compare, print};
use tidings_core::{Audience, ChannelName, LagPolicy, May};

#[test]
fn all_of_it_is_understood() {
    let config = Given::new().file(&rich()).config();
    assert_eq!(config.tls.min_version, TlsVersion::V1_3);
    assert_eq!(config.tls.redirect.unwrap().to_string(), "0.0.0.0:80");
    let trusted: Vec<String> = config
        .proxy
        .trusted
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(trusted, ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]);
    assert!(config.proxy.protocol);
    assert_eq!(config.admin.listen.unwrap().port(), 9000);
    let auth = &config.auth;
    assert_eq!(auth.cookie.as_deref(), Some("__Host-t"));
    assert_eq!(auth.session_secret.as_ref().unwrap().0, CANARY);
    assert_eq!(auth.authorize.as_deref(), Some("http://127.0.0.1:3000/may"));
    assert_eq!(auth.authorize_cache, Duration::ZERO);
    assert_eq!(auth.ticket_time, Duration::from_secs(60));
    let login = &config.tokens["login"];
    assert_eq!(login.algorithm, Algorithm::Hs256);
    assert_eq!(login.secret.as_ref().unwrap().0, CANARY);
    assert_eq!(
        (login.kid.as_deref(), login.audience.as_deref()),
        (Some("1"), Some("tidings"))
    );
    assert_eq!(config.tokens["public"].algorithm, Algorithm::EdDsa);
    assert!(config.tokens["provider"].jwks.is_some());
    let app = &config.keys["app"];
    assert_eq!((app.hash[1], app.hash[31], app.admin), (0x11, 0xff, true));
    assert!(
        app.subscribe
            .matches(&ChannelName::parse("@alice").unwrap())
    );
    assert!(!app.publish.matches(&ChannelName::parse("@alice").unwrap()));
}

#[test]
fn rules_of_namespaces_build_on_the_general_ones() {
    let config = Given::new().file(&rich()).config();
    let book = config.rulebook();
    let general = book.default();
    let expected = May {
        subscribe: Audience::Authenticated,
        ..May::BY_TOKEN
    };
    assert_eq!(general.may, expected);
    assert_eq!(
        (general.publish_rate, general.presence, general.ephemeral),
        (100, true, false)
    );
    assert_eq!(
        (general.lag.policy, general.lag.every),
        (LagPolicy::Keep, Duration::from_millis(50))
    );
    assert_eq!(general.lag.bytes, config.limits.lag_bytes);
    let room = book.of(&ChannelName::parse("room:7").unwrap());
    assert_eq!(
        room.may,
        May {
            history: Audience::Backend,
            ..expected
        }
    );
    assert_eq!(
        (room.publish_rate, room.presence, room.ephemeral),
        (7, false, true)
    );
    assert_eq!(
        (room.lag.policy, room.lag.by.as_deref()),
        (LagPolicy::LatestBy, Some("/a~1b/c"))
    );
    assert_eq!(
        (room.lag.bytes, room.lag.time),
        (1 << 20, Duration::from_secs(5))
    );
    let plain = book.of(&ChannelName::parse("plain:7").unwrap());
    assert_eq!(plain, general);
}

#[test]
fn who_may_what_depends_on_who_is_asked() {
    assert!(Given::new().config().is_open());
    assert_eq!(Given::new().config().may, May::OPEN);
    for (key, value) in [
        ("keys.a.hash", HASH),
        ("auth.authorize", "https://app.example.com/may"),
    ] {
        let given = Given::new()
            .set(key, value)
            .set("namespaces.a.history.count", "1");
        let loaded = given.load();
        assert!(!loaded.config.is_open());
        assert_eq!(loaded.config.may, May::BY_TOKEN);
        assert_eq!(loaded.config.namespaces["a"].may, May::BY_TOKEN);
        let printed = print(&loaded);
        assert!(
            printed.contains("default\n# subscribe = \"token\"\n"),
            "{printed}"
        );
        assert!(
            printed.contains("default\n# history = \"anyone\"\n"),
            "{printed}"
        );
        let said = given.set("may.publish", "anyone").config().may;
        assert_eq!(
            said,
            May {
                publish: Audience::Anyone,
                ..May::BY_TOKEN
            }
        );
    }
}

#[test]
fn named_tables_from_the_environment_and_flags() {
    let config = Given::new()
        .variable("TIDINGS_KEYS__APP__HASH", HASH)
        .variable("TIDINGS_KEYS__APP__PUBLISH", "room:*, news")
        .variable("TIDINGS_TOKENS__LOGIN__ALGORITHM", "HS256")
        .variable("TIDINGS_TOKENS__LOGIN__SECRET", CANARY)
        .variable("TIDINGS_NAMESPACES__ROOM__MAY__PUBLISH", "backend")
        .set("keys.app.admin", "true")
        .config();
    let patterns: Vec<&str> = config.keys["app"].publish.iter().collect();
    assert_eq!(patterns, ["room:*", "news"]);
    assert!(config.keys["app"].admin);
    assert_eq!(config.tokens["login"].secret.as_ref().unwrap().0, CANARY);
    assert_eq!(config.namespaces["room"].may.publish, Audience::Backend);
}

/// The file that `--print` made of an open server does not keep it open when somebody is asked.
#[test]
fn a_printed_default_opens_nothing_later() {
    let printed = print(&Given::new().load());
    let config = Given::new()
        .file(&printed)
        .set("keys.a.hash", HASH)
        .config();
    assert_eq!(config.may, May::BY_TOKEN);
}

/// A wrong value, what the error says of it, and what it says to do.
#[test]
fn wrong_values_are_refused_with_their_mending() {
    for (key, value, what, fix) in [
        (
            "may.subscribe",
            "everyone",
            "not one of anyone, authenticated, token, backend",
            "one of these",
        ),
        (
            "namespaces.a.may.history",
            "all",
            "not one of anyone",
            "one of these",
        ),
        (
            "channels.presence",
            "yes",
            "not true or false",
            "true or false",
        ),
        (
            "namespaces.a.ephemeral",
            "1",
            "not true or false",
            "true or false",
        ),
        (
            "channels.publish_rate",
            "2000000",
            "above the most, 1000000",
            "1000000 or less",
        ),
        (
            "namespaces.a.publish_rate",
            "-1",
            "not a count",
            "whole number",
        ),
        (
            "lag.policy",
            "newest",
            "not one of keep, latest, latest_by, disconnect",
            "one of these",
        ),
        ("lag.by", "symbol", "not a JSON pointer", "/price/symbol"),
        ("lag.by", "/a~2", "not a JSON pointer", "~0"),
        ("lag.every", "2h", "above the most, 1h", "1h or less"),
        (
            "namespaces.a.lag.bytes",
            "0",
            "below the least, 1B",
            "1B or more",
        ),
        (
            "namespaces.a.lag.time",
            "never",
            "not a length of time",
            "\"30s\"",
        ),
        (
            "lag.by",
            "/id",
            "lag.policy is not \"latest_by\"",
            "lag.policy = \"latest_by\"",
        ),
        (
            "namespaces.a.lag.by",
            "/id",
            "namespaces.a.lag.policy is not",
            "leave namespaces.a.lag.by out",
        ),
        (
            "lag.every",
            "61s",
            "more than limits.lag_time",
            "lag.every = \"1m\" or less",
        ),
        (
            "auth.cookie",
            "a;b",
            "not the name of a cookie",
            "tidings_token",
        ),
        (
            "auth.session_secret",
            "short",
            "less than 32 bytes",
            "openssl rand",
        ),
        (
            "auth.authorize",
            "http://app.example.com/may",
            "not encrypted",
            "write https://app.example.com/may",
        ),
        ("auth.authorize", "/may", "not a URL", "https://HOST/PATH"),
        (
            "auth.authorize",
            "https://a.example/#x",
            "not a URL",
            "https://HOST/PATH",
        ),
        (
            "auth.authorize",
            "https://u:p@a.example/",
            "no password",
            "without USER:PASSWORD@",
        ),
        (
            "auth.authorize_timeout",
            "0s",
            "below the least",
            "1ms or more",
        ),
        ("auth.authorize_cache", "2d", "above the most", "1d or less"),
        ("auth.leeway", "6m", "above the most", "5m or less"),
        ("auth.ticket_time", "0s", "below the least", "1s or more"),
        ("admin.listen", "9000", "not an address", "127.0.0.1:8000"),
        (
            "admin.listen",
            "0.0.0.0:9000",
            "reached from other machines",
            "127.0.0.1:9000",
        ),
        (
            "admin.listen",
            "127.0.0.1:8000",
            "the same address",
            "another port",
        ),
        (
            "tls.min_version",
            "1.1",
            "not one of 1.2, 1.3",
            "one of these",
        ),
        (
            "tls.redirect",
            "127.0.0.1:80",
            "tls.cert is not",
            "set tls.cert",
        ),
        (
            "proxy.trusted",
            "10.0.0.0/33",
            "neither an address nor a network",
            "10.0.0.0/8",
        ),
        (
            "proxy.trusted",
            "10.0.0.1/8",
            "bits beyond its first 8",
            "write 10.0.0.0/8, or 10.0.0.1",
        ),
        (
            "proxy.trusted",
            "::/129",
            "neither an address",
            "10.0.0.0/8",
        ),
        (
            "proxy.protocol",
            "true",
            "proxy.trusted is not",
            "10.0.0.0/8",
        ),
        (
            "keys.app.hash",
            "sha256:12",
            "not the hash of a key",
            "tidings key new",
        ),
        ("keys.app.admin", "true", "no hash", "tidings key new"),
        (
            "keys.\"a b\".admin",
            "true",
            "this name is none",
            "letters, digits",
        ),
        ("tokens.a.issuer", "x", "no algorithm", "\"HS256\""),
        (
            "tokens.a.algorithm",
            "none",
            "not one of HS256, RS256, ES256, EdDSA",
            "one of these",
        ),
        (
            "tokens.a.algorithm",
            "HS256",
            "nothing to check tokens with",
            "set tokens.a.secret or secret_file",
        ),
        (
            "tokens.a.algorithm",
            "ES256",
            "nothing to check tokens with",
            "set tokens.a.key_file or jwks",
        ),
        (
            "tokens.a.jwks",
            "ftp://a/",
            "not a URL",
            "https://HOST/PATH",
        ),
    ] {
        let error = Given::new().set(key, value).error();
        assert!(error.contains(what), "{key}={value}\n{error}");
        let mending = error.split_once("fix: ").expect("a mending").1;
        assert!(mending.contains(fix), "{key}={value}\n{error}");
    }
}

#[test]
fn tokens_are_checked_with_what_fits_them() {
    let token = |algorithm: &str| Given::new().set("tokens.a.algorithm", algorithm);
    for (algorithm, key, value) in [
        ("HS256", "key_file", "a.pem"),
        ("HS256", "jwks", "https://a.example/"),
        ("RS256", "secret", CANARY),
        ("EdDSA", "secret_file", "a"),
    ] {
        let error = token(algorithm)
            .set(&format!("tokens.a.{key}"), value)
            .error();
        assert!(
            error.contains(&format!("tokens.a.{key}: {key} is no ")),
            "{error}"
        );
    }
    let error = token("ES256")
        .set("tokens.a.key_file", "a")
        .set("tokens.a.jwks", "https://a.example/")
        .error();
    assert!(error.contains("key_file and jwks are both set"), "{error}");
    let jwks = || token("ES256").set("tokens.a.jwks", "https://a.example/");
    jwks().load();
    let error = jwks().set("tokens.a.kid", "1").error();
    assert!(error.contains("names its keys itself"), "{error}");
    let two = || {
        jwks()
            .set("tokens.b.algorithm", "HS256")
            .set("tokens.b.secret", CANARY)
    };
    let error = two().error();
    assert!(error.contains("needs its issuer"), "{error}");
    two().set("tokens.a.issuer", "https://a.example").load();
}

#[test]
fn what_contradicts_is_refused() {
    let error = Given::new()
        .set("keys.a.hash", HASH)
        .set("keys.b.hash", &HASH.replace("ff", "FF"))
        .error();
    assert!(
        error.contains("keys.b.hash: keys.a has the same hash"),
        "{error}"
    );
    let error = Given::new()
        .set("auth.session_secret", CANARY)
        .set("auth.session_secret_file", "a")
        .error();
    assert!(error.contains("both set"), "{error}");
    // A general pointer for namespaces that use it.
    Given::new()
        .set("lag.by", "/id")
        .set("namespaces.a.lag.policy", "latest_by")
        .load();
}

#[test]
fn a_network_needs_somebody_who_asks() {
    let network = || Given::new().set("listen", "0.0.0.0:8000");
    let error = network().error();
    for way in ["`tidings key new`", "\"127.0.0.1:8000\"", "--insecure"] {
        assert!(error.contains(way), "{way}\n{error}");
    }
    let asked = network().set("keys.app.hash", HASH).load();
    assert_eq!(asked.warnings.len(), 1, "{:?}", asked.warnings);
    assert!(asked.warnings[0].to_string().contains("plain HTTP"));
    network().set("auth.authorize", "https://a.example/").load();
    // Insecure opens nothing where somebody asks.
    let both = network()
        .set("keys.app.hash", HASH)
        .set("insecure", "true")
        .config();
    assert_eq!((both.is_open(), both.may), (false, May::BY_TOKEN));
    for (key, value) in [("proxy.trusted", "10.0.0.0/8"), ("tls.cert", "a")] {
        let mut safe = network().set("keys.app.hash", HASH).set(key, value);
        if key == "tls.cert" {
            safe = safe.set("tls.key", "b");
        }
        assert!(safe.load().warnings.is_empty());
    }
    assert!(Given::new().load().warnings.is_empty());
}

#[test]
fn unknown_names_below_tables() {
    for (key, near) in [
        ("keys.app.hahs", "keys.app.hash"),
        ("token.login.secret", "tokens.login.secret"),
        (
            "namespaces.room.channels.presence",
            "namespaces.room.presence",
        ),
        ("auth.cookies", "auth.cookie"),
        ("may.subcsribe", "may.subscribe"),
    ] {
        let error = Given::new().set(key, "x").error();
        assert!(
            error.contains(&format!("did you mean {near}?")),
            "{key}\n{error}"
        );
    }
    let error = Given::new()
        .variable("TIDINGS_KEYS__APP__HASHES", "x")
        .error();
    assert!(
        error.contains("did you mean TIDINGS_KEYS__APP__HASH?"),
        "{error}"
    );
}

#[test]
fn secrets_are_never_shown() {
    let shown = |text: String| assert!(!text.contains("canary"), "{text}");
    let loaded = Given::new().file(&rich()).load();
    shown(print(&loaded));
    shown(format!("{loaded:?}"));
    shown(
        loaded.config.tokens["login"]
            .secret
            .clone()
            .unwrap()
            .to_string(),
    );
    assert!(
        print(&loaded).contains("# Set, and not shown: write the secret here.\nsecret = \"…\"\n")
    );
    assert!(print(&loaded).contains("\n# Secrets are not shown: … stands for each.\n"));
    let short = "canary";
    for file in [
        format!("[tokens.a]\nalgorithm = 'HS256'\nsecret = '{short}'"),
        format!("[tokens.a]\nalgorithm = 'RS256'\nsecret = '{CANARY}'"),
        format!("[tokens.a]\nalgorithm = 'HS256'\nsecert = '{CANARY}'\nsecret_file = 'a'"),
        format!("[token.a]\nsecret = '{CANARY}'"),
        format!("tokens.a = {{ algorithm = 'HS257', secret = '{CANARY}' }}"),
        format!("tokens = [{{ secret = '{CANARY}' }}]"),
        format!("[[tokens]]\nsecret = '{CANARY}'"),
        format!("[tokens.a]\nalgorithm = 'HS256'\nsecret = ['{CANARY}']"),
        format!("[tokens.a]\nalgorithm = 'HS256'\nsecret = {CANARY}"),
        format!("[tokens.a]\nalgorithm = 'HS256'\nsecret = '{CANARY}"),
        format!("[tokens.a]\nalgorithm = 'HS256'\nsecret = \"\"\"\n{CANARY}"),
        format!("[tokens.a]\nalgorithm = 'HS256'\nsecret = '''\n{short}'''"),
        format!("[auth]\nsession_secret = '{CANARY}'\nsession_secret = '{CANARY}'"),
        format!("auth.sesion_secret = '{CANARY}'"),
        format!("[keys.a]\nhash = '{CANARY}'"),
    ] {
        let errors = Given::new().file(&file).errors();
        shown(errors.join("\n"));
    }
    for (key, value) in [
        ("tokens.a.secret", short),
        ("tokens.a.secert", CANARY),
        ("auth.session_secret", short),
        ("auth.secret", CANARY),
        ("auth", CANARY),
        ("tokens.a", CANARY),
        ("keys.a.hash", CANARY),
        ("demo.model_key", &format!("{CANARY} ")),
        ("demo.modelkey", CANARY),
    ] {
        shown(Given::new().set(key, value).errors().join("\n"));
        let variable = format!("TIDINGS_{}", key.to_uppercase().replace('.', "__"));
        shown(Given::new().variable(&variable, value).errors().join("\n"));
    }
    let error = Given::new().set("auth.session_secret", "…").error();
    assert!(error.contains("in the place of a secret"), "{error}");
}

#[test]
fn the_demo_is_on_where_nobody_else_sees_it() {
    let is_on = |given: Given| given.config().demo.on;
    assert!(is_on(Given::new()));
    assert!(is_on(Given::new().set("listen", "[::1]:0")));
    assert!(!is_on(Given::new().set("demo.on", "false")));
    let keyed = || Given::new().set("keys.a.hash", HASH);
    assert!(!is_on(keyed()));
    assert!(is_on(keyed().set("demo.on", "true")));
    let elsewhere = || {
        Given::new()
            .set("listen", "0.0.0.0:1")
            .set("insecure", "true")
    };
    assert!(!is_on(elsewhere()));
    assert!(is_on(elsewhere().variable("TIDINGS_DEMO__ON", "true")));
}

#[test]
fn the_demo_has_rules_where_nobody_wrote_others() {
    let lag = |given: Given, channel: &str| {
        let book = given.config().rulebook();
        book.of(&ChannelName::parse(channel).unwrap()).lag.clone()
    };
    let ticker = lag(Given::new(), "demo-ticker:all");
    assert_eq!(
        (ticker.policy, ticker.by.as_deref()),
        (LagPolicy::LatestBy, Some("/symbol"))
    );
    let cursors = lag(Given::new(), "demo-cursors:1");
    assert_eq!(
        (cursors.by.as_deref(), cursors.every),
        (Some("/id"), Duration::from_millis(33))
    );
    let own = Given::new().set("namespaces.demo-ticker.history.count", "7");
    assert_eq!(lag(own, "demo-ticker:all").policy, LagPolicy::Keep);
    let off = Given::new().set("demo.on", "false");
    assert_eq!(lag(off, "demo-cursors:1").policy, LagPolicy::Keep);
}

#[test]
fn a_model_of_the_demo_is_whole() {
    for (key, value, fix) in [
        (
            "demo.model_url",
            "http://127.0.0.1:1/v1",
            "set demo.model, too",
        ),
        ("demo.model", "small", "set demo.model_url, too"),
        ("demo.model_key", CANARY, "set demo.model_url, too"),
    ] {
        let error = Given::new().set(key, value).error();
        assert!(error.contains(fix) && !error.contains(CANARY), "{error}");
    }
    let error = Given::new()
        .set("demo.model_url", "http://10.0.0.1/v1")
        .set("demo.model", "a")
        .error();
    assert!(error.contains("https"), "{error}");
}

#[test]
fn what_is_printed_reads_back_but_for_secrets() {
    let loaded = Given::new().file(&rich()).load();
    let printed = print(&loaded).replace("\"…\"", &format!("\"{CANARY}\""));
    let again = Given::new().file(&printed).load();
    assert_eq!(again.config, loaded.config, "{printed}");
}

#[test]
fn changes_that_need_a_restart_are_told_apart() {
    let old = Given::new().config();
    let same = compare(&old, &Config::default());
    assert!(same.live.is_empty() && same.restart.is_empty());
    let new = Given::new()
        .set("listen", "127.0.0.1:1")
        .set("workers", "1")
        .set("limits.wait", "1s")
        .set("limits.message_bytes", "1KiB")
        .set("log.level", "debug")
        .set("log.format", "json")
        .set("admin.listen", "127.0.0.1:2")
        .set("proxy.trusted", "10.0.0.0/8")
        .set("auth.session_secret", CANARY)
        .set("namespaces.a.history.count", "1")
        .set("keys.app.hash", HASH)
        .set("may.subscribe", "anyone")
        .config();
    let changes = compare(&old, &new);
    assert_eq!(
        changes.restart,
        [
            "listen",
            "workers",
            "proxy.trusted",
            "admin.listen",
            "log.format",
            "demo.on",
            "limits.wait"
        ]
    );
    assert_eq!(
        changes.live,
        [
            "log.level",
            "auth.session_secret",
            "may.publish",
            "may.presence",
            "limits.message_bytes",
            "keys.app",
            "namespaces.a"
        ]
    );
    let mut other = new.clone();
    other.auth.session_secret.as_mut().unwrap().0.push('x');
    assert_eq!(compare(&new, &other).live, ["auth.session_secret"]);
}

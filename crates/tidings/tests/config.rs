//! The configuration from outside: layers, errors with their place and mending, print and check.

mod given;

use std::net::SocketAddr;
use std::time::Duration;

use given::Given;
use tidings::command::config::{Config, LogFormat, LogLevel, Place, print};

fn lines(text: &[&str]) -> String {
    text.join("\n")
}

#[test]
fn nothing_set_is_the_default() {
    let loaded = Given::new().variable("PATH", "/bin").load();
    assert_eq!(loaded.config, Config::default());
    assert!(loaded.sources.is_empty());
}

#[test]
fn layers_by_weight() {
    let file = "
        listen = \"127.0.0.1:1\"
        [limits]
        wait = \"1s\"
        retry = \"1s\"
        drain = \"1s\"
    ";
    let given = Given::new()
        .file(file)
        .variable("TIDINGS_LIMITS__RETRY", "2s")
        .variable("TIDINGS_LIMITS__WAIT", "2s")
        .set("limits.wait", "3s");
    let loaded = given.load();
    let limits = &loaded.config.limits;
    assert_eq!(limits.drain, Duration::from_secs(1));
    assert_eq!(limits.retry, Duration::from_secs(2));
    assert_eq!(limits.wait, Duration::from_secs(3));
    assert_eq!(loaded.config.listen, SocketAddr::from(([127, 0, 0, 1], 1)));
    assert_eq!(limits.heartbeat, Config::default().limits.heartbeat);
    let place = |key: &str| loaded.sources[key].to_string();
    assert!(
        place("limits.drain").ends_with("설정.toml:6:17"),
        "{}",
        place("limits.drain")
    );
    assert_eq!(
        place("limits.retry"),
        "environment variable TIDINGS_LIMITS__RETRY"
    );
    assert_eq!(
        loaded.sources["limits.wait"],
        Place::Flag("--set limits.wait=3s".into())
    );
}

#[test]
fn every_form_of_writing() {
    let config = Given::new()
        .file(
            "
            listen = 'localhost:0'
            insecure = true
            origins = ['https://app.example.com', \"http://localhost:3000\"]
            log = { level = 'debug', format = 'json' }
            history = { count = 5, bytes = '2MiB', age = '1h30m' }
            limits.wait = '250ms'
            limits.body_bytes = 2_000_000
            [namespaces.\"방\"]
            history = { count = 7 }
            [namespaces.\"a.b\"]
            message_bytes = '1KiB'
            [namespaces.empty]
            ",
        )
        .variable(
            "TIDINGS_HOSTS",
            "rt.example.com, 한글.example"
                .replace("한글", "kr")
                .as_str(),
        )
        .variable("TIDINGS_NAMESPACES__ROOM__HISTORY__COUNT", "9")
        .set("namespaces.방.history.age", "2h")
        .config();
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 0)));
    assert!(config.insecure);
    assert_eq!(
        config.origins,
        ["https://app.example.com", "http://localhost:3000"]
    );
    assert_eq!(config.hosts, ["rt.example.com", "kr.example"]);
    assert_eq!(
        (config.log.level, config.log.format),
        (LogLevel::Debug, LogFormat::Json)
    );
    assert_eq!((config.history.count, config.history.bytes), (5, 2 << 20));
    assert_eq!(config.limits.body_bytes, 2_000_000);
    let names: Vec<&str> = config.namespaces.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.b", "empty", "room", "방"]);
    let room = &config.namespaces["방"];
    assert_eq!((room.history.count, room.history.bytes), (7, 2 << 20));
    assert_eq!(room.history.age, Duration::from_secs(7200));
    assert_eq!(config.namespaces["a.b"].message_bytes, 1024);
    assert_eq!(config.namespaces["room"].history.count, 9);
    assert_eq!(config.namespaces["empty"].history, config.history);
}

#[test]
fn a_wrong_value_is_shown_in_its_line() {
    let error = Given::new().file("# 설정\n[limits]\nwiat = 1\nwait = \"5 parsecs\"  # 파섹\n");
    let errors = error.errors();
    assert_eq!(
        errors[1],
        lines(&[
            "설정.toml:4:8: limits.wait: \"5 parsecs\" is not a length of time",
            " 4 | wait = \"5 parsecs\"  # 파섹",
            "   |        ^^^^^^^^^^^",
            "  fix: write a text with its unit such as \"250ms\", \"30s\", \"5m\" or \"1h30m\"",
        ])
    );
    assert_eq!(errors.len(), 2);
}

#[test]
fn all_errors_are_told_at_once() {
    let errors = Given::new()
        .file("listn = 1\n[history]\ncount = 0\n[limits]\nwait = 30\n[namespaces.\"a:b\"]\n[quota]\nx = 1\n")
        .variable("TIDINGS_LIMITS__DRAIN", "1 week")
        .variable("TIDINGS_LIMIT__DRAIN", "1s")
        .set("origins", "https://a/path")
        .set("log", "debug")
        .errors();
    let begin = |text: &str| {
        let found = errors
            .iter()
            .filter(|error| error.starts_with(text))
            .count();
        assert_eq!(found, 1, "{text}\n{errors:#?}");
    };
    begin(
        "설정.toml:1:1: listn: there is no such key\n 1 | listn = 1\n   | ^^^^^\n  fix: did you mean listen?",
    );
    begin(
        "설정.toml:3:9: history.count: 0 is below the least, 1\n 3 | count = 0\n   |         ^\n  fix: write 1 or more",
    );
    begin("설정.toml:5:8: limits.wait: 30 is not a length of time");
    begin("설정.toml:6:13: namespaces.\"a:b\": a namespace holds no `:`");
    begin(
        "설정.toml:7:2: quota: there is no such key\n 7 | [quota]\n   |  ^^^^^\n  fix: `tidings config --print`",
    );
    begin(
        "environment variable TIDINGS_LIMITS__DRAIN: limits.drain: 7d is above the most, 10m\n  fix: ",
    );
    begin(
        "environment variable TIDINGS_LIMIT__DRAIN: limit.drain: there is no such key\n  fix: did you mean TIDINGS_LIMITS__DRAIN?",
    );
    begin(
        "flag --set origins=https://a/path: origins: \"https://a/path\" has a path, an origin has none\n  fix: write https://a",
    );
    begin("flag --set log=…: log: this is a table, not a value");
    assert_eq!(errors.len(), 9, "{errors:#?}");
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let errors = Given::new()
        .file("listen = \"127.0.0.1:1\"\n[limits\nwait = \"1s\"\n")
        .errors();
    assert!(errors[0].starts_with("설정.toml:2:"), "{errors:#?}");
    assert!(errors[0].contains("not valid TOML"), "{errors:#?}");
    let errors = Given::new()
        .file("listen = 127.0.0.1\nlisten = 'a'\n")
        .errors();
    assert!(
        errors.iter().any(|error| error.starts_with("설정.toml:1:")),
        "{errors:#?}"
    );
}

#[test]
fn a_file_that_cannot_be_read() {
    let mut given = Given::new();
    given.inputs.file = Some(given.path());
    assert!(
        given
            .error()
            .starts_with("설정.toml:1:1: the file cannot be read: ")
    );
    std::fs::write(given.path(), b"listen = '127.0.0.1:1'\n# \xff\n").unwrap();
    assert!(
        given
            .error()
            .starts_with("설정.toml:2:3: this is not UTF-8"),
        "{}",
        given.error()
    );
}

#[test]
fn values_that_do_not_fit_each_other() {
    let error = Given::new().set("limits.message_bytes", "2MiB").errors();
    assert_eq!(error.len(), 2);
    assert_eq!(
        error[0],
        "flag --set limits.message_bytes=2MiB: limits.message_bytes: limits.message_bytes = \"2MiB\" is more than \
         limits.body_bytes = \"1MiB\": such a message could not be published over HTTP\n  \
         fix: write limits.message_bytes = \"1MiB\" or less, or limits.body_bytes = \"2MiB\" or more"
    );
    let error = Given::new().file("limits.body_bytes = '32KiB'").error();
    assert!(
        error.starts_with("설정.toml:1:21: limits.body_bytes: "),
        "{error}"
    );
    let error = Given::new()
        .set("namespaces.room.message_bytes", "512KiB")
        .error();
    assert!(error.contains("over WebSocket"), "{error}");
    let error = Given::new().set("limits.poll_messages", "50").error();
    assert!(
        error.starts_with("flag --set limits.poll_messages=50: "),
        "{error}"
    );
    let given = Given::new().set("limits.forget", "1s");
    assert!(
        given
            .error()
            .contains("limits.sweep = \"5s\" is more than limits.forget = \"1s\"")
    );
}

#[test]
fn only_loopback_without_insecure() {
    for address in ["0.0.0.0:8000", "192.168.0.7:80", "[::]:8000"] {
        let error = Given::new().set("listen", address).error();
        assert!(error.contains("is reached from other machines"), "{error}");
        assert!(error.contains("--insecure"), "{error}");
        let open = Given::new()
            .set("listen", address)
            .variable("TIDINGS_INSECURE", "true");
        assert_eq!(open.config().listen.to_string(), address);
    }
    for address in [
        "127.0.0.1:0",
        "127.8.9.1:1",
        "[::1]:8000",
        "[::ffff:127.0.0.1]:1",
    ] {
        Given::new().set("listen", address).load();
    }
}

#[test]
fn tls_is_both_files_or_none() {
    for (set, missing) in [("tls.cert", "tls.key"), ("tls.key", "tls.cert")] {
        let error = Given::new().set(set, "/a b/열쇠.pem").error();
        assert_eq!(
            error,
            format!(
                "flag --set {set}=/a b/열쇠.pem: {set}: {set} is set and {missing} is not: TLS needs both\n  \
                 fix: set {missing}, too, or neither for plain HTTP"
            )
        );
        let both = Given::new().set(set, "a").set(missing, "b").config();
        assert!(both.tls.cert.is_some() && both.tls.key.is_some());
        Given::new().set(set, "").load();
        let wrong = Given::new().file(&format!("{set} = 7\n")).set(missing, "a");
        assert!(
            wrong.error().contains("7 is not a file"),
            "{}",
            wrong.error()
        );
    }
}

#[test]
fn variables_that_kubernetes_sets_are_passed_over() {
    let loaded = Given::new()
        .variable("TIDINGS_PORT", "tcp://10.0.0.1:8000")
        .variable("TIDINGS_SERVICE_HOST", "10.0.0.1")
        .variable("TIDINGS_PORT_8000_TCP_ADDR", "10.0.0.1")
        .variable("TIDINGS_CONFIG", "x")
        .variable("TIDINGS_CACERT", "x")
        .load();
    assert_eq!(loaded.config, Config::default());
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let plain = Given::new();
    let rich = Given::new()
        .file("history.count = 5\n[namespaces.\"방\".history]\ncount = 1\n")
        .variable("TIDINGS_ORIGINS", "[\"https://a.example\"]")
        .variable("TIDINGS_LIMITS__LAG_BYTES", "1000001")
        .set("limits.wait", "1m1s1ms")
        .set("limits.poll_pace", "0s")
        .set("log.format", "json")
        .set("tls.cert", "/a b/\"인증서\".pem")
        .set("tls.key", "key.pem")
        .set("namespaces.\"a.b\".message_bytes", "7");
    for given in [plain, rich] {
        let loaded = given.load();
        let printed = print(&loaded);
        let again = Given::new().file(&printed).load();
        assert_eq!(again.config, loaded.config, "{printed}");
        assert_eq!(values(&print(&again)), values(&printed));
    }
}

fn values(printed: &str) -> Vec<&str> {
    printed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect()
}

#[test]
fn what_is_printed_says_where_it_came_from() {
    let loaded = Given::new()
        .file("[history]\ncount = 5\n")
        .variable("TIDINGS_LISTEN", "127.0.0.1:9")
        .set("limits.drain", "1s\n")
        .load();
    let printed = print(&loaded);
    for line in [
        "# IP:PORT; from environment variable TIDINGS_LISTEN",
        "# a length of time, 0s to 10m; from flag --set limits.drain=1s ",
        "# a length of time, 1s to 1d; default",
    ] {
        assert!(
            printed.lines().any(|printed| printed == line),
            "{line}\n{printed}"
        );
    }
    assert!(printed.contains("설정.toml:2:9\ncount = 5\n"), "{printed}");
}

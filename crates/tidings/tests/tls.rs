//! TLS as the command has it: the files of the server, and `pub` and `sub` by https.

mod common;

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Ended, run, serve, start, tidings};
use conformance::tls::{Authority, Certified, Flaw, Terminator};
use tokio::runtime::Runtime;

const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

/// Files of a test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its own");
        path
    }

    /// `chain.pem`, `key.pem` and the key of another certificate.
    fn with_keys() -> Self {
        let folder = Self::new();
        let certified = Certified::self_signed(&LOCAL);
        folder.write("chain.pem", &certified.chain);
        folder.write("key.pem", &certified.key);
        folder.write("other.pem", Certified::self_signed(&LOCAL).key);
        folder
    }

    fn serve(&self, cert: &str, key: &str) -> Command {
        let mut command = tidings(&["serve", "--listen", "127.0.0.1:0"]);
        command.arg("--tls-cert").arg(self.path(cert));
        command.arg("--tls-key").arg(self.path(key));
        command
    }
}

#[test]
fn files_that_cannot_be_served_with_are_named() {
    let folder = Folder::with_keys();
    folder.write("empty.pem", "");
    folder.write("large.pem", vec![b'\n'; (1 << 20) + 1]);
    let path = |name: &str| folder.path(name).display().to_string();
    let (chain, key) = (path("chain.pem"), path("key.pem"));
    for (cert, private, told) in [
        (
            "no.pem",
            "key.pem",
            format!("tls.cert: {} cannot be read: No such file", path("no.pem")),
        ),
        (
            "chain.pem",
            "no.pem",
            format!("tls.key: {} cannot be read: No such file", path("no.pem")),
        ),
        (
            ".",
            "key.pem",
            format!("tls.cert: {} cannot be read: Is a directory", path(".")),
        ),
        (
            "large.pem",
            "key.pem",
            format!(
                "tls.cert: {} is larger than 1048576 bytes",
                path("large.pem")
            ),
        ),
        (
            "empty.pem",
            "key.pem",
            format!(
                "tls.cert: {}: the certificate file is not PEM",
                path("empty.pem")
            ),
        ),
        (
            "key.pem",
            "chain.pem",
            format!(
                "tls.cert: {key}: the certificate file holds no certificate, but a private key: are the two files swapped?"
            ),
        ),
        (
            "chain.pem",
            "chain.pem",
            format!("tls.key: {chain}: the key file holds no private key, but a certificate"),
        ),
        (
            "chain.pem",
            "other.pem",
            format!(
                "tls.cert: {chain}, tls.key: {}: the private key does not belong",
                path("other.pem")
            ),
        ),
    ] {
        let ended = run(&mut folder.serve(cert, private));
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
        assert!(
            ended.err.contains(&format!("error: {told}")),
            "{told}\n{}",
            ended.err
        );
        assert!(!ended.err.contains("PRIVATE KEY"), "{}", ended.err);
    }
}

#[test]
fn one_file_alone_is_an_error_of_the_configuration() {
    for (flag, missing) in [("--tls-cert", "tls.key"), ("--tls-key", "tls.cert")] {
        let ended = run(&mut tidings(&["serve", flag, "a.pem"]));
        assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""));
        let told = format!("flag {flag} a.pem: ");
        assert!(ended.err.starts_with(&told), "{}", ended.err);
        assert!(
            ended.err.contains(&format!("fix: set {missing}")),
            "{}",
            ended.err
        );
    }
}

#[test]
fn a_key_that_everybody_may_read_is_warned_of() {
    let folder = Folder::with_keys();
    for (mode, warned) in [(0o644, true), (0o640, false), (0o600, false)] {
        let key = folder.path("key.pem");
        fs::set_permissions(&key, Permissions::from_mode(mode)).expect("its own");
        let mut server = start(&mut folder.serve("chain.pem", "key.pem"));
        server.out.find(" serves ");
        server.signal(rustix::process::Signal::TERM);
        let log = server.err.rest().join("\n");
        assert_eq!(
            log.contains("may read the private key"),
            warned,
            "{mode:o}\n{log}"
        );
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn the_configuration_shows_the_files() {
    let printed = run(tidings(&["config", "--print", "--tls-cert", "a b.pem"])
        .env("TIDINGS_TLS__KEY", "열쇠.pem"));
    assert_eq!(printed.code, Some(0), "{}", printed.err);
    for line in ["[tls]", "cert = \"a b.pem\"", "key = \"열쇠.pem\""] {
        assert!(
            printed.out.lines().any(|printed| printed == line),
            "{line}\n{}",
            printed.out
        );
    }
}

#[test]
fn a_check_reads_the_files() {
    let files = ["--tls-cert", "no such.pem", "--tls-key", "neither.pem"];
    let checked = run(&mut tidings(&[&["config", "--check"], &files[..]].concat()));
    assert_eq!(checked.code, Some(1), "{}", checked.out);
    assert!(checked.err.contains("no such.pem"), "{}", checked.err);
}

/// The real server behind TLS.
struct Secure {
    terminator: Terminator,
    _server: common::Server,
    _runtime: Runtime,
}

impl Secure {
    fn start(certified: &Certified) -> Self {
        let server = serve(&[]);
        let runtime = Runtime::new().expect("a runtime");
        let terminator = runtime.block_on(Terminator::start(server.address(), certified));
        Self {
            terminator,
            _server: server,
            _runtime: runtime,
        }
    }

    fn address(&self) -> SocketAddr {
        self.terminator.addr
    }

    /// A command for this server, on a machine that trusts `known` alone.
    fn command(&self, arguments: &[&str], known: &Path) -> Command {
        let mut command = tidings(arguments);
        command
            .env(
                "TIDINGS_URL",
                format!("https://localhost:{}", self.address().port()),
            )
            .env("SSL_CERT_FILE", known)
            .env("SSL_CERT_DIR", known.with_file_name("none"));
        command
    }

    /// What `pub` and `sub` say, where it has to be the same.
    fn refused(&self, known: &Path, cacert: &str) -> Ended {
        let mut ended = ["pub", "sub"].map(|what| {
            let arguments: &[&str] = match what {
                "pub" => &["pub", "a", "x"],
                _ => &["sub", "a", "--quiet"],
            };
            let mut command = self.command(arguments, known);
            run(command.env("TIDINGS_CACERT", cacert))
        });
        assert_eq!(ended[0].err, ended[1].err);
        assert_eq!(
            (ended[0].code, &*ended[0].out),
            (ended[1].code, &*ended[1].out)
        );
        std::mem::replace(
            &mut ended[0],
            Ended {
                code: None,
                out: String::new(),
                err: String::new(),
            },
        )
    }
}

#[test]
fn every_transport_by_https() {
    let folder = Folder::new();
    let authority = Authority::new("시험");
    let known = folder.write("known.pem", Authority::new("남").pem());
    let cacert = folder.write("ca.pem", authority.pem());
    let cacert = cacert.to_str().expect("UTF-8");
    let secure = Secure::start(&authority.issue(&LOCAL));
    for transport in ["auto", "websocket", "sse", "long-poll", "poll"] {
        let channel = format!("방:{transport}");
        let publish = ["pub", &channel, "안녕 👋", "--close", "--cacert", cacert];
        let published = run(&mut secure.command(&publish, &known));
        assert_eq!(published.code, Some(0), "{}", published.err);
        let follow = [
            "sub",
            &channel,
            "--after",
            "earliest",
            "--transport",
            transport,
        ];
        let read = run(secure
            .command(&follow, &known)
            .env("TIDINGS_CACERT", cacert));
        assert_eq!(
            (read.code, &*read.out),
            (Some(0), "안녕 👋\n"),
            "{}",
            read.err
        );
    }
    // What the machine itself trusts needs no flag.
    let trusting = run(&mut secure.command(&["pub", "a", "x"], Path::new(cacert)));
    assert_eq!(trusting.code, Some(0), "{}", trusting.err);
}

#[test]
fn certificates_that_are_refused_end_the_command() {
    let folder = Folder::new();
    let authority = Authority::new("시험");
    let known = folder.write("known.pem", Authority::new("남").pem());
    let cacert = folder.write("ca.pem", authority.pem());
    let cacert = cacert.to_str().expect("UTF-8");
    for (certified, cacert, text) in [
        (
            authority.issue(&LOCAL),
            "",
            "give the certificate of its authority with --cacert FILE",
        ),
        (
            authority.issue(&["rt.example.com"]),
            cacert,
            "is not for \"localhost\", but for rt.example.com",
        ),
        (
            authority.issue_wrong(&LOCAL, Flaw::Expired),
            cacert,
            "has expired",
        ),
    ] {
        let secure = Secure::start(&certified);
        let ended = secure.refused(&known, cacert);
        assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{}", ended.err);
        assert!(
            ended.err.starts_with("the server's certificate "),
            "{}",
            ended.err
        );
        assert!(ended.err.contains(text), "{}", ended.err);
        assert_eq!(secure.terminator.accepted(), 2);
    }
}

#[test]
fn authorities_that_cannot_be_used_are_wrong_usage() {
    let folder = Folder::new();
    let empty = folder.write("empty.pem", "");
    let path = |name: &str| folder.path(name).display().to_string();
    let secure = Secure::start(&Certified::self_signed(&LOCAL));
    for (cacert, text) in [
        (
            path("no.pem"),
            format!("--cacert: {} cannot be read: No such file", path("no.pem")),
        ),
        (
            path("empty.pem"),
            "bad certificates of authorities: there is no PEM certificate".into(),
        ),
        (
            String::new(),
            "bad certificates of authorities: this machine has none".into(),
        ),
    ] {
        let ended = secure.refused(&empty, &cacert);
        assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{}", ended.err);
        assert!(ended.err.starts_with(&text), "{text}\n{}", ended.err);
    }
    assert_eq!(secure.terminator.accepted(), 0);
}

#[test]
fn the_wrong_scheme_is_told() {
    let secure = Secure::start(&Certified::self_signed(&LOCAL));
    let to = |url: String| run(&mut tidings(&["pub", "a", "x", "--url", &url]));
    let plain = to(format!("http://{}", secure.address()));
    assert_eq!(plain.code, Some(1), "{}", plain.err);
    assert!(plain.err.contains("write https://"), "{}", plain.err);
    for (url, text) in [
        (
            "wss://localhost",
            "write https://, which is for all transports",
        ),
        (
            "gopher://localhost",
            "write http://HOST:PORT or https://HOST:PORT",
        ),
    ] {
        let ended = to(url.into());
        assert_eq!(ended.code, Some(2));
        assert!(ended.err.contains(text), "{}", ended.err);
    }
}

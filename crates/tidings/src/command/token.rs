//! `tidings token`: makes tokens for trying out and for scripts, and says what is in one. It asks no
//! server, and never takes a secret from the command line.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use serde_json::{Map, Value, json};
use tidings_auth::{SigningKey, explain, read_claims};

use crate::command::{complain, pem_file};

/// The longest text that is read from standard input, in bytes.
const INPUT: u64 = 64 << 10;

/// `tidings token`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Sign a token and print it
    New(Box<New>),
    /// Print what is in a token, without verifying it
    Explain(Explain),
}

#[derive(clap::Args, Debug)]
#[command(
    after_help = "The algorithm follows from the key: a secret signs HS256, a private key RS256, ES256 or EdDSA. Of a secret's file,
one line end at its end does not count. A pattern is a channel's name, where * stands for anything.

Examples:
  openssl rand -base64 48 > secret
  tidings token new --secret-file secret --user alice --subscribe 'room:*' --publish room:7
  tidings token new --key-file private.pem --kid 2026-11 --issuer https://app.example --user alice --expires 15m
  pass show tidings | tidings token new --secret-file - --user alice

Exit codes: 0 printed, 1 refused, 2 wrong usage."
)]
struct New {
    #[command(flatten)]
    key: KeyFile,
    /// The id of the key, which the token names
    #[arg(long, value_name = "ID")]
    kid: Option<String>,
    /// The user (`sub`)
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// How long it is valid
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    expires: Duration,
    /// Channels that may be read; may stand many times
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<String>,
    /// Channels that may be published to
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<String>,
    /// Channels of which the presence may be seen
    #[arg(long, value_name = "PATTERN")]
    presence: Vec<String>,
    /// What others see of the user in presence
    #[arg(long, value_name = "JSON", value_parser = json_value)]
    info: Option<Value>,
    /// Who signs it (`iss`)
    #[arg(long, value_name = "TEXT")]
    issuer: Option<String>,
    /// Whom it is for (`aud`)
    #[arg(long, value_name = "TEXT")]
    audience: Option<String>,
    /// Print {"token", "claims"} as JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct KeyFile {
    /// The file of a secret of at least 32 bytes; `-`: standard input
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The file of a private key, PEM; `-`: standard input
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Prints {\"header\", \"claims\", \"remarks\"} as JSON. The signature is not verified and not printed.

Examples:
  tidings token explain < token
  wl-paste | tidings token explain | jq .remarks

Exit codes: 0 printed, 1 no token, 2 wrong usage."
)]
struct Explain {
    /// The token; `-` or nothing: from standard input, so that it does not stand in the shell's history
    token: Option<String>,
}

fn json_value(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("this is no JSON: {error}"))
}

/// Does what the arguments say.
///
/// # Errors
///
/// A file that cannot be read, a key that is none, a claim that no server would take.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.context("the clock stands before 1970")?.as_secs();
    let text = match &args.what {
        What::New(args) => new(args, now)?,
        What::Explain(args) => {
            let token = match args.token.as_deref() {
                Some(token) if token != "-" => token.to_owned(),
                _ => line_of_input()?,
            };
            format!("{:#}", explain(token.trim(), now)?)
        }
    };
    // Whoever closed the output has read enough.
    let _ = writeln!(io::stdout().lock(), "{text}");
    Ok(ExitCode::SUCCESS)
}

/// What was given on standard input, without the line's end.
///
/// # Errors
///
/// It cannot be read, is no text, or too long.
pub fn line_of_input() -> anyhow::Result<String> {
    let text = String::from_utf8(input()?).context("standard input is no text")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn new(args: &New, now: u64) -> anyhow::Result<String> {
    let key = args.key.read()?;
    let claims = args.claims(now)?;
    // A server would say the same, and later.
    read_claims(&claims, "", now, 0)?;
    let token = key.mint(args.kid.as_deref(), &claims)?;
    Ok(match args.json {
        true => json!({ "token": token, "claims": claims }).to_string(),
        false => token,
    })
}

impl New {
    fn claims(&self, now: u64) -> anyhow::Result<Map<String, Value>> {
        ensure!(
            self.expires >= Duration::from_secs(1),
            "--expires: a token is valid for a second at least"
        );
        let mut claims = Map::new();
        claims.insert("iat".into(), now.into());
        // So that it can be revoked alone.
        claims.insert("jti".into(), format!("{:016x}", getrandom::u64()?).into());
        let end = now.saturating_add(self.expires.as_secs());
        claims.insert("exp".into(), end.into());
        let texts = [
            ("sub", &self.user),
            ("iss", &self.issuer),
            ("aud", &self.audience),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                claims.insert(name.into(), text.as_str().into());
            }
        }
        if let Some(info) = &self.info {
            claims.insert("info".into(), info.clone());
        }
        let channels = self.channels();
        if !channels.is_empty() {
            claims.insert("channels".into(), channels.into());
        }
        Ok(claims)
    }

    fn channels(&self) -> Map<String, Value> {
        let lists = [
            ("subscribe", &self.subscribe),
            ("publish", &self.publish),
            ("presence", &self.presence),
        ];
        let named = lists.into_iter().filter(|(_, list)| !list.is_empty());
        named
            .map(|(name, list)| (name.to_owned(), json!(list)))
            .collect()
    }
}

impl KeyFile {
    fn read(&self) -> anyhow::Result<SigningKey> {
        match (&self.secret_file, &self.key_file) {
            (Some(path), _) => {
                let secret = read(path)?;
                SigningKey::from_secret(without_line_end(&secret)).context("--secret-file")
            }
            (_, Some(path)) => SigningKey::from_pem(&read(path)?).context("--key-file"),
            (None, None) => bail!("give --secret-file or --key-file"),
        }
    }
}

/// A secret as it stands in a file: editors and `echo` end it with a line end, which is none of it.
fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        return input();
    }
    let file = pem_file::read(path)?;
    if file.is_public {
        complain(format!(
            "warning: everybody on this machine may read {}: chmod 600 it",
            path.display()
        ));
    }
    Ok(file.text)
}

fn input() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(INPUT + 1).read_to_end(&mut bytes);
    let size = read.context("standard input cannot be read")?;
    ensure!(
        size as u64 <= INPUT,
        "standard input has more than {INPUT} bytes"
    );
    Ok(bytes)
}

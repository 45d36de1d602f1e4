//! The command line: subcommands, flags and what `--help` says. It decides nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::value::RawValue;
use tidings_client::Transport;

use crate::command::config::{Flag, Inputs, PREFIX};

/// Where the server is looked for.
const DEFAULT_URL: &str = "http://127.0.0.1:8000";

/// The `tidings` command.
#[derive(Debug, Parser)]
#[command(
    name = "tidings",
    version,
    arg_required_else_help = true,
    about = "Real-time server: publish over HTTP, follow by poll, long poll, SSE or WebSocket on the same URL",
    after_help = "Examples:
  tidings serve                              an open development server on http://127.0.0.1:8000
  tidings pub room:7 '{\"text\":\"안녕 👋\"}'      publish one message
  tail -F app.log | tidings pub logs         publish a log, line by line
  tidings sub logs --after earliest          follow it from its beginning

`tidings COMMAND --help` says more."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server
    Serve(Settings),
    /// Check or print the configuration
    Config(ConfigArgs),
    /// Publish a message, or every line of standard input
    Pub(PublishArgs),
    /// Follow channels and print their messages
    Sub(SubscribeArgs),
    /// Make a token, or say what is in one
    Token(crate::command::token::Args),
    /// Make a key for a backend
    Key(crate::command::key::Args),
    /// Measure what a message costs on this machine
    Bench(crate::command::bench::Options),
}

/// What sets the configuration. Without any of it the server listens on 127.0.0.1:8000.
#[derive(Args, Debug)]
#[command(
    after_help = "Every key of the configuration can be set in four places; the later wins:
  defaults       `tidings config --print` shows all keys with their meaning
  file           [limits] wait = \"55s\"
  environment    TIDINGS_LIMITS__WAIT=55s      (a dot is __; lists are separated by commas)
  flags          --set limits.wait=55s

Examples:
  tidings serve --listen 127.0.0.1:0                     a free port, which is printed
  tidings serve --config tidings.toml --set history.count=10000
  TIDINGS_LOG__FORMAT=json tidings serve
  tidings serve --tls-cert chain.pem --tls-key key.pem   https:// only
  tidings serve --listen 0.0.0.0:8000 --insecure         open to everybody who reaches it

SIGHUP reads the file again and puts it in force without dropping anybody; keys that need a restart are named.
A flag is seen by everybody on the machine: secrets belong in the file, in the environment or in files of their own.
SIGTERM and Ctrl-C end all streams in order (at most limits.drain); a second one ends at once."
)]
pub struct Settings {
    /// The configuration file, TOML
    #[arg(long, value_name = "FILE", env = "TIDINGS_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one and prints it [env: TIDINGS_LISTEN] [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Listen on any address, although nobody is asked who they are; not needed with tokens or keys [env: TIDINGS_INSECURE=true]
    #[arg(long)]
    pub insecure: bool,
    /// Show the demo at /demos/; an open server on loopback does so by itself [env: TIDINGS_DEMO__ON=true]
    #[arg(long)]
    pub demo: bool,
    /// An address of their own for administration and metrics [env: TIDINGS_ADMIN__LISTEN]
    #[arg(long, value_name = "ADDR")]
    pub admin_listen: Option<String>,
    /// The server's certificate, and those of its issuers after it, PEM: connections are TLS [env: TIDINGS_TLS__CERT]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// The certificate's private key, PEM [env: TIDINGS_TLS__KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// How much is logged: off, error, warn, info, debug, trace [env: TIDINGS_LOG__LEVEL] [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How it is logged: text or json [env: TIDINGS_LOG__FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Set any key of the configuration; may stand many times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,
}

fn json_value(text: &str) -> Result<Arc<RawValue>, String> {
    let value = serde_json::from_str::<Box<RawValue>>(text);
    value
        .map(Into::into)
        .map_err(|error| format!("this is no JSON: {error}"))
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("write KEY=VALUE, as limits.wait=55s")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl Settings {
    /// The layers of the configuration, with the environment of this process.
    pub fn inputs(&self) -> Inputs {
        let variables = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect();
        Inputs {
            file: self.config.clone(),
            variables,
            flags: self.flags(),
        }
    }

    fn flags(&self) -> Vec<Flag> {
        let named = [
            ("--listen", "listen", &self.listen),
            ("--admin-listen", "admin.listen", &self.admin_listen),
            ("--tls-cert", "tls.cert", &self.tls_cert),
            ("--tls-key", "tls.key", &self.tls_key),
            ("--log-level", "log.level", &self.log_level),
            ("--log-format", "log.format", &self.log_format),
        ];
        let flag = |typed: String, key: &str, value: &str| Flag {
            typed,
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let mut flags: Vec<Flag> = self
            .set
            .iter()
            .map(|(key, value)| flag(format!("--set {key}={value}"), key, value))
            .collect();
        for (name, key, value) in named {
            if let Some(value) = value {
                flags.push(flag(format!("{name} {value}"), key, value));
            }
        }
        if self.demo {
            flags.push(flag("--demo".into(), "demo.on", "true"));
        }
        if self.insecure {
            flags.push(flag("--insecure".into(), "insecure", "true"));
        }
        flags
    }
}

/// `tidings config`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  tidings config --check --config tidings.toml     \"ok\", or every error with its line and its fix
  tidings config --print > tidings.toml            all keys, to begin with
  tidings config --schema > tidings.schema.json    what a file may hold, for editors")]
pub struct ConfigArgs {
    #[command(flatten)]
    what: ConfigAction,
    /// What sets the configuration.
    #[command(flatten)]
    pub settings: Settings,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct ConfigAction {
    /// Say what is wrong: exit 0 and "ok", or exit 1 and all errors
    #[arg(long)]
    check: bool,
    /// Print every key with its value, its meaning and where the value came from, as TOML; no secrets
    #[arg(long)]
    print: bool,
    /// Print the JSON Schema of the configuration file, for editors
    #[arg(long)]
    schema: bool,
}

impl ConfigArgs {
    /// Print instead of only check.
    pub fn print(&self) -> bool {
        self.what.print
    }

    /// Print what a file may hold, whatever is set.
    pub fn schema(&self) -> bool {
        self.what.schema
    }
}

/// Where the server is, and who one is there.
#[derive(Args, Debug)]
pub struct Target {
    /// The server's URL, http:// or https://
    #[arg(long, value_name = "URL", env = "TIDINGS_URL", default_value = DEFAULT_URL)]
    pub url: String,
    /// The user to be; only a development server believes it
    #[arg(long, value_name = "NAME", env = "TIDINGS_USER")]
    pub user: Option<String>,
    /// The file of the token or key to show; it is read again when the token ends [env: TIDINGS_TOKEN=the token itself]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Authorities to trust for https:// besides those of this machine, PEM
    #[arg(long, value_name = "FILE", env = "TIDINGS_CACERT")]
    pub cacert: Option<OsString>,
}

/// `tidings pub`.
#[derive(Args, Debug)]
#[command(
    after_help = "DATA is JSON if it is valid JSON, else text. Lines of standard input are text (not valid UTF-8: bytes),
published one after the other as they come; a line is tried again until the server holds it.

Examples:
  tidings pub room:7 '{\"text\":\"안녕 👋\"}'
  tidings pub room:7 42 --text --event price
  tail -F app.log | tidings pub logs --quiet
  tidings pub answers:1 --close '[the end]'
  tidings pub prices 91250.1 --topic BTC --token-file backend.key

Exit codes: 0 all published, 1 refused or unreachable, 2 wrong usage."
)]
pub struct PublishArgs {
    /// The channel
    pub channel: String,
    /// The message; `-` or nothing: every line of standard input is one
    pub data: Option<String>,
    /// Where and who
    #[command(flatten)]
    pub target: Target,
    /// The event name
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// How the data is meant
    #[command(flatten)]
    pub kind: PayloadKind,
    /// Only for those who listen right now: no history, no replay
    #[arg(long)]
    pub ephemeral: bool,
    /// End the channel with this message; with standard input, after its last line
    #[arg(long, conflicts_with = "ephemeral")]
    pub close: bool,
    /// The idempotency key, for one message: publishing again under it publishes nothing
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// What the message is about, where the channel's rules are `lag.policy = latest_by`
    #[arg(long, value_name = "TEXT")]
    pub topic: Option<String>,
    /// Print no receipts
    #[arg(long, short)]
    pub quiet: bool,
    /// How receipts are printed: text or json
    #[arg(
        long,
        value_enum,
        default_value = "text",
        hide_possible_values = true,
        conflicts_with = "quiet"
    )]
    pub receipts: Receipts,
}

/// How the data of a message is meant.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub struct PayloadKind {
    /// The data is JSON
    #[arg(long)]
    pub json: bool,
    /// The data is text
    #[arg(long)]
    pub text: bool,
    /// The data is of this media type
    #[arg(long = "type", value_name = "MEDIA-TYPE")]
    pub media_type: Option<String>,
}

/// How receipts are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Receipts {
    /// The position, and how many were listening.
    Text,
    /// One JSON object per line.
    Json,
}

/// `tidings sub`.
#[derive(Args, Debug)]
#[command(
    after_help = "Payloads go to standard output, one line each (bytes as base64); of several channels with the channel and a tab
before each. Lost messages, reconnects and the like go to standard error. It comes back by itself and goes on
where it stood, until Ctrl-C, until nobody reads its output, or until all channels have ended.

Examples:
  tidings sub room:7
  tidings sub logs metrics --after earliest --json | jq .data
  tidings sub logs --last 10 --transport sse
  tidings sub logs --after k3f9-42
  tidings sub room:7 --token-file token
  tidings sub room:7 --join --info '{\"name\":\"앨리스\"}'
  tidings sub '$presence:room:7'                 who comes and goes

Exit codes: 0 ended, 1 refused, 2 wrong usage."
)]
pub struct SubscribeArgs {
    /// The channels
    #[arg(required = true, value_name = "CHANNEL")]
    pub channels: Vec<String>,
    /// Where and who
    #[command(flatten)]
    pub target: Target,
    /// The way to read: auto, or one of websocket, sse, sse-post, long-poll, poll; auto goes down these as far as the
    /// network needs, and up again when it can
    #[arg(long, value_name = "TRANSPORT", default_value = "auto")]
    pub transport: Transport,
    /// Where to start: earliest, now, or after a cursor; once for all channels or once for each in their order [default: now]
    #[arg(long, value_name = "CURSOR", conflicts_with = "last")]
    pub after: Vec<String>,
    /// Start with the newest N messages of each channel
    #[arg(long, value_name = "N")]
    pub last: Option<u32>,
    /// Be a member of the channels, for others to see in their presence
    #[arg(long)]
    pub join: bool,
    /// What others see of the member, JSON of at most 1 KiB
    #[arg(long, value_name = "JSON", requires = "join", value_parser = json_value)]
    pub info: Option<Arc<RawValue>>,
    /// Print whole envelopes, one JSON object per line; gaps, skips and ends stand between them
    #[arg(long)]
    pub json: bool,
    /// Say nothing of connections; losses are still told
    #[arg(long, short)]
    pub quiet: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_outweigh_set() {
        let cli = Cli::try_parse_from([
            "tidings",
            "serve",
            "--listen",
            "127.0.0.1:1",
            "--set",
            "listen=127.0.0.1:2",
            "--insecure",
        ]);
        let Ok(Cli {
            command: Command::Serve(settings),
        }) = cli
        else {
            panic!("{cli:?}")
        };
        let keys: Vec<String> = settings
            .flags()
            .into_iter()
            .map(|flag| flag.typed)
            .collect();
        assert_eq!(
            keys,
            [
                "--set listen=127.0.0.1:2",
                "--listen 127.0.0.1:1",
                "--insecure"
            ]
        );
    }

    #[test]
    fn contradictions_are_refused() {
        for line in [
            "tidings config",
            "tidings config --check --print",
            "tidings config --schema --print",
            "tidings pub a b --json --text",
            "tidings sub",
            "tidings sub a --last 1 --after now",
            "tidings sub a --transport pigeon",
            "tidings serve --set limits.wait",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}

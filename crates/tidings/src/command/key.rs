//! `tidings key`: makes keys for backends. A key is shown once; what the server is told is its hash.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Subcommand;
use serde_json::json;
use tidings_auth::{KeyText, hash_text};
use tidings_core::Patterns;

use crate::command::{complain, token};

/// `tidings key`.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make a key: it on standard output, what the configuration needs on standard error
    New(New),
    /// Print the hash of a key that is read from standard input
    #[command(after_help = "Example:
  tidings key hash < key

Exit codes: 0 printed, 1 no key, 2 wrong usage.")]
    Hash,
}

#[derive(clap::Args, Debug)]
#[command(
    after_help = "The key is shown this once. The server knows its hash only, from which nobody makes the key.
A pattern is a channel's name, where * stands for anything.

Examples:
  tidings key new app --publish '*' > app.key 2>> tidings.toml
  tidings key new worker --publish 'jobs:*' --subscribe 'jobs:*'
  tidings key new ops --admin --json | jq -r .config

Exit codes: 0 printed, 1 refused, 2 wrong usage."
)]
struct New {
    /// The name of the backend: letters, digits, - and _
    name: String,
    /// Channels that it may publish to; may stand many times
    #[arg(long, value_name = "PATTERN")]
    publish: Vec<String>,
    /// Channels that it may read
    #[arg(long, value_name = "PATTERN")]
    subscribe: Vec<String>,
    /// Channels of which it may see the presence
    #[arg(long, value_name = "PATTERN")]
    presence: Vec<String>,
    /// It may use the administration
    #[arg(long)]
    admin: bool,
    /// Print {"name", "key", "hash", "config"} as JSON on standard output
    #[arg(long)]
    json: bool,
}

/// Does what the arguments say.
///
/// # Errors
///
/// A name or pattern that is none, an input that is no key.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = match &args.what {
        What::New(args) => new(args)?,
        What::Hash => hash(&token::line_of_input()?)?,
    };
    // A key that was not printed is lost, and nobody would know.
    writeln!(io::stdout().lock(), "{text}").context("standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn hash(key: &str) -> anyhow::Result<String> {
    ensure!(
        KeyText::name_in(key).is_some(),
        "this has not the form of a key, tdk_NAME_…: make one with `tidings key new NAME`"
    );
    Ok(hash_text(key))
}

fn new(args: &New) -> anyhow::Result<String> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("the system gives no random bytes")?;
    let key = KeyText::generate(&args.name, random)?;
    let config = args.config(&key.hash())?;
    if args.json {
        let (name, key, hash) = (&args.name, key.as_str(), key.hash());
        return Ok(json!({ "name": name, "key": key, "hash": hash, "config": config }).to_string());
    }
    complain(config.trim_end());
    Ok(key.as_str().to_owned())
}

impl New {
    /// What stands in the configuration.
    fn config(&self, hash: &str) -> anyhow::Result<String> {
        let mut text = format!("[keys.{}]\nhash = \"{hash}\"\n", self.name);
        for (action, list) in [
            ("publish", &self.publish),
            ("subscribe", &self.subscribe),
            ("presence", &self.presence),
        ] {
            let parsed = Patterns::parse(list.iter().map(String::as_str));
            parsed.with_context(|| format!("--{action}"))?;
            if !list.is_empty() {
                // A JSON list of texts is one of TOML, too.
                text += &format!("{action} = {}\n", json!(list));
            }
        }
        if self.admin {
            text += "admin = true\n";
        }
        Ok(text)
    }
}

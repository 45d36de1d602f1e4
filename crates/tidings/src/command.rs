//! The `tidings` command: its configuration, its flags and what its subcommands do. The only part
//! that reads files, the environment and signals; everything about channels, transports and the wire
//! is in the crates below.

mod bench;
pub mod cli;
pub mod config;
mod demo;
mod key;
mod lines;
mod logging;
mod pem_file;
mod policy;
mod publish;
mod serve;
mod subscribe;
mod target;
mod tls;
mod token;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;

use self::cli::{Cli, Command, ConfigArgs, Settings};

/// Does what the command line says. The exit code: 0 done, 1 refused or wrong, 2 wrong usage.
pub fn run(cli: &Cli) -> ExitCode {
    let ended = match &cli.command {
        Command::Serve(settings) => serve_with(settings),
        Command::Config(args) => Ok(config_command(args)),
        Command::Pub(args) => publish::run(args),
        Command::Sub(args) => subscribe::run(args),
        Command::Token(args) => token::run(args),
        Command::Key(args) => key::run(args),
        Command::Bench(options) => bench::run(options),
    };
    ended.unwrap_or_else(|error| {
        complain(format!("error: {error:#}"));
        refused()
    })
}

fn serve_with(settings: &Settings) -> anyhow::Result<ExitCode> {
    let inputs = settings.inputs();
    match config::load(&inputs) {
        Ok(loaded) => serve::run(loaded, inputs),
        Err(faults) => {
            complain(faults);
            Ok(refused())
        }
    }
}

fn config_command(args: &ConfigArgs) -> ExitCode {
    if args.schema() {
        let _ = io::stdout().lock().write_all(config::schema().as_bytes());
        return ExitCode::SUCCESS;
    }
    let loaded = match config::load(&args.settings.inputs()) {
        Ok(loaded) => loaded,
        Err(faults) => {
            complain(faults);
            return refused();
        }
    };
    // What is printed may be meant for another machine; what is checked is meant to run.
    if !args.print()
        && let Err(error) =
            tls::keys(&loaded.config.tls).and_then(|_| policy::check(&loaded.config))
    {
        complain(format!("error: {error:#}"));
        return refused();
    }
    if !args.print() {
        for warning in &loaded.warnings {
            complain(format!("warning: {warning}"));
        }
    }
    let text = if args.print() {
        config::print(&loaded)
    } else {
        "ok\n".into()
    };
    // Whoever closed the output has read enough.
    let _ = io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// The exit code of a refusal, of an unreachable server, of a wrong configuration.
fn refused() -> ExitCode {
    ExitCode::from(1)
}

/// The exit code of a command that was not understood.
fn usage() -> ExitCode {
    ExitCode::from(2)
}

/// Says something to the person on standard error, which may be closed.
fn complain(what: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{what}");
}

/// A runtime with one thread for the network besides this one, so that an output which is slow to
/// take lines does not keep a connection from living.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("the runtime does not start")
}

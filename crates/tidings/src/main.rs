//! The `tidings` command.

use std::process::ExitCode;

use clap::Parser;
use tidings::command::cli::Cli;

fn main() -> ExitCode {
    tidings::command::run(&Cli::parse())
}

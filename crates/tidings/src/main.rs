//! The `tidings` command.

use std::process::ExitCode;

use clap::Parser;
use tidings::cli::Cli;

fn main() -> ExitCode {
    tidings::run(&Cli::parse())
}

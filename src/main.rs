//! Parses the arguments, runs the command, gives the exit code.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    causeway::cli::run(causeway::cli::Args::parse())
}

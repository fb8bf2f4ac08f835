//! The program: arguments, signals, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use forebay::cli::args::{Args, Command};
use forebay::cli::{check, probe, serve};

fn main() -> ExitCode {
    let args = Args::parse();
    match &args.command {
        Some(Command::Check { file }) => check::check(file.as_ref().unwrap_or(&args.config)),
        Some(Command::Probe(args)) => probe::probe(args),
        None => serve::serve(args),
    }
}

//! Forebay's bench: a paced origin, a load of viewers, a reference to compare with, and the scenarios that put them together.
//!
//! `docs/performance.md` says how to use it and how to read it.
#![allow(clippy::cast_precision_loss, reason = "what is counted here is far below 2^52")]

mod checker;
mod clip;
mod clock;
mod downloads;
mod http;
mod load;
mod mirror;
mod origin;
mod players;
mod proc;
mod reference;
mod run;
mod stats;
mod sys;
mod ts;

use clap::Parser;

/// Measures Forebay on this machine.
#[derive(Debug, Parser)]
#[command(name = "forebay-bench", version)]
enum Command {
    /// A provider: an endless, paced stream at any path.
    Origin(origin::Args),
    /// A plain relay to compare with.
    Reference(reference::Args),
    /// Viewers, thousands of them.
    Load(load::Args),
    /// Players of HLS, thousands of them.
    Players(players::Args),
    /// Programs that fetch files, or hold connections.
    Downloads(downloads::Args),
    /// Puts what an HLS server offers into a folder, in step with it.
    Mirror(mirror::Args),
    /// All that is measured, server by server in turn.
    Run(run::Args),
    /// Hours of viewers who come, stay and go.
    Soak(run::soak::Args),
    /// What others notice of attacks.
    Attacks(run::attacks::Args),
    /// What joins wait while many channels are read again.
    Reload(run::reload::Args),
    /// What a hundred thousand channels in the database cost.
    Rows(run::rows::Args),
    /// What long playlists cost: imports, refreshes, lists.
    Playlists(run::playlists::Args),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Origin(args) => origin::run(&args),
        Command::Reference(args) => reference::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Players(args) => players::run(&args),
        Command::Downloads(args) => downloads::run(&args),
        Command::Mirror(args) => mirror::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Soak(args) => run::soak::run(&args),
        Command::Attacks(args) => run::attacks::run(&args),
        Command::Reload(args) => run::reload::run(&args),
        Command::Rows(args) => run::rows::run(&args),
        Command::Playlists(args) => run::playlists::run(&args),
    }
}

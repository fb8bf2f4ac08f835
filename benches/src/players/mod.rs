//! Players of HLS: thousands of them on one thread, cheap enough that the server is what is measured.
//!
//! Each asks for the playlist as often as RFC 8216 (section 6.3.4) allows, fetches every new segment once, all over one connection, and has
//! a clock of its own that says until when it has something to play: when that runs out, it has stalled. One in `--check-every` looks at
//! every packet; from the others' sockets the kernel throws the bytes away uncopied (`MSG_TRUNC`), and only how many there are, and the
//! first one, is looked at.

mod course;
mod engine;
mod list;
mod player;
mod report;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

pub(crate) use list::{Entry, Playlist, resolve};
#[cfg(test)]
pub(crate) use report::Report;

use crate::sys;

/// What the command line says.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The address of a media playlist on this machine.
    url: String,
    /// How many players.
    #[arg(long, short = 'n', default_value_t = 100)]
    players: usize,
    /// How many of them come in a second.
    #[arg(long, default_value_t = 250.0)]
    ramp: f64,
    /// Players come when the playlist has so many segments.
    #[arg(long, default_value_t = 4)]
    ready: usize,
    /// Seconds from when the last of them came until measuring begins.
    #[arg(long, default_value_t = 4.0)]
    warm_up: f64,
    /// Seconds of measuring.
    #[arg(long, default_value_t = 20.0)]
    duration: f64,
    /// One in so many players looks at every packet.
    #[arg(long, default_value_t = 100)]
    check_every: usize,
    /// Process of the server, to say what it uses.
    #[arg(long)]
    pid: Option<u32>,
    /// Where to write the report as JSON; `-` for stdout, without the text.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs the players and reports.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    sys::raise_file_limit()?;
    let report = engine::Engine::new(args)?.run()?;
    let json = serde_json::to_string(&report)?;
    match &args.json {
        Some(path) if path.as_os_str() == "-" => writeln!(io::stdout(), "{json}")?,
        Some(path) => {
            fs::write(path, json)?;
            write!(io::stdout(), "{report}")?;
        }
        None => write!(io::stdout(), "{report}")?,
    }
    Ok(())
}

//! Viewers: thousands of them on one thread, cheap enough that the server is what is measured.
//!
//! Each viewer is looked at packet by packet until its first key picture. After that, one in `--check-every` goes on being looked at as
//! data arrives; from the others' sockets the kernel throws the bytes away uncopied (`MSG_TRUNC`), on rounds that visit each of them every
//! `--sweep`. So an arrival there is noticed up to a sweep late, and what is said about gaps is as coarse as that; delays are measured on
//! the viewers that are looked at.

mod engine;
mod progress;
mod report;
mod viewer;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

pub(crate) use report::{CheckReport, Report, ServerReport};

use crate::sys;

/// What the command line says.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Where to watch: an address of this machine; `{ch}` becomes the number of a channel, from 0.
    url: String,
    /// How many channels `{ch}` stands for.
    #[arg(long, default_value_t = 1)]
    channels: usize,
    /// Steady viewers, who come first and stay.
    #[arg(long, short = 'n', default_value_t = 100)]
    viewers: usize,
    /// How many of them come in a second.
    #[arg(long, default_value_t = 1000.0)]
    ramp: f64,
    /// Seconds from when the last of them came until measuring begins.
    #[arg(long, default_value_t = 3.0)]
    warm_up: f64,
    /// Seconds of measuring.
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// One in so many viewers is looked at all the time.
    #[arg(long, default_value_t = 100)]
    check_every: usize,
    /// Milliseconds in which each of the others is visited once.
    #[arg(long, default_value_t = 50.0)]
    sweep: f64,
    /// Steady viewers who read slowly, besides the others; each is looked at.
    #[arg(long, default_value_t = 0)]
    slow: usize,
    /// Bytes a second that a slow one reads.
    #[arg(long, default_value_t = 10_000)]
    slow_rate: u64,
    /// Viewers a second who come, wait for a picture, stay for 0.2 to 2 s and go, besides the steady ones.
    #[arg(long, default_value_t = 0.0)]
    churn: f64,
    /// So many viewers come and go at their first byte, as fast as they are served; measuring ends with the last.
    #[arg(long, default_value_t = 0)]
    storm: usize,
    /// How many of the storm are under way at once.
    #[arg(long, default_value_t = 200)]
    concurrency: usize,
    /// So many viewers come within `--within`, instead of `--viewers` and `--ramp`.
    #[arg(long, default_value_t = 0)]
    cold: usize,
    /// Seconds in which the cold ones come.
    #[arg(long, default_value_t = 0.2)]
    within: f64,
    /// Process of the server, to say what it uses.
    #[arg(long)]
    pid: Option<u32>,
    /// Bits a second that a viewer should get; otherwise what half of them get.
    #[arg(long)]
    bitrate: Option<u64>,
    /// Seconds between lines about how it goes, on stderr.
    #[arg(long)]
    progress: Option<f64>,
    /// Where to write the report as JSON; `-` for stdout, without the text.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs the load and reports.
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

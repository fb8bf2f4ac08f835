//! Hours of viewers who come, stay and go: does anything grow, does anything break?

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde_json::Value;

use super::program::{self, Placement, Program};
use crate::http;
use crate::load::Report;
use crate::proc::{self, Process};
use crate::stats::slope;

/// The share of the time that is not judged: buffers fill, allocators find their size.
const SETTLING: f64 = 0.1;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How long.
    #[arg(long, default_value_t = 120.0)]
    minutes: f64,
    /// Steady viewers.
    #[arg(long, default_value_t = 1000)]
    viewers: usize,
    /// Viewers a second who come and go.
    #[arg(long, default_value_t = 20.0)]
    churn: f64,
    /// Slow readers.
    #[arg(long, default_value_t = 5)]
    slow: usize,
    /// Channels, among which the viewers are spread.
    #[arg(long, default_value_t = 10)]
    channels: usize,
    /// Seconds between samples.
    #[arg(long, default_value_t = 10.0)]
    every: f64,
    /// Where the samples go, a JSON object a line; by default into the run's folder.
    #[arg(long)]
    output: Option<PathBuf>,
    /// The server; by default the `forebay` beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Give the server a processor of its own.
    #[arg(long)]
    pin: bool,
}

/// One line of the output.
#[derive(Debug, Serialize)]
struct Sample {
    /// Since the soak began.
    seconds: f64,
    /// What the server uses.
    #[serde(flatten)]
    process: Process,
    /// Of all sockets of this machine.
    tcp_memory_bytes: u64,
    /// Streams that the origin sends, and has sent.
    origin_active: u64,
    origin_total: u64,
    /// Viewers, as the server counts them.
    clients: u64,
    /// Faults, as the server counts them, over all channels.
    continuity_errors_in: u64,
    continuity_errors_out: u64,
    viewers_moved_on: u64,
}

/// Runs the soak, and fails if a viewer was lost or shown an error.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let folder = program::run_folder()?;
    let output = args.output.clone().unwrap_or_else(|| folder.join("soak.jsonl"));
    let mut file = File::create(&output).with_context(|| format!("cannot write {}", output.display()))?;
    let placement = Placement::new(args.pin)?;
    let origin = Program::origin(&placement, 2_000_000)?;
    let binary = args.server.clone().map_or_else(program::default_server, Ok)?;
    let server = Program::server(&placement, &folder.join("server.log"), |listen| {
        let configuration = program::configuration(listen, origin.address, args.channels, "");
        program::forebay(&binary, &folder.join("channels.toml"), &configuration)
    })?;
    let mut out = io::stdout().lock();
    writeln!(out, "samples: {}, log: {}", output.display(), folder.join("server.log").display())?;
    let mut load = Program::load(&placement, &server, "load", &load_arguments(args, &server))?;
    let begin = Instant::now();
    let (mut next, mut missed, mut samples) = (0.0, 0, Vec::<Sample>::new());
    while !load.has_ended()? {
        if begin.elapsed().as_secs_f64() >= next {
            next += args.every;
            // A server that does not answer once is a fault, and no reason to lose hours of samples.
            match sample(begin, &origin, &server) {
                Ok(sample) => {
                    serde_json::to_writer(&mut file, &sample)?;
                    writeln!(file)?;
                    samples.push(sample);
                }
                Err(error) => {
                    missed += 1;
                    writeln!(io::stderr(), "no sample: {error:#}")?;
                }
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let report: Report = load.finish()?;
    write!(out, "{report}")?;
    print_slopes(&mut out, &samples)?;
    let errors = report.checked.errors() + report.checked_joining.errors() + report.checked_slow.sync_errors;
    let failures: u64 = report.failures.values().sum();
    let opened = samples.last().map_or(0, |sample| sample.origin_total);
    writeln!(
        out,
        "{errors} errors shown, {failures} failures, {missed} samples missed, {} viewers lost, {opened} upstreams opened for {} channels",
        report.lost, args.channels
    )?;
    ensure!(errors == 0 && failures == 0 && report.lost == 0 && missed == 0, "the soak found faults");
    Ok(())
}

fn load_arguments(args: &Args, server: &Program) -> Vec<String> {
    let Args { minutes, viewers, churn, slow, channels, .. } = args;
    let duration = minutes * 60.0;
    let words = format!(
        "http://{}/stream/ch{{ch}} --channels {channels} --viewers {viewers} --churn {churn} --slow {slow} \
         --duration {duration} --warm-up 10 --ramp 200 --progress 60",
        server.address
    );
    words.split_whitespace().map(str::to_owned).collect()
}

fn sample(begin: Instant, origin: &Program, server: &Program) -> anyhow::Result<Sample> {
    let upstreams = origin.origin_stats()?;
    let status: Value = serde_json::from_str(&http::get(server.address, "/api/streams/status")?)?;
    let streams = status["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sum = |pointer: &str| streams.iter().filter_map(|stream| stream.pointer(pointer)?.as_u64()).sum();
    Ok(Sample {
        seconds: begin.elapsed().as_secs_f64(),
        process: Process::read(server.pid())?,
        tcp_memory_bytes: proc::tcp_memory(),
        origin_active: upstreams.active,
        origin_total: upstreams.total,
        clients: sum("/clients"),
        continuity_errors_in: sum("/continuity_errors_in"),
        continuity_errors_out: sum("/continuity_errors_out"),
        viewers_moved_on: sum("/slow_viewers/moved_on"),
    })
}

/// By how much what should stand grows in an hour, by least squares over all but the beginning.
fn print_slopes(out: &mut impl Write, samples: &[Sample]) -> io::Result<()> {
    let end = samples.last().map_or(0.0, |sample| sample.seconds);
    let settled: Vec<&Sample> = samples.iter().filter(|sample| sample.seconds >= end * SETTLING).collect();
    let mut line = |name: &str, unit: f64, of: fn(&Sample) -> u64| {
        let values: Vec<(f64, f64)> =
            settled.iter().map(|sample| (sample.seconds / 3600.0, of(sample) as f64 / unit)).collect();
        let (Some(first), Some(last), Some(slope)) = (values.first(), values.last(), slope(&values)) else {
            return writeln!(out, "{name}: too few samples");
        };
        let most = values.iter().map(|value| value.1).fold(f64::MIN, f64::max);
        writeln!(
            out,
            "{name}: {:.2} at first, {:.2} at last, {most:.2} at most, {slope:+.3} an hour",
            first.1, last.1
        )
    };
    line("resident memory, MB", 1e6, |sample| sample.process.rss_bytes)?;
    line("own memory, MB", 1e6, |sample| sample.process.anonymous_bytes)?;
    line("memory in files, MB", 1e6, |sample| sample.process.memory_file_bytes)?;
    line("file descriptors", 1.0, |sample| sample.process.fds)?;
    line("TCP memory of the machine, MB", 1e6, |sample| sample.tcp_memory_bytes)?;
    line("viewers", 1.0, |sample| sample.clients)
}

//! What joins wait while a long list of channels is read again.
//!
//! Somebody joins a channel again and again. The longest wait is taken over two windows of the same
//! length: one in which nothing else happens, and one in which the configuration is read again.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::program::{self, Placement, Program};
use crate::http;
use crate::stats::median;

/// Between two joins: short beside a reload, so that some meet each of its steps.
const BETWEEN: Duration = Duration::from_millis(2);

/// How often it is looked whether the new list is in force.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Far longer than a reload takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many channels there are.
    #[arg(long, default_value_t = 100_000)]
    channels: usize,
    /// Of so many channels, one is changed.
    #[arg(long, default_value_t = 100)]
    one_of: usize,
    /// How often it is tried.
    #[arg(long, default_value_t = 7)]
    runs: usize,
    /// The server; by default the `forebay` beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
}

/// What came of one reload, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    took: f64,
    /// The longest wait of a join before it, and during it.
    before: f64,
    during: f64,
}

/// Measures and prints.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let folder = program::run_folder()?;
    let (file, log) = (folder.join("channels.toml"), folder.join("reload.log"));
    let binary = args.server.clone().map_or_else(program::default_server, Ok)?;
    let server = Program::server(&Placement::new(false)?, &log, |listen| {
        program::forebay(&binary, &file, &configuration(args, listen, 0))
    })?;
    // The channel stays open: a join is the joining alone.
    let _viewer = join(server.address)?;
    // Once before it counts, so that all memory is there.
    let mut took = reload(args, &server, &file, 1)?;
    let mut outcomes = Vec::new();
    for round in 2..args.runs + 2 {
        let before = longest_wait(server.address, || {
            thread::sleep(took);
            Ok(took)
        })?;
        let during = longest_wait(server.address, || reload(args, &server, &file, round))?;
        took = during.0;
        let outcome = Outcome { took: millis(took), before: millis(before.1), during: millis(during.1) };
        writeln!(out, "{outcome:?}")?;
        outcomes.push(outcome);
    }
    for (name, of) in [
        ("reload", (|outcome| outcome.took) as fn(&Outcome) -> f64),
        ("longest wait before", |outcome| outcome.before),
        ("longest wait during", |outcome| outcome.during),
        ("difference", |outcome| outcome.during - outcome.before),
    ] {
        let mut values: Vec<f64> = outcomes.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let (Some(median), [least, .., most]) = (median(&values), &values[..]) else { continue };
        writeln!(out, "{name:20} median {median:.1} ms, {least:.1} to {most:.1}")?;
    }
    Ok(())
}

/// The channels, of which each hundredth or so is named after `round`.
fn configuration(args: &Args, listen: SocketAddr, round: usize) -> String {
    let mut text = program::configuration(listen, listen, 0, "");
    for at in 0..args.channels {
        let name = if at % args.one_of == 0 { round } else { 0 };
        let _ = write!(
            text,
            "[[channels]]\nid = \"c{at}\"\nname = \"Channel {at} {name}\"\nsources = [\"testcard://\"]\n"
        );
    }
    text
}

/// Has the configuration of `round` read; how long that took, until a channel has its new name.
fn reload(args: &Args, server: &Program, file: &PathBuf, round: usize) -> anyhow::Result<Duration> {
    // In one step: the server looks at the file by itself as well.
    let new = file.with_extension("new");
    fs::write(&new, configuration(args, server.address, round))?;
    fs::rename(&new, file)?;
    let pid = i32::try_from(server.pid()).ok().and_then(Pid::from_raw).context("it is a process")?;
    let begun = Instant::now();
    kill_process(pid, Signal::HUP)?;
    let name = format!("Channel 0 {round}\"");
    while !http::get(server.address, "/api/channels/c0")?.contains(&name) {
        ensure!(begun.elapsed() < PATIENCE, "the new list does not come into force");
        thread::sleep(CHECK_INTERVAL);
    }
    Ok(begun.elapsed())
}

/// Joins again and again while `meanwhile` runs; what that gives, and the longest wait.
fn longest_wait<T: Send>(
    server: SocketAddr,
    meanwhile: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<(T, Duration)> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let joins = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                join(server)?;
                longest = longest.max(begun.elapsed());
                thread::sleep(BETWEEN);
            }
            anyhow::Ok(longest)
        });
        let result = meanwhile();
        is_over.store(true, Ordering::Relaxed);
        let longest = joins.join().expect("joining does not panic")?;
        Ok((result?, longest))
    })
}

/// Watches a channel that never changes: the connection, once the answer has begun.
fn join(server: SocketAddr) -> anyhow::Result<TcpStream> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(socket, "GET /stream/c1.ts HTTP/1.1\r\nHost: {server}\r\n\r\n")?;
    let mut first = [0; 12];
    socket.read_exact(&mut first)?;
    ensure!(first.ends_with(b" 200"), "joined with {}", String::from_utf8_lossy(&first));
    Ok(socket)
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

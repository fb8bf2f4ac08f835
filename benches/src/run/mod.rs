//! Scenarios: which servers are loaded with what, and what comes of it.
//!
//! The servers of a scenario are measured in turn, round by round, each started anew. Nothing else should run meanwhile.

pub(crate) mod attacks;
mod beside;
mod check;
mod films;
mod hls;
mod nginx;
pub(crate) mod playlists;
mod program;
pub(crate) mod reload;
mod requests;
mod results;
pub(crate) mod rows;
mod scenario;
mod scenarios;
mod server;
pub(crate) mod soak;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::json;

use beside::Scraping;
use check::Committed;
use program::{Placement, Program};
use results::Runs;
use scenario::{By, Scenario};
use server::{Kind, Servers};

use crate::load::Report;

/// Between two servers, so that the kernel is done with the sockets of the first.
const PAUSE: Duration = Duration::from_millis(500);

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A short look with fewer viewers, which takes some three minutes.
    #[arg(long)]
    quick: bool,
    /// Only these scenarios.
    #[arg(long, num_args = 1..)]
    only: Vec<String>,
    /// How many rounds; by default 3, and 2 for a quick look.
    #[arg(long)]
    runs: Option<usize>,
    /// Where to write all figures and reports.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Compare the ratios with those in this file, and fail if one is worse by more than 15 %.
    #[arg(long)]
    check: Option<PathBuf>,
    /// Write the ratios that were measured into this file, for later checks.
    #[arg(long)]
    commit: Option<PathBuf>,
    /// The server; by default the `forebay` beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// An older `forebay`: each scenario is borne by it and by the present one in turn, and by no
    /// other server. Requests are not measured.
    #[arg(long, conflicts_with_all = ["check", "commit"])]
    before: Option<PathBuf>,
    /// Say what there is, and measure nothing.
    #[arg(long)]
    list: bool,
}

/// Measures, prints, and judges.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if args.list {
        for scenario in scenarios::ALL {
            writeln!(out, "{:16}{}", scenario.name, scenario.about)?;
        }
        return Ok(());
    }
    if let Some(unknown) =
        args.only.iter().find(|name| scenarios::ALL.iter().all(|known| known.name != *name))
    {
        bail!("there is no scenario \"{unknown}\"; --list says what there is");
    }
    // Before anything is measured in vain.
    let committed = args.check.as_deref().map(Committed::read).transpose()?;
    let servers = Servers {
        placement: Placement::new(true)?,
        folder: program::run_folder()?,
        binary: args.server.clone().map_or_else(program::default_server, Ok)?,
        before: args.before.clone(),
    };
    let rounds = args.runs.unwrap_or(if args.quick { 2 } else { 3 }).max(1);
    let mut all = Vec::new();
    for scenario in scenarios::ALL {
        // Requests are answered beside viewers of one server only.
        let is_comparable = args.before.is_none() || scenario.by != By::Requests;
        let is_wanted =
            is_comparable && (args.only.is_empty() || args.only.iter().any(|name| name == scenario.name));
        if let (true, Some(arguments)) = (is_wanted, scenario.arguments(args.quick)) {
            let measure = match scenario.by {
                By::Viewers => measure,
                By::Requests => requests::measure,
                By::Players => hls::measure,
                By::Downloads => films::measure,
            };
            let runs = measure(&servers, scenario, arguments, rounds)?;
            runs.print(&mut out)?;
            all.push(runs);
        }
    }
    if let Some(path) = &args.json {
        let summaries: BTreeMap<&str, _> =
            all.iter().map(|runs| (runs.scenario.name, runs.summary())).collect();
        let text = serde_json::to_string_pretty(&json!({ "quick": args.quick, "scenarios": summaries }))?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = &args.commit {
        let before = if path.exists() { Committed::read(path)? } else { Committed::default() };
        before.write(path, args.quick, &all)?;
    }
    let mut faults: Vec<String> = all.iter().flat_map(Runs::faults).collect();
    if let Some(committed) = committed {
        let (worse, compared) = committed.check(args.quick, &all);
        writeln!(out)?;
        for line in compared {
            writeln!(out, "ok     {line}")?;
        }
        faults.extend(worse.into_iter().map(|line| format!("worse: {line}")));
    }
    for fault in &faults {
        writeln!(out, "FAULT  {fault}")?;
    }
    ensure!(faults.is_empty(), "{} faults", faults.len());
    Ok(())
}

fn measure(
    servers: &Servers,
    scenario: &'static Scenario,
    arguments: &'static str,
    rounds: usize,
) -> anyhow::Result<Runs> {
    let origin = Program::origin(&servers.placement, scenario.bitrate)?;
    let channels: usize = whole(scenario::argument(arguments, "--channels").unwrap_or(1.0));
    let mut reports: BTreeMap<Kind, Vec<serde_json::Value>> = BTreeMap::new();
    for round in 1..=rounds {
        for kind in servers.of(scenario) {
            writeln!(io::stderr(), "{}, {kind}, {round} of {rounds}", scenario.name)?;
            let before = origin.origin_stats()?;
            let server = servers.start(kind, &origin, channels)?;
            let mut words = vec![Servers::url(kind, &server)?];
            words.extend(arguments.split_whitespace().map(str::to_owned));
            words.extend(["--bitrate".to_owned(), before.bitrate.to_string()]);
            let scraping = (kind == Kind::Scraped).then(|| Scraping::start(server.address));
            let report: Report = Program::load(&servers.placement, &server, "load", &words)?.finish()?;
            scraping.map_or(Ok(()), Scraping::finish)?;
            let after = origin.origin_stats()?;
            let mut report = serde_json::to_value(report)?;
            report["origin"] = json!({ "opened": after.total - before.total, "late": after.late - before.late, "channels": channels });
            reports.entry(kind).or_default().push(report);
            drop(server);
            std::thread::sleep(PAUSE);
        }
    }
    Ok(Runs { scenario, arguments, reports })
}

fn whole(number: f64) -> usize {
    usize::try_from(crate::clock::whole(number)).unwrap_or(usize::MAX)
}

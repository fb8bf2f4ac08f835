//! Players of HLS at Forebay, and at nginx, which has the same segments as files in memory.
//!
//! A second Forebay, beside the load, makes the files: its playlist and segments are put into a folder in step with it. It does so while
//! Forebay is measured as well, so that the machine has the same to do.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use super::program::{self, Program};
use super::results::Runs;
use super::scenario::Scenario;
use super::server::{Kind, Servers};
use super::{PAUSE, nginx};
use crate::http;

/// Files here are memory.
const MEMORY: &str = "/dev/shm";

/// What players ask for.
const PLAYLIST: &str = "/stream/ch0/index.m3u8";

/// What the configuration says of HLS: segments of one group of pictures of the clip.
const HLS: &str = "[hls]\nsegment = \"2s\"\n";

/// A folder of this run, removed at the end.
struct Files(PathBuf);

impl Files {
    fn new() -> anyhow::Result<Self> {
        let folder = Path::new(MEMORY).join(format!("forebay-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Measures; without nginx, Forebay alone.
pub(super) fn measure(
    servers: &Servers,
    scenario: &'static Scenario,
    arguments: &'static str,
    rounds: usize,
) -> anyhow::Result<Runs> {
    let mut reports: BTreeMap<Kind, Vec<Value>> = BTreeMap::new();
    let mut kinds = servers.of(scenario);
    if kinds.contains(&Kind::Nginx) && !nginx::is_there() {
        writeln!(io::stderr(), "{}: no nginx, since it is not installed", scenario.name)?;
        kinds.retain(|&kind| kind != Kind::Nginx);
    }
    let origin = Program::origin(&servers.placement, scenario.bitrate)?;
    let files = Files::new()?;
    let beside = Servers {
        placement: servers.placement.beside(),
        folder: servers.folder.join("packager"),
        binary: servers.binary.clone(),
        before: None,
    };
    fs::create_dir_all(&beside.folder)?;
    let packager = start(&beside, Kind::Forebay, &origin, &files)?;
    let url = |server: &Program| format!("http://{}{PLAYLIST}", server.address);
    // Its upstream is open before upstreams are counted.
    http::get(packager.address, PLAYLIST).context("the packager has no playlist")?;
    let words = [url(&packager), files.0.display().to_string()];
    let _mirror = Program::own(&servers.placement, &packager, "mirror", &words)?;
    for round in 1..=rounds {
        for &kind in &kinds {
            writeln!(io::stderr(), "{}, {kind}, {round} of {rounds}", scenario.name)?;
            let before = origin.origin_stats()?;
            let server = start(servers, kind, &origin, &files)?;
            let mut words = vec![url(&server)];
            words.extend(arguments.split_whitespace().map(str::to_owned));
            let mut report: Value =
                Program::load(&servers.placement, &server, "players", &words)?.finish()?;
            let opened = origin.origin_stats()?.total - before.total;
            report["origin"] = json!({ "opened": opened, "channels": 1 });
            reports.entry(kind).or_default().push(report);
            drop(server);
            std::thread::sleep(PAUSE);
        }
    }
    Ok(Runs { scenario, arguments, reports })
}

fn start(servers: &Servers, kind: Kind, origin: &Program, files: &Files) -> anyhow::Result<Program> {
    let log = servers.folder.join(format!("{kind}-hls.log"));
    Program::server(&servers.placement, &log, |listen| {
        if kind == Kind::Nginx {
            let root = format!("root {}; add_header Access-Control-Allow-Origin *;\n", files.0.display());
            return nginx::command(listen, &servers.folder, &root);
        }
        let configuration = program::configuration(listen, origin.address, 1, HLS);
        program::forebay(servers.build(kind), &servers.folder.join("hls.toml"), &configuration)
    })
}

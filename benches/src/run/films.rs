//! Films at Forebay, and at nginx, which has the same bytes as files.
//!
//! Both run at once on the same processor and are asked in turn, form by form: first for everything
//! once with nothing of it in memory (cold), then once more (warm), and then over and over (hot).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::fs::{Advice, fadvise};
use serde_json::{Value, json};

use super::nginx;
use super::program::{self, Program};
use super::results::Runs;
use super::scenario::Scenario;
use super::server::{Kind, Servers};
use crate::clip;
use crate::downloads::Report;
use crate::http;
use crate::stats::{Histogram, Summary};

/// The scenario of many connections that take nothing.
pub(super) const HELD: &str = "films-10000";

/// How long the film is: a short clip so many times.
const CLIP_SECONDS: u32 = 60;
const CLIPS: u32 = 10;

/// Films that are the same one under other names.
const FILMS: usize = 100;

/// A range of the film as players ask for it, in bytes.
const RANGE: u64 = 8 << 20;

/// How long Forebay may take to offer all films.
const PATIENCE: Duration = Duration::from_mins(1);

/// The forms of a film: its name in reports, the playlist that names its segments, and their
/// ending.
const FORMS: [(&str, &str, &str); 3] =
    [("hls", "main.m3u8", "m4s"), ("dash", "t0.m3u8", "m4s"), ("ts", "ts.m3u8", "ts")];

/// What nginx serves, and what Forebay does.
struct House {
    /// Below it are `films`, and `hls` with what nginx has.
    folder: PathBuf,
    /// For each form, what is asked for.
    lists: BTreeMap<&'static str, Vec<String>>,
}

/// Measures; without nginx, Forebay alone.
pub(super) fn measure(
    servers: &Servers,
    scenario: &'static Scenario,
    arguments: &'static str,
    rounds: usize,
) -> anyhow::Result<Runs> {
    let mut kinds = servers.of(scenario);
    if kinds.contains(&Kind::Nginx) && !nginx::is_there() {
        writeln!(io::stderr(), "{}: no nginx, since it is not installed", scenario.name)?;
        kinds.retain(|&kind| kind != Kind::Nginx);
    }
    let house = House::new(servers)?;
    let mut reports: BTreeMap<Kind, Vec<Value>> = BTreeMap::new();
    for round in 1..=rounds {
        let started: Vec<(Kind, Program)> = kinds
            .iter()
            .map(|&kind| Ok((kind, house.start(servers, kind)?)))
            .collect::<anyhow::Result<_>>()?;
        let mut round_of: BTreeMap<Kind, Value> = BTreeMap::new();
        if scenario.name == HELD {
            for (kind, server) in &started {
                writeln!(io::stderr(), "{}, {kind}, {round} of {rounds}", scenario.name)?;
                round_of.insert(*kind, house.hold(servers, server, *kind, arguments)?);
            }
        } else {
            for (kind, server) in &started {
                let start = if *kind == Kind::Nginx { Value::Null } else { start_times(server)? };
                round_of.insert(*kind, json!({ "start": start }));
            }
            for form in house.lists.keys() {
                writeln!(io::stderr(), "{}, {form}, {round} of {rounds}", scenario.name)?;
                for pass in ["cold", "warm", "hot"] {
                    for (kind, server) in &started {
                        let report = house.fetch(servers, server, form, pass, arguments)?;
                        round_of.entry(*kind).or_default()[*form][pass] = report;
                    }
                }
            }
        }
        for (kind, report) in round_of {
            reports.entry(kind).or_default().push(report);
        }
    }
    Ok(Runs { scenario, arguments, reports })
}

impl House {
    /// Makes the film and, with Forebay, the files that nginx has.
    fn new(servers: &Servers) -> anyhow::Result<Self> {
        let folder = servers.folder.join("films");
        let films = folder.join("films");
        fs::create_dir_all(&films)?;
        let film = film()?;
        for n in 0..FILMS {
            let name = films.join(format!("{}.mp4", id(n)));
            // Another scenario may have made it: a copy of a file over a link to it empties both.
            if !name.exists() {
                fs::hard_link(&film, &name).or_else(|_| fs::copy(&film, &name).map(drop))?;
            }
        }
        let mut house = Self { folder, lists: BTreeMap::new() };
        let forebay = house.start(servers, Kind::Forebay)?;
        let stream = house.folder.join("stream");
        fs::create_dir_all(&stream)?;
        for n in 0..FILMS {
            let _ = fs::hard_link(&film, stream.join(id(n)));
        }
        let length = fs::metadata(&film)?.len();
        let ranges = (0..length.div_ceil(RANGE))
            .map(|n| format!("/stream/{} {}-{}", id(0), n * RANGE, ((n + 1) * RANGE).min(length) - 1));
        house.lists.insert("file", ranges.collect());
        for (form, playlist, end) in FORMS {
            let below = format!("hls/{}", id(0));
            let text = http::get(forebay.address, &format!("/{below}/{playlist}"))?;
            let names = text.lines().filter(|line| !line.starts_with('#') && line.ends_with(end));
            let names: Vec<String> = names.map(|name| format!("/{below}/{name}")).collect();
            ensure!(!names.is_empty(), "{playlist} names nothing");
            for name in &names {
                let path = house.folder.join(&name[1..]);
                fs::create_dir_all(path.parent().context("it is in a folder")?)?;
                let mut copy = File::create(path)?;
                copy.write_all(&http::fetch(forebay.address, name)?)?;
                // Only pages that are on the disk can be dropped from memory.
                copy.sync_all()?;
            }
            house.lists.insert(form, names);
        }
        for (form, list) in &house.lists {
            fs::write(house.list(form), list.join("\n"))?;
        }
        Ok(house)
    }

    fn list(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.list"))
    }

    fn start(&self, servers: &Servers, kind: Kind) -> anyhow::Result<Program> {
        let log = servers.folder.join(format!("{kind}-films.log"));
        let server = Program::server(&servers.placement, &log, |listen| {
            if kind == Kind::Nginx {
                let folder = fs::canonicalize(&self.folder)?;
                return nginx::command(listen, &servers.folder, &format!("root {};\n", folder.display()));
            }
            let films = self.folder.join("films");
            let films = fs::canonicalize(films)?;
            let table = format!("[films]\nfolders = [\"{}\"]\nrescan = \"1s\"\n", films.display());
            let configuration = program::configuration(listen, listen, 0, &table);
            program::forebay(servers.build(kind), &self.folder.join("channels.toml"), &configuration)
        })?;
        if kind != Kind::Nginx {
            let begin = Instant::now();
            let wanted = format!("\"total\":{FILMS},");
            while !http::get(server.address, "/api/v1/videos?limit=1")?.contains(&wanted) {
                ensure!(begin.elapsed() < PATIENCE, "the films are not offered");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(server)
    }

    /// Fetches all of a form, once or for as long as the arguments say.
    fn fetch(
        &self,
        servers: &Servers,
        server: &Program,
        form: &str,
        pass: &str,
        arguments: &str,
    ) -> anyhow::Result<Value> {
        if pass == "cold" {
            forget(&self.folder)?;
        }
        let mut words = self.words(server, form);
        if pass == "hot" {
            words.extend(arguments.split_whitespace().map(str::to_owned));
        }
        let report: Report = Program::load(&servers.placement, server, "downloads", &words)?.finish()?;
        ensure!(report.failures.is_empty(), "{form}, {pass}: {:?}", report.failures);
        Ok(serde_json::to_value(report)?)
    }

    fn words(&self, server: &Program, list: &str) -> Vec<String> {
        vec![server.address.to_string(), "--list".to_owned(), self.list(list).display().to_string()]
    }

    /// Connections that ask for a film from somewhere, and take nothing of it.
    fn hold(
        &self,
        servers: &Servers,
        server: &Program,
        kind: Kind,
        arguments: &str,
    ) -> anyhow::Result<Value> {
        let length = fs::metadata(film()?)?.len();
        let mut text = String::new();
        for n in 0..10_000_u64 {
            // All over the film, and enough of it that no socket has room for the rest.
            let from = n * 7919 % 10_000 * (length / 2 / 10_000);
            let film = usize::try_from(n)? % FILMS;
            let _ = writeln!(text, "/stream/{} {from}-{}", id(film), from + (16 << 20));
        }
        let name = format!("held-{kind}");
        fs::write(self.list(&name), text)?;
        let mut words = self.words(server, &name);
        words.extend(arguments.split_whitespace().map(str::to_owned));
        let report: Report = Program::load(&servers.placement, server, "downloads", &words)?.finish()?;
        ensure!(report.failures.is_empty(), "{HELD}, {kind}: {:?}", report.failures);
        Ok(serde_json::to_value(report)?)
    }
}

/// How long it takes from a film that was never opened to its first segment.
fn start_times(server: &Program) -> anyhow::Result<Value> {
    let mut times = Histogram::default();
    for n in 1..FILMS {
        let begin = Instant::now();
        for part in ["master.m3u8", "main/init.mp4", "main/0.m4s"] {
            http::fetch(server.address, &format!("/hls/{}/{part}", id(n)))?;
        }
        times.record(u64::try_from(begin.elapsed().as_nanos())?);
    }
    let summary: Summary = times.summary();
    Ok(serde_json::to_value(summary)?)
}

/// The name of a film.
fn id(n: usize) -> String {
    format!("0188f5e0-7b1c-4d2e-9a3f-{n:012x}")
}

/// Ten minutes at some 4 Mbit/s, made by ffmpeg when it is first asked for and kept in
/// `bench-media` of the target directory.
fn film() -> anyhow::Result<PathBuf> {
    let folder = clip::target_folder().join("bench-media");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (clip, film) = (folder.join("film-clip-1.mp4"), folder.join("film-1.mp4"));
    if film.exists() {
        return Ok(film);
    }
    let seconds = CLIP_SECONDS.to_string();
    ffmpeg(
        &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=640x360:rate=25,noise=alls=40:allf=t",
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=440:sample_rate=48000",
            "-t",
            &seconds,
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-pix_fmt",
            "yuv420p",
            "-g",
            "50",
            "-b:v",
            "4M",
            "-maxrate",
            "4M",
            "-bufsize",
            "4M",
            "-c:a",
            "aac",
            "-b:a",
            "128k",
        ],
        &clip,
    )?;
    let (repeats, path) = ((CLIPS - 1).to_string(), clip.display().to_string());
    let part = folder.join("film-part.mp4");
    ffmpeg(&["-stream_loop", &repeats, "-i", &path, "-c", "copy"], &part)?;
    File::open(&part)?.sync_all()?;
    fs::rename(part, &film)?;
    Ok(film)
}

fn ffmpeg(words: &[&str], to: &Path) -> anyhow::Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(words).arg(to);
    let status = command.status().context("ffmpeg is needed")?;
    ensure!(status.success(), "ffmpeg cannot make {}", to.display());
    Ok(())
}

/// Has the system forget what it has of all files below a folder in memory.
fn forget(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
        } else {
            fadvise(File::open(path)?, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}

//! What imports and refreshes of big lists cost: seconds of one core, and how much memory grows.
//!
//! Each scenario runs in a process of its own, since what one has freed the next would use. The
//! lists are files: 100,000 live entries of 25 MB, and 600,000 of which 100,000 are live. Run with
//! `cargo bench -p forebay-core --bench lineup`.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use forebay_core::lineup::edits::Effective;
use forebay_core::lineup::identity::{Change, GroupRefresh, Known, Options, Refresh, SourceId, Verdict};
use forebay_core::lineup::m3u::{self, Document, Item, Parser, Summary};
use forebay_core::lineup::merge::{Candidate, Decisions, Facts, merge};
use forebay_core::lineup::names::Name;
use forebay_core::lineup::number::{Claim, assign};
use forebay_core::lineup::rules::{Action, Rule, Rules, Run, Subject, Test};
use forebay_core::lineup::{Entry, Kind, UnixTime};
use forebay_testkit::linear::processor_time;

const LIVE: u32 = 100_000;

/// What a read from a socket or a file gives.
const PIECE: usize = 64 * 1024;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [scenario, path] = &arguments[..] {
        return run(scenario, Path::new(path));
    }
    let folder = std::env::temp_dir().join(format!("forebay-lineup-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let lists = [("live.m3u", 1), ("mixed.m3u", 6)];
    for (name, share) in lists {
        write_list(&folder.join(name), share)?;
    }
    for (scenario, list) in [("read", 0), ("import", 0), ("again", 0), ("read", 1), ("import", 1)] {
        let path = folder.join(lists[list].0);
        let output = Command::new(std::env::current_exe()?).arg(scenario).arg(&path).output()?;
        print!("{:<10} {scenario:<7} {}", lists[list].0, String::from_utf8_lossy(&output.stdout));
        io::stderr().write_all(&output.stderr)?;
    }
    std::fs::remove_dir_all(folder)
}

/// A list with [`LIVE`] channels, and so many entries for each of them.
fn write_list(path: &PathBuf, share: u32) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "#EXTM3U url-tvg=\"http://guide.example/xmltv.php\"")?;
    for at in 0..LIVE * share {
        let (channel, group) = (at / share, at % 200);
        if at % share == 0 {
            // Every third channel is there three times, under the names of three providers.
            let name =
                ["UK| Channel", "UK: CHANNEL", "Channel"][usize::try_from(channel % 3).expect("it is small")];
            let quality = if channel % 2 == 0 { "FHD" } else { "HD" };
            writeln!(
                out,
                "#EXTINF:-1 tvg-id=\"channel{id}.uk\" tvg-name=\"{name} {id} {quality}\" \
                 tvg-logo=\"http://logos.example/some/folder/of/channels/channel-{id}.png\" \
                 group-title=\"UK | Group {group}\",{name} {id} {quality}\n\
                 http://provider.example:8080/live/username/password/{channel}.ts",
                id = channel / 3,
            )?;
        } else {
            writeln!(
                out,
                "#EXTINF:-1 tvg-id=\"\" tvg-name=\"Film {at} (2026)\" tvg-logo=\"http://logos.example/{at}.jpg\" \
                 group-title=\"VOD | Group {group}\",Film {at} (2026)\n\
                 http://provider.example:8080/movie/username/password/{at}.mkv"
            )?;
        }
    }
    out.flush()
}

/// Twenty rules, as users write them.
fn rules() -> Rules {
    let rename = |pattern: &str, to: &str| Rule {
        subject: Subject::Name,
        test: Test::Matches(pattern.to_owned()),
        action: Action::Rename(to.to_owned()),
    };
    let mut rules = vec![
        rename("^(?:UK)\\s*[|:]\\s*", ""),
        rename("(?i)\\b(?:f?hd|uhd|4k)\\b", ""),
        rename("^(?!US)CHANNEL", "Channel"),
        rename("\\s+$", ""),
        Rule {
            subject: Subject::Group,
            test: Test::Matches("^UK \\| (.*)$".to_owned()),
            action: Action::SetGroup("$1".to_owned()),
        },
        Rule {
            subject: Subject::Name,
            test: Test::Contains("adult".to_owned()),
            action: Action::SetAdult(true),
        },
    ];
    rules.extend((0..7).map(|at| Rule {
        subject: Subject::Group,
        test: Test::Is(format!("group {at}")),
        action: Action::Number(at * 1000 + 1..=at * 1000 + 999),
    }));
    rules.extend((0..7).map(|at| Rule {
        subject: Subject::Name,
        test: Test::Contains(format!("shop {at}")),
        action: Action::Exclude,
    }));
    Rules::new(&rules).expect("they are good")
}

fn run(scenario: &str, path: &Path) -> io::Result<()> {
    let mut known = Vec::new();
    if scenario == "again" {
        import(path, Vec::new(), Some(&mut known))?;
    }
    let before = memory("VmRSS")?;
    // The kernel counts the most that was in use anew from here.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let began = processor_time();
    let what = match scenario {
        "read" => {
            let summary = read(path, &mut |_, _| ())?;
            format!("{} entries, {} live", summary.entries(), summary.live)
        }
        _ => import(path, known, None)?,
    };
    let took = processor_time().saturating_sub(began);
    let grown = memory("VmHWM")?.saturating_sub(before);
    println!("{:>5} ms, {:>5.1} MB more: {what}", took.as_millis(), f64::from(grown) / 1024.0);
    Ok(())
}

/// A figure of this process, in KiB.
fn memory(name: &str) -> io::Result<u32> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok())
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn read(path: &Path, take: &mut impl FnMut(&Entry, Kind)) -> io::Result<Summary> {
    let (mut file, mut piece) = (File::open(path)?, vec![0; PIECE]);
    let mut parser = Parser::new(m3u::Options::default());
    let mut take = |item: Item<'_>| {
        if let Item::Entry { entry, kind, .. } = item {
            take(entry, kind);
        }
    };
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(parser.finish(&mut take)),
            length => parser.push(&piece[..length], &mut take),
        }
    }
}

/// All that an import decides, with what a store would have to write counted and forgotten.
fn import(path: &Path, known: Vec<Known>, mut sources: Option<&mut Vec<Known>>) -> io::Result<String> {
    let mut refresh = Refresh::new(known, Options::new(UnixTime::from_seconds(1)));
    let (rules, mut run, mut groups) = (rules(), Run::default(), GroupRefresh::new([]));
    let (mut writes, mut next) = (0_u32, 0_u32);
    let mut candidates = Vec::new();
    let mut claims = Vec::new();
    let mut write = |change: Change<'_>| {
        writes += 1;
        if let (Change::Added { identity, .. }, Some(sources)) = (change, &mut sources) {
            sources.push(Known { id: SourceId(writes - 1), identity, absent_since: None });
        }
    };
    let summary = read(path, &mut |entry, kind| {
        if kind != Kind::Live {
            return;
        }
        refresh.observe(entry, &mut write);
        let mut channel = Effective::of(entry);
        rules.apply(entry, &mut channel, &mut run);
        groups.observe(&channel.group.value);
        let read = Name::of(&channel.name.value);
        let country = channel.country(entry, &read);
        let (guide_id, name) = (&*channel.guide_id.value, &*channel.name.value);
        let facts = Facts { guide_id, name, country, url: entry.url(), ..Facts::default() };
        candidates.push(Candidate::with_name(SourceId(next), next % 3, false, &facts, &read));
        claims.push(Claim {
            provider: channel.number.value,
            range: channel.number_range,
            ..Claim::default()
        });
        next += 1;
    })?;
    let (verdict, counts) = refresh.finish(Document::List, true, &mut write);
    assert_eq!(verdict, Verdict::Applied);
    let numbers = assign(&claims);
    let merged = merge(&candidates, &Decisions::default());
    assert_eq!(summary.live, counts.entries);
    Ok(format!(
        "{} live, {} rows to write, {} groups of one channel, {} without a number",
        summary.live,
        writes,
        merged.groups.len(),
        numbers.without_room.len(),
    ))
}

//! Attacks: what providers, viewers and operators do to a server, and what others notice of it.
//!
//! Beside each attack somebody watches another channel, and somebody else opens a third one. Both
//! come from another address than the attacker, since a server may give each address a share. The
//! same stream is watched past the server, too: pauses of the machine show there as well.

mod clients;
mod connections;
mod list;
mod provider;
mod watching;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use forebay_testkit::identity::Identity;

use self::clients::Scene;
use self::list::{Attack, Log};
use self::provider::Provider;
use self::watching::{Asker, Watcher, opening};
use super::program::{self, Placement, Program};
use crate::proc;
use crate::stats::median;
use crate::sys;

/// The longest that somebody else's stream may stand still, in milliseconds: players have more in
/// store.
const MAX_GAP: f64 = 250.0;

/// How long somebody else may wait for another channel, in milliseconds.
const MAX_OPENING: f64 = 1000.0;

/// Until all is in step, before the attack begins.
const WARM_UP: Duration = Duration::from_millis(1500);

/// After the attack, until it is seen what memory it leaves behind.
const CALM: Duration = Duration::from_secs(2);

/// Bits a second of the channels that are not attacked.
const BITRATE: u64 = 2_000_000;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these attacks.
    #[arg(long, num_args = 1..)]
    only: Vec<String>,
    /// How often each is tried.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// How long each lasts, in seconds.
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// The server; by default the `forebay` beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Give the server a processor of its own.
    #[arg(long)]
    pin: bool,
    /// Say what there is, and try nothing.
    #[arg(long)]
    list: bool,
}

/// What came of one run. Times are in milliseconds, memory is in megabytes.
#[derive(Debug)]
struct Outcome {
    gap: f64,
    gap_past_server: f64,
    opening: f64,
    answering: f64,
    peak: f64,
    left: f64,
    note: String,
}

/// Tries the attacks, prints what came of them, and fails if others noticed one.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if args.list {
        for attack in list::ALL {
            writeln!(out, "{:20}{}", attack.name, attack.about)?;
        }
        return Ok(());
    }
    if let Some(unknown) = args.only.iter().find(|name| list::ALL.iter().all(|known| known.name != **name)) {
        bail!("there is no attack \"{unknown}\"; --list says what there is");
    }
    sys::raise_file_limit()?;
    let range = Range {
        placement: Placement::new(args.pin)?,
        folder: program::run_folder()?,
        binary: args.server.clone().map_or_else(program::default_server, Ok)?,
        lasting: Duration::from_secs_f64(args.seconds),
    };
    writeln!(out, "median / worst of {}; times in ms, memory in MB; aim: a gap of {MAX_GAP}", args.runs)?;
    writeln!(
        out,
        "{:20}{:>15}{:>13}{:>15}{:>13}{:>15}{:>13}",
        "", "others' gap", "past server", "opening", "/health", "memory, most", "left behind"
    )?;
    let mut faults = Vec::new();
    for attack in list::ALL {
        if args.only.is_empty() || args.only.iter().any(|name| name == attack.name) {
            let outcomes =
                (0..args.runs.max(1)).map(|_| range.try_once(attack)).collect::<Result<Vec<_>, _>>()?;
            let row = Row { name: attack.name, outcomes: &outcomes };
            writeln!(out, "{row}")?;
            faults.extend(row.fault());
        }
    }
    for fault in &faults {
        writeln!(out, "FAULT  {fault}")?;
    }
    ensure!(faults.is_empty(), "{} attacks were noticed", faults.len());
    Ok(())
}

/// Where attacks are tried.
struct Range {
    placement: Placement,
    folder: PathBuf,
    binary: PathBuf,
    lasting: Duration,
}

impl Range {
    fn try_once(&self, attack: &Attack) -> anyhow::Result<Outcome> {
        let origin = Program::origin(&self.placement, BITRATE)?;
        let provider = attack.provider.map(|answers| Provider::start(answers())).transpose()?;
        let place = Place::new(&self.folder.join(attack.name), attack)?;
        let source = provider.as_ref().map(Provider::address);
        let mut configuration = String::new();
        let server = self.start(attack, &place, |listen| {
            configuration = place.configuration(attack, listen, origin.address, source);
            configuration.clone()
        })?;
        let direct = Watcher::start(origin.address, "/past-server")?;
        let victim = Watcher::start(server.address, "/stream/victim")?;
        std::thread::sleep(WARM_UP);

        let before = proc::Process::read(server.pid())?.rss_bytes;
        proc::reset_peak(server.pid())?;
        direct.forget_gaps();
        victim.forget_gaps();
        let asker = Asker::start(server.address);
        let begin = Instant::now();
        let scene = Scene {
            server: server.address,
            pid: server.pid(),
            place: &place,
            configuration: &configuration,
            until: begin + self.lasting * attack.times,
        };
        let (note, opening) = std::thread::scope(|scope| {
            let act = scope.spawn(|| (attack.act)(&scene));
            std::thread::sleep(self.lasting / 2);
            let opening = opening(server.address, "/stream/late");
            std::thread::sleep(scene.until.saturating_duration_since(Instant::now()));
            (act.join().expect("an attacker does not panic"), opening)
        });
        let (gap, gap_past_server) = (victim.gap_ms(), direct.gap_ms());
        let answering = asker.finish();
        let peak = proc::peak(server.pid())?;
        std::thread::sleep(CALM);
        let left = proc::Process::read(server.pid())?.rss_bytes;
        let megabytes = |bytes: u64| bytes.saturating_sub(before) as f64 / 1e6;
        Ok(Outcome {
            gap,
            gap_past_server,
            opening,
            answering,
            peak: megabytes(peak),
            left: megabytes(left),
            note: note?,
        })
    }

    fn start(
        &self,
        attack: &Attack,
        place: &Place,
        configuration: impl FnOnce(SocketAddr) -> String,
    ) -> anyhow::Result<Program> {
        let command =
            |listen| program::forebay(&self.binary, &place.file("channels.toml"), &configuration(listen));
        match attack.log {
            Log::Read => Program::server(&self.placement, &place.log(), command),
            Log::Unread => Program::server_with(&self.placement, Stdio::null(), full_pipe()?, command),
        }
    }
}

/// A pipe that is full, and that nobody reads.
fn full_pipe() -> anyhow::Result<Stdio> {
    let (reader, mut writer) = io::pipe()?;
    rustix::io::ioctl_fionbio(&writer, true)?;
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false)?;
    // Open as long as this program runs: a pipe without a reader is an error to who writes.
    std::mem::forget(reader);
    Ok(writer.into())
}

/// The files of one run, and where the server speaks TLS.
struct Place {
    folder: PathBuf,
    tls: SocketAddr,
    identity: Identity,
}

impl Place {
    fn new(folder: &Path, attack: &Attack) -> anyhow::Result<Self> {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder)?;
        let identity = Identity::local();
        let tls = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let place = Self { folder: folder.to_owned(), tls, identity };
        if attack.has_tls {
            fs::write(place.file("certificate.pem"), &place.identity.certificate_pem)?;
            fs::write(place.file("key.pem"), &place.identity.key_pem)?;
        }
        Ok(place)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn log(&self) -> PathBuf {
        self.file("server.log")
    }

    /// The channel that is attacked, the two that are not, and as many as the attack needs besides.
    fn configuration(
        &self,
        attack: &Attack,
        listen: SocketAddr,
        origin: SocketAddr,
        provider: Option<SocketAddr>,
    ) -> String {
        let tls = format!(
            "[server.tls]\nlisten = \"{}\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n",
            self.tls
        );
        let channel =
            |id: &str, source: String| format!("[[channels]]\nid = \"{id}\"\nsources = [\"{source}\"]\n");
        let mut text = format!("[server]\nlisten = \"{listen}\"\nshutdown_grace = \"200ms\"\n");
        text += if attack.has_tls { &tls } else { "" };
        text += "[stream]\nidle_timeout = \"1s\"\n";
        text += &channel("victim", format!("http://{origin}/victim"));
        // Begins two seconds back, so that no wait for a key picture is measured.
        text += &channel("late", format!("http://{origin}/late?burst=2.5"));
        text += &channel("attacked", format!("http://{}/attacked", provider.unwrap_or(origin)));
        text += &list::channels(attack.channels);
        text
    }
}

/// One of the figures of an outcome.
type Figure = fn(&Outcome) -> f64;

/// One row of the report: an attack and its figures.
struct Row<'a> {
    name: &'static str,
    outcomes: &'a [Outcome],
}

impl Row<'_> {
    fn median_and_worst(&self, of: Figure) -> (f64, f64) {
        let values: Vec<f64> = self.outcomes.iter().map(of).collect();
        (median(&values).unwrap_or(0.0), values.iter().copied().fold(0.0, f64::max))
    }

    /// What the attack has done to others, in the middle one of its runs.
    fn fault(&self) -> Option<String> {
        let gap = self.median_and_worst(|outcome| outcome.gap).0;
        let opening = self.median_and_worst(|outcome| outcome.opening).0;
        let is_noticed = gap > MAX_GAP || opening > MAX_OPENING;
        is_noticed.then(|| format!("{}: a gap of {gap:.0} ms, and {opening:.0} ms to open", self.name))
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:20}", self.name)?;
        let columns: [(Figure, usize); 6] = [
            (|outcome| outcome.gap, 15),
            (|outcome| outcome.gap_past_server, 13),
            (|outcome| outcome.opening, 15),
            (|outcome| outcome.answering, 13),
            (|outcome| outcome.peak, 15),
            (|outcome| outcome.left, 13),
        ];
        for (of, width) in columns {
            let (median, worst) = self.median_and_worst(of);
            write!(f, "{:>width$}", format!("{median:.0} / {worst:.0}"))?;
        }
        match self.outcomes.last().map(|outcome| outcome.note.as_str()) {
            None | Some("") => Ok(()),
            Some(note) => write!(f, "  {note}"),
        }
    }
}

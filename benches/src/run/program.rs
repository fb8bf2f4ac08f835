//! The programs of a measurement, each in a process of its own on a processor of its own.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;

use crate::clip;
use crate::http;
use crate::origin::Stats;
use crate::sys;

/// How long a program may take to start, the first clip included.
const START: Duration = Duration::from_mins(1);

/// How long it may take to end after it was asked to.
const END: Duration = Duration::from_secs(10);

/// Which processors the programs run on.
#[derive(Debug, Clone)]
pub(crate) struct Placement {
    /// Of the server.
    server: Vec<usize>,
    /// Of the origin and the load.
    others: Vec<usize>,
}

impl Placement {
    /// The server on one processor, everything else on another; wherever they like with only one, or if not `is_pinned`.
    pub(crate) fn new(is_pinned: bool) -> anyhow::Result<Self> {
        let all = sys::processors()?;
        Ok(match (is_pinned, all.as_slice()) {
            (true, &[first, second, ..]) => Self { server: vec![first], others: vec![second] },
            _ => Self { server: all.clone(), others: all },
        })
    }
}

impl Placement {
    /// Where everything runs but the server.
    pub(crate) fn others(&self) -> &[usize] {
        &self.others
    }

    /// For a server that is not the one which is measured.
    pub(super) fn beside(&self) -> Self {
        Self { server: self.others.clone(), others: self.others.clone() }
    }
}

/// A folder for this run's files.
pub(crate) fn run_folder() -> anyhow::Result<PathBuf> {
    let folder = clip::target_folder().join("bench-run").join(std::process::id().to_string());
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A process that is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Program {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The origin, which says itself where it listens.
    pub(crate) fn origin(placement: &Placement, bitrate: u64) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("origin").arg("--bitrate").arg(bitrate.to_string()).stdout(Stdio::piped());
        let mut child =
            sys::on_processors(&placement.others, || command.spawn())?.context("cannot start the origin")?;
        let stdout = child.stdout.take().context("the origin has no output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.split_whitespace().find_map(|word| word.strip_prefix("http://")?.parse().ok());
        let program = |address| Self { child, address };
        address.map(program).context("the origin did not start")
    }

    /// A server that is told where to listen, ready to be connected to.
    pub(crate) fn server(
        placement: &Placement,
        log: &Path,
        command: impl FnOnce(SocketAddr) -> anyhow::Result<Command>,
    ) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        Self::server_with(placement, log.try_clone()?.into(), log.into(), command)
    }

    /// The same, with other places for what it says.
    pub(super) fn server_with(
        placement: &Placement,
        stdout: Stdio,
        stderr: Stdio,
        command: impl FnOnce(SocketAddr) -> anyhow::Result<Command>,
    ) -> anyhow::Result<Self> {
        // Free now; nobody else takes it in the moment until the server does.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = command(address)?;
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = sys::on_processors(&placement.server, || command.spawn())?;
        let mut program = Self { child: child.with_context(|| format!("cannot start {name}"))?, address };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = program.child.try_wait()? {
                bail!("{name} ended at once: {status}");
            }
            ensure!(begin.elapsed() < START, "{name} does not listen on {address}");
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(program)
    }

    /// A load of `server` by the command `name` of this program, with these arguments; [`finish`](Self::finish) gives its report.
    pub(crate) fn load(
        placement: &Placement,
        server: &Self,
        name: &str,
        arguments: &[String],
    ) -> anyhow::Result<Self> {
        let more = ["--json", "-", "--pid", &server.pid().to_string()].map(str::to_owned);
        Self::own(placement, server, name, &[arguments, &more].concat())
    }

    /// A command of this program that has to do with `server`.
    pub(super) fn own(
        placement: &Placement,
        server: &Self,
        name: &str,
        arguments: &[String],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(name).args(arguments).stdout(Stdio::piped());
        let child = sys::on_processors(&placement.others, || command.spawn())?;
        Ok(Self {
            child: child.with_context(|| format!("cannot start the {name}"))?,
            address: server.address,
        })
    }

    /// Whether it has ended of itself.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits for a load's end.
    pub(crate) fn finish<R: DeserializeOwned>(mut self) -> anyhow::Result<R> {
        let stdout = self.child.stdout.take().context("the load has no output")?;
        let report = serde_json::from_reader(BufReader::new(stdout));
        let status = self.child.wait()?;
        ensure!(status.success(), "the load failed: {status}");
        report.context("the load's report cannot be read")
    }

    /// What an origin counted.
    pub(crate) fn origin_stats(&self) -> anyhow::Result<Stats> {
        Ok(serde_json::from_str(&http::get(self.address, "/stats")?)?)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && matches!(self.child.try_wait(), Ok(None))
        {
            let _ = kill_process(pid, Signal::TERM);
            let begin = Instant::now();
            while begin.elapsed() < END && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A configuration of `channels` channels that all come from `origin`, with more `keys` for `[server]`, and tables after it.
pub(crate) fn configuration(listen: SocketAddr, origin: SocketAddr, channels: usize, keys: &str) -> String {
    // All viewers come from one address.
    let per_address =
        ["connections", "viewers", "opening"].map(|what| format!("max_{what}_per_address = \"off\"\n"));
    let mut text = format!(
        "[server]\nlisten = \"{listen}\"\nshutdown_grace = \"200ms\"\n{}{keys}\n",
        per_address.concat()
    );
    for channel in 0..channels {
        let _ = write!(
            text,
            "[[channels]]\nid = \"ch{channel}\"\nname = \"Channel {channel}\"\nsources = [\"http://{origin}/ch{channel}\"]\n"
        );
    }
    text
}

/// Where the server under test is, unless the command line names another: beside this program, built the same way.
pub(crate) fn default_server() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("forebay"))
}

/// How Forebay is started with this configuration, which is written to `file`.
pub(crate) fn forebay(binary: &Path, file: &Path, configuration: &str) -> anyhow::Result<Command> {
    ensure!(binary.exists(), "{} is missing; `make build` builds it", binary.display());
    fs::write(file, configuration)?;
    let mut command = Command::new(binary);
    command.arg("--config").arg(file);
    Ok(command)
}

//! Clients that fetch files over a few connections at full speed, or open many and read nothing.
//!
//! What comes is thrown away by the kernel (`MSG_TRUNC`), so that the server is what is measured.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::net::RecvFlags;
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use crate::http;
use crate::load::ServerReport;
use crate::proc::{Process, RunTimes};
use crate::stats::{Histogram, Summary};
use crate::sys;

/// Thrown away at a time.
const BLOCK: usize = 1 << 20;

/// Longer than any answer stands still.
const PATIENCE: Duration = Duration::from_secs(30);

/// From when the last of many connections has its answer until memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server on this machine.
    server: SocketAddr,
    /// What is asked for: a path on each line, and behind it, if wanted, a range such as `0-99`.
    #[arg(long)]
    list: PathBuf,
    /// How many connections.
    #[arg(long, short = 'n', default_value_t = 64)]
    connections: usize,
    /// Seconds of fetching what is in the list over and over; 0 fetches each once.
    #[arg(long, default_value_t = 0.0)]
    duration: f64,
    /// Each connection asks once, and reads the head of the answer and no more.
    #[arg(long)]
    hold: bool,
    /// Process of the server, to say what it uses.
    #[arg(long)]
    pid: Option<u32>,
    /// Where to write the report as JSON; `-` for stdout.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) seconds: f64,
    pub(crate) answers: u64,
    pub(crate) gigabytes: f64,
    pub(crate) gigabits_per_s: f64,
    pub(crate) server: Option<ServerReport>,
    /// From the request to the last byte.
    pub(crate) times: Summary,
    /// What went wrong, and how often.
    pub(crate) failures: BTreeMap<String, u64>,
}

/// One thing to fetch.
struct Wish {
    path: String,
    range: Option<String>,
}

/// What all connections share.
struct Shared<'a> {
    args: &'a Args,
    wishes: Vec<Wish>,
    next: AtomicUsize,
    bytes: AtomicU64,
    answers: AtomicU64,
    times: Mutex<Histogram>,
    failures: Mutex<BTreeMap<String, u64>>,
    begin: Instant,
}

/// Fetches and reports.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    sys::raise_file_limit()?;
    let text = fs::read_to_string(&args.list).with_context(|| format!("no {}", args.list.display()))?;
    let wish = |line: &str| {
        let (path, range) = line.split_once(' ').map_or((line, None), |(path, range)| (path, Some(range)));
        Wish { path: path.to_owned(), range: range.map(str::to_owned) }
    };
    let wishes: Vec<Wish> = text.lines().map(wish).collect();
    ensure!(!wishes.is_empty(), "there is nothing to fetch");
    let read = || args.pid.map(|pid| Ok((Process::read(pid)?, RunTimes::read(pid)))).transpose();
    let before = read()?;
    let shared = Shared {
        args,
        wishes,
        next: AtomicUsize::new(0),
        bytes: AtomicU64::new(0),
        answers: AtomicU64::new(0),
        times: Mutex::default(),
        failures: Mutex::default(),
        begin: Instant::now(),
    };
    let after = if args.hold { shared.hold(read)? } else { shared.fetch_all(read)? };
    let seconds = shared.begin.elapsed().as_secs_f64();
    let bytes = shared.bytes.into_inner();
    let report = Report {
        seconds,
        answers: shared.answers.into_inner(),
        gigabytes: bytes as f64 / 1e9,
        gigabits_per_s: bytes as f64 * 8e-9 / seconds,
        server: before.zip(after).map(|((process, times), (process_after, times_after))| {
            let cpu_s = times_after.since(&times);
            let report = ServerReport::between(&process, &process_after, bytes, seconds);
            // A short pass takes only some ticks.
            let cpu_s_per_gb = cpu_s * 1e9 / (bytes as f64).max(1.0);
            ServerReport { cpu_s, cpu_s_per_gb, core_share: cpu_s / seconds, ..report }
        }),
        times: shared.times.into_inner().expect("no thread panics").summary(),
        failures: shared.failures.into_inner().expect("no thread panics"),
    };
    let json = serde_json::to_string(&report)?;
    match &args.json {
        Some(path) if path.as_os_str() != "-" => fs::write(path, json)?,
        _ => writeln!(io::stdout(), "{json}")?,
    }
    Ok(())
}

impl Shared<'_> {
    /// Each connection fetches one thing after the other.
    fn fetch_all<P>(&self, read: impl Fn() -> anyhow::Result<Option<P>>) -> anyhow::Result<Option<P>> {
        thread::scope(|scope| {
            for _ in 0..self.args.connections {
                scope.spawn(|| {
                    while let Err(error) = self.fetch() {
                        self.fail(&error);
                    }
                });
            }
        });
        read()
    }

    /// Fetches over one connection until it is over, or something goes wrong. Each attempt takes
    /// something from the list, so that they end where no connection is to be had.
    fn fetch(&self) -> anyhow::Result<()> {
        let mut next = self.wish();
        if next.is_none() {
            return Ok(());
        }
        let mut socket = TcpStream::connect(self.args.server)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut block = vec![0; BLOCK];
        while let Some(wish) = next {
            let begin = Instant::now();
            let mut left = self.ask(&mut socket, wish, "bench")?;
            while left > 0 {
                let most = left.min(BLOCK);
                let count = rustix::net::recv(&socket, &mut block[..most], RecvFlags::TRUNC)?.0;
                ensure!(count > 0, "the answer breaks off");
                left -= count;
                self.bytes.fetch_add(count as u64, Ordering::Relaxed);
            }
            let nanos = u64::try_from(begin.elapsed().as_nanos())?;
            self.times.lock().expect("no thread panics").record(nanos);
            self.answers.fetch_add(1, Ordering::Relaxed);
            next = self.wish();
        }
        Ok(())
    }

    /// What to fetch next; `None` when that is enough.
    fn wish(&self) -> Option<&Wish> {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let is_over = match self.args.duration {
            0.0 => at >= self.wishes.len(),
            seconds => self.begin.elapsed().as_secs_f64() >= seconds,
        };
        (!is_over).then(|| &self.wishes[at % self.wishes.len()])
    }

    /// Sends a request and reads the head of the answer: bytes of the body that are still to come.
    fn ask(&self, socket: &mut TcpStream, wish: &Wish, agent: &str) -> anyhow::Result<usize> {
        let range = wish.range.as_ref().map_or_else(String::new, |range| format!("Range: bytes={range}\r\n"));
        let server = self.args.server;
        write!(socket, "GET {} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: {agent}\r\n{range}\r\n", wish.path)?;
        let (mut head, mut begin) = (Vec::new(), [0; 4096]);
        let at = loop {
            let count = socket.read(&mut begin)?;
            ensure!(count > 0, "the connection ends");
            head.extend_from_slice(&begin[..count]);
            if let Some(at) = http::body_at(&head) {
                break at;
            }
        };
        let (status, _) = http::answer(&head[..at]).context("the answer is not HTTP")?;
        ensure!(matches!(status, 200 | 206), "{status}");
        let length = http::field(&head[..at], "content-length").context("the answer has no length")?;
        let here = head.len() - at;
        self.bytes.fetch_add(here as u64, Ordering::Relaxed);
        length.parse::<usize>()?.checked_sub(here).context("more comes than was said")
    }

    /// All connections ask, and read nothing more.
    fn hold<P>(&self, read: impl Fn() -> anyhow::Result<Option<P>>) -> anyhow::Result<Option<P>> {
        let mut held = Vec::with_capacity(self.args.connections);
        for at in 0..self.args.connections {
            let wish = &self.wishes[at % self.wishes.len()];
            match self.hold_one(wish, at) {
                Ok(socket) => held.push(socket),
                Err(error) => self.fail(&error),
            }
        }
        thread::sleep(SETTLE);
        self.answers.fetch_add(held.len() as u64, Ordering::Relaxed);
        read()
    }

    /// A viewer whose network takes little: it has room for a page.
    fn hold_one(&self, wish: &Wish, at: usize) -> anyhow::Result<TcpStream> {
        let socket = Socket::new(Domain::for_address(self.args.server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_recv_buffer_size(4096)?;
        socket.connect(&self.args.server.into())?;
        let mut socket = TcpStream::from(socket);
        socket.set_read_timeout(Some(PATIENCE))?;
        self.ask(&mut socket, wish, &format!("bench-{at}"))?;
        Ok(socket)
    }

    fn fail(&self, error: &anyhow::Error) {
        *self.failures.lock().expect("no thread panics").entry(error.to_string()).or_default() += 1;
    }
}

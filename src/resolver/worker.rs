//! The process that resolves pages: a Python with yt-dlp in it, which forks for each page.
//!
//! It speaks in lines of JSON (`worker.py`). It ends when its input does, so it never outlives this
//! process; when it ends by itself, the processes of its pages are killed here.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_core::resolve::{Class, Failure};
use forebay_relay::model::{Proxy, ProxyKind};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex as AsyncMutex, oneshot};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::document::Document;
use super::installation::Installation;
use crate::config::Resolver as Settings;

/// The program of the worker.
const PROGRAM: &str = include_str!("worker.py");

/// Bytes of a line. It cuts longer answers off itself.
const MAX_LINE: u64 = 2 << 20;

/// How long it may take until it is ready: Python reads some thousand files.
const START: Duration = Duration::from_secs(20);

/// How much longer than its own deadline an answer is waited for.
const SLACK: Duration = Duration::from_millis(500);

/// Variables that it gets, of those there are: where programs are, and how text is written.
const VARIABLES: &[&str] = &["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"];

/// A worker that runs, or has run. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Worker {
    /// The one that it runs.
    pub(super) installation: Installation,
    pub(super) version: String,
    /// What runs the JavaScript of pages, if anything does.
    pub(super) javascript: Option<String>,
    input: AsyncMutex<ChildStdin>,
    pages: Arc<Mutex<Pages>>,
    /// Pages so far.
    next: AtomicU64,
}

/// Those that are being resolved.
#[derive(Debug, Default)]
struct Pages {
    is_over: bool,
    running: HashMap<u64, Running>,
}

#[derive(Debug)]
struct Running {
    /// None until it has told that it began.
    group: Option<Pid>,
    done: oneshot::Sender<Result<Document, Failure>>,
}

#[derive(Serialize)]
struct Begin<'a> {
    paths: Vec<String>,
    plugin_dirs: Vec<String>,
    extractors: &'a [&'a str],
    proxy: Option<String>,
    memory: u64,
    allow_private: bool,
    allowed_hosts: Vec<&'a str>,
}

#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    url: &'a str,
    deadline_ms: u128,
}

/// The first line of a worker.
#[derive(Deserialize)]
#[serde(untagged)]
enum First {
    Ready { ready: String, js: Option<String> },
    Failed { failed: String },
}

/// Each further line.
#[derive(Deserialize)]
struct Line {
    id: u64,
    #[serde(flatten)]
    said: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    Group(i32),
    Ok(Box<Document>),
    Error(Wrong),
}

#[derive(Deserialize)]
struct Wrong {
    kind: String,
    message: String,
    status: Option<u16>,
    /// Seconds.
    after: Option<u64>,
}

/// The extractors of the platforms, as yt-dlp names them. The one for any page is not among them.
const EXTRACTORS: &[&str] = &["youtube.*", "bilibili.*", "bililive", "twitter.*", "instagram.*", "twitch.*"];

impl Worker {
    /// Starts one, and waits until it is ready.
    pub(super) async fn start(settings: &Settings) -> Result<Self, Failure> {
        let unready = |message: String| Failure::new(Class::Missing, &message);
        let installation =
            Installation::find(&settings.command).map_err(|error| unready(error.to_string()))?;
        let started = timeout(START, Self::start_within(installation, settings)).await;
        let started = started.map_err(|_| unready("yt-dlp does not start in time".to_owned()))?;
        let worker = started.map_err(|error| unready(format!("yt-dlp does not start: {error}")))?;
        let javascript = worker.javascript.as_deref().unwrap_or("none");
        info!(version = worker.version, javascript, "resolver started");
        Ok(worker)
    }

    async fn start_within(installation: Installation, settings: &Settings) -> io::Result<Self> {
        let mut command = Command::new(&installation.python);
        let variables = VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        // Not the variables and modules of whoever started us: Python reads many. What a user has
        // installed for itself is found.
        command
            // `-P` keeps the folder in which we run out of the
            // module path: a file there could replace a module.
            .args(["-E", "-P", "-c", PROGRAM])
            .env_clear()
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it says there may hold addresses with tokens.
            .stderr(Stdio::null())
            // A group of its own, so that Ctrl-C in a terminal ends us first, in order.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let mut input = child.stdin.take().ok_or_else(missing)?;
        let mut output = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        let names = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
        let begin = Begin {
            paths: names(&installation.paths),
            plugin_dirs: names(&settings.plugin_dirs),
            extractors: EXTRACTORS,
            proxy: settings.proxy.as_ref().map(address),
            memory: settings.memory,
            allow_private: settings.allow_private,
            // The way to a proxy is no way to a page.
            allowed_hosts: settings
                .proxy
                .as_ref()
                .and_then(|proxy| proxy.expose().host_str())
                .into_iter()
                .collect(),
        };
        send(&mut input, &begin).await?;
        let line = read_line(&mut output).await?.ok_or_else(missing)?;
        let (version, javascript) = match serde_json::from_slice(&line)? {
            First::Ready { ready, js } => (ready, js),
            First::Failed { failed } => return Err(io::Error::other(failed)),
        };
        let pages = Arc::<Mutex<Pages>>::default();
        tokio::spawn(listen(child, output, Arc::clone(&pages)));
        let (input, next) = (AsyncMutex::new(input), AtomicU64::new(0));
        Ok(Self { installation, version, javascript, input, pages, next })
    }

    /// Whether it resolves nothing more.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.pages).is_over
    }

    /// Pages that it has been asked for.
    pub(super) fn asked(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Resolves the page at this address.
    pub(super) async fn resolve(&self, address: &str, limit: Duration) -> Result<Document, Failure> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (done, answer) = oneshot::channel();
        {
            let mut pages = lock(&self.pages);
            if pages.is_over {
                return Err(crashed());
            }
            pages.running.insert(id, Running { group: None, done });
        }
        let request = Request { id, url: address, deadline_ms: limit.as_millis() };
        let answered = timeout(limit + SLACK, async {
            // A worker that reads nothing is taken for dead.
            // A request is shorter than `PIPE_BUF`, so it is written
            // whole or not at all, even where the time runs out.
            send(&mut *self.input.lock().await, &request).await.map_err(|_| crashed())?;
            answer.await.unwrap_or_else(|_| Err(crashed()))
        });
        let answered = answered.await;
        // Also after a timeout: a late answer then finds nobody, and is dropped.
        lock(&self.pages).running.remove(&id);
        answered.unwrap_or_else(|_| Err(Failure::new(Class::Timeout, "the page took too long")))
    }
}

/// The address of a proxy as yt-dlp takes it, secrets included.
fn address(proxy: &Proxy) -> String {
    let scheme = match proxy.kind() {
        ProxyKind::Http => "http",
        ProxyKind::Socks5 => "socks5h",
    };
    let url = proxy.expose();
    let authority = &url.as_str()[url.scheme().len()..];
    format!("{scheme}{authority}")
}

fn crashed() -> Failure {
    Failure::new(Class::Crashed, "the resolver has ended without an answer")
}

fn lock(pages: &Mutex<Pages>) -> MutexGuard<'_, Pages> {
    pages.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn send(input: &mut ChildStdin, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    input.write_all(&line).await?;
    input.flush().await
}

/// The next line, without its end; `None` at the end of all.
async fn read_line(input: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    // A page can make the answer as long as it likes; the memory here is ours.
    input.take(MAX_LINE).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line has no end"));
    }
    Ok(Some(line))
}

/// Hands answers to those who wait for them, until the worker ends.
async fn listen(mut child: Child, mut output: BufReader<ChildStdout>, pages: Arc<Mutex<Pages>>) {
    loop {
        let line = match read_line(&mut output).await {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => {
                warn!(%error, "the resolver says what nobody understands");
                break;
            }
        };
        match serde_json::from_slice(&line) {
            Ok(line) => hear(line, &pages),
            // One answer alone is lost, and the one who waits for it has a deadline.
            Err(error) => warn!(%error, "the resolver says what nobody understands"),
        }
    }
    let running = {
        // Marked as over and emptied in one step: who comes
        // behind it sees that, and nobody is left waiting.
        let mut pages = lock(&pages);
        pages.is_over = true;
        std::mem::take(&mut pages.running)
    };
    // A page's process may run JavaScript of strangers, which must not go on by itself.
    for group in running.into_values().filter_map(|running| running.group) {
        // It may have ended with the worker.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.start_kill();
    match child.wait().await {
        Ok(status) => debug!(%status, "resolver ended"),
        Err(error) => warn!(%error, "the resolver cannot be waited for"),
    }
}

fn hear(line: Line, pages: &Mutex<Pages>) {
    let mut pages = lock(pages);
    let answer = match line.said {
        Said::Group(group) => {
            if let Some(running) = pages.running.get_mut(&line.id) {
                running.group = Pid::from_raw(group);
            }
            return;
        }
        Said::Ok(document) => Ok(*document),
        Said::Error(wrong) => {
            let failure = Failure::described(&wrong.kind, wrong.status, &wrong.message);
            Err(failure.after(wrong.after.map(Duration::from_secs)))
        }
    };
    if let Some(running) = pages.running.remove(&line.id) {
        // Whoever asked may have gone.
        let _ = running.done.send(answer);
    }
}

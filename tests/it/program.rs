//! The program under test: the real binary, started as its users start it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// Nothing that a test waits for takes longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with a configuration, and how the program is to be started with it.
pub(crate) struct Setup {
    folder: TempDir,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// What stands before the program on the command line.
    before: Vec<String>,
    stderr: Option<OwnedFd>,
}

impl Setup {
    /// This configuration, on a free port.
    pub(crate) fn new(channels: &str) -> Self {
        let setup = Self::with_config(&config(channels));
        setup.arg("--config").arg("channels.toml")
    }

    /// This text as `channels.toml`, whatever it is.
    pub(crate) fn with_config(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let setup = Self::within(folder);
        std::fs::write(setup.path("channels.toml"), text).expect("its own folder can be written");
        setup
    }

    /// What an earlier start has left in this folder, started anew.
    pub(crate) fn again(folder: TempDir) -> Self {
        Self::within(folder).arg("--config").arg("channels.toml")
    }

    fn within(folder: TempDir) -> Self {
        let (arguments, variables) = (Vec::new(), Vec::new());
        Self { folder, arguments, variables, before: Vec::new(), stderr: None }
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// So many file descriptors and no more, whatever it asks for.
    pub(crate) fn descriptors(mut self, limit: u32) -> Self {
        self.before = vec!["sh".into(), "-c".into(), format!("ulimit -n {limit}; exec \"$0\" \"$@\"")];
        self
    }

    /// In a terminal of its own, whose text is the output; `None` where there is no `script`.
    pub(crate) fn in_terminal(mut self) -> Option<Self> {
        let is_there = std::process::Command::new("script").arg("--version").output().is_ok();
        let words = ["sh", "-c", "exec script -qefc \"$0 $*\" /dev/null"];
        self.before = words.map(String::from).to_vec();
        is_there.then_some(self)
    }

    /// A small disk of its own for `data`; `None` where the system lets nobody mount one.
    pub(crate) fn with_small_data_disk(mut self) -> Option<Self> {
        let script = "mkdir data && mount -t tmpfs -o size=1m none data && exec \"$0\" \"$@\"";
        let before = crate::store::unshared(script)?;
        self.before = before.map(String::from).to_vec();
        Some(self)
    }

    /// Where the program is to log to, instead of to the test.
    pub(crate) fn stderr(mut self, stderr: impl Into<OwnedFd>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// A file in the folder in which the program runs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the program, and returns when it listens.
    pub(crate) async fn start(self) -> Program {
        let mut program = self.spawn();
        let listens = program.wait_output(|text| text.contains("\nplaylist ")).await;
        assert!(listens, "the program does not listen: {}", program.everything());
        let output = program.output.text.borrow().clone();
        let address = |scheme| {
            let line =
                output.lines().find_map(|line| line.strip_prefix("listening on ")?.strip_prefix(scheme));
            line.and_then(|address| address.parse().ok())
        };
        program.address = address("http://").expect("it says where it listens");
        program.tls_address = address("https://");
        program
    }

    /// Runs the program to its end.
    pub(crate) async fn run(self) -> Finished {
        self.spawn().wait().await
    }

    /// Starts the program, whatever it does.
    pub(crate) fn spawn(self) -> Program {
        let began = Instant::now();
        let binary = env!("CARGO_BIN_EXE_forebay");
        let mut words = self.before.iter().map(String::as_str).chain([binary]);
        let mut command = Command::new(words.next().expect("the program at least"));
        command.args(words);
        // What steers the tests is nothing for the program.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FOREBAY_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(&self.arguments)
            .envs(self.variables)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(self.stderr.map_or_else(Stdio::piped, Stdio::from))
            .kill_on_drop(true)
            .spawn()
            .expect("the binary under test can be run");
        let output = Text::read(child.stdout.take().expect("it was asked for"));
        let log = match child.stderr.take() {
            Some(stderr) => Text::read(stderr),
            None => Text::read(tokio::io::empty()),
        };
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        Program { child, folder: self.folder, output, log, address, tls_address: None, began }
    }
}

/// A configuration that listens on a free port.
fn config(channels: &str) -> String {
    format!("[server]\nlisten = \"127.0.0.1:0\"\n{channels}")
}

/// The running program. Dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    folder: TempDir,
    output: Text,
    log: Text,
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    began: Instant,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
    pub(crate) log: String,
}

impl Program {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for HTTPS; only with `[server.tls]`.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.tls_address.expect("the configuration has [server.tls]")
    }

    /// What it has written to stdout.
    pub(crate) fn output(&self) -> String {
        self.output.text.borrow().clone()
    }

    /// What it has written to stderr.
    pub(crate) fn log(&self) -> String {
        self.log.text.borrow().clone()
    }

    /// Waits until something stands in the log.
    pub(crate) async fn wait_log(&mut self, piece: &str) {
        self.wait_log_line(&[piece]).await;
    }

    /// Waits for a line of the log that has all these pieces.
    pub(crate) async fn wait_log_line(&mut self, pieces: &[&str]) -> String {
        let find = |text: &str| {
            let mut lines = text.lines();
            lines.find(|line| pieces.iter().all(|piece| line.contains(piece))).map(str::to_owned)
        };
        let wait = self.log.text.wait_for(|text| find(text).is_some());
        let found = timeout(PATIENCE, wait).await.ok().and_then(|text| find(&text.ok()?));
        found.unwrap_or_else(|| panic!("{pieces:?} is not in the log: {}", self.everything()))
    }

    async fn wait_output(&mut self, wanted: impl Fn(&str) -> bool) -> bool {
        timeout(PATIENCE, self.output.text.wait_for(|text| wanted(text)))
            .await
            .is_ok_and(|found| found.is_ok())
    }

    /// Replaces its configuration at once, as careful editors do.
    pub(crate) fn set_config(&self, channels: &str) {
        let (new, path) = (self.folder.path().join("new.toml"), self.folder.path().join("channels.toml"));
        std::fs::write(&new, config(channels)).expect("its own folder can be written");
        std::fs::rename(&new, &path).expect("its own folder can be written");
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What its file descriptors stand for.
    pub(crate) fn files(&self) -> Vec<String> {
        let descriptors =
            std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("Linux tells").flatten();
        // One may have been closed since.
        let files = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
        files.map(|file| file.display().to_string()).collect()
    }

    /// What shows it that this process, whose sockets are many, is an admin.
    pub(crate) fn admin_token(&self) -> String {
        let token = std::fs::read_to_string(self.folder().join("hls_cache/admin.token"));
        format!("Bearer {}", token.expect("it is there").trim())
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it is running")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.id().try_into().ok().and_then(Pid::from_raw).expect("it is running");
        kill_process(id, signal).expect("it is ours");
    }

    /// A line of `/proc/PID/status` in kB, such as `VmRSS`.
    pub(crate) fn memory_kb(&self, key: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("Linux tells");
        let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let number = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok());
        number.unwrap_or_else(|| panic!("no {key} in {status}"))
    }

    /// Waits for its end.
    pub(crate) async fn wait(self) -> Finished {
        self.wait_in_folder().await.1
    }

    /// Waits for its end, and keeps what it has left in its folder.
    pub(crate) async fn wait_in_folder(mut self) -> (TempDir, Finished) {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let Ok(status) = status else { panic!("the program does not end: {}", self.everything()) };
        let (output, log) = (self.output.all().await, self.log.all().await);
        (self.folder, Finished { status: status.expect("it is ours"), output, log })
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    fn everything(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.output(), self.log())
    }
}

/// What the program writes, as far as it has come.
struct Text {
    text: watch::Receiver<String>,
    reading: JoinHandle<()>,
}

impl Text {
    fn read(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (sender, text) = watch::channel(String::new());
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|text| text.extend([&line[..], "\n"]));
            }
        });
        Self { text, reading }
    }

    /// All of it, when the program has ended.
    async fn all(self) -> String {
        let _ = self.reading.await;
        self.text.borrow().clone()
    }
}

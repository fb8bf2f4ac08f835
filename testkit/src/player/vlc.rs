//! VLC, asked for its own statistics.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::pauses::Pauses;
use super::{Verdict, require};

/// How long VLC may take to open its remote control.
const STARTUP: Duration = Duration::from_secs(15);

/// How long it may take to answer or to leave.
const ANSWER: Duration = Duration::from_secs(3);

/// How long it may take to its first picture, unless something else is said.
const FIRST: Duration = Duration::from_secs(10);

/// How much VLC buffers before it plays, in milliseconds.
const CACHING: &str = "1000";

/// Log lines that tell of a broken stream or of a clock that jumps.
const FAULTS: [&str; 19] = [
    "is called too late",
    "clock gap",
    "clock reset",
    "unexpected clock",
    "Timestamp conversion failed",
    "ES_OUT_RESET_PCR",
    "PTS is out of range",
    "discontinuity received",
    "discontinuity detected",
    "libdvbpsi error",
    "lost synchro",
    "TS sync",
    "scrambled",
    "packet too short",
    "invalid header",
    "unable to open the MRL",
    "input can't be opened",
    "no suitable demux",
    "buffer deadlock",
];

/// Plays `url` (or a file) without a screen and asks VLC, after this many seconds, what it lost.
///
/// The time counts from the first picture, for which VLC has ten seconds.
pub async fn vlc(url: &str, seconds: u32) -> Verdict {
    vlc_within(url, seconds, FIRST).await
}

/// The same, where the first picture may take as long as this.
pub async fn vlc_within(url: &str, seconds: u32, first: Duration) -> Verdict {
    play(url, seconds, first, "frames displayed", "frames").await
}

/// As [`vlc`], for a stream without pictures.
pub async fn vlc_audio(url: &str, seconds: u32) -> Verdict {
    play(url, seconds, FIRST, "buffers played", "sound").await
}

async fn play(url: &str, seconds: u32, within: Duration, progress: &str, what: &str) -> Verdict {
    let started = Instant::now();
    let mut session = match Session::start(url).await {
        Ok(session) => session,
        Err(error) => return Verdict { errors: vec![error], ..Verdict::default() },
    };
    let pauses = Pauses::watch();
    let mut errors = Vec::new();
    let began = Instant::now();
    let mut statistics = Statistics::default();
    while began.elapsed() < within && statistics.get(progress) == 0 && session.is_running() {
        sleep(Duration::from_millis(100)).await;
        statistics = session.statistics().await.unwrap_or(statistics);
    }
    let first = Instant::now();
    let has_begun = statistics.get(progress) > 0;
    let (mut shown, mut shown_at) = (statistics.get(progress), first);
    for second in 1..=seconds {
        sleep_until(first + Duration::from_secs(second.into())).await;
        if !session.is_running() {
            errors.push(format!("VLC ended after {:?}", began.elapsed()));
            break;
        }
        statistics = session.statistics().await.unwrap_or(statistics);
        if statistics.get(progress) > shown {
            (shown, shown_at) = (statistics.get(progress), Instant::now());
        } else if shown_at.elapsed() > Duration::from_millis(1900) {
            errors.push(format!("nothing new for {:?} at second {second}", shown_at.elapsed()));
        }
    }
    let seconds = first.elapsed().as_secs_f64();
    let longest = pauses.longest();
    let log = session.stop().await;
    if statistics.get(progress) == 0 {
        errors.push(format!("no {what}"));
    }
    for counter in ["frames lost", "buffers lost", "demux corrupted", "discontinuities"] {
        let count = statistics.get(counter);
        if count > 0 {
            errors.push(format!("{counter}: {count}"));
        }
    }
    if statistics.get("frames lost") > 0 {
        // Whose fault it was: VLC says how late it came to show them.
        errors
            .extend(log.lines().filter(|line| line.contains("too late to be displayed")).map(str::to_owned));
        errors.push(format!("the machine kept programs waiting for {longest:?} at most"));
    }
    errors.extend(
        log.lines().filter(|line| FAULTS.iter().any(|fault| line.contains(fault))).map(str::to_owned),
    );
    Verdict {
        ok: errors.is_empty(),
        errors,
        frames: statistics.get("frames displayed"),
        seconds,
        first: has_begun.then(|| first - started),
        log,
        ..Verdict::default()
    }
}

/// What VLC answers to `stats`.
#[derive(Debug, Default)]
struct Statistics(String);

impl Statistics {
    fn get(&self, name: &str) -> u64 {
        let value = self.0.lines().find_map(|line| line.split_once(name)?.1.trim().strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }
}

/// A running VLC with its remote control.
struct Session {
    child: Child,
    control: TcpStream,
    log: JoinHandle<String>,
    _home: Home,
}

impl Session {
    async fn start(url: &str) -> Result<Self, String> {
        require("vlc");
        let home = Home::new();
        let port = free_port().await;
        let remote = format!("127.0.0.1:{port}");
        let mut child = command(&home)
            .args(["-I", "oldrc", "--rc-fake-tty", "--no-dbus", "--no-color", "-vv", "--no-video-title-show"])
            .args([
                "--vout",
                "dummy",
                "--aout",
                "adummy",
                "--no-spu",
                "--no-osd",
                "--stats",
                "--play-and-exit",
            ])
            .args([
                "--no-sub-autodetect-file",
                "--no-lua",
                "--network-caching",
                CACHING,
                "--live-caching",
                CACHING,
            ])
            .args(["--rc-host", &remote, url])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot run vlc: {error}"))?;
        let mut stderr = child.stderr.take().expect("it was asked for");
        let log = tokio::spawn(async move {
            let mut bytes = Vec::new();
            // What was read before an error is still worth having.
            let _ = stderr.read_to_end(&mut bytes).await;
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let began = Instant::now();
        let control = loop {
            // VLC does not tell when its remote control listens.
            match TcpStream::connect(address).await {
                Ok(control) => break control,
                Err(error) if began.elapsed() > STARTUP => {
                    return Err(format!("vlc does not listen: {error}"));
                }
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
            if let Ok(Some(status)) = child.try_wait() {
                let said = log.await.unwrap_or_default();
                return Err(format!("vlc ended at once with {status}: {said}"));
            }
        };
        Ok(Self { child, control, log, _home: home })
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks for the statistics; nothing when VLC does not answer now.
    async fn statistics(&mut self) -> Option<Statistics> {
        const END: &str = "end of statistical info";
        self.control.write_all(b"stats\n").await.ok()?;
        let mut text = Vec::new();
        let whole = async {
            while !String::from_utf8_lossy(&text).contains(END) {
                if self.control.read_buf(&mut text).await.ok()? == 0 {
                    return None;
                }
            }
            Some(())
        };
        timeout(ANSWER, whole).await.ok()??;
        Some(Statistics(String::from_utf8_lossy(&text).into_owned()))
    }

    /// Ends VLC and returns its log.
    async fn stop(mut self) -> String {
        // VLC may be gone already.
        let _ = self.control.write_all(b"quit\n").await;
        if timeout(ANSWER, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
        self.log.await.unwrap_or_default()
    }
}

/// VLC refuses to run as root, where it becomes nobody; but root may have it run before other tests, as a player at home has the machine
/// to itself.
pub(super) fn command(home: &Home) -> Command {
    let mut command = if home.is_roots {
        require("setpriv");
        let mut command = Command::new("nice");
        command.args(["-n", "-10", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "vlc"]);
        command
    } else {
        Command::new("vlc")
    };
    for name in ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
        command.env(name, &home.path);
    }
    command.env("LC_ALL", "C.UTF-8").env_remove("DISPLAY");
    command
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A home directory for one run.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// Whether the user who makes it is root.
    is_roots: bool,
}

impl Home {
    pub(super) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("forebay-vlc-{}-{number}", process::id()));
        fs::create_dir_all(&path).expect("the temporary folder can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("it is ours");
        let is_roots = fs::metadata(&path).is_ok_and(|metadata| metadata.uid() == 0);
        Self { path, is_roots }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A leftover in the temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.path);
    }
}

//! Players that run until their stream ends, as at home.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use super::vlc::{Home, command as vlc};
use super::{have, require};

/// Kodi itself: its wrapper would be ended in its place.
const KODI: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/kodi/kodi.bin", "/usr/lib/aarch64-linux-gnu/kodi/kodi.bin"];

/// How long a screen may take to come.
const SCREEN: Duration = Duration::from_secs(20);

/// A player that ends with what it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Player {
    /// ffmpeg, which reads and decodes as fast as it comes.
    Ffmpeg,
    /// mpv.
    Mpv,
    /// VLC.
    Vlc,
    /// Kodi, on a screen that nobody sees. It does not end with what it plays.
    Kodi,
}

/// One that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The screen of a player that needs one.
    _screen: Option<Child>,
    _home: Home,
}

impl Player {
    /// What its `User-Agent` begins with.
    pub fn agent(self) -> &'static str {
        match self {
            Self::Ffmpeg => "Lavf",
            Self::Mpv => "libmpv",
            Self::Vlc => "VLC",
            Self::Kodi => "Kodi",
        }
    }

    /// Plays `url` without a screen.
    pub fn start(self, url: &str) -> Running {
        let home = Home::new();
        let mut screen = None;
        let mut command = match self {
            Self::Kodi => {
                let (child, display) = virtual_screen(&home);
                screen = Some(child);
                kodi(&home, &display, Some(url))
            }
            Self::Ffmpeg => {
                require("ffmpeg");
                let mut command = Command::new("ffmpeg");
                command.args(["-v", "error", "-i", url, "-f", "null", "-"]);
                command
            }
            Self::Mpv => {
                require("mpv");
                let mut command = Command::new("mpv");
                command.args(["--no-config", "--vo=null", "--ao=null", "--really-quiet", url]);
                command
            }
            Self::Vlc => {
                require("vlc");
                let mut command = vlc(&home);
                command.args(["-I", "dummy", "--no-dbus", "--vout", "dummy", "--aout", "adummy"]);
                command.args(["--no-spu", "--no-osd", "--no-lua", "--play-and-exit", url]);
                command
            }
        };
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn().expect("the player can be run");
        Running { child, _screen: screen, _home: home }
    }
}

impl Running {
    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// How long it takes from now to its end; `None` if that is longer than `limit`.
    pub async fn end(&mut self, limit: Duration) -> Option<Duration> {
        let began = Instant::now();
        timeout(limit, self.child.wait()).await.ok().map(|_| began.elapsed())
    }
}

/// Whether Kodi is there, and a screen for it. It is large, so that `make setup-long` alone
/// installs it.
pub fn has_kodi() -> bool {
    have("Xvfb") && KODI.iter().any(|path| Path::new(path).exists())
}

/// Kodi, which plays this at once.
pub(super) fn kodi(home: &Home, display: &str, url: Option<&str>) -> Command {
    let program = KODI.iter().find(|path| Path::new(path).exists()).expect("has_kodi has been asked");
    let mut command = Command::new(program);
    command.args(["--standalone", "--windowing=x11"]).args(url).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("HOME", home.path()).env("DISPLAY", display).env("LIBGL_ALWAYS_SOFTWARE", "1");
    command
}

/// A screen that nobody sees, and its name.
pub(super) fn virtual_screen(home: &Home) -> (Child, String) {
    let path = home.path().join("display");
    let file = File::create(&path).expect("its own folder can be written");
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", "640x360x24", "-nolisten", "tcp"]);
    command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).kill_on_drop(true);
    let child = command.spawn().expect("Xvfb can be run");
    let until = Instant::now() + SCREEN;
    loop {
        let number = std::fs::read_to_string(&path).unwrap_or_default();
        if number.ends_with('\n') {
            return (child, format!(":{}", number.trim()));
        }
        assert!(Instant::now() < until, "Xvfb does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}
